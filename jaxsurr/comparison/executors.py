"""Where the runs of a comparison are made: in this process, or by workers that are handed groups of them.

A comparison claims groups of runs, has them made by an `Executor`, and writes the lines of their results: it is one
loop, and only this process writes. What a group consists of does not depend on who makes it, so that the table is the
same.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from jaxsurr.comparison.plan import Job
from jaxsurr.comparison.runner import Runner
from jaxsurr.training.protocols import Stop

__all__ = ["Ended", "Executor", "Here"]


class Ended(NamedTuple):
    """A group of runs that is no longer under way.

    Attributes:
      jobs: the runs; none where a worker died that had nothing to do.
      lines: of their results, or None where the worker that made them has died.
      worker: which one died and how, in words.
    """

    jobs: Sequence[Job]
    lines: list[dict[str, Any]] | None
    worker: str = ""


class Executor(Protocol):
    """Makes groups of runs, several at the same time where it can.

    Attributes:
      size: the number of workers, as far as is known now.
    """

    @property
    def size(self) -> int: ...

    def free(self) -> bool:
        """Whether a group can be begun now."""
        ...

    def begin(self, jobs: Sequence[Job]) -> None:
        """Begins a group of runs; called where one can be begun."""
        ...

    def ended(self, stop: Stop) -> list[Ended]:
        """Waits until a group has ended, a worker is free, `stop()` is true or some seconds have passed.

        Raises:
          OSError: there is no worker left, or none can be reached.
          Exception: of a run.
        """
        ...

    def close(self) -> None:
        """Ends the workers that this executor has started, and gives up what is under way."""
        ...


class Here:
    """An `Executor` in this process, one group after another."""

    size = 1

    def __init__(self, runner: Runner):
        self.runner = runner
        self.jobs: Sequence[Job] = ()

    def free(self) -> bool:
        return not self.jobs

    def begin(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs

    def ended(self, stop: Stop) -> list[Ended]:
        if not self.jobs:
            time.sleep(0.5)  # all that can be run now is being run by other processes
            return []
        jobs, self.jobs = self.jobs, ()
        return [Ended(jobs, self.runner.lines(jobs))]

    def close(self) -> None:
        pass
