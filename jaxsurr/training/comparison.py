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
import fcntl
import itertools
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from jaxsurr.data import Data
from jaxsurr.report import summary_table
from jaxsurr.settings import parse_spec
from jaxsurr.training import records, side_by_side, statistics, tuning
from jaxsurr.training.config import as_dict, update, validate
from jaxsurr.training.epochs import first_metric
from jaxsurr.training.loop import load_data, prepare, train
from jaxsurr.training.program import Program, without_rates
from jaxsurr.versions import versions

# Strong and cheap: no table of their kind of targets is worth reading without these.
BASELINES = {
    "classes": ("cross_entropy", "generalised_cross_entropy", "smoothed"),
    "levels": ("cross_entropy?decode=median", "squared_emd?decode=median", "smoothed?decode=median"),
    "points": ("l1", "wing", "smoothed"),
}
RESULTS = "results.jsonl"
_PROGRAMS = 8  # compiled ones that are kept
# What may differ between two commands that go on with the same comparison.
_OPEN = ("losses", "seeds", "loss", "seed", "checkpoint", "devices", "reference")


def identity(config: Any) -> dict[str, Any]:
    """The part of a config that all runs of a comparison share; losses and seeds can be added later."""
    return {name: value for name, value in as_dict(config).items() if name not in _OPEN}


def with_baselines(losses: Sequence[str], kind: str, metric: str) -> tuple[str, ...]:
    """The losses asked for, and the strong cheap baselines of this kind of targets that are not among them."""
    plain = kind == "levels" and parse_spec(metric)[1].get("decode", "median") == "median"
    baselines = [loss.removesuffix("?decode=median") if plain else loss for loss in BASELINES[kind]]
    return tuple(dict.fromkeys([*losses, *baselines]))


def read_results(path: pathlib.Path, warn: Callable[[str], None] = lambda text: None) -> dict[str, dict[str, Any]]:
    """The runs of a comparison by their key; a line that was cut off when its writer was killed is left out.

    Args:
      path: of `results.jsonl`; it need not exist.
      warn: called with a sentence for every line that is not whole.
    """
    found: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return found
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line:
            continue
        try:
            entry = json.loads(line)
            found.setdefault(entry["key"], entry)
        except (ValueError, KeyError, TypeError):
            warn(f"{path}, line {number} is not whole; its run will be made again.")
    return found


@contextlib.contextmanager
def _lock(path: pathlib.Path, wait: bool = True) -> Iterator[bool]:
    """Holds a file lock, which ends with its process however that ends; gives whether it was to be had."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _append(path: pathlib.Path, entries: Sequence[dict[str, Any]]) -> None:
    """Adds lines whole and on disk, all at once; a line that was cut off before is ended first."""
    with records.writing(path), _lock(path.with_suffix(".lock")), path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        cut = size and os.pread(file.fileno(), 1, size - 1) != b"\n"
        lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
        file.write((b"\n" if cut else b"") + lines)
        file.flush()
        os.fsync(file.fileno())


def _key(purpose: str, loss: str, seed: int) -> str:
    return f"{purpose} | {loss} | seed {seed}"


class _Job(NamedTuple):
    """A run that has to be made; its setting is the loss with the options of a trial."""

    key: str
    loss: str
    setting: str
    seed: int


class _Plan:
    """What has to be run, what of it is done, and what is next."""

    def __init__(self, config: Any, losses: Sequence[str], data_kind: str, nested: bool):
        self.config, self.losses, self.nested = config, losses, nested
        self.seeds = range(config.seed, config.seed + config.seeds)
        self.trials = {loss: tuning.trials(loss, config.trials, config.learning_rate) for loss in losses}
        self.total = len(losses) * (len(self.seeds) + self.tuned() * len(self.tuning_seeds()))

    def tuned(self) -> int:
        """Trials that have to be run; with one there is nothing to choose."""
        return self.config.trials if self.config.trials > 1 else 0

    def tuning_seeds(self) -> Sequence[int]:
        return self.seeds if self.nested else self.seeds[:1]

    def tuning_keys(self, loss: str, seed: int) -> list[str]:
        return [_key("tune", text, seed) for text in self.trials[loss]]

    def chosen(self, loss: str, seed: int, done: dict[str, Any]) -> str | None:
        """The setting of a loss for a seed: the trial that is best on validation; None while trials are missing."""
        if not self.tuned():
            return loss
        keys = self.tuning_keys(loss, seed if self.nested else self.seeds[0])
        if not all(key in done for key in keys):
            return None
        scores = [done[key] for key in keys]
        usable = [entry for entry in scores if not entry["diverged"]] or scores[:1]
        sign = -1 if scores[0]["higher_is_better"] else 1
        return min(usable, key=lambda entry: 0 if entry["diverged"] else sign * first_metric(entry["validation"]))[
            "setting"
        ]

    def groups(self, done: dict[str, Any]) -> Iterator[list[_Job]]:
        """What can be run now, tuning first; the runs of a group can share a program.

        What is in a group follows from what is done alone, so that a group that was killed is made again as it was.
        """

        def missing(jobs: Iterable[_Job], sort: Callable[[_Job], Any]) -> Iterator[list[_Job]]:
            alike: dict[Any, list[_Job]] = {}
            for job in jobs:
                if job.key not in done:
                    alike.setdefault(sort(job), []).append(job)
            yield from alike.values()

        for loss in self.losses:
            if self.tuned():
                trials = (
                    _Job(key, loss, setting, seed)
                    for seed in self.tuning_seeds()
                    for key, setting in zip(self.tuning_keys(loss, seed), self.trials[loss], strict=True)
                )
                # Several seeds are tuned in the groups that they will run in, one trial after another.
                yield from missing(trials, lambda job: job.setting if self.nested else without_rates(job.setting))
            chosen = {seed: self.chosen(loss, seed, done) for seed in self.seeds}
            if None not in chosen.values():
                runs = (_Job(_key("run", loss, seed), loss, setting, seed) for seed, setting in chosen.items())
                yield from missing(runs, lambda job: without_rates(job.setting))

    def finished(self, done: dict[str, Any]) -> bool:
        return all(_key("run", loss, seed) in done for loss in self.losses for seed in self.seeds)


class _Runner:
    """Makes runs, side by side where they can be; data and compiled programs are kept while others can use them."""

    def __init__(self, config: Any, report: Callable[[dict[str, Any]], None], model: Any):
        self.config, self.report, self.model = config, report, model
        self.programs: dict[str, Program] = {}
        self.datas: dict[int, Data] = {}

    def single(self, job: _Job) -> Any:
        """The config of a run."""
        alone = dict(losses=(), seeds=1, trials=1)
        return update(self.config.copy_and_resolve_references(), loss=job.setting, seed=job.seed, **alone)

    def data(self, seed: int) -> Data:
        if seed not in self.datas:
            found = load_data(update(self.config.copy_and_resolve_references(), seed=seed))
            self.datas = {**_newest(self.datas, side_by_side.MOST - 1), seed: found}
        return self.datas[seed]

    def program(self, job: _Job) -> Program:
        name = without_rates(job.setting)
        if name not in self.programs:
            _, made = prepare(self.single(job), data=self.data(job.seed), model=self.model)
            self.programs = {**_newest(self.programs, _PROGRAMS - 1), name: made}
        return self.programs[name]

    def capacity(self, job: _Job) -> int:
        """How many runs like this one can be made side by side; 0 where it has to be made alone."""
        return side_by_side.capacity(self.single(job), self.data(job.seed), self.program(job))

    def __call__(self, jobs: Sequence[_Job]) -> list[dict[str, Any]]:
        started = time.time()
        configs, program = [self.single(job) for job in jobs], self.program(jobs[0])
        datas = [
            self.data(job.seed)._replace(test=None) if job.key.startswith("tune") else self.data(job.seed)
            for job in jobs
        ]
        if self.capacity(jobs[0]):
            outcomes = side_by_side.train_together(configs, datas, program, report=self.report)
        else:
            outcomes = [self.alone(*run, program) for run in zip(configs, datas, strict=True)]
        seconds = round((time.time() - started) / len(jobs), 1)
        return [self.entry(*run, program, seconds) for run in zip(jobs, configs, outcomes, strict=True)]

    def alone(self, config: Any, data: Data, program: Program) -> dict[str, Any] | FloatingPointError:
        try:
            return train(config, data, program, report=self.report)
        except FloatingPointError as error:
            return error

    def entry(
        self,
        job: _Job,
        config: Any,
        outcome: dict[str, Any] | FloatingPointError,
        program: Program,
        seconds: float,
    ) -> dict[str, Any]:
        """The line of a run."""
        if isinstance(outcome, FloatingPointError):
            outcome = {"validation": None, "test": None, "history": [], "reason": str(outcome)}
        return {
            "key": job.key,
            "purpose": job.key.split(" ")[0],
            "loss": job.loss,
            "setting": job.setting,
            "seed": job.seed,
            "metric": program.metric.name,
            "higher_is_better": program.metric.higher_is_better,
            "diverged": outcome["validation"] is None,
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
    config: Any,
    losses: Sequence[str] | None = None,
    seeds: int | None = None,
    *,
    workdir: str | os.PathLike,
    trials: int | None = None,
    figures: bool = True,
    report: Callable[[dict[str, Any]], None] | None = None,
    model: Any = None,
) -> dict[str, Any]:
    """Compares losses on the data, the model and the metric of a config.

    Args:
      config: see `jaxsurr.training.default_config`.
      losses: as `config.losses`: texts such as "cross_entropy", "focal?gamma=1"; the baselines of the kind of targets
        join them (`BASELINES`).
      seeds: as `config.seeds`, at least 2.
      workdir: gets `results.jsonl` (a line a run), `table.md`, `table.csv` and `figures/`. The same call goes on where
        it stopped; several processes on one machine can share the work by making it at the same time; more losses or
        seeds can be added later.
      trials: as `config.trials`, settings tried for each loss; 1 takes the defaults.
      figures: whether to draw.
      report: called with progress events: `{"event": "run", ...}` before a run, and after every epoch.
      model: one of your own, as for `jaxsurr.training.run`; the same in every call that goes on with a comparison.

    Returns:
      `{"rows": [...], "runs": [...]}`: rows of the table, best first, and all runs that they were made from.

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
    everything = with_baselines(config.losses, first.kind, config.metric)
    for loss in everything:  # all that cannot work is said before anything runs
        single = update(config.copy_and_resolve_references(), loss=loss, losses=(), seeds=1, trials=1)
        prepare(single, data=first, model=model)
    plan = _Plan(config, everything, first.kind, nested=not (first.official_test or config.data.split_seed >= 0))
    records.open_workdir(path, identity(config))
    (path / "claims").mkdir(exist_ok=True)
    runner = _Runner(config, tell, model)
    warn = _once(lambda text: tell({"event": "note", "text": text}))
    while True:
        done = read_results(path / RESULTS, warn)
        if plan.finished(done):
            break
        if not _run_some(path, plan, done, runner, tell):
            time.sleep(0.5)  # all that can be run now is being run by other processes
    return summarise(path, plan, done, figures=figures)


def _once(tell: Callable[[str], None]) -> Callable[[str], None]:
    told: set[str] = set()

    def once(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    return once


def _run_some(path: pathlib.Path, plan: _Plan, done: dict[str, Any], runner: _Runner, tell: Callable) -> bool:
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
                now = read_results(path / RESULTS)  # others may have ended some between our reading and our claims
                mine = [job for job in mine if job.key not in now]
                for job in mine:
                    counts = {"done": len(done), "left": plan.total - len(done), "skipped": skipped}
                    tell({"event": "run", "key": job.key, "setting": job.setting, **counts})
                if mine:
                    _append(path / RESULTS, runner(mine))
                return True
    return False


def _claimed(path: pathlib.Path, job: _Job, claims: contextlib.ExitStack) -> bool:
    """Whether a run could be claimed; the claim is held until `claims` ends."""
    return claims.enter_context(_lock(path / "claims" / f"{_file_name(job.key)}.lock", wait=False))


def _file_name(key: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.=" else "_" for c in key)


def summarise(path: pathlib.Path, plan: _Plan, done: dict[str, Any], *, figures: bool) -> dict[str, Any]:
    """Writes `table.md`, `table.csv` and the figures of a comparison from its results."""
    runs = [done[_key("run", loss, seed)] for loss in plan.losses for seed in plan.seeds]
    reference = plan.config.reference or plan.losses[0]

    def by_seed(field: str) -> dict[str, dict[int, float]]:
        out: dict[str, dict[int, float]] = {loss: {} for loss in plan.losses}
        for entry in runs:
            value = entry[field]
            out[entry["loss"]][entry["seed"]] = float("nan") if value is None else first_metric(value)
        return out

    higher = runs[0]["higher_is_better"]
    rows = statistics.rows(by_seed("test"), by_seed("validation"), higher_is_better=higher, reference=reference)
    records.write_text(path / "table.md", heading(plan, runs) + "\n\n" + summary_table(rows) + "\n")
    records.write_text(path / "table.csv", _csv(rows))
    if figures:
        draw(path, plan, runs, rows)
    return {"rows": rows, "runs": runs}


def heading(plan: _Plan, runs: list[dict[str, Any]]) -> str:
    """What was compared, and how, in a few sentences."""
    config, better = plan.config, "higher" if runs[0]["higher_is_better"] else "lower"
    tuned = (
        f"{config.trials} tuning trials for each loss, chosen on validation"
        + (" (for each seed on its own rows)" if plan.nested else " (on the first seed)")
        if plan.tuned()
        else "default settings, no tuning"
    )
    return (
        f"{runs[0]['metric']} ({better} is better) on {config.data.source}, {config.model.name}: "
        f"{config.epochs} epochs, {config.seeds} paired seeds, {tuned}. "
        f"Difference to {config.reference or plan.losses[0]}: mean over seeds with a 95 % interval by Student's t; "
        "p-values of the paired t-test, corrected by Holm's method; a verdict is given by the interval. "
        "Won, tied, lost: against all other losses, each by its own interval, uncorrected."
    )


def _csv(rows: list[dict[str, Any]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def draw(path: pathlib.Path, plan: _Plan, runs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Draws forest plot, learning curves and gradient correlations into `path / "figures"`."""
    from jaxsurr import report as figures_of

    whole = [entry for entry in runs if entry["history"]]
    metric, higher = runs[0]["metric"], runs[0]["higher_is_better"]
    figures = {}
    if whole:
        figures["learning_curves"] = figures_of.learning_curves(whole, metric=metric, higher_is_better=higher)
    if any(row["low"] is not None for row in rows):
        reference = plan.config.reference or plan.losses[0]
        figures["differences"] = figures_of.forest_plot(
            rows, metric=metric, higher_is_better=higher, reference=reference
        )
    if any(entry.get("gradient_correlation") is not None for entry in whole):
        figures["gradient_correlation"] = figures_of.gradient_correlation_curve(whole)
    for name, figure in figures.items():
        figures_of.save(figure, path / "figures" / f"{name}.png")
