"""The groups of runs of a comparison that are under way: claimed, begun, written when they have ended."""

import collections
import contextlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from jaxsurr.comparison import claims
from jaxsurr.comparison.executors import Executor
from jaxsurr.comparison.lines import Expected, other
from jaxsurr.comparison.plan import Job, Plan, decided
from jaxsurr.comparison.results import RESULTS, append
from jaxsurr.comparison.runner import Runner
from jaxsurr.training.entries import line_fault
from jaxsurr.training.protocols import Stop

__all__ = ["MOST_DEATHS", "UnderWay"]

MOST_DEATHS = 3
"""Workers that may die at one group of runs: it is likely that the runs are what they die of."""


class UnderWay:
    """Groups of runs that are under way in an executor.

    Args:
      path: of the work directory.
      plan: of the comparison.
      expected: what its lines agree in.
      runner: of the comparison; its `report` gets the events.
      executor: makes the runs.
      held: ends all claims when it ends.
    """

    def __init__(
        self,
        path: pathlib.Path,
        plan: Plan,
        expected: Expected,
        runner: Runner,
        executor: Executor,
        held: contextlib.ExitStack,
    ):
        self.path, self.plan, self.expected, self.runner = path, plan, expected, runner
        self.executor, self.held = executor, held
        self.claims: dict[tuple[str, ...], contextlib.ExitStack] = {}
        self.deaths: collections.Counter[tuple[str, ...]] = collections.Counter()
        self.said_spare, self.most = False, 0

    def fill(self, done: Mapping[str, Any]) -> bool:
        """Begins what can be begun now, given what is done; whether that is still all that is done."""
        while self.executor.free():
            claim = claims.take(self.path, self.plan, self.expected, done, self.runner)
            if claim is None:
                self._say_spare()
                return True
            self.held.callback(claim.held.close)
            keys = tuple(job.key for job in claim.jobs)
            if not claim.jobs or claim.jobs[0].of is not None:
                if claim.jobs:
                    append(self.path / RESULTS, [self._decided(job, done) for job in claim.jobs])
                claim.held.close()
                return False
            for job in claim.jobs:
                counts = {"done": len(done), "left": self.plan.left(done), "skipped": claim.skipped}
                self.runner.report({"event": "run", "key": job.key, "setting": job.setting, **counts})
            self.claims[keys] = claim.held
            self.most = max(self.most, len(self.claims))
            self.executor.begin(claim.jobs)
        return True

    def _decided(self, job: Job, done: Mapping[str, Any]) -> dict[str, Any]:
        return decided(job, self.plan.starts[job.loss], done)

    def collect(self, stop: Stop) -> None:
        """Waits for groups to end, and writes their lines."""
        for jobs, lines, worker in sorted(self.executor.ended(stop), key=lambda ended: ended.lines is None):
            keys = tuple(job.key for job in jobs)
            try:
                if lines is None:
                    self._lost(keys, worker)
                else:
                    self._check(jobs, lines)
                    append(self.path / RESULTS, lines)
            finally:
                if keys:
                    self.claims.pop(keys).close()

    def given_up(self) -> str:
        """What is lost where the comparison ends now, in words."""
        if not self.claims:
            return "no run was under way here"
        return f"{sum(map(len, self.claims))} runs were under way on workers and are made again"

    def _say_spare(self) -> None:
        """Says once that there are more workers than runs, unless all of them have had something to do."""
        used = len(self.claims)
        if used and not self.said_spare and self.executor.size > self.most:
            self.said_spare = True
            text = (
                f"Of {self.executor.size} workers {used} are used now, as no more runs can be made at the same time "
                "(those that differ in their seed only are trained side by side by one worker)."
            )
            self.runner.report({"event": "note", "text": text})

    def _lost(self, keys: tuple[str, ...], worker: str) -> None:
        """Says that a worker died.

        Raises:
          ChildProcessError: too many did at the same runs.
        """
        self.deaths[keys] += 1
        goes = f"; its runs go to others: {', '.join(keys)}" if keys else ""
        self.runner.report({"event": "note", "text": f"{worker}{goes}."})
        if keys and self.deaths[keys] == MOST_DEATHS:
            raise ChildProcessError(
                f"{MOST_DEATHS} workers have died at {', '.join(keys)}. Is there too little memory for it? What was "
                "made before is kept, and the same command goes on."
            )

    def _check(self, jobs: Sequence[Job], lines: Sequence[Mapping[str, Any]]) -> None:
        """Refuses lines that are not those of the runs.

        Raises:
          ValueError: they are of other runs or of another config.
        """
        for job, line in zip(jobs, lines, strict=True):
            fault = line_fault(line) or other(line, self.expected)
            if fault or line["key"] != job.key:
                raise ValueError(
                    f"what was made of {job.key} is of another comparison: {fault or line['key']}. Was a file changed "
                    "meanwhile? It was not written; start the same command again."
                )
