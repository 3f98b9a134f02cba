"""The schedule of runs: warm start, switch to the learned loss, epochs, the best of them, and the test metric there.

There is one loop. What trains the runs is an engine: a run by itself (`one_run`), or several that share a program side
by side (`side_by_side`).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax

from jaxsurr.bilevel import StepInfo
from jaxsurr.core.types import PyTree
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.training.epochs import better, divergence, entry_of, switch_of
from jaxsurr.training.feed import Parts
from jaxsurr.training.methods import Method
from jaxsurr.training.program import Program
from jaxsurr.training.protocols import Config, Entry, Outcome


@dataclasses.dataclass
class Run:
    """A run and what it has found so far.

    Attributes:
      method: its loss, and the config with the options of the loss in it.
      data: what it trains on and is measured on.
      parts: the rows that it trains on and those that its surrogate is judged on.
      history: entries of the epochs that are done.
      best: parameters and entry of the best of these; empty before the first.
      steps: what the steps of the epoch under way reported.
      error: where it diverged.
    """

    method: Method
    data: Data
    parts: Parts
    history: list[Entry] = dataclasses.field(default_factory=list)
    best: tuple[Any, ...] = ()
    steps: list[StepInfo] = dataclasses.field(default_factory=list)
    error: FloatingPointError | None = None

    @property
    def config(self) -> Config:
        """The config with the options of the loss in it."""
        return self.method.config

    def add(self, metric: Metric, entry: Entry, params: PyTree) -> None:
        """Ends the epoch under way."""
        self.history.append(entry)
        self.steps = []
        if not self.best or better(metric, entry, self.best[1]):
            self.best = (params, entry)

    def outcome(self, test: float | list[float] | None) -> Outcome:
        """What it found in the end, given the test metric at its best epoch."""
        final, (_, best) = self.history[-1], self.best
        return {
            "epochs": final["epoch"],
            "best_epoch": best["epoch"],
            "validation": best["validation"],
            "test": test,
            "gradient_correlation": final.get("gradient_correlation"),
            "ceiling": final.get("ceiling"),
            "history": self.history,
        }


class Engine(Protocol):
    """What trains runs of one program; all of them are in the same epoch.

    Attributes:
      runs: that it trains.
      program: that they share.
    """

    runs: Sequence[Run]
    program: Program

    def start(self) -> None:
        """Takes the state that was saved last, or the one before the first step."""
        ...

    def take_over(self, epoch: int) -> None:
        """Switches to the learned loss: initialises it on current predictions, and trains it alone for a while."""
        ...

    def train(self, epoch: int, learned: bool) -> None:
        """Makes the steps of an epoch, or those that are left of it, and adds what they report to that of each run."""
        ...

    def params(self) -> Sequence[PyTree]:
        """The parameters of each run, on the host."""
        ...

    def score(
        self, part: str, runs: Sequence[int], params: Sequence[PyTree], entries: Mapping[int, Entry]
    ) -> list[float | list[float]]:
        """The metric of a split, exact in all its rows.

        Args:
          part: "validation" or "test".
          runs: the places of the runs to score.
          params: of each of them.
          entries: by place, the epoch that the parameters are of; a run that has diverged has none.
        """
        ...

    def record(self, run: Run) -> None:
        """Reports the last epoch of a run, and keeps what the run needs to go on from there."""
        ...


def follow(engine: Engine) -> list[Outcome | FloatingPointError]:
    """Trains the runs of an engine to their end.

    Returns:
      For each run what it found, or the error of one that diverged.
    """
    engine.start()
    runs, program = engine.runs, engine.program
    shared = runs[0].config  # runs of one program differ in their seed and their rates only
    switch = switch_of(shared, program)
    for epoch in range(len(runs[0].history) + 1, shared.epochs + 1):
        learned = epoch > switch
        if epoch == switch + 1 and not any(runs[place].steps for place in _alive(runs)):  # it is not under way
            engine.take_over(epoch)
        engine.train(epoch, learned)
        params, entries = engine.params(), {}
        for place in _alive(runs):
            entry = entry_of(epoch, learned, jax.device_get(runs[place].steps))
            runs[place].error = divergence(runs[place].config, entry, params[place])
            if runs[place].error is None:
                entries[place] = entry
        if not entries:
            break
        scores = engine.score("validation", range(len(runs)), params, entries)
        for place, entry in entries.items():
            entry["validation"] = scores[place]
            runs[place].add(program.metric, entry, params[place])
            engine.record(runs[place])
    tests = _test(engine)
    return [run.error or run.outcome(tests.get(place)) for place, run in enumerate(runs)]


def _alive(runs: Sequence[Run]) -> list[int]:
    """The runs that have not diverged; the others are computed along, where they are side by side, and forgotten."""
    return [place for place, run in enumerate(runs) if run.error is None]


def _test(engine: Engine) -> dict[int, float | list[float]]:
    """The test metric of each run at its best epoch, where it has test rows."""
    runs = engine.runs
    best = {place: runs[place].best for place in _alive(runs) if runs[place].data.test is not None}
    if not best:
        return {}
    params = [params for params, _ in best.values()]
    scores = engine.score("test", list(best), params, {place: entry for place, (_, entry) in best.items()})
    return dict(zip(best, scores, strict=True))
