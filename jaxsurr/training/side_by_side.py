"""The engine of runs side by side: those that share a program are trained by one compiled step, under `jax.vmap`.

Small dense models leave a device idle between steps. Here a whole epoch of several runs is one call: `jax.lax.scan`
over its batches, whose rows are gathered on the device, under `jax.vmap` over the runs. Each run keeps its own data,
batch order, noise, rates and best epoch, and ends as it would alone, to rounding. Convolutions are left out, as XLA
runs them many times slower inside a scan on a CPU.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import keys
from jaxsurr.core.types import PyTree
from jaxsurr.data import Data, Split
from jaxsurr.training.config import compares_parameters
from jaxsurr.training.epochs import burn_in, epoch_event, fresh_state, learning_state, warm_epochs_of, warn_if_flat
from jaxsurr.training.loading import RESIDENT_BYTES, hold_out, host_batches, numbered, size_of
from jaxsurr.training.methods import Method
from jaxsurr.training.program import DENSE, Program, at_switch, resting
from jaxsurr.training.protocols import Report, Stop
from jaxsurr.training.stopping import Stopped

if TYPE_CHECKING:
    from jaxsurr.training.schedule import Run

__all__ = ["MOST", "SideBySide", "capacity"]

MOST = 8  # runs of a group: more of them gain little, and all are lost where their process is killed
_ROWS = 4096  # that are predicted at once, of each run


def capacity(method: Method, data: Data, program: Program) -> int:
    """The number of runs like this one that can be trained side by side; 0 where it has to be trained alone."""
    config = method.config
    rarely = config.surrogate.outer_every > 1 or config.surrogate.metric_calls > 0
    alone = config.data.augment or config.tune_threshold or rarely
    suited = config.model.name in DENSE and not alone
    if not (suited and program.executor.num_devices == 1):
        return 0
    return min(MOST, RESIDENT_BYTES // max(size_of(hold_out(config, data.train)), 1))


class SideBySide:
    """An `Engine` of runs that differ in their seed and rates only; arrays have a leading axis of runs.

    Args:
      runs: to train, at most `capacity` of them.
      program: that they share.
      report: called after every epoch of every run.
      stop: called before every epoch; where it gives True the runs are given up.
    """

    def __init__(self, runs: Sequence["Run"], program: Program, report: Report, stop: Stop):
        self.runs, self.program, self.executor = runs, program, program.executor
        self.report, self.stop = report, stop
        self.shared = runs[0].config  # where the runs do not differ
        self.numbers = [(numbered(run.splits[0]), numbered(run.splits[1])) for run in runs]
        trained = _on_device([run.splits[0] for run in runs])
        alone = runs[0].splits[0] is runs[0].splits[1]
        self.resident = (trained, trained if alone else _on_device([run.splits[1] for run in runs]))
        self.validation = _inputs([run.data.validation for run in runs])
        self.warm_epochs = warm_epochs_of(self.shared, program)

    def start(self) -> None:
        program = self.program
        self.state = self.stacked([fresh_state(run.config, run.splits[0], program, program.warm) for run in self.runs])

    def stacked(self, states: Sequence[Any]) -> Any:
        return self.executor.place(jax.tree.map(_stack, *states))

    def switch(self, epoch: int) -> None:
        self.check(epoch)
        host = self.executor.fetch(self.state)
        begun = {
            place: learning_state(run.config, run.splits[0], run.data.validation, self.program, _of(host.params, place))
            for place, run in enumerate(self.runs)
            if run.error is None
        }
        any_of_them = next(iter(begun.values()))
        states = [begun.get(place, any_of_them) for place in range(len(self.runs))]
        kept = dict(
            params=jax.tree.map(_stack, *(one.params for one in states)),
            optimizer=at_switch(self.program, host.optimizer),
            step=host.step,
        )
        during = self.executor.place(kept | dict(optimizer=resting(kept["optimizer"])))
        self.state = self.stacked(states)._replace(**during)
        if number := self.shared.surrogate.burn_in:
            each = [functools.partial(self.batches, run, epoch) for run in range(len(self.runs))]
            infos = self.advance("burn_in", [burn_in(batches, number) for batches in each])
            for place in begun:
                warn_if_flat(self.runs[place].config, self.program, infos.surrogate.zero_gradient_fraction[place])
        # The steps of the burn-in leave the models and their place in the schedule as they were.
        self.state = self.state._replace(**self.executor.place(kept))

    def train(self, epoch: int, learned: bool) -> None:
        self.check(epoch)
        every = [self.batches(place, epoch) for place in range(len(self.runs))]
        infos = self.advance("surrogate" if learned else "conventional", every)
        params = self.executor.fetch(self.state.params)
        for place, run in enumerate(self.runs):
            run.steps, run.params = [_of(infos, place)], _of(params, place)

    def check(self, epoch: int) -> None:
        """Gives the runs up before an epoch where that is asked for.

        Raises:
          Stopped: it was asked for.
        """
        if self.stop():
            runs = f"{len(self.runs)} runs side by side ({self.runs[0].method.text})"
            raise Stopped(f"{runs} were ended after epoch {epoch - 1} and are made again")

    def batches(self, place: int, epoch: int, offset: int = 0) -> Any:
        """The numbers of the rows of each batch of a run."""
        paired = epoch > self.warm_epochs and compares_parameters(self.shared)
        return host_batches(self.runs[place].config, self.numbers[place], epoch, paired=paired, offset=offset)

    def advance(self, phase: str, batches_of_each: Sequence[Any]) -> Any:
        """All runs, along their batches; what the steps report, on the host."""
        drawn = [[tuple(batch.inputs for batch in pair) for pair in batches] for batches in batches_of_each]
        rows = tuple(np.moveaxis(np.asarray(drawn), 2, 0))  # of each split that is drawn from, [R, T, B]
        self.state, infos = self.program.scanned_epochs[phase](self.state, self.resident[: len(rows)], rows)
        return jax.device_get(infos)

    def score(self, part: str, runs: Sequence["Run"]) -> list[float | list[float]]:
        splits = [getattr(run.data, part) for run in runs]
        inputs = self.validation if part == "validation" else _inputs(splits)
        stacked = jax.tree.map(_stack, *(run.params for run in runs))
        predicted = [jax.device_get(self.program.predict_each(stacked, some)) for some in inputs]
        predictions = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *predicted)

        def mean(number: int, split: Split) -> Any:
            own = jax.tree.map(jnp.asarray, _of(predictions, number))
            where = None if split.weights is None else jnp.asarray(split.weights)
            return self.program.metric.mean(own, split.targets, where=where)

        return [np.asarray(mean(number, split), np.float64).tolist() for number, split in enumerate(splits)]

    def record(self, run: "Run") -> None:
        self.report(epoch_event(run.method, run.entry))


def _of(tree: PyTree, run: int) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[run], tree)


def _stack(*leaves: Any) -> Any:
    return jnp.stack(leaves) if keys.is_key(leaves[0]) else np.stack(leaves)


def _on_device(splits: Sequence[Split]) -> Split:
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *splits))


def _inputs(splits: Sequence[Split]) -> list[jax.Array]:
    """Inputs of the splits of all runs, `[R, some rows, ...]` each."""
    stacked = np.stack([split.inputs for split in splits])
    return [jax.device_put(stacked[:, start : start + _ROWS]) for start in range(0, stacked.shape[1], _ROWS)]
