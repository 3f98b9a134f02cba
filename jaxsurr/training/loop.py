"""One run: train a model on a loss, choose its best epoch on validation, read the test split once."""

import contextlib
import itertools
import math
import os
import pathlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import bilevel, parallel
from jaxsurr.data import Data, Split, batches, load, num_batches
from jaxsurr.data.augment import augmentation
from jaxsurr.metrics import Metric, own_errors
from jaxsurr.training import records, thresholds
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.config import as_dict, validate
from jaxsurr.training.fallback import decide
from jaxsurr.training.feed import feed
from jaxsurr.training.methods import resolve
from jaxsurr.training.program import Program, build, compares_parameters, set_rates
from jaxsurr.types import Batch, Surrogate
from jaxsurr.versions import versions

_HELDOUT = 1_000_000_003  # random stream, beside those of the data
Event = dict[str, Any]


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


def _take(split: Split, rows: np.ndarray) -> Split:
    return Split(split.inputs[rows], jax.tree.map(lambda leaf: leaf[rows], split.targets))


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
    return _take(train, rows[number:]), _take(train, rows[:number])


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
      data, program: from `prepare`, where several runs share them.
      model: one of your own, where `config.model.name` is "own": a `jaxsurr.models.Model` that gives what the head
        `config.model.head` gives ("logits" of classes and levels or "points" where it is empty), or a function
        `(*, outputs, head, axis_name) -> Model`, which can serve any loss.

    Returns:
      What `result.json` holds: loss, metric, its value on validation and test at the best epoch, the history, the
      config, versions; with `fallback` whether the run that `stayed` on the conventional loss is the one that counts.

    Raises:
      ValueError: the config is wrong, does not fit the data, or the directory belongs to another config.
      FloatingPointError: the model diverged.
      OSError: the directory cannot be written.
    """
    validate(config)
    result_file = records.check_workdir(workdir, as_dict(config)) / "result.json"
    if result_file.exists():
        return records.read_json(result_file, "Delete it, and the same command makes it again.")
    if data is None or program is None:
        data, program = prepare(config, model=model)
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


def fresh_state(
    config: Any, program: Program, train: Split, surrogate: Surrogate, params: Any = None
) -> bilevel.TrainState:
    """A state before the first step on `surrogate`, on the host; its scale is taken from up to 1,024 training rows."""
    weights_key, step_key = jax.random.split(jax.random.key(config.seed))
    rows = np.random.default_rng([config.seed, 0]).permutation(len(train.inputs))[:1024]
    sample = _take(train, rows)
    if params is None:
        params = jax.jit(program.model.init)(weights_key, jnp.asarray(sample.inputs[: config.batch_size]))
    batch = Batch(sample.inputs, sample.targets)
    apply = program.outputs if surrogate is program.warm else program.model.apply
    state = bilevel.init_state(step_key, params, program.optimizer, surrogate, jax.jit(apply), batch)
    return state._replace(optimizer=set_rates(state.optimizer, resolve(config).config))


def state_after(epoch: int, config: Any, program: Program, train: Split) -> bilevel.TrainState:
    """A host state of the shapes that the one after an epoch has, to restore a checkpoint into."""
    warm = fresh_state(config, program, train, program.warm)
    if program.surrogate is None or epoch <= config.warm_epochs:
        return warm
    return fresh_state(config, program, train, program.surrogate, warm.params)


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
        kept = contextlib.nullcontext() if self.path is None else _TensorBoard(self.path / "tensorboard", len(history))
        with kept as log:
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

    def fresh(self, surrogate: Surrogate, params: Any = None) -> bilevel.TrainState:
        return fresh_state(self.config, self.program, self.train, surrogate, params)

    def start(self) -> tuple[Any, list[dict[str, Any]], tuple[Any, dict[str, Any]] | None]:
        """State, history and best epoch so far: from the newest checkpoint, or from nothing."""
        place = self.program.executor.place
        epoch = self.checkpoints.epoch() if self.checkpoints else None
        if epoch is None:
            state, history, best = self.fresh(self.program.warm), [], None
        else:
            template = state_after(epoch, self.config, self.program, self.train)
            arrays, progress = self.checkpoints.restore({"state": template, "best": template.params})
            state, history, best = arrays["state"], progress["history"], (arrays["best"], progress["best"])
        if (
            self.path is not None and jax.process_index() == 0
        ):  # lines of epochs that are made again, and a line that was cut off, go
            records.write_lines(self.path / "metrics.jsonl", history)
        return place(state), history, best

    def save(self, state: Any, history: list[dict[str, Any]], best: tuple[Any, dict[str, Any]]) -> None:
        arrays = {"state": self.program.executor.fetch(state), "best": best[0]}
        self.checkpoints.save(len(history), arrays, {"history": history, "best": best[1]})

    def take_over(self, state: Any, epoch: int) -> Any:
        """The learned loss takes over: it is initialised on current predictions, and learned for a while alone."""
        host = self.program.executor.fetch(state)
        begun = self.fresh(self.program.surrogate, host.params)
        state = self.program.executor.place(begun._replace(optimizer=host.optimizer, step=host.step))
        flat = []
        for batch in burn_in(lambda offset: self.batches(epoch, offset), self.config.surrogate.burn_in):
            state, info = self.program.steps["burn_in"](state, *batch)
            flat.append(info.surrogate.flat)
        warn_if_flat(self.config, self.program, jax.device_get(flat))
        # The steps of the burn-in leave the model and its place in the schedule as they were.
        after = self.program.executor.fetch(state)
        return self.program.executor.place(after._replace(step=host.step))

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
        devices = self.program.executor.num_devices
        size = -(-512 // devices) * devices
        parts = batches(split, size, partial=True, process_index=jax.process_index(), process_count=jax.process_count())
        executor = self.program.executor
        predictions, targets = parallel.predict_all(executor, self.program.predict, params, parts)
        if self.config.tune_threshold:
            predictions = thresholds.shifted(self.program.metric, predictions, targets, entry)
        return np.asarray(self.program.metric.mean(jnp.asarray(predictions), targets), np.float64).tolist()

    def record(self, entry: dict[str, Any], log: "_TensorBoard | None") -> None:
        if log is not None and jax.process_index() == 0:
            records.append_line(self.path / "metrics.jsonl", entry)
            log.write(entry)
        self.report(epoch_event(self.config, self.name, entry))


def first_metric(value: float | list[float]) -> float:
    """The metric that choices are made on: the only one, or the first of several."""
    return value[0] if isinstance(value, list) else value


def better(metric: Metric, entry: dict[str, Any], than: dict[str, Any]) -> bool:
    """Whether an epoch is better on validation; the first one of equals stays."""
    return metric.sign * first_metric(entry["validation"]) < metric.sign * first_metric(than["validation"])


def switch_of(config: Any, program: Program) -> int:
    """The last epoch of the conventional loss."""
    return config.epochs if program.surrogate is None else config.warm_epochs


def burn_in(batches_of: Callable[[int], Iterator[Any]], number: int) -> Iterator[Any]:
    """So many batches for a learned loss to begin on, from orders of an epoch: `batches_of(offset)`."""
    count = 0
    while count < number:
        for batch in itertools.islice(batches_of(1 + count), number - count):
            yield batch
            count += 1


def warn_if_flat(config: Any, program: Program, flat: Any) -> None:
    """Warns of a metric that perturbations do not change, given the share of such examples in steps of the burn-in."""
    if len(flat) and np.mean([np.mean(f) for f in flat]) > 0.999:
        warnings.warn(
            f"{program.metric.name} does not change when predictions are perturbed at the present scale, so its "
            "gradient is zero and nothing can be learned from it. Raise surrogate.relative_scale "
            f"({config.surrogate.relative_scale}) or lengthen the warm start, warm_epochs ({config.warm_epochs}), and "
            "check that the metric varies on these data at all.",
            stacklevel=3,
        )


def entry_of(epoch: int, learned: bool, infos: Sequence[bilevel.StepInfo]) -> dict[str, Any]:
    """The entry of the history of an epoch: means over its steps."""
    entry = {"epoch": epoch, "phase": "surrogate" if learned else "conventional"}
    entry["loss"] = float(np.mean([np.mean(info.loss) for info in infos]))
    if learned:
        for name in ("gradient_correlation", "ceiling", "value_error", "flat", "scale"):
            rows = np.concatenate([np.ravel(getattr(info.surrogate, name)) for info in infos])
            known = rows[~np.isnan(rows)]  # steps that only train know none, and a single pair knows no ceiling
            if known.size:
                entry[name] = float(np.mean(known))
    return entry


def refuse_divergence(config: Any, entry: dict[str, Any], params: Any) -> None:
    """Raises in words where the loss of an epoch, or a parameter after its last step, is not finite."""
    if math.isfinite(entry["loss"]) and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        return
    raise FloatingPointError(
        f"the model diverged in epoch {entry['epoch']}: its mean training loss is {entry['loss']:g}, and not "
        f"all of its parameters are finite numbers. Lower learning_rate ({config.learning_rate:g}), or "
        f"lengthen warm_epochs ({config.warm_epochs})."
    )


def epoch_event(config: Any, loss: str, entry: dict[str, Any]) -> Event:
    """What is reported after an epoch."""
    return {"event": "epoch", "epochs": config.epochs, "loss_name": loss, "seed": config.seed, **entry}


def outcome(history: list[dict[str, Any]], best: dict[str, Any], test: float | list[float] | None) -> dict[str, Any]:
    """What a run found: its history, the entry of its best epoch, and the test metric there."""
    final = history[-1]
    return {
        "epochs": final["epoch"],
        "best_epoch": best["epoch"],
        "validation": best["validation"],
        "test": test,
        "gradient_correlation": final.get("gradient_correlation"),
        "ceiling": final.get("ceiling"),
        "history": history,
    }


class _TensorBoard:
    """Scalars as TensorBoard events, on process 0."""

    def __init__(self, path: pathlib.Path, done: int):
        self.path, self.writer = path, None
        if jax.process_index() == 0:
            from tensorboardX import SummaryWriter

            with records.writing(path):
                self.writer = SummaryWriter(str(path), purge_step=done + 1)

    def write(self, entry: dict[str, Any]) -> None:
        with records.writing(self.path):
            for name, value in entry.items():
                for i, number in enumerate(value if isinstance(value, list) else [value]):
                    if isinstance(number, float):
                        self.writer.add_scalar(name if i == 0 else f"{name}_{i}", number, entry["epoch"])

    def __enter__(self) -> "_TensorBoard":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            with records.writing(self.path):
                if self.writer is not None:
                    self.writer.close()
        except OSError:
            if error is None:  # else what went wrong first is what has to be said
                raise
