"""The engine of a run by itself: a step after the other, on one device or on many, resumable within an epoch."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import parallel
from jaxsurr.core.types import Batch
from jaxsurr.data import batches, num_batches
from jaxsurr.training import budget, stopping, thresholds
from jaxsurr.training.config import compares_parameters
from jaxsurr.training.epochs import (
    burn_in,
    epoch_event,
    fresh_state,
    learning_state,
    state_after,
    warm_epochs_of,
    warn_if_flat,
)
from jaxsurr.training.loading import Rows, device_batches
from jaxsurr.training.program import Program, at_switch, resting
from jaxsurr.training.protocols import Report, Stop
from jaxsurr.training.run_files import RunFiles

if TYPE_CHECKING:
    from jaxsurr.training.schedule import Run

__all__ = ["OneRun"]


class OneRun:
    """An `Engine` of one run.

    Args:
      run: to train.
      program: of the run.
      files: where it is kept, None for a run without a work directory.
      report: called after every epoch.
      stop: called after every step and within scoring; where it gives True the run is saved there and ends.
    """

    def __init__(self, run: "Run", program: Program, files: RunFiles | None, report: Report, stop: Stop):
        self.run, self.runs, self.program = run, [run], program
        self.files, self.report, self.stop = files, report, stop
        self.config, self.executor = run.config, program.executor
        self.batches_of = device_batches(self.config, run.splits, self.executor, run.data.names)
        self.steps = num_batches(run.splits[0], self.config.batch_size)
        self.warm_epochs = warm_epochs_of(self.config, program)
        if self.config.tune_threshold:
            thresholds.check(program.metric)

    def start(self) -> None:
        state = self.files and self.files.restore(self.run, self.template, self.steps)
        if state is None:
            state = fresh_state(self.config, self.run.splits[0], self.program, self.program.warm)
        self.state = self.executor.place(state)

    def template(self, epoch: int) -> dict[str, Any]:
        """The structure, dtypes and shapes of the checkpoint of an epoch."""
        state = state_after(self.config, self.run.splits[0], self.program, epoch)
        return {"state": state, "best": state.params}

    def switch(self, epoch: int) -> None:
        host = self.executor.fetch(self.state)
        begun = learning_state(self.config, self.run.splits[0], self.run.data.validation, self.program, host.params)
        optimizer = at_switch(self.program, host.optimizer)
        state = self.executor.place(begun._replace(optimizer=resting(optimizer), step=host.step))
        flat, number = [], budget.burn_in(self.config, self.program.asks)
        for batch in burn_in(lambda offset: self.batches(epoch, offset), number):
            state, info = self.program.steps["burn_in"](state, *batch)
            flat.append(info.surrogate.zero_gradient_fraction)
            self.check()  # what is saved is the state of before
        warn_if_flat(self.config, self.program, jax.device_get(flat))
        # The steps of the burn-in leave the model and its place in the schedule as they were.
        after = self.executor.fetch(state)
        self.state = self.executor.place(after._replace(params=host.params, optimizer=optimizer, step=host.step))

    def train(self, epoch: int, learned: bool) -> None:
        every, made = budget.outer_every(self.config, self.program.asks, self.steps), len(self.run.steps)
        for number, batch in enumerate(self.batches(epoch, skip=made), made):
            phase = "conventional" if not learned else "surrogate" if number % every == 0 else "frozen"
            if phase == "frozen":
                batch = batch[:1]
            self.state, info = self.program.steps[phase](self.state, *batch)
            self.run.steps.append(info)
            self.check()
        self.run.params = self.executor.fetch(self.state.params)

    def batches(self, epoch: int, offset: int = 0, skip: int = 0) -> Iterator[tuple[Batch | Rows, ...]]:
        """Batches of an epoch, each with a held-out one where the surrogate needs it; on the devices."""
        paired = epoch > self.warm_epochs and compares_parameters(self.config)
        return self.batches_of(epoch, paired=paired, offset=offset, skip=skip)

    def score(self, part: str, runs: Sequence["Run"]) -> list[float | list[float]]:
        (run,) = runs
        size = -(-512 // self.executor.num_devices) * self.executor.num_devices
        process = dict(process_index=jax.process_index(), process_count=jax.process_count())
        split = getattr(run.data, part)
        parts = self.checked(batches(split, size, partial=True, **process))
        predictions, targets = parallel.predict_all(self.executor, self.program.predict, run.params, parts)
        where = None if split.weights is None else jnp.asarray(split.weights[split.weights > 0])
        if self.config.tune_threshold:
            predictions = thresholds.shifted(self.program.metric, predictions, targets, run.entry, where)
        mean = self.program.metric.mean(jnp.asarray(predictions), targets, where=where)
        return [np.asarray(mean, np.float64).tolist()]

    def checked(self, parts: Iterator[Batch]) -> Iterator[Batch]:
        for part in parts:
            yield part
            self.check()

    def record(self, run: "Run") -> None:
        epoch = len(run.history)
        if self.files:
            self.files.record(run.entry)
        self.report(epoch_event(run.method, run.entry))
        if self.files and (epoch % self.files.every == 0 or epoch == self.config.epochs):
            self.files.save(run, self.executor.fetch(self.state), self.steps)

    def check(self) -> None:
        """Ends the run here where that is asked for, and saves what it needs to go on.

        Raises:
          Stopped: it was asked for.
        """
        if not self.stop():
            return
        epoch, made = len(self.run.history), len(self.run.steps)
        what = f"{self.run.method.text}, seed {self.config.seed}"
        where = f"step {made} of {self.steps} of epoch {epoch + 1}" if made else f"epoch {epoch}"
        if self.files is None:
            raise stopping.Stopped(f"{what}, was ended after {where} and is made again")
        done = epoch * self.steps + made
        if done != self.files.kept:
            self.files.pause(self.run, self.executor.fetch(self.state), done)
        raise stopping.Stopped(f"{what}, is saved after {where} in {self.files.path}")
