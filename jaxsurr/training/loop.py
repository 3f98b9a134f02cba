"""One run: train a model on a loss, choose its best epoch on validation, read the test split once."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import parallel
from jaxsurr.data import Data, Split, batches, load, num_batches
from jaxsurr.data.augment import augmentation
from jaxsurr.metrics import own_errors
from jaxsurr.training import notes, records, thresholds
from jaxsurr.training.checking import validate
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.config import as_dict
from jaxsurr.training.epochs import (
    Event,
    better,
    burn_in,
    entry_of,
    epoch_event,
    fresh_state,
    learning_state,
    outcome,
    refuse_divergence,
    state_after,
    switch_of,
    warn_if_flat,
)
from jaxsurr.training.fallback import decide
from jaxsurr.training.feed import feed
from jaxsurr.training.methods import resolve
from jaxsurr.training.program import Program, build, compares_parameters
from jaxsurr.types import Batch
from jaxsurr.versions import versions

_HELDOUT = 1_000_000_003  # random stream, beside those of the data


def load_data(config: Any) -> Data:
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


def hold_out(config: Any, train: Split) -> tuple[Split, Split]:
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
    config: Any, program: Program | None = None, data: Data | None = None, model: Any = None
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
    config: Any,
    workdir: str | os.PathLike,
    *,
    report: Callable[[Event], None] | None = None,
    say: Callable[[str], None] | None = None,
    data: Data | None = None,
    program: Program | None = None,
    model: Any = None,
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

    Returns:
      What `result.json` holds: loss, metric, its value on validation and test at the best epoch, the history, the
      config, versions; with `fallback` whether the run that `stayed` on the conventional loss is the one that counts.

    Raises:
      ValueError: the config is wrong, does not fit the data, or the directory belongs to another config.
      FloatingPointError: the model diverged.
      OSError: the directory cannot be written.
    """
    validate(config)
    say = say if jax.process_index() == 0 else None
    result_file = records.check_workdir(workdir, as_dict(config)) / "result.json"
    if result_file.exists():
        result = records.read_json(result_file, "Delete it, and the same command makes it again.")
        notes.tell(say, result.get("data", ()))
        return result
    if data is None or program is None:
        data, program = prepare(config, model=model)
    notes.tell(say, data.notes)
    path = records.open_workdir(workdir, as_dict(config))  # now that the config is known to fit its data
    started = time.time()

    def go(this: Any) -> dict[str, Any]:
        place = path if this is config else records.open_workdir(path / "stayed", as_dict(this))
        checkpoints = Checkpoints(place / "checkpoints", this.checkpoint.keep)
        try:
            return _Run(this, data, program, place, checkpoints, report or (lambda event: None)).go()
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
        "seconds": round(time.time() - started, 1),
        "devices": program.executor.num_devices,
        "platform": jax.devices()[0].platform,
        "versions": versions(),
        "config": as_dict(config),
    }
    if jax.process_index() == 0:
        records.write_json(result_file, result)
    return result


@own_errors()
def train(
    config: Any, data: Data, program: Program, *, report: Callable[[Event], None] = lambda event: None
) -> dict[str, Any]:
    """One run without a work directory: nothing is written, and nothing can be resumed.

    Args:
      config: of the run.
      data, program: from `prepare`. Where `data.test` is None no test rows are read and `test` is None.
      report: called after every epoch.

    Returns:
      `epochs`, `best_epoch`, `validation` and `test` at the best epoch, `gradient_correlation`, `ceiling`, `history`;
      with `fallback` whether it `stayed`.

    Raises:
      FloatingPointError: the model diverged.
    """
    return decide(config, program, lambda config: _Run(config, data, program, None, None, report).go())


class _Run:
    """The state of one run between its epochs; everything that has to survive an interruption is in checkpoints."""

    def __init__(self, config, data, program, path, checkpoints, report):
        self.name = config.loss
        config = resolve(config).config
        self.config, self.data, self.program = config, data, program
        self.path, self.checkpoints, self.report = path, checkpoints, report
        parts = hold_out(config, data.train)
        self.train, self.feed = parts[0], feed(config, parts, program.executor, data.names)
        self.switch = switch_of(config, program)
        if config.tune_threshold:
            thresholds.check(program.metric)

    def go(self) -> dict[str, Any]:
        state, history, best = self.start()
        log = self.path and records.TensorBoard(self.path / "tensorboard", len(history))
        with log or contextlib.nullcontext():
            for epoch in range(len(history) + 1, self.config.epochs + 1):
                learned = epoch > self.switch
                if learned and epoch == self.switch + 1:
                    state = self.take_over(state, epoch)
                state, entry = self.epoch(state, epoch, learned)
                params = self.program.executor.fetch(state.params)
                refuse_divergence(self.config, entry, params)
                entry["validation"] = self.score(params, self.data.validation, entry)
                history.append(entry)
                if best is None or better(self.program.metric, entry, best[1]):
                    best = (params, entry)
                self.record(entry, log)
                if self.checkpoints and (epoch % self.config.checkpoint.every == 0 or epoch == self.config.epochs):
                    self.save(state, history, best)
        test = None if self.data.test is None else self.score(best[0], self.data.test, best[1])
        return outcome(history, best[1], test)

    # --- begin, switch, end -------------------------------------------------------------------------------------------

    def start(self) -> tuple[Any, list[dict[str, Any]], tuple[Any, dict[str, Any]] | None]:
        """State, history and best epoch so far: from the newest checkpoint, or from nothing."""
        place = self.program.executor.place
        epoch = self.checkpoints.epoch() if self.checkpoints else None
        if epoch is None:
            state = fresh_state(self.config, self.program, self.train, self.program.warm)
            history, best = [], None
        else:
            template = state_after(epoch, self.config, self.program, self.train)
            arrays, progress = self.checkpoints.restore({"state": template, "best": template.params})
            state, history, best = arrays["state"], progress["history"], (arrays["best"], progress["best"])
        if self.path is not None and jax.process_index() == 0:
            # Lines of epochs that are made again go, and so does a line that was cut off.
            records.write_lines(self.path / "metrics.jsonl", history)
        return place(state), history, best

    def save(self, state: Any, history: list[dict[str, Any]], best: tuple[Any, dict[str, Any]]) -> None:
        arrays = {"state": self.program.executor.fetch(state), "best": best[0]}
        self.checkpoints.save(len(history), arrays, {"history": history, "best": best[1]})

    def take_over(self, state: Any, epoch: int) -> Any:
        """The learned loss takes over: it is initialised on current predictions, and learned for a while alone."""
        executor = self.program.executor
        host = executor.fetch(state)
        begun = learning_state(self.config, self.program, self.train, self.data.validation, host.params)
        state = executor.place(begun._replace(optimizer=host.optimizer, step=host.step))
        flat = []
        for batch in burn_in(lambda offset: self.batches(epoch, offset), self.config.surrogate.burn_in):
            state, info = self.program.steps["burn_in"](state, *batch)
            flat.append(info.surrogate.flat)
        warn_if_flat(self.config, self.program, jax.device_get(flat))
        # The steps of the burn-in leave the model and its place in the schedule as they were.
        return executor.place(executor.fetch(state)._replace(step=host.step))

    # --- one epoch ----------------------------------------------------------------------------------------------------

    def batches(self, epoch: int, offset: int = 0) -> Iterator[tuple[Batch, ...]]:
        """Batches of an epoch, each with a held-out one where the surrogate needs it; on the devices."""
        return self.feed(epoch, paired=epoch > self.switch and compares_parameters(self.config), offset=offset)

    def epoch(self, state: Any, epoch: int, learned: bool) -> tuple[Any, dict[str, Any]]:
        """Trains for one epoch; the entry of the history holds means over its steps."""
        infos, every = [], self.config.surrogate.outer_every
        for number, batch in enumerate(self.batches(epoch)):
            phase = "conventional" if not learned else "surrogate" if number % every == 0 else "frozen"
            if phase == "frozen":
                batch = batch[:1]
            state, info = self.program.steps[phase](state, *batch)
            infos.append(info)
        return state, entry_of(epoch, learned, jax.device_get(infos))

    def score(self, params: Any, split: Split, entry: dict[str, Any]) -> float | list[float]:
        """The metric of a split, exact in its last partial batch, with the thresholds of the epoch if tuned."""
        executor = self.program.executor
        size = -(-512 // executor.num_devices) * executor.num_devices
        parts = batches(split, size, partial=True, process_index=jax.process_index(), process_count=jax.process_count())
        predictions, targets = parallel.predict_all(executor, self.program.predict, params, parts)
        if self.config.tune_threshold:
            predictions = thresholds.shifted(self.program.metric, predictions, targets, entry)
        return np.asarray(self.program.metric.mean(jnp.asarray(predictions), targets), np.float64).tolist()

    def record(self, entry: dict[str, Any], log: records.TensorBoard | None) -> None:
        if log is not None and jax.process_index() == 0:
            records.append_line(self.path / "metrics.jsonl", entry)
            log.write(entry)
        self.report(epoch_event(self.config, self.name, entry))
