"""CPU time of the default job, `python -m jaxsurr`, of this version and of another one, in turns.

  python -m jaxsurr.benchmarks.default_job --against=FOLDER --output=default_job.jsonl

FOLDER is a clone of the other version, whose dependencies are installed here. Each job is a process of its own, without
compiled programs of an earlier one. A line of JSON is printed for each: version, whether figures were drawn, the round,
and user and system seconds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "measured"]

HERE = Path(__file__).parents[2]


def measured(tree: Path, *options: str) -> dict[str, Any]:
    """Version and CPU seconds of the default job of a tree.

    Args:
      tree: a clone.
      *options: of the command.

    Raises:
      RuntimeError: the job failed; with the end of what it said.
    """
    environment = os.environ | {"PYTHONPATH": str(tree), "JAX_ENABLE_COMPILATION_CACHE": "false"}
    with tempfile.TemporaryDirectory() as folder:
        run: dict[str, Any] = dict(cwd=folder, env=environment, text=True)
        version = subprocess.check_output([sys.executable, "-c", "import jaxsurr; print(jaxsurr.__version__)"], **run)
        before = os.times()
        job = [sys.executable, "-m", "jaxsurr", f"--workdir={folder}/run", *options]
        done = subprocess.run(job, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, **run)
        after = os.times()
    if done.returncode:
        raise RuntimeError(f"{' '.join(job)} of {tree} ended with {done.returncode}: {done.stderr[-1000:]}")
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return {"version": version.strip(), "options": list(options), "cpu_seconds": round(seconds, 2)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each job."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", type=Path, required=True, metavar="FOLDER", help="A clone of another version.")
    parser.add_argument("--rounds", type=int, default=3, help="Jobs of each version.")
    parser.add_argument("--options", nargs="*", default=[], help="Of every job, such as --options=--nofigures.")
    parser.add_argument("--output", help="A JSON-lines file to write as well.")
    given = parser.parse_args(arguments)
    lines = []
    for number in range(given.rounds):
        for tree in (given.against, HERE):
            lines.append(json.dumps({"round": number, **measured(tree.resolve(), *given.options)}) + "\n")
            print(lines[-1], end="", flush=True)
            if given.output:
                Path(given.output).write_text("".join(lines))


if __name__ == "__main__":
    main()
