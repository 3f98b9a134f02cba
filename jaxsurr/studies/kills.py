"""Kills a comparison at random moments, lets it go on each time, and compares its table with an undisturbed one.

  python -m jaxsurr.studies.kills --kills=20

A comparison of two losses (and the baselines) on 150 digits is made once undisturbed, and once by processes that are
killed (SIGKILL) after a random time, up to a quarter of what the first took. A line of JSON is printed: how many
processes were killed while at work, how many runs the results hold and how many of them twice, and whether `table.csv`
is the same.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import app, flags

KILLS = flags.DEFINE_integer("kills", 20, "How often the comparison is killed.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of the moments.")
FIELDS = {
    "data.limit": 150, "data.label_noise": 0.0, "epochs": 2, "warm_epochs": 1, "batch_size": 32,
    "surrogate.burn_in": 2, "surrogate.num_pairs": 2,
}  # fmt: skip


def command(workdir: pathlib.Path) -> list[str]:
    """The comparison, from the command line."""
    fields = [f"--config.{name}={value}" for name, value in FIELDS.items()]
    losses = ["--losses=cross_entropy,expected_error", "--seeds=4", "--trials=3", "--nofigures"]
    return [sys.executable, "-m", "jaxsurr.compare", *fields, *losses, f"--workdir={workdir}"]


def study(kills: int, seed: int, place: pathlib.Path) -> dict[str, Any]:
    """Both comparisons, and how they compare."""
    started = time.time()
    subprocess.run(command(place / "undisturbed"), check=True, capture_output=True)
    whole = time.time() - started
    moments, killed = random.Random(seed), 0
    while killed < kills:
        process = subprocess.Popen(
            command(place / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            process.wait(moments.uniform(0, 0.25) * whole)
            break  # it ended before it could be killed
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    subprocess.run(command(place / "killed"), check=True, capture_output=True)
    lines = (place / "killed" / "results.jsonl").read_bytes().split(b"\n")
    keys = []
    for line in filter(None, lines):
        try:
            keys.append(json.loads(line)["key"])
        except ValueError:
            continue  # cut off by a kill, and made again
    tables = [(place / name / "table.csv").read_text() for name in ("undisturbed", "killed")]
    return {
        "killed": killed,
        "runs": len(set(keys)),
        "twice": len(keys) - len(set(keys)),
        "same table": tables[0] == tables[1],
    }


def main(argv: list[str]) -> None:
    """Prints the line."""
    with tempfile.TemporaryDirectory() as place:
        found = study(KILLS.value, SEED.value, pathlib.Path(place))
    print(json.dumps(found))
    sys.exit(not found["same table"])


if __name__ == "__main__":
    app.run(main)
