"""A comparison of losses: tuned alike, run with paired seeds, put into one table.

Every loss gets the same number of tuning trials and the same number of epochs. A trial is chosen by its validation
metric; tuning runs are handed no test rows at all. Then the chosen setting of each loss is run with every seed, and
reads its test rows once.

Where all seeds share one test split (an official one, or `data.split_seed`), tuning is done on the first seed. Where
each seed has a test split of its own, a loss is tuned for each seed on that seed's training and validation rows, since
another seed's test rows may be among them.

All that is known is in `results.jsonl`, a line a run, appended under a lock and never changed; tables and figures are
made from it. So a comparison can be killed at any moment, started again, and shared by several processes.

Runs of a small dense model that differ in their seed and rates only are trained side by side (`side_by_side`), a line
each; their lines are appended together, so that a group that is killed is made again as a whole.
"""

import contextlib
import functools
import itertools
import os
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import jax

from jaxsurr.comparison.lines import OPEN, Expected, read_results
from jaxsurr.comparison.plan import Job, Plan
from jaxsurr.comparison.results import RESULTS, append, summarise
from jaxsurr.core import checks, renamed
from jaxsurr.core.spec import parse_spec
from jaxsurr.core.versions import versions
from jaxsurr.data import Data
from jaxsurr.training import notes, records, side_by_side
from jaxsurr.training.checking import validate
from jaxsurr.training.config import as_dict, update
from jaxsurr.training.kinds import KINDS
from jaxsurr.training.locks import lock
from jaxsurr.training.loop import load_data, prepare, train, train_together
from jaxsurr.training.methods import resolve
from jaxsurr.training.program import Program, without_rates
from jaxsurr.training.protocols import Config, Report, Say, Stop
from jaxsurr.training.stopping import Stopped, never

_PROGRAMS = 8  # compiled ones that are kept


def identity(config: Config) -> dict[str, Any]:
    """The part of a config that all runs of a comparison share; losses and seeds can be added later."""
    return {name: value for name, value in as_dict(config).items() if name not in OPEN}


def with_baselines(losses: Sequence[str], kind: str, metric: str) -> tuple[str, ...]:
    """The losses asked for, and the strong cheap baselines of this kind of targets that are not among them."""
    plain = parse_spec(metric)[1].get("decode", "median") == "median"
    baselines = [loss.removesuffix("?decode=median") if plain else loss for loss in KINDS[kind].baselines]
    return tuple(dict.fromkeys([*losses, *baselines]))


def _single(config: Config, loss: str, seed: int) -> Config:
    """The config of one run of a comparison."""
    alone = dict(losses=(), seeds=1, trials=1)
    return update(config.copy_and_resolve_references(), loss=loss, seed=seed, **alone)


class _Runner:
    """Makes runs, side by side where they can be; data and compiled programs are kept while others can use them."""

    def __init__(self, config: Config, report: Report, model: Any, stop: Stop):
        self.config, self.report, self.model, self.stop = config, report, model, stop
        self.programs: dict[str, Program] = {}
        self.datas: dict[int, Data] = {}

    def single(self, job: Job) -> Config:
        return _single(self.config, job.setting, job.seed)

    def data(self, seed: int) -> Data:
        if seed not in self.datas:
            found = load_data(update(self.config.copy_and_resolve_references(), seed=seed))
            self.datas = {**_newest(self.datas, side_by_side.MOST - 1), seed: found}
        return self.datas[seed]

    def program(self, job: Job) -> Program:
        name = without_rates(job.setting)
        if name not in self.programs:
            _, made = prepare(self.single(job), data=self.data(job.seed), model=self.model)
            self.programs = {**_newest(self.programs, _PROGRAMS - 1), name: made}
        return self.programs[name]

    def capacity(self, job: Job) -> int:
        """How many runs like this one can be made side by side; 0 where it has to be made alone."""
        return side_by_side.capacity(resolve(self.single(job)), self.data(job.seed), self.program(job))

    def __call__(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        started = time.monotonic()
        configs, program = [self.single(job) for job in jobs], self.program(jobs[0])
        datas = [
            self.data(job.seed)._replace(test=None) if job.purpose == "tune" else self.data(job.seed) for job in jobs
        ]
        if self.capacity(jobs[0]):
            methods = [resolve(config) for config in configs]
            outcomes = train_together(methods, datas, program, report=self.report, stop=self.stop)
        else:
            outcomes = [self.alone(*run, program) for run in zip(configs, datas, strict=True)]
        seconds = round((time.monotonic() - started) / len(jobs), 1)
        entries = [self.entry(*run, program, seconds) for run in zip(jobs, configs, outcomes, strict=True)]
        together = {"group": [job.key for job in jobs]} if len(jobs) > 1 else {}
        return [entry | together for entry in entries]

    def alone(self, config: Config, data: Data, program: Program) -> dict[str, Any] | FloatingPointError:
        try:
            return train(config, data, program, report=self.report, stop=self.stop)
        except FloatingPointError as error:
            return error

    def entry(
        self,
        job: Job,
        config: Config,
        outcome: dict[str, Any] | FloatingPointError,
        program: Program,
        seconds: float,
    ) -> dict[str, Any]:
        """The line of a run."""
        if isinstance(outcome, FloatingPointError):
            outcome = {"validation": None, "test": None, "history": [], "reason": str(outcome)}
        return {
            "key": job.key,
            "purpose": job.purpose,
            "loss": job.loss,
            "setting": job.setting,
            "seed": job.seed,
            "metric": program.metric.name,
            "higher_is_better": program.metric.higher_is_better,
            "diverged": outcome["validation"] is None,
            "data": list(self.data(job.seed).notes),
            **outcome,
            "seconds": seconds,
            "platform": jax.devices()[0].platform,
            "versions": versions(),
            "config": as_dict(config),
        }


def _newest(kept: dict[Any, Any], number: int) -> dict[Any, Any]:
    """The entries of a dictionary that joined it last."""
    return dict(list(kept.items())[-number:])


def compare(
    config: Config,
    losses: Sequence[str] | None = None,
    seeds: int | None = None,
    *,
    workdir: str | os.PathLike,
    trials: int | None = None,
    figures: bool = True,
    report: Report | None = None,
    say: Say | None = None,
    model: Any = None,
    stop: Stop = never,
) -> dict[str, Any]:
    """Compares losses on the data, the model and the metric of a config.

    Args:
      config: see `jaxsurr.training.default_config`.
      losses: as `config.losses`: texts such as "cross_entropy", "focal?gamma=1"; the baselines of the kind of targets
        join them (`jaxsurr.training.kinds`).
      seeds: as `config.seeds`, at least 2.
      workdir: gets `results.jsonl` (a line a run), `table.md`, `table.csv` and `figures/`. The same call goes on where
        it stopped; several processes on one machine can share the work by making it at the same time; more losses or
        seeds can be added later.
      trials: as `config.trials`, settings tried for each loss; 1 takes the defaults.
      figures: whether to draw.
      report: called with progress events: `{"event": "run", ...}` before a run, and after every epoch.
      say: called with a line that says which rows or labels were changed or left out, before anything is trained.
      model: one of your own, as for `jaxsurr.training.run`; the same in every call that goes on with a comparison.
      stop: called after every step, or before every epoch of runs side by side; where it gives True the runs under way
        are given up, to be made again by the same call, and `jaxsurr.training.stopping.Stopped` is raised.

    Returns:
      `{"rows": [...], "runs": [...], "selection": {...}}`: rows of the table, best first, all runs that they were made
      from, and what losses learned from the metric add to a choice among the conventional ones on validation
      (`jaxsurr.comparison.statistics.selection`; None where only one kind ran).

    Raises:
      ValueError: a loss, a metric and the targets do not fit; fewer than two seeds; the directory belongs to another
        config.
    """
    config = config.copy_and_resolve_references()
    given = {"losses": losses and tuple(losses), "seeds": seeds, "trials": trials}
    update(config, **{name: value for name, value in given.items() if value is not None})
    if not config.losses:
        raise ValueError("a comparison needs losses: losses=('cross_entropy', 'correlated_gradients'), say.")
    validate(config)
    if config.seeds < 2:
        raise ValueError(f"a comparison needs at least 2 seeds for its intervals, got seeds={config.seeds}; use 5.")
    path = records.check_workdir(workdir, identity(config))
    tell = report or (lambda event: None)
    first = load_data(config)
    notes.tell(say, first.notes)
    everything = with_baselines(config.losses, first.kind, config.metric)
    if config.reference:
        checks.one_of(config.reference, "reference", everything)
    measured = {}
    for loss in everything:  # all that cannot work is said before anything runs
        metric = prepare(_single(config, loss, config.seed), data=first, model=model)[1].metric
        measured[loss] = metric.name, metric.higher_is_better
    plan = Plan(config, everything, nested=not (first.official_test or config.data.split_seed >= 0))
    records.open_workdir(path, identity(config))
    with records.writing(path / "claims"):
        (path / "claims").mkdir(exist_ok=True)
    runner, expected = _Runner(config, tell, model, stop), Expected(identity(config), measured)
    warn = functools.cache(lambda text: tell({"event": "note", "text": text}))  # of each once
    while True:
        done = read_results(path / RESULTS, warn, expected)
        if plan.finished(done):
            break
        if stop():
            raise Stopped("no run was under way here")
        if not _run_some(path, plan, expected, done, runner, tell):
            time.sleep(0.5)  # all that can be run now is being run by other processes
    return summarise(path, plan, done, figures=figures)


def _run_some(
    path: pathlib.Path, plan: Plan, expected: Expected, done: dict[str, Any], runner: _Runner, tell: Report
) -> bool:
    """Makes the first runs that nobody else is making; False where there are none."""
    skipped = 0
    for group in plan.groups(done):
        size = max(runner.capacity(group[0]), 1)
        for jobs in (group[start : start + size] for start in range(0, len(group), size)):
            with contextlib.ExitStack() as claims:
                # The first run stands for its group: two processes that are after the same one do not split it.
                mine = itertools.takewhile(lambda job: _claimed(path, job, claims), jobs)
                if not (mine := list(mine)):
                    skipped += len(jobs)
                    continue
                now = read_results(
                    path / RESULTS, expected=expected
                )  # others may have ended some between our reading and our claims
                mine = [job for job in mine if job.key not in now]
                for job in mine:
                    counts = {"done": len(done), "left": plan.left(done), "skipped": skipped}
                    tell({"event": "run", "key": job.key, "setting": job.setting, **counts})
                if mine:
                    append(path / RESULTS, runner(mine))
                return True
    return False


def _claimed(path: pathlib.Path, job: Job, claims: contextlib.ExitStack) -> bool:
    """Whether a run could be claimed; the claim is held until `claims` ends."""
    with records.writing(path / "claims"):
        return claims.enter_context(lock(path / "claims" / f"{_file_name(job.key)}.lock", wait=False))


def _file_name(key: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.=" else "_" for c in key)


def __getattr__(name: str) -> Any:
    """Old names."""
    return renamed.attribute(__name__, name)
