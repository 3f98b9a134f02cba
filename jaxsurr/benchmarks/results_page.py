"""Writes the figures of README.md, `configs/README.md` and `notebooks/results/README.md` from the raw lines.

  python -m jaxsurr.benchmarks.results_page
      writes them
  python -m jaxsurr.benchmarks.results_page --check
      prints which page differs, with status 1

A page holds prose, and tables and sentences between markers, `<!-- generated: NAME -->` and `<!-- end -->`, which this
command replaces. NAME is one of `BLOCKS`. No figure of a page is typed by hand. It takes about ten seconds on one CPU
core.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from jaxsurr.benchmarks import (
    results_ablation,
    results_calls,
    results_comparisons,
    results_measurements,
    results_path,
    results_power,
    results_sets,
    results_speed,
    results_summaries,
    results_tasks,
    results_zoo,
)
from jaxsurr.benchmarks.results_rows import results_folder

__all__ = ["BLOCKS", "PAGES", "main", "written"]

BLOCKS: dict[str, Callable[[Path], str]] = (
    results_comparisons.BLOCKS
    | results_ablation.BLOCKS
    | results_calls.BLOCKS
    | results_measurements.BLOCKS
    | results_path.BLOCKS
    | results_power.BLOCKS
    | results_sets.BLOCKS
    | results_speed.BLOCKS
    | results_summaries.BLOCKS
    | results_tasks.BLOCKS
    | results_zoo.BLOCKS
)
PAGES = ("README.md", "configs/README.md", "notebooks/results/README.md")
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str, folder: Path) -> str:
    """A page with its blocks written from the raw lines.

    Args:
      text: of the page.
      folder: of the raw lines.

    Raises:
      ValueError: a marker names no block.
    """

    def block(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise ValueError(f"'<!-- generated: {match[2]} -->' names no block; there are {', '.join(BLOCKS)}.")
        return f"{match[1]}{BLOCKS[match[2]](folder)}\n{match[3]}"

    return _BLOCK.sub(block, text)


def main(arguments: list[str]) -> int:
    """Writes or checks the pages of the clone that the package lies in; returns the exit status."""
    parser = argparse.ArgumentParser(description="Writes the figures of the pages from the raw lines.")
    parser.add_argument("--check", action="store_true", help="write nothing, and print which page differs")
    check = parser.parse_args(arguments).check
    folder, status = results_folder(), 0
    root = folder.resolve().parents[1]
    if not all((root / name).is_file() for name in PAGES):
        print(f"{root} is no clone of jaxsurr with {', '.join(PAGES)}; run this from one.", file=sys.stderr)
        return 1
    for name in PAGES:
        page = root / name
        before = page.read_text()
        after = written(before, folder)
        if before == after:
            continue
        print(f"{name} {'differs from' if check else 'was written from'} the raw lines", file=sys.stderr)
        if check:
            status = 1
        else:
            page.write_text(after)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
