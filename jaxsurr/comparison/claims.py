"""Claims on runs: file locks in a work directory, by which comparisons in several processes share them."""

import contextlib
import itertools
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxsurr.comparison.lines import Expected, read_results
from jaxsurr.comparison.plan import Job, Plan
from jaxsurr.comparison.results import RESULTS
from jaxsurr.comparison.runner import Runner
from jaxsurr.training import records
from jaxsurr.training.locks import lock

__all__ = ["Claim", "take"]


class Claim(NamedTuple):
    """Runs that nobody else makes while the claim is held.

    Attributes:
      jobs: the runs; none where others have ended them just now.
      held: the locks; `held.close()` ends the claim.
      skipped: the number of runs before these that others are making.
    """

    jobs: list[Job]
    held: contextlib.ExitStack
    skipped: int


def take(path: pathlib.Path, plan: Plan, expected: Expected, done: Mapping[str, Any], runner: Runner) -> Claim | None:
    """Claims the first runs that nobody else is making; None where there are none.

    Args:
      path: of the work directory, with a folder `claims`.
      plan: of the comparison.
      expected: what its lines agree in.
      done: its results, read just now.
      runner: knows how many runs can be made side by side.
    """
    skipped = 0
    for group in plan.groups(done):
        size = max(runner.capacity(group[0]), 1) if group[0].of is None else len(group)
        for jobs in (group[start : start + size] for start in range(0, len(group), size)):
            with contextlib.ExitStack() as claims:
                # The first run stands for its group: two processes that are after the same one do not split it.
                mine = list(itertools.takewhile(lambda job: _claimed(path, job, claims), jobs))
                if not mine:
                    skipped += len(jobs)
                    continue
                now = read_results(path / RESULTS, expected=expected)  # others may have ended some before our claims
                return Claim([job for job in mine if job.key not in now], claims.pop_all(), skipped)
    return None


def _claimed(path: pathlib.Path, job: Job, claims: contextlib.ExitStack) -> bool:
    """Whether a run could be claimed; the claim is held until `claims` ends."""
    with records.writing(path / "claims"):
        return claims.enter_context(lock(path / "claims" / f"{_file_name(job.key)}.lock", wait=False))


def _file_name(key: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.=" else "_" for c in key)
