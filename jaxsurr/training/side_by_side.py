"""Runs side by side: those that share a program are trained by one compiled step, under `jax.vmap`.

Small dense models leave a device idle between steps. Here a whole epoch of several runs is one call: `jax.lax.scan`
over its batches, whose rows are gathered on the device, under `jax.vmap` over the runs. Each run keeps its own data,
batch order, noise, rates and best epoch, and ends as it would alone, to rounding. Convolutions are left out, as XLA
runs them many times slower inside a scan on a CPU.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import keys
from jaxsurr.core.types import PyTree
from jaxsurr.data import Data, Split
from jaxsurr.metrics import own_errors
from jaxsurr.training.epochs import (
    better,
    burn_in,
    entry_of,
    epoch_event,
    fresh_state,
    learning_state,
    outcome,
    refuse_divergence,
    switch_of,
    warn_if_flat,
)
from jaxsurr.training.fallback import choose, falls_back, staying
from jaxsurr.training.feed import RESIDENT_BYTES, Parts, draw, numbered, size_of
from jaxsurr.training.loop import hold_out
from jaxsurr.training.methods import resolve
from jaxsurr.training.program import Program, compares_parameters
from jaxsurr.training.protocols import Config, Report, Stop
from jaxsurr.training.stopping import Stopped, never

DENSE = ("linear", "mlp")
MOST = 8  # runs of a group: more of them gain little, and all are lost where their process is killed
_ROWS = 4096  # that are predicted at once, of each run


def capacity(config: Config, data: Data, program: Program) -> int:
    """How many runs of a config can be trained side by side; 0 where it has to be trained alone."""
    config = resolve(config).config
    alone = config.data.augment or config.tune_threshold or config.surrogate.outer_every > 1
    suited = config.model.name in DENSE and not alone
    if not (suited and program.executor.axis_name is None):
        return 0
    return min(MOST, RESIDENT_BYTES // max(size_of(hold_out(config, data.train)), 1))


@own_errors()
def train_together(
    configs: Sequence[Config],
    datas: Sequence[Data],
    program: Program,
    *,
    report: Report = lambda event: None,
    stop: Stop = never,
) -> list[dict[str, Any] | FloatingPointError]:
    """Trains runs that share a program, at most `capacity` of them, without work directories.

    Args:
      configs: of the runs; they differ in their seed and their rates (`program.RATES`) only.
      datas: of each run, of the same shapes. Where `test` is None no test rows are read.
      program: from `prepare`, for any of them.
      report: called after every epoch of every run.
      stop: called before every epoch; where it gives True `jaxsurr.training.stopping.Stopped` is raised.

    Returns:
      For each run what `jaxsurr.training.loop.train` gives, or the error of a run that diverged.
    """
    outcomes = _Group(configs, datas, program, report, stop).go()
    if not falls_back(configs[0], program):
        return outcomes
    others = _Group([staying(config) for config in configs], datas, program, report, stop).go()
    return [choose(program.metric, *pair) for pair in zip(outcomes, others, strict=True)]


class _Group:
    """What runs have in common; arrays have a leading axis of runs."""

    def __init__(self, configs: Sequence[Config], datas: Sequence[Data], program: Program, report: Report, stop: Stop):
        self.names = [config.loss for config in configs]
        self.configs = [resolve(config).config for config in configs]
        self.shared = self.configs[0]  # where the runs do not differ
        self.datas, self.program, self.report, self.stop = datas, program, report, stop
        self.parts = [hold_out(config, data.train) for config, data in zip(self.configs, datas, strict=True)]
        self.numbers = [_numbered(parts) for parts in self.parts]
        trained = _on_device([parts[0] for parts in self.parts])
        alone = self.parts[0][0] is self.parts[0][1]
        self.resident = (trained, trained if alone else _on_device([parts[1] for parts in self.parts]))
        self.switch = switch_of(self.shared, program)
        self.failed: dict[int, FloatingPointError] = {}

    def go(self) -> list[dict[str, Any] | FloatingPointError]:
        state = self.stacked([self.fresh(run) for run in range(len(self.configs))])
        validation = [data.validation for data in self.datas]
        inputs = _inputs(validation)
        histories: list[list[dict[str, Any]]] = [[] for _ in self.configs]
        best: list[Any] = [None for _ in self.configs]  # parameters and the entry of the best epoch
        for epoch in range(1, self.shared.epochs + 1):
            if self.stop():
                runs = f"{len(self.configs)} runs side by side ({self.names[0]})"
                raise Stopped(f"{runs} were ended after epoch {epoch - 1} and are made again")
            learned = epoch > self.switch
            if learned and epoch == self.switch + 1:
                state = self.take_over(state, epoch)
            rows = self.rows([self.batches(run, epoch) for run in range(len(self.configs))])
            state, infos = self.advance("surrogate" if learned else "conventional", state, rows)
            params = self.program.executor.fetch(state.params)
            scores = self.scores(params, inputs, validation)
            for run in self.alive():
                entry, mine = entry_of(epoch, learned, [_of(infos, run)]), _of(params, run)
                try:
                    refuse_divergence(self.configs[run], entry, mine)
                except FloatingPointError as error:
                    self.failed[run] = error
                    continue
                entry["validation"] = scores[run]
                histories[run].append(entry)
                if best[run] is None or better(self.program.metric, entry, best[run][1]):
                    best[run] = (mine, entry)
                self.report(epoch_event(self.configs[run], self.names[run], entry))
            if not self.alive():
                break
        tests = self.tests(best)
        return [
            self.failed[run] if run in self.failed else outcome(histories[run], best[run][1], tests[run])
            for run in range(len(self.configs))
        ]

    def alive(self) -> list[int]:
        """The runs that have not diverged; the others are computed along and forgotten."""
        return [run for run in range(len(self.configs)) if run not in self.failed]

    def fresh(self, run: int) -> Any:
        return fresh_state(self.configs[run], self.program, self.parts[run][0], self.program.warm)

    def learning(self, run: int, params: PyTree) -> Any:
        validation = self.datas[run].validation
        return learning_state(self.configs[run], self.program, self.parts[run][0], validation, params)

    def stacked(self, states: Sequence[Any]) -> Any:
        return self.program.executor.place(jax.tree.map(_stack, *states))

    def take_over(self, state: Any, epoch: int) -> Any:
        """As for one run: the learned loss is initialised on current predictions, and learned for a while alone."""
        host = self.program.executor.fetch(state)
        begun = {run: self.learning(run, _of(host.params, run)) for run in self.alive()}
        any_of_them = begun[self.alive()[0]]
        begun = self.stacked([begun.get(run, any_of_them) for run in range(len(self.configs))])
        kept = self.program.executor.place((host.optimizer, host.step))
        state = begun._replace(optimizer=kept[0], step=kept[1])
        if number := self.shared.surrogate.burn_in:
            rows = self.rows(
                [
                    burn_in(lambda offset, run=run: self.batches(run, epoch, offset), number)
                    for run in range(len(self.configs))
                ]
            )
            state, infos = self.advance("burn_in", state, rows)
            for run in self.alive():
                warn_if_flat(self.configs[run], self.program, infos.surrogate.zero_gradient_fraction[run])
        return state._replace(step=self.program.executor.place(host.step))

    def batches(self, run: int, epoch: int, offset: int = 0) -> Any:
        """The numbers of the rows of each batch of a run."""
        paired = epoch > self.switch and compares_parameters(self.shared)
        return draw(self.configs[run], self.numbers[run], epoch, paired=paired, offset=offset)

    def rows(self, runs: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """The rows of T batches of every run: an array `[R, T, B]` for each split that is drawn from."""
        drawn = [[tuple(batch.inputs for batch in pair) for pair in batches] for batches in runs]
        return tuple(np.moveaxis(np.asarray(drawn), 2, 0))

    def advance(self, phase: str, state: Any, rows: tuple[np.ndarray, ...]) -> tuple[Any, Any]:
        """All runs, along their rows; what the steps report, on the host."""
        state, infos = self.program.passes[phase](state, self.resident[: len(rows)], rows)
        return state, jax.device_get(infos)

    def scores(self, params: PyTree, inputs: Sequence[jax.Array], splits: Sequence[Split]) -> list[Any]:
        """The metric of a split of every run, exact in all its rows."""
        predicted = [jax.device_get(self.program.predict_each(params, some)) for some in inputs]
        predictions = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *predicted)
        mean = self.program.metric.mean
        return [
            np.asarray(mean(jax.tree.map(jnp.asarray, _of(predictions, run)), split.targets), np.float64).tolist()
            for run, split in enumerate(splits)
        ]

    def tests(self, best: Sequence[Any]) -> list[Any]:
        """The test metric of every run at its best epoch, None where it has no test rows or no such epoch."""
        splits = [data.test for data in self.datas]
        found: list[Any] = [None for _ in splits]
        whole = [run for run in self.alive() if splits[run] is not None]
        if whole:
            params = jax.tree.map(_stack, *(best[run][0] for run in whole))
            wanted = [splits[run] for run in whole]
            for run, value in zip(whole, self.scores(params, _inputs(wanted), wanted), strict=True):
                found[run] = value
        return found


def _of(tree: PyTree, run: int) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[run], tree)


def _stack(*leaves: Any) -> Any:
    return jnp.stack(leaves) if keys.is_key(leaves[0]) else np.stack(leaves)


def _numbered(parts: Parts) -> Parts:
    return numbered(parts[0]), numbered(parts[1])


def _on_device(splits: Sequence[Split]) -> Split:
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *splits))


def _inputs(splits: Sequence[Split]) -> list[jax.Array]:
    """Inputs of the splits of all runs, `[R, some rows, ...]` each."""
    stacked = np.stack([split.inputs for split in splits])
    return [jax.device_put(stacked[:, start : start + _ROWS]) for start in range(0, stacked.shape[1], _ROWS)]
