"""The runs of a comparison: data and programs that they share, and the line of results of each."""

import functools
import os
import time
from collections.abc import Sequence
from typing import Any

from jaxsurr.comparison.plan import Job
from jaxsurr.data import Data, Source
from jaxsurr.training import records, side_by_side
from jaxsurr.training.config import update
from jaxsurr.training.loop import load_data, named, prepare_method, result_of, run, train_runs
from jaxsurr.training.matching import with_usual
from jaxsurr.training.methods import Method, resolve
from jaxsurr.training.program import Program, without_rates
from jaxsurr.training.protocols import Config, Report, Stop

__all__ = ["Runner"]

_PROGRAMS = 8  # compiled ones that are kept


class Runner:
    """Makes runs, side by side where they can be; data and programs are kept while others can use them.

    Args:
      config: of the comparison.
      report: called after every epoch.
      model: one of your own, or None.
      stop: as for `jaxsurr.training.run`.
      source: arrays or a frame in place of `config.data.source`, or None.
    """

    def __init__(self, config: Config, report: Report, model: Any, stop: Stop, source: Source | None = None):
        self.config, self.report, self.model, self.stop = named(config, source), report, model, stop
        self.source = source
        self.programs: dict[str, Program] = {}
        self.datas: dict[int, Data] = {}
        self.capacities: dict[tuple[str, int], int] = {}
        self.method = functools.cache(self._method)

    def name_usual(self, workdir: str | os.PathLike | None = None) -> None:
        """Names the loss of warm starts in the config, where it names none: that which the work directory keeps."""
        if not self.config.conventional and workdir is not None and (known := records.usual_loss(workdir)):
            self.config = update(self.config.copy_and_resolve_references(), conventional=known)
        if not self.config.conventional:
            self.config = with_usual(self.config, self.data(self.config.seed).kind)

    def _method(self, job: Job) -> Method:
        alone = dict(losses=(), seeds=1, trials=1)
        config = self.config.copy_and_resolve_references()
        return resolve(update(config, loss=job.setting, seed=job.seed, **alone))

    def data(self, seed: int) -> Data:
        """The data of a seed."""
        if seed not in self.datas:
            found = load_data(update(self.config.copy_and_resolve_references(), seed=seed), self.source)
            self.datas = {**_newest(self.datas, side_by_side.MOST - 1), seed: found}
        return self.datas[seed]

    def program(self, job: Job) -> Program:
        """The program of a run; those that differ in their seed and rates share it."""
        name = without_rates(job.setting)
        if name not in self.programs:
            _, made = prepare_method(self.method(job), data=self.data(job.seed), model=self.model)
            self.programs = {**_newest(self.programs, _PROGRAMS - 1), name: made}
        return self.programs[name]

    def capacity(self, job: Job) -> int:
        """The number of runs like this one that can be made side by side; 0 where it has to be made alone."""
        key = without_rates(job.setting), job.seed
        if key not in self.capacities:  # asked often, while others make the runs
            self.capacities[key] = side_by_side.capacity(self.method(job), self.data(job.seed), self.program(job))
        return self.capacities[key]

    def lines(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """Makes runs that share a program; the lines of their results."""
        started = time.monotonic()
        methods, program = [self.method(job) for job in jobs], self.program(jobs[0])
        datas = [
            self.data(job.seed)._replace(test=None) if job.purpose == "tune" else self.data(job.seed) for job in jobs
        ]
        outcomes = train_runs(methods, datas, program, report=self.report, stop=self.stop)
        seconds = (time.monotonic() - started) / len(jobs)
        together = {"group": [job.key for job in jobs]} if len(jobs) > 1 else {}
        found = []
        for job, method, data, outcome in zip(jobs, methods, datas, outcomes, strict=True):
            if isinstance(outcome, FloatingPointError):
                outcome = _diverged(outcome)
            found.append(_line(job, result_of(method, data, program, outcome, seconds)) | together)
        return found

    def line_kept_in(self, workdir: str | os.PathLike, job: Job) -> dict[str, Any]:
        """Makes a run in its own work directory, or goes on with it there; the line of its result."""
        started = time.monotonic()
        method, data, program = self.method(job), self.data(job.seed), self.program(job)
        try:
            result = run(method.given, workdir, report=self.report, data=data, program=program, stop=self.stop)
        except FloatingPointError as error:
            result = result_of(method, data, program, _diverged(error), time.monotonic() - started)
        return _line(job, result)


def _diverged(error: FloatingPointError) -> dict[str, Any]:
    return {"validation": None, "test": None, "history": [], "reason": str(error)}


def _line(job: Job, result: dict[str, Any]) -> dict[str, Any]:
    whose = {"key": job.key, "purpose": job.purpose, "loss": job.loss, "setting": job.setting}
    return {**whose, "diverged": result["validation"] is None} | result | whose


def _newest(kept: dict[Any, Any], number: int) -> dict[Any, Any]:
    """The entries of a dictionary that joined it last."""
    return dict(list(kept.items())[-number:])
