"""Steps a second with the input of a run, over steps on one batch that stays on the device; reading of a large table.

  python -m jaxsurr.benchmarks.input --fashion_mnist=FOLDER --utkface=FOLDER --out=notebooks/results/input.jsonl

Batches come as a run has them: gathered by the step where the set is kept on the device, or streamed ahead of the
steps, with and without augmentation. The steps are those of the usual loss, the cheapest, so that what input costs is
seen most. They are timed alternately with steps on one batch, in rounds of some hundred, and the ratio of the medians
counts.

The table is a csv of a million rows, made here: eight columns of numbers, one of words, and a class. Steps are measured
on it without augmentation, which is of images. CPU seconds and the memory at most in use are those of a process that
loads it, less those of one that loads ten rows; beside them is what `pandas.read_csv` takes for the file, measured in
the same way (on Linux).

Data: the four files of Fashion-MNIST in a folder; the original pictures of UTKFace in a folder, which TFDS prepares
(`pip install 'jaxsurr[tfds]'`).
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsurr.core.types import Batch
from jaxsurr.training import default_config, loading, prepare, update
from jaxsurr.training.epochs import fresh_state
from jaxsurr.training.protocols import Config

__all__ = ["AUGMENT", "ROUNDS", "ROWS", "SETS", "STEPS", "main", "reading", "steps", "used", "write_table"]

SETS = {
    "Fashion-MNIST": ("fashion_mnist", "idx:{given}", {}),
    "UTKFace, by TFDS": (
        "utkface",
        "tfds:utkface?manual_dir={given}",
        {"model.name": "cnn", "model.hidden": (16, 32, 64), "metric": "mean_absolute_error"},
    ),
}
"""Name, flag, source and fields of the sets that steps are measured on."""
AUGMENT = "crop=2,flip"
ROUNDS, STEPS = 15, 200
ROWS = 1_000_000
_READ = {
    "load": "from jaxsurr.data import load; load(f'csv:{sys.argv[1]}?target=class', seed=0)",
    "pandas": "import pandas; pandas.read_csv(sys.argv[1])",
}
_USED = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        print(int(line.split()[1]) / 1024)
"""


def _streamed(config: Config, splits: loading.Splits, executor: Any) -> Callable[[int], Iterator[tuple[Batch, ...]]]:
    return lambda epoch: loading.ahead(
        (executor.shard(pair) for pair in loading.host_batches(config, splits, epoch)), loading.AHEAD
    )


def steps(
    source: str, fields: dict[str, Any], rounds: int = ROUNDS, number: int = STEPS, *, images: bool = True
) -> dict[str, float]:
    """Time of a step with each input over that of a step on one batch, of medians over rounds.

    Args:
      source: of the data.
      fields: of the config.
      rounds, number: how often the inputs take turns, and steps in each turn.
      images: whether they are, so that augmentation is measured too.
    """
    config = update(default_config(), **{"data.source": source, "loss": "cross_entropy"} | fields)
    data, program = prepare(config)
    executor, splits = program.executor, (data.train, data.train)
    inputs = {
        "gathered": loading.device_batches(config, splits, executor),
        "streamed": _streamed(config, splits, executor),
    }
    if images:
        augmented = update(config.copy_and_resolve_references(), **{"data.augment": AUGMENT})
        inputs["augmented"] = loading.device_batches(augmented, splits, executor)
    step, state = program.steps["conventional"], fresh_state(config, data.train, program, program.warm)
    state = executor.place(state)
    one = next(inputs["streamed"](1))
    endless: dict[str, Iterator[tuple[Batch | loading.Rows, ...]]] = {
        name: itertools.chain.from_iterable(map(batches, itertools.count(1))) for name, batches in inputs.items()
    }
    endless["one batch"] = itertools.repeat(one)
    times: dict[str, list[float]] = {name: [] for name in endless}
    # Augmentation goes on in threads of its own between its turns, and so has its turns when the others are done.
    for names in ([name for name in endless if name != "augmented"], ["augmented"] * images):
        for _ in range(rounds + 1):  # the first compiles
            for name in names:
                begun = time.perf_counter()
                for batch in itertools.islice(endless[name], number):
                    state, _ = step(state, *batch)
                jax.block_until_ready(state)
                times[name].append(time.perf_counter() - begun)
    first = np.median(times.pop("one batch")[1:])
    return {name: round(float(np.median(of[1:]) / first), 3) for name, of in times.items()}


def write_table(path: Path, rows: int) -> None:
    """A csv of eight columns of numbers, one of five words, and a class of three."""
    random = np.random.default_rng(0)
    numbers, words = random.normal(size=(rows, 8)), np.array(["red", "green", "blue", "white", "black"])
    columns = [np.char.mod("%.5f", column) for column in numbers.T]
    columns += [words[random.integers(0, 5, rows)], np.char.mod("%d", random.integers(0, 3, rows))]
    with path.open("w") as file:
        file.write(",".join([*"abcdefgh", "colour", "class"]) + "\n")
        file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))


def used(code: str, path: Path) -> np.ndarray:
    """CPU seconds of a process that runs the code with a file, and the MiB that it had in use at most."""
    before = os.times()
    command = [sys.executable, "-c", f"import sys; {code}{_USED}", str(path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return np.array([seconds, float(printed)])


def reading(rows: int = ROWS) -> dict[str, Any]:
    """CPU seconds and MiB to load a table, beyond those for ten rows, and those of `pandas.read_csv`."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.csv"), Path(folder, "many.csv")
        write_table(few, 10)
        write_table(many, rows)
        found = {name: used(code, many) - used(code, few) for name, code in _READ.items()}
        size = many.stat().st_size
    (seconds, memory), (pandas_seconds, pandas_memory) = found["load"], found["pandas"]
    return {
        "rows": rows,
        "bytes": size,
        "seconds": round(float(seconds), 1),
        "mib": round(memory),
        "pandas_seconds": round(float(pandas_seconds), 1),
        "pandas_mib": round(pandas_memory),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what is given, and writes a line for each set and one for the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fashion_mnist", metavar="FOLDER", help="Of the four files.")
    parser.add_argument("--utkface", metavar="FOLDER", help="Of the original pictures.")
    parser.add_argument("--rows", type=int, default=ROWS, help="Of the table.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="Rounds in which the inputs take turns.")
    parser.add_argument("--steps", type=int, default=STEPS, help="Of each turn.")
    parser.add_argument("--out", help="A JSON-lines file.")
    given = parser.parse_args(arguments)
    lines = []
    for name, (flag, source, fields) in SETS.items():
        if place := getattr(given, flag):
            found = steps(source.format(given=place), fields, given.rounds, given.steps)
            lines.append({"set": name, "over_one_batch": found})
            print(json.dumps(lines[-1]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        write_table(path, given.rows)
        found = steps(f"csv:{path}?target=class", {}, given.rounds, given.steps, images=False)
    lines.append({"set": f"csv of {given.rows:,} rows", "over_one_batch": found})
    print(json.dumps(lines[-1]), flush=True)
    lines.append({"set": "table", **reading(given.rows)})
    print(json.dumps(lines[-1]))
    if given.out:
        Path(given.out).write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
