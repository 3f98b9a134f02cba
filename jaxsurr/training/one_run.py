"""The steps and epochs of one run, from where it was saved last to its end."""

import contextlib
import shutil
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import parallel
from jaxsurr.core.types import Batch
from jaxsurr.data import Data, Split, batches, num_batches
from jaxsurr.training import records, stopping, thresholds
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.epochs import (
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
from jaxsurr.training.events import TensorBoard
from jaxsurr.training.feed import Parts, feed
from jaxsurr.training.methods import resolve
from jaxsurr.training.program import Program, compares_parameters
from jaxsurr.training.protocols import Config, Report, Stop


class Run:
    """The state of one run between its steps; everything that has to survive an interruption is in checkpoints.

    One within an epoch, where the run was asked to stop, is in `paused` until there is a later one of a whole epoch.
    """

    def __init__(
        self,
        config: Config,
        data: Data,
        parts: Parts,
        program: Program,
        path: Any,  # None for a run without a work directory, and so are its checkpoints
        checkpoints: Any,
        report: Report,
        stop: Stop,
    ):
        self.name = config.loss
        config = resolve(config).config
        self.config, self.data, self.program = config, data, program
        self.path, self.checkpoints, self.report, self.stop = path, checkpoints, report, stop
        self.train, self.feed = parts[0], feed(config, parts, program.executor, data.names)
        self.steps = num_batches(parts[0], config.batch_size)
        self.switch = switch_of(config, program)
        if config.tune_threshold:
            thresholds.check(program.metric)

    def go(self) -> dict[str, Any]:
        self.start()
        history = self.history
        log = self.path and TensorBoard(self.path / "tensorboard", len(history))
        with log or contextlib.nullcontext():
            for epoch in range(len(history) + 1, self.config.epochs + 1):
                learned = epoch > self.switch
                if learned and epoch == self.switch + 1 and not self.infos:
                    self.state = self.take_over(epoch)
                entry = self.epoch(epoch, learned)
                params = self.program.executor.fetch(self.state.params)
                refuse_divergence(self.config, entry, params)
                entry["validation"] = self.score(params, self.data.validation, entry)
                history.append(entry)
                self.infos = []
                if self.best is None or better(self.program.metric, entry, self.best[1]):
                    self.best = (params, entry)
                self.record(entry, log)
                if self.checkpoints and (epoch % self.config.checkpoint.every == 0 or epoch == self.config.epochs):
                    self.save()
        test = None if self.data.test is None else self.score(self.best[0], self.data.test, self.best[1])
        return outcome(history, self.best[1], test)

    # --- begin, switch, end -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """State, history and best epoch so far, and what steps of the epoch told: as saved last, or from nothing."""
        found = self.saved() if self.checkpoints else None
        self.best: Any  # parameters and entry of the best epoch so far, None before the first
        if found is None:
            state = fresh_state(self.config, self.program, self.train, self.program.warm)
            self.history, self.best, self.infos = [], None, []
        else:
            arrays, progress = found
            state, self.history = arrays["state"], progress["history"]
            self.best = progress["best"] and (arrays["best"], progress["best"])
            self.infos = stopping.from_plain(progress.get("steps", ()))
        self.kept = self.done
        if self.path is not None and jax.process_index() == 0:
            # Lines of epochs that are made again go, and so does a line that was cut off.
            records.write_lines(self.path / "metrics.jsonl", self.history)
        self.state = self.program.executor.place(state)

    @property
    def done(self) -> int:
        """Steps that this run has made."""
        return len(self.history) * self.steps + len(self.infos)

    def saved(self) -> tuple[Any, dict[str, Any]] | None:
        """The newest of what was saved after an epoch or within one."""
        epoch, paused = self.checkpoints.epoch(), self.paused()
        steps = paused.epoch() or 0
        try:
            if steps > (epoch or 0) * self.steps:
                return paused.restore(self.template(-(-steps // self.steps)))
        except ValueError as error:
            warnings.warn(f"{error} This run goes on from an older checkpoint.", stacklevel=2)
        finally:
            paused.close()
        return None if epoch is None else self.checkpoints.restore(self.template)

    def template(self, epoch: int) -> dict[str, Any]:
        """What the checkpoint of an epoch holds: its structure, dtypes and shapes."""
        state = state_after(epoch, self.config, self.program, self.train)
        return {"state": state, "best": state.params}

    def paused(self) -> Checkpoints:
        return Checkpoints(self.path / "paused", 1)

    def save(self) -> None:
        arrays = {"state": self.program.executor.fetch(self.state), "best": self.best[0]}
        self.checkpoints.save(len(self.history), arrays, {"history": self.history, "best": self.best[1]})
        self.kept = self.done
        if jax.process_index() == 0:
            shutil.rmtree(self.path / "paused", ignore_errors=True)  # were it left, it would be older and not be read

    def check(self) -> None:
        """Ends the run here where that is asked for, and saves what it needs to go on.

        Raises:
          Stopped: it was asked for.
        """
        if not self.stop():
            return
        epoch, made = len(self.history), len(self.infos)
        where = f"step {made} of {self.steps} of epoch {epoch + 1}" if made else f"epoch {epoch}"
        if self.checkpoints is None:
            raise stopping.Stopped(f"{self.name}, seed {self.config.seed}, was ended after {where} and is made again")
        if self.done != self.kept:
            state = self.program.executor.fetch(self.state)
            params, best = self.best or (state.params, None)
            told = stopping.plain(jax.device_get(self.infos))
            paused = self.paused()
            try:
                paused.save(
                    self.done,
                    {"state": state, "best": params},
                    {"history": self.history, "best": best, "steps": told},
                )
            finally:
                paused.close()
        raise stopping.Stopped(f"{self.name}, seed {self.config.seed}, is saved after {where} in {self.path}")

    def take_over(self, epoch: int) -> Any:
        """The learned loss takes over: it is initialised on current predictions, and learned for a while alone."""
        executor = self.program.executor
        host = executor.fetch(self.state)
        begun = learning_state(self.config, self.program, self.train, self.data.validation, host.params)
        state = executor.place(begun._replace(optimizer=host.optimizer, step=host.step))
        flat = []
        for batch in burn_in(lambda offset: self.batches(epoch, offset), self.config.surrogate.burn_in):
            state, info = self.program.steps["burn_in"](state, *batch)
            flat.append(info.surrogate.zero_gradient_fraction)
            self.check()  # what is saved is the state of before
        warn_if_flat(self.config, self.program, jax.device_get(flat))
        # The steps of the burn-in leave the model and its place in the schedule as they were.
        return executor.place(executor.fetch(state)._replace(step=host.step))

    # --- one epoch ----------------------------------------------------------------------------------------------------

    def batches(self, epoch: int, offset: int = 0, skip: int = 0) -> Iterator[tuple[Batch, ...]]:
        """Batches of an epoch, each with a held-out one where the surrogate needs it; on the devices."""
        paired = epoch > self.switch and compares_parameters(self.config)
        return self.feed(epoch, paired=paired, offset=offset, skip=skip)

    def epoch(self, epoch: int, learned: bool) -> dict[str, Any]:
        """Trains for one epoch, or what is left of it; the entry of the history holds means over its steps."""
        every, made = self.config.surrogate.outer_every, len(self.infos)
        for number, batch in enumerate(self.batches(epoch, skip=made), made):
            phase = "conventional" if not learned else "surrogate" if number % every == 0 else "frozen"
            if phase == "frozen":
                batch = batch[:1]
            self.state, info = self.program.steps[phase](self.state, *batch)
            self.infos.append(info)
            self.check()
        return entry_of(epoch, learned, jax.device_get(self.infos))

    def score(self, params: Any, split: Split, entry: dict[str, Any]) -> float | list[float]:
        """The metric of a split, exact in its last partial batch, with the thresholds of the epoch if tuned."""
        executor = self.program.executor
        size = -(-512 // executor.num_devices) * executor.num_devices
        parts = batches(split, size, partial=True, process_index=jax.process_index(), process_count=jax.process_count())
        predictions, targets = parallel.predict_all(executor, self.program.predict, params, self.checked(parts))
        if self.config.tune_threshold:
            predictions = thresholds.shifted(self.program.metric, predictions, targets, entry)
        return np.asarray(self.program.metric.mean(jnp.asarray(predictions), targets), np.float64).tolist()

    def checked(self, parts: Iterator[Batch]) -> Iterator[Batch]:
        for part in parts:
            yield part
            self.check()

    def record(self, entry: dict[str, Any], log: TensorBoard | None) -> None:
        if log is not None and jax.process_index() == 0:
            records.append_line(self.path / "metrics.jsonl", entry)
            log.write(entry)
        self.report(epoch_event(self.config, self.name, entry))
