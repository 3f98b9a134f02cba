"""One run: train a model on a loss, choose its best epoch on validation, read the test split once."""

import os
import pathlib
import time
from typing import Any

import jax
import numpy as np

from jaxsurr.core.versions import versions
from jaxsurr.data import Data, Split, load, num_batches
from jaxsurr.data.augment import augmentation
from jaxsurr.metrics import own_errors
from jaxsurr.training import locks, notes, records, stopping
from jaxsurr.training.checking import validate
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.config import as_dict
from jaxsurr.training.entries import read_result, sealed
from jaxsurr.training.fallback import decide
from jaxsurr.training.methods import resolve
from jaxsurr.training.one_run import Run
from jaxsurr.training.program import Program, build, compares_parameters
from jaxsurr.training.protocols import Config, Report, Say, Stop

_HELDOUT = 1_000_000_003  # random stream, beside those of the data


def load_data(config: Config) -> Data:
    """The data of a config."""
    fields = config.data
    return load(
        fields.source,
        seed=config.seed,
        kind=fields.kind or None,
        levels=fields.levels or None,
        validation_fraction=fields.validation_fraction,
        test_fraction=fields.test_fraction,
        label_noise=fields.label_noise,
        limit=fields.limit or None,
        split_seed=None if fields.split_seed < 0 else fields.split_seed,
    )


def hold_out(config: Config, train: Split) -> tuple[Split, Split]:
    """The rows that are trained on and the rows that the surrogate is judged on.

    They are the same where the surrogate is learned in prediction space, or `surrogate.heldout` is 0.
    """
    config = resolve(config).config
    if not (compares_parameters(config) and config.surrogate.heldout):
        return train, train
    rows = np.random.default_rng([config.seed, _HELDOUT]).permutation(len(train.inputs))
    number = round(config.surrogate.heldout * len(rows))
    if not 0 < number < len(rows):
        raise ValueError(
            f"surrogate.heldout = {config.surrogate.heldout} of {len(rows)} training rows leaves one part empty."
        )
    trained, judged = rows[number:], rows[:number]
    return jax.tree.map(lambda leaf: leaf[trained], train), jax.tree.map(lambda leaf: leaf[judged], train)


def prepare(
    config: Config, program: Program | None = None, data: Data | None = None, model: Any = None
) -> tuple[Data, Program]:
    """Data and compiled program of a config; seeds of one study share a program, which depends on shapes only.

    `model` is as for `run`.
    """
    validate(config)
    data = load_data(config) if data is None else data
    augmentation(config.data.augment, data.train, data.names)  # refuses what does not fit the data
    parts = hold_out(config, data.train)
    for part, name in zip(parts, ("training", "held-out"), strict=True):
        if len(part.inputs) < config.batch_size:
            raise ValueError(
                f"batch_size is {config.batch_size}, but there are only {len(part.inputs)} {name} rows; "
                f"set batch_size to {len(part.inputs)} or less."
            )
    return data, program or build(config, data, num_batches(parts[0], config.batch_size), model)


@own_errors()
def run(
    config: Config,
    workdir: str | os.PathLike,
    *,
    report: Report | None = None,
    say: Say | None = None,
    data: Data | None = None,
    program: Program | None = None,
    model: Any = None,
    stop: Stop = stopping.never,
) -> dict[str, Any]:
    """Trains a model as a config says, and leaves what it found in a work directory.

    A run that was interrupted goes on from its newest checkpoint, and on one device ends bit for bit where it would
    have ended; a run that is complete returns its result at once.

    Args:
      config: see `jaxsurr.training.default_config`.
      workdir: gets `config.json`, `metrics.jsonl` (a line an epoch), `result.json`, `checkpoints/` and TensorBoard
        events. One directory belongs to one config.
      report: called with `{"event": "epoch", ...}` after every epoch, for progress displays.
      say: called with a line that says which rows or labels were changed or left out, before anything is trained.
      data, program: from `prepare`, where several runs share them.
      model: one of your own, where `config.model.name` is "own": a `jaxsurr.models.Model` that gives what the head
        `config.model.head` gives (where it is empty "logits" of classes and levels, "points", or "items" of lists), or
        a function `(*, outputs, head, axis_name) -> Model`, which can serve any loss.
      stop: called after every step; where it gives True the run saves its state there, within an epoch too, and raises
        `jaxsurr.training.stopping.Stopped`. The launchers pass one that listens for SIGTERM.

    Returns:
      What `result.json` holds: loss, metric, its value on validation and test at the best epoch, the history, the
      config, versions; with `fallback` whether the run that `stayed` on the conventional loss is the one that counts.

    Raises:
      ValueError: the config is wrong, does not fit the data, or the directory belongs to another config.
      FloatingPointError: the model diverged.
      OSError: the directory cannot be written, or another run is at work in it (`BlockingIOError`).
    """
    validate(config)
    say = say if jax.process_index() == 0 else None
    result_file = records.check_workdir(workdir, as_dict(config)) / "result.json"
    if result_file.exists():
        result = read_result(result_file, as_dict(config))
        notes.tell(say, result.get("data", ()))
        return result
    if data is None or program is None:
        data, program = prepare(config, model=model)
    notes.tell(say, data.notes)
    path = records.open_workdir(workdir, as_dict(config))  # now that the config is known to fit its data
    with locks.alone(path):
        if locks.agreed(result_file.exists()):  # another process has ended meanwhile
            return read_result(result_file, as_dict(config))
        return _run_alone(config, path, data, program, report or (lambda event: None), stop)


def _run_alone(
    config: Config,
    path: pathlib.Path,
    data: Data,
    program: Program,
    report: Report,
    stop: Stop,
) -> dict[str, Any]:
    """The run of a work directory that nobody else is at work in."""
    started = time.monotonic()

    def go(this: Config) -> dict[str, Any]:
        place = path if this is config else records.open_workdir(path / "stayed", as_dict(this))
        checkpoints = Checkpoints(place / "checkpoints", this.checkpoint.keep)
        try:
            parts = hold_out(this, data.train)
            return Run(this, data, parts, program, place, checkpoints, report, stop).go()
        finally:
            checkpoints.close()

    outcome = decide(config, program, go)
    result = {
        **outcome,
        "loss": config.loss,
        "seed": config.seed,
        "metric": program.metric.name,
        "higher_is_better": program.metric.higher_is_better,
        "data": list(data.notes),
        "seconds": round(time.monotonic() - started, 1),
        "devices": program.executor.num_devices,
        "platform": jax.devices()[0].platform,
        "versions": versions(),
        "config": as_dict(config),
    }
    if jax.process_index() == 0:
        records.write_json(path / "result.json", sealed(result))
    return result


@own_errors()
def train(
    config: Config,
    data: Data,
    program: Program,
    *,
    report: Report = lambda event: None,
    stop: Stop = stopping.never,
) -> dict[str, Any]:
    """One run without a work directory: nothing is written, and nothing can be resumed.

    Args:
      config: of the run.
      data, program: from `prepare`. Where `data.test` is None no test rows are read and `test` is None.
      report: called after every epoch.
      stop: called after every step; where it gives True the run raises `jaxsurr.training.stopping.Stopped`.

    Returns:
      `epochs`, `best_epoch`, `validation` and `test` at the best epoch, `gradient_correlation`, `ceiling`, `history`;
      with `fallback` whether it `stayed`.

    Raises:
      FloatingPointError: the model diverged.
    """

    def go(this: Config) -> dict[str, Any]:
        return Run(this, data, hold_out(this, data.train), program, None, None, report, stop).go()

    return decide(config, program, go)
