"""Flips bits of checkpoints, artefacts and results, one at a time, and counts the outcomes of reading them.

  python -m tests.long.bit_flips --flips=2000 --output=bit_flips.jsonl

A short run leaves its checkpoints, `result.json` and `config.json`; surrogates of all methods are saved as files; a
comparison leaves its `results.jsonl`. A line of JSON is printed for each kind of file: the number of flips after which
the content was read unchanged, was refused in a sentence, was replaced by an older checkpoint or made again, ended in
another error, or was read as something else without an error. The exit status is 1 where there is one of the last two.
"""

import argparse
import json
import pathlib
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

import jaxsurr
from jaxsurr import losses, metrics, surrogates
from jaxsurr.comparison import lines
from jaxsurr.comparison.runs import identity
from jaxsurr.core import keys
from jaxsurr.core.types import PyTree
from jaxsurr.training import checkpoint, default_config, entries, run, update

SAME, REFUSED, OLDER, ERROR, DIFFERENT = "same", "refused", "older or again", "other error", "silently different"
FIELDS = {
    "data.limit": 120, "data.label_noise": 0.0, "epochs": 2, "warm_epochs": 1, "batch_size": 32, "devices": 1,
    "surrogate.burn_in": 1, "surrogate.num_pairs": 2, "checkpoint.every": 1,
}  # fmt: skip

Read = Callable[[pathlib.Path], str]


def equal(first: PyTree, second: PyTree) -> bool:
    """Whether two trees are bitwise equal; keys by their data."""
    leaves = [[np.asarray(keys.to_data(leaf)) for leaf in jax.tree.leaves(tree)] for tree in (first, second)]
    return jax.tree.structure(first) == jax.tree.structure(second) and all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(*leaves, strict=True)
    )


def of_checkpoints(place: pathlib.Path) -> Read:
    """Two checkpoints in `place`, and a reader of them."""
    arrays = [{"w": np.random.default_rng(epoch).normal(0, 1, (32, 10)).astype(np.float32)} for epoch in (1, 2)]
    made = checkpoint.Checkpoints(place)
    for epoch, content in enumerate(arrays, 1):
        made.save(epoch, content, {"history": [{"epoch": epoch, "validation": 0.1 * epoch}]})
    made.close()

    def read(folder: pathlib.Path) -> str:
        opened = checkpoint.Checkpoints(folder)
        try:
            found, progress = opened.restore(arrays[0])
        finally:
            opened.close()
        for epoch, content in enumerate(arrays, 1):
            if equal(found, content) and progress == {"history": [{"epoch": epoch, "validation": 0.1 * epoch}]}:
                return SAME if epoch == 2 else OLDER
        return DIFFERENT

    return read


def of_artefacts(place: pathlib.Path) -> Read:
    """A file of a surrogate of each method in `place`, and a reader of all."""
    predictions, targets = jaxsurr.sample(jaxsurr.spaces.class_logits, jax.random.key(0), 8, 4)
    made = {}
    for name, method in surrogates.METHODS.items():
        surrogate = method(losses.cross_entropy if name == "conventional" else metrics.error_rate)
        state = surrogate.init(jax.random.key(1), predictions, targets)
        path = jaxsurr.save(place / name, surrogate, state, card={"rows": 8}, example=(predictions, targets))
        made[path.name] = surrogate.settings, state

    def read(path: pathlib.Path) -> str:
        surrogate, state = jaxsurr.load(path)
        settings, wanted = made[path.name]
        same = equal(state, wanted) and jaxsurr.read_card(path)["card"] == {"rows": 8}
        return SAME if same and surrogate.settings == settings else DIFFERENT

    return read


def of_a_run(place: pathlib.Path) -> Read:
    """The work directory of a finished run in `place`, and a reader of its result."""
    config = update(default_config(), loss="cross_entropy", **FIELDS)
    result = run(config, place)
    for other in ("checkpoints", "tensorboard"):
        shutil.rmtree(place / other)
    (place / "metrics.jsonl").unlink()  # made from the checkpoint, and never read

    def read(folder: pathlib.Path) -> str:
        return SAME if run(config, folder) == result else DIFFERENT

    return read


def of_a_comparison(place: pathlib.Path) -> Read:
    """The results of a comparison in `place`, and a reader of them."""
    config = update(default_config(), losses=("cross_entropy",), seeds=2, conventional="cross_entropy", **FIELDS)
    jaxsurr.compare(config, workdir=place, figures=False)
    for other in [path for path in place.iterdir() if path.name != "results.jsonl"]:
        shutil.rmtree(other) if other.is_dir() else other.unlink()
    expected = lines.Expected(identity(config), {})
    known = lines.read_results(place / "results.jsonl", expected=expected)

    def read(path: pathlib.Path) -> str:
        found = lines.read_results(path, expected=expected)
        for key, entry in found.items():
            said = {name: value for name, value in known[key].items() if name != entries.SEAL} if key in known else {}
            if not said or {name: entry.get(name) for name in said} != said:
                return DIFFERENT
        return SAME if found.keys() == known.keys() else OLDER

    return read


KINDS = {"checkpoints": of_checkpoints, "artefacts": of_artefacts, "a run": of_a_run, "a comparison": of_a_comparison}
FOLDERS = {"checkpoints": "2", "a run": "."}  # which are read as a whole, and where in them bits are flipped


def flipped(kind: str, read: Read, place: pathlib.Path, copy: pathlib.Path, flips: int, seed: int) -> Iterator[str]:
    """The outcomes of reading after each flip, cycling through the files."""
    draw = random.Random(seed)
    files = sorted(
        path for path in (place / FOLDERS.get(kind, ".")).rglob("*") if path.is_file() and path.stat().st_size
    )
    if kind in FOLDERS:
        shutil.copytree(place, copy / place.name)
    for number in range(flips):
        source = files[number % len(files)]
        target = copy / place.name / source.relative_to(place)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = bytearray(source.read_bytes())
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        target.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield read(copy / place.name if kind in FOLDERS else target)
        except ValueError:
            yield REFUSED
        except Exception:
            yield ERROR
        target.write_bytes(source.read_bytes())


def study(kind: str, flips: int, seed: int, place: pathlib.Path) -> dict[str, Any]:
    """One line of the report."""
    written, copy = place / "written" / kind.replace(" ", "_"), place / "flipped"
    written.mkdir(parents=True)
    copy.mkdir(exist_ok=True)
    read = KINDS[kind](written)
    found = Counter(flipped(kind, read, written, copy, flips, seed))
    return {"of": kind, "flips": flips, **{name: found[name] for name in (SAME, REFUSED, OLDER, ERROR, DIFFERENT)}}


def main() -> None:
    """Prints a line for each kind of file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flips", type=int, default=2000, help="Of each kind of file.")
    parser.add_argument("--seed", type=int, default=0, help="Of the places.")
    parser.add_argument("--output", help="A JSON-lines file to write as well.")
    options = parser.parse_args()
    failed, report = False, []
    with tempfile.TemporaryDirectory() as place:
        for kind in KINDS:
            line = study(kind, options.flips, options.seed, pathlib.Path(place))
            failed |= line[ERROR] + line[DIFFERENT] > 0
            report.append(json.dumps(line) + "\n")
            print(report[-1], end="", flush=True)
    if options.output:
        pathlib.Path(options.output).write_text("".join(report))
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
