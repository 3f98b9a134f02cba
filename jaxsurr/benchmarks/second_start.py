"""CPU seconds of a command that finds its programs compiled, over those of one that compiles them.

  python -m jaxsurr.benchmarks.second_start > notebooks/results/second_start.jsonl

Each job is run three times, one after another: without a cache of compiled programs, with an empty one, and with what
the second run left. A line of JSON is printed for each job: CPU seconds of the three processes (user and system, which
other work on the machine changes little), the size of the cache, and whether all three gave the same results to the
bit. It takes some minutes on two CPU cores.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

from absl import app

__all__ = ["JOBS", "STARTS", "main", "measure"]

_SMALL = ["--config.data.limit=400", "--config.epochs=10", "--config.surrogate.burn_in=50"]
JOBS = {
    "`python -m jaxsurr`": ["jaxsurr"],
    "one run, 3 epochs": ["jaxsurr", "--config.losses=()", "--config.epochs=3"],
    "a comparison on 400 rows": ["jaxsurr.compare", "--seeds=3", *_SMALL],
}
STARTS = ("off", "first", "second")


def measure(arguments: list[str], folder: pathlib.Path) -> dict[str, Any]:
    """Runs a job with each start; its CPU seconds and what it left."""
    seconds, left = {}, []
    for start in STARTS:
        cache = "off" if start == "off" else str(folder / "cache")
        own = ["--nofigures", f"--workdir={folder / start}", f"--compilation_cache={cache}"]
        before = os.times()
        subprocess.run([sys.executable, "-m", *arguments, *own], check=True, capture_output=True)
        after = os.times()
        seconds[start] = round(
            after.children_user + after.children_system - before.children_user - before.children_system, 1
        )
        left.append(_results(folder / start))
    size = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
    return {"seconds": seconds, "bytes": size, "same": left[0] == left[1] == left[2]}


def _results(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """The lines of results, or the result of a run, without the time that it took."""
    lines = [
        json.loads(line)
        for name in ("results.jsonl", "result.json")
        for path in [workdir / name]
        if path.exists()
        for line in (path.read_text().splitlines() if name == "results.jsonl" else [path.read_text()])
    ]
    return [{name: value for name, value in line.items() if name not in ("seconds", "sha256")} for line in lines]


def main(argv: list[str]) -> None:
    """Prints a line for each job."""
    for job, arguments in JOBS.items():
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"job": job, **measure(arguments, pathlib.Path(folder))}), flush=True)


if __name__ == "__main__":
    app.run(main)
