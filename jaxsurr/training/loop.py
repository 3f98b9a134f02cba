"""Runs: train a model on a loss, choose its best epoch on validation, read the test split once."""

import contextlib
import copy
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import jax

from jaxsurr.core.versions import versions
from jaxsurr.data import Data, Source, load, num_batches
from jaxsurr.data.augment import augmentation
from jaxsurr.metrics import own_errors
from jaxsurr.training import locks, notes, records, side_by_side, stopping
from jaxsurr.training.checking import validate
from jaxsurr.training.config import as_dict, update
from jaxsurr.training.entries import read_result, sealed
from jaxsurr.training.fallback import decide
from jaxsurr.training.loading import hold_out
from jaxsurr.training.matching import with_usual
from jaxsurr.training.methods import Method, resolve
from jaxsurr.training.one_run import OneRun
from jaxsurr.training.power import without_effect
from jaxsurr.training.program import Program, build
from jaxsurr.training.protocols import Config, Outcome, Report, Say, Stop
from jaxsurr.training.run_files import RunFiles
from jaxsurr.training.schedule import Run, follow
from jaxsurr.training.starts import announcing, build_starts, chooses, sentences

__all__ = ["load_data", "named", "prepare", "prepare_method", "result_of", "run", "train", "train_runs"]


def load_data(config: Config, source: Source | None = None) -> Data:
    """The data of a config; of a source that was handed over, where there is one."""
    fields = config.data
    return load(
        fields.source if source is None else source,
        seed=config.seed,
        kind=fields.kind or None,
        levels=fields.levels or None,
        validation_fraction=fields.validation_fraction,
        test_fraction=fields.test_fraction,
        label_noise=fields.label_noise,
        limit=fields.limit or None,
        split_seed=None if fields.split_seed < 0 else fields.split_seed,
        class_weights=fields.class_weights,
    )


def named(config: Config, data: Data | Source | None) -> Config:
    """A config that says what data it is of: where a source was handed over, a copy with the text of this."""
    if not isinstance(data, Source):
        return config
    copied = update(copy.deepcopy(config), **{"data.source": data.text})  # on which other fields may depend
    return copied.copy_and_resolve_references()


def prepare(
    config: Config, *, data: Data | Source | None = None, program: Program | None = None, model: Any = None
) -> tuple[Data, Program]:
    """Data and compiled program of a config; seeds of one comparison share a program, which depends on shapes only.

    `data` and `model` are as for `run`.
    """
    config = named(config, data)
    method = validate(config)
    data = data if isinstance(data, Data) else load_data(config, data)
    return prepare_method(method, data=data, program=program, model=model)


def prepare_method(
    method: Method, *, data: Data | None = None, program: Program | None = None, model: Any = None
) -> tuple[Data, Program]:
    """Data and compiled program of a method; see `prepare`."""
    data = load_data(method.config) if data is None else data
    given = with_usual(method.given, data.kind)
    method = method if given is method.given else resolve(given)
    config = method.config
    augmentation(config.data.augment, data.train, data.names)  # refuses what does not fit the data
    splits = hold_out(config, data.train)
    for part, name in zip(splits, ("training", "held-out"), strict=True):
        if len(part.inputs) < config.batch_size:
            raise ValueError(
                f"batch_size is {config.batch_size}, but there are only {len(part.inputs)} {name} rows; "
                f"set batch_size to {len(part.inputs)} or less."
            )
    make = build_starts if chooses(method) else build
    return data, program or make(method, data, num_batches(splits[0], config.batch_size), model)


@own_errors()
def run(
    config: Config,
    workdir: str | os.PathLike,
    *,
    report: Report | None = None,
    say: Say | None = None,
    data: Data | Source | None = None,
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
      say: called with lines that say which rows or labels were changed or left out, that a power was chosen and has no
        effect, and which starts are tried, before anything is trained.
      data: arrays or a frame in place of `config.data.source`, from `jaxsurr.data.from_arrays` or `from_frame`; the
        config that is kept says their SHA-256 and shape, so that a run does not go on with other ones. Or from
        `prepare`, like `program`, where several runs share them.
      program: from `prepare`.
      model: one of your own, where `config.model.name` is "own": a `jaxsurr.models.Model` that gives what the head
        `config.model.head` gives (where it is empty "logits" of classes and levels, "points", "items" of lists, the
        "number" of an example in the unit of the targets, the "order" of durations), or
        a function `(*, outputs, head, axis_name) -> Model`, which can serve any loss.
      stop: called after every step; where it gives True the run saves its state there, within an epoch too, and raises
        `jaxsurr.training.stopping.Stopped`. The launchers pass one that listens for SIGTERM.

    Returns:
      What `result.json` holds: loss, metric, its value on validation and test at the best epoch, the history, the
      config, versions; with `fallback` or a start that is chosen whether the run that `stayed` on the fixed loss is the
      one that counts, and with the latter the `start` that was chosen and the validation metric of all `starts`; and
      what of its settings was `ignored`, in sentences, if anything.

    Raises:
      ValueError: the config is wrong, does not fit the data, or the directory belongs to another config.
      FloatingPointError: the model diverged.
      OSError: the directory cannot be written, or another run is at work in it (`BlockingIOError`).
    """
    config = named(config, data)
    validate(config)
    if not config.conventional and (known := records.usual_loss(workdir)):
        config = update(config.copy_and_resolve_references(), conventional=known)
    if not config.conventional:
        data = data if isinstance(data, Data) else load_data(config, data)
        config = with_usual(config, data.kind)
    method, kept = validate(config), as_dict(config)
    say = say if jax.process_index() == 0 else None
    tell = say or (lambda text: None)
    result_file = records.check_workdir(workdir, kept) / "result.json"
    if result_file.exists():
        result = read_result(result_file, kept)
        notes.tell(say, result.get("data", ()))
        for line in result.get("ignored", ()):
            tell(line)
        return result
    data = load_data(config, data) if isinstance(data, Source) else data
    if data is None or program is None:
        data, program = prepare_method(method, data=data, program=program, model=model)
    notes.tell(say, data.notes)
    for line in without_effect(method, program.metric):
        tell(line)
    report = report or (lambda event: None)
    if program.starts:
        report = announcing(report, program)
        fresh = not (pathlib.Path(workdir) / "starts").exists()
        later = "; about how long they take is said when the first has ended" if fresh else ""
        runs = f"These and the learned loss are {len(program.starts) + 1} runs{later}."
        for line in (*sentences(method, program), runs):
            tell(line)
    path = records.open_workdir(workdir, kept)  # now that the config is known to fit its data
    with locks.alone(path):
        if locks.agreed(result_file.exists()):  # another process has ended meanwhile
            return read_result(result_file, kept)
        started = time.monotonic()
        outcome = _train_alone(method, data, program, report, stop, path)
        result = result_of(method, data, program, outcome, time.monotonic() - started)
        if jax.process_index() == 0:
            records.write_json(result_file, sealed(result))
        return result


def result_of(method: Method, data: Data, program: Program, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """The result of a run as it is kept: its outcome, whose it is, and how it was made."""
    program = program.starts.get(outcome.get("start", ""), program)
    ignored = without_effect(method, program.metric)
    return {
        **outcome,
        "loss": method.text,
        "seed": method.config.seed,
        "metric": program.metric.name,
        "higher_is_better": program.metric.higher_is_better,
        "data": list(data.notes),
        **({"ignored": ignored} if ignored else {}),
        "seconds": round(seconds, 1),
        "devices": program.executor.num_devices,
        "platform": jax.devices()[0].platform,
        "versions": versions(),
        "config": as_dict(method.given),
    }


@own_errors()
def train(
    config: Config,
    data: Data,
    program: Program,
    *,
    report: Report = lambda event: None,
    stop: Stop = stopping.never,
) -> Outcome:
    """One run without a work directory: nothing is written, and nothing can be resumed.

    Args:
      config: of the run.
      data, program: from `prepare`. Where `data.test` is None no test rows are read and `test` is None.
      report: called after every epoch.
      stop: called after every step; where it gives True the run raises `jaxsurr.training.stopping.Stopped`.

    Returns:
      `epochs`, `best_epoch`, `validation` and `test` at the best epoch, `gradient_correlation`, `ceiling`, `history`;
      with `fallback` or a start that is chosen whether it `stayed`; with the latter `start` and `starts`.

    Raises:
      FloatingPointError: the model diverged.
    """
    return _train_alone(resolve(with_usual(config, data.kind)), data, program, report, stop)


def _train_alone(
    method: Method, data: Data, program: Program, report: Report, stop: Stop, path: pathlib.Path | None = None
) -> Outcome:
    """A run by itself, in a work directory where it has one that nobody else is at work in.

    Raises:
      FloatingPointError: the model diverged.
    """

    def go(
        methods: Sequence[Method], datas: Sequence[Data], program: Program, folder: str
    ) -> list[Outcome | FloatingPointError]:
        (this,) = methods
        with contextlib.ExitStack() as stack:
            files = None
            if path is not None:
                place = records.open_workdir(path / folder, as_dict(this.given)) if folder else path
                files = stack.enter_context(RunFiles(place, this.config.checkpoint))
            return follow(OneRun(_new(this, data), program, files, report, stop))

    (outcome,) = decide([method], [data], program, go)
    if isinstance(outcome, FloatingPointError):
        raise outcome
    return outcome


@own_errors()
def train_runs(
    methods: Sequence[Method],
    datas: Sequence[Data],
    program: Program,
    *,
    report: Report = lambda event: None,
    stop: Stop = stopping.never,
) -> list[Outcome | FloatingPointError]:
    """Trains runs that share a program, without work directories, side by side where they can be.

    Args:
      methods: of the runs, at most `side_by_side.capacity`; they differ in their seed and their rates only.
      datas: of each run, of the same shapes. Where `test` is None no test rows are read.
      program: from `prepare`, for any of them.
      report: called after every epoch of every run.
      stop: called after every step, or before every epoch of runs side by side; where it gives True
        `jaxsurr.training.stopping.Stopped` is raised.

    Returns:
      For each run what `train` gives, or the error of a run that diverged.
    """
    together = side_by_side.capacity(methods[0], datas[0], program)

    def go(
        methods: Sequence[Method], datas: Sequence[Data], program: Program, folder: str
    ) -> list[Outcome | FloatingPointError]:
        runs = [_new(*run) for run in zip(methods, datas, strict=True)]
        if together:
            return follow(side_by_side.SideBySide(runs, program, report, stop))
        return [outcome for run in runs for outcome in follow(OneRun(run, program, None, report, stop))]

    return decide(methods, datas, program, go)


def _new(method: Method, data: Data) -> Run:
    return Run(method, data, hold_out(method.config, data.train))
