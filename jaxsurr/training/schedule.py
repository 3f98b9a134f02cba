"""The schedule of runs: warm start, switch to the learned loss, epochs, the best of them, and the test metric there.

There is one loop. What trains the runs is an engine: a run by itself (`one_run`), or several that share a program side
by side (`side_by_side`).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import jax

from jaxsurr.bilevel import StepInfo
from jaxsurr.core.types import PyTree
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.metrics.calls import Calls, count_calls
from jaxsurr.training.epochs import better, divergence, entry_of, warm_epochs_of
from jaxsurr.training.loading import Splits
from jaxsurr.training.methods import Method
from jaxsurr.training.program import Program
from jaxsurr.training.protocols import Config, Entry, Outcome

__all__ = ["Engine", "Run", "follow"]


@dataclasses.dataclass(eq=False)
class Run:
    """A run and what it has found so far.

    Attributes:
      method: its loss, and the config with the options of the loss in it.
      data: what it trains on and is measured on.
      splits: the rows that it trains on and those that its surrogate is judged on.
      history: entries of the epochs that are done.
      best: parameters and entry of the best of these; empty before the first.
      steps: what the steps of the epoch under way reported.
      params: of the model after these, on the host; what is scored.
      entry: of the epoch that they are of.
      error: where the run diverged.
      calls: evaluations of black boxes in the epoch under way; those of runs side by side are counted together.
    """

    method: Method
    data: Data
    splits: Splits
    history: list[Entry] = dataclasses.field(default_factory=list)
    best: tuple[Any, ...] = ()
    steps: list[StepInfo] = dataclasses.field(default_factory=list)
    params: PyTree = None
    entry: Entry = dataclasses.field(default_factory=dict)
    error: FloatingPointError | None = None
    calls: Calls = dataclasses.field(default_factory=Calls)

    @property
    def config(self) -> Config:
        """The config with the options of the loss in it."""
        return self.method.config

    def end_epoch(self, metric: Metric, validation: float | list[float]) -> None:
        """Adds the epoch under way to the history, and keeps its parameters where it is the best."""
        self.entry["validation"] = validation
        self.history.append(self.entry)
        self.steps = []
        if not self.best or better(metric, self.entry, self.best[1]):
            self.best = (self.params, self.entry)

    def outcome(self, test: float | list[float] | None, calls: int) -> Outcome:
        """The outcome of the run, given the test metric at its best epoch and the calls of a black box for it."""
        final, (_, best) = self.history[-1], self.best
        asked = [entry["metric_calls"] for entry in self.history if "metric_calls" in entry]
        return {
            "epochs": final["epoch"],
            "best_epoch": best["epoch"],
            "validation": best["validation"],
            "test": test,
            "gradient_correlation": final.get("gradient_correlation"),
            "ceiling": final.get("ceiling"),
            "history": self.history,
            **({"metric_calls": sum(asked) + calls} if asked else {}),
        }


class Engine(Protocol):
    """Trains runs of one program; all of them are in the same epoch."""

    @property
    def runs(self) -> Sequence[Run]:
        """The runs that it trains."""
        ...

    @property
    def program(self) -> Program:
        """The program that they share."""
        ...

    def start(self) -> None:
        """Takes the state that was saved last, or the one before the first step."""
        ...

    def switch(self, epoch: int) -> None:
        """Switches to the learned loss: initialises it on current predictions, and trains it alone for a while."""
        ...

    def train(self, epoch: int, learned: bool) -> None:
        """Makes the steps of an epoch, or those that are left of it; sets `steps` and `params` of each run."""
        ...

    def score(self, part: str, runs: Sequence[Run]) -> list[float | list[float]]:
        """The metric of a split of each run, "validation" or "test", exact in all its rows."""
        ...

    def record(self, run: Run) -> None:
        """Reports the last epoch of a run, and keeps what the run needs to go on from there."""
        ...


def follow(engine: Engine) -> list[Outcome | FloatingPointError]:
    """Trains the runs of an engine to their end.

    Returns:
      For each run what it found, or the error of one that diverged.
    """
    calls = engine.runs[0].calls
    for run in engine.runs:
        run.calls = calls
    with count_calls(calls):
        return _followed(engine, calls)


def _followed(engine: Engine, calls: Calls) -> list[Outcome | FloatingPointError]:
    """The outcomes of `follow`; evaluations of black boxes are counted by `calls`, which is 0 after every epoch."""
    engine.start()
    runs, program = engine.runs, engine.program
    alive = list(runs)  # those that diverge are computed along, where they are side by side, and forgotten
    shared = runs[0].config  # runs of one program differ in their seed and their rates only
    warm = warm_epochs_of(shared, program)
    for epoch in range(len(runs[0].history) + 1, shared.epochs + 1):
        learned = epoch > warm
        if epoch == warm + 1 and not alive[0].steps:
            engine.switch(epoch)
        engine.train(epoch, learned)
        for run in alive:
            run.entry = entry_of(epoch, learned, jax.device_get(run.steps))
            run.error = divergence(run.config, run.entry, run.params)
        alive = [run for run in alive if run.error is None]
        if not alive:
            break
        values = engine.score("validation", runs)
        asked, calls.number = calls.number // len(runs), 0
        for run, value in zip(runs, values, strict=True):
            if run.error is None:
                if program.asks.metric:
                    run.entry["metric_calls"] = asked
                run.end_epoch(program.metric, value)
                engine.record(run)
    whole = [run for run in alive if run.data.test is not None]
    for run in whole:
        run.params, run.entry = run.best
    tests = iter(engine.score("test", whole) if whole else ())
    asked = calls.number // max(len(whole), 1)
    return [run.error or (run.outcome(next(tests), asked) if run in whole else run.outcome(None, 0)) for run in runs]
