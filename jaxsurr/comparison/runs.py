"""A comparison of losses: tuned alike, run with paired seeds, put into one table.

Every loss gets the same number of tuning trials and the same number of epochs. A trial is chosen by its validation
metric; tuning runs are handed no test rows at all. Then the chosen setting of each loss is run with every seed, and
reads its test rows once.

Where all seeds share one test split (an official one, or `data.split_seed`), tuning is done on the first seed. Where
each seed has its own test split, a loss is tuned for each seed on that seed's training and validation rows, since
another seed's test rows may be among them.

All that is known is in `results.jsonl`, a line a run, appended under a lock and never changed; tables and figures are
made from it. So a comparison can be killed at any moment, started again, and shared by several processes. It
can also have workers, on this machine or on a cluster, who write nothing (`executors`).

Runs of a small dense model that differ in their seed and rates only are trained side by side (`side_by_side`), a line
each; their lines are appended together, so that a group that is killed is made again as a whole.
"""

import contextlib
import math
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxsurr.comparison.everything import expanded
from jaxsurr.comparison.executors import Executor, Here
from jaxsurr.comparison.figures import draw
from jaxsurr.comparison.lines import OPEN, Expected, read_results, telling
from jaxsurr.comparison.plan import Plan, job_of
from jaxsurr.comparison.results import RESULTS, summarise
from jaxsurr.comparison.runner import Runner
from jaxsurr.comparison.under_way import UnderWay
from jaxsurr.core import checks, renamed
from jaxsurr.data import Source
from jaxsurr.training import notes, records
from jaxsurr.training.checking import AUTO, validate
from jaxsurr.training.config import as_dict, update
from jaxsurr.training.kinds import KINDS, decoded
from jaxsurr.training.loop import named
from jaxsurr.training.power import without_effect
from jaxsurr.training.protocols import Config, Report, Say, Stop
from jaxsurr.training.starts import chooses, sentences, starts_of
from jaxsurr.training.stopping import Stopped, never

__all__ = ["begin", "compare", "finish", "identity", "with_baselines"]


def identity(config: Config) -> dict[str, Any]:
    """The part of a config that all runs of a comparison share; losses and seeds can be added later."""
    return {name: value for name, value in as_dict(config).items() if name not in OPEN}


def with_baselines(losses: Sequence[str], kind: str, metric: str) -> tuple[str, ...]:
    """The losses asked for, and the strong cheap baselines of this kind of targets that are not among them."""
    return tuple(dict.fromkeys([*losses, *decoded(KINDS[kind].baselines, metric)]))


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
    data: Source | None = None,
    model: Any = None,
    stop: Stop = never,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Compares losses on the data, the model and the metric of a config.

    Args:
      config: see `jaxsurr.training.default_config`.
      losses: as `config.losses`: texts such as "cross_entropy", "focal?gamma=1"; the baselines of the kind of targets
        join them (`jaxsurr.training.kinds`), and the fixed losses among which a learned one chooses its start
        ("correlated_gradients?start=auto"). "auto" is everything that fits the data and the metric.
      seeds: as `config.seeds`, at least 2.
      workdir: gets `results.jsonl` (a line a run), `table.md`, `table.csv` and `figures/`. The same call goes on where
        it stopped; several processes on one machine can share the work by making it at the same time; more losses or
        seeds can be added later.
      trials: as `config.trials`, settings tried for each loss; 1 takes the defaults.
      figures: whether to draw.
      report: called with progress events: `{"event": "run", ...}` before a run, and after every epoch. Without it a
        line of `results.jsonl` that is left out is a warning.
      say: called with lines that say which rows or labels were changed or left out, that a power was chosen and has no
        effect, and, where starts are chosen, among which, and how many runs that makes, before anything is trained.
      data: arrays or a frame in place of `config.data.source`, as for `jaxsurr.training.run`.
      model: one of your own, as for `jaxsurr.training.run`; the same in every call that goes on with a comparison.
      stop: called after every step, or before every epoch of runs side by side; where it gives True the runs under way
        are given up, to be made again by the same call, and `jaxsurr.training.stopping.Stopped` is raised.
      executor: where the runs are made, None for here: `jaxsurr.comparison.local.Local`, worker processes on this
        machine, or `jaxsurr.comparison.cluster.Cluster`, those of a Dask cluster. It is closed at the end.

    Returns:
      `{"rows": [...], "runs": [...], "selection": {...}, "practice": [...]}`: rows of the table, best first, all runs
      that they were made from, what losses learned from the metric add to a choice among the conventional ones on
      validation (`jaxsurr.comparison.statistics.selection`; None where only one kind ran), and for each setting of the
      learned loss how it, and the better of the two on validation, compare with the fixed loss that is best on
      validation (`jaxsurr.comparison.statistics.practice`; empty where there is none of either).

    Raises:
      ValueError: a loss, a metric and the targets do not fit; fewer than two seeds; the directory belongs to another
        config; workers are of other versions or read other data.
      OSError: the directory cannot be written; all workers have died, or none can be reached.
    """
    config = named(config, data).copy_and_resolve_references()
    given = {"losses": losses and tuple(losses), "seeds": seeds, "trials": trials}
    update(config, **{name: value for name, value in given.items() if value is not None})
    if executor is not None and not (data is None and model is None):
        raise ValueError(
            "executor is given, and so is data= or model=, which cannot be sent to workers: write the data to a file "
            "and name it in config.data.source, take a model of jaxsurr.models, or leave executor out."
        )
    path, runner = pathlib.Path(workdir), Runner(config, report or (lambda event: None), model, stop, data)
    plan, expected = begin(path, runner, say, least_seeds=2)
    with records.writing(path / "claims"):
        (path / "claims").mkdir(exist_ok=True)
    warn = telling(report)
    with contextlib.closing(executor or Here(runner)) as workers, contextlib.ExitStack() as held:
        announce = _announcing(plan, say, runner.report, workers.size) if plan.starts and say else lambda done: None
        under_way = UnderWay(path, plan, expected, runner, workers, held)
        while True:
            done = read_results(path / RESULTS, warn, expected)
            announce(done)
            if plan.finished(done):
                break
            if stop():
                raise Stopped(under_way.given_up())
            if under_way.fill(done):
                under_way.collect(stop)
    return finish(path, plan, done, figures)


def finish(
    path: pathlib.Path, plan: Plan, done: dict[str, Any], figures: bool, data: Source | None = None
) -> dict[str, Any]:
    """Writes the tables of a comparison, and draws its figures if they are asked for."""
    outcome = summarise(path, plan, done)
    if figures:
        draw(path, plan.config, outcome["runs"], outcome["rows"], plan.reference, data)
    return outcome


def begin(
    path: pathlib.Path, runner: Runner, say: Say | None, *, least_seeds: int = 1, baselines: bool = True
) -> tuple[Plan, Expected]:
    """The plan of a comparison and what its results agree in, once all that cannot work has been refused.

    Args:
      path: of the work directory, which is made or opened.
      runner: of the comparison, with its config.
      say: gets what was changed or left out of the data.
      least_seeds: that it needs.
      baselines: whether the strong cheap losses of the kind of targets join.

    Raises:
      ValueError: as for `compare`.
    """
    config = runner.config
    if not config.losses:
        raise ValueError("a comparison needs losses: losses=('cross_entropy', 'correlated_gradients'), say.")
    validate(config)
    if config.seeds < least_seeds:
        raise ValueError(
            f"a comparison needs at least {least_seeds} seeds for its intervals, got seeds={config.seeds}; use 5."
        )
    _refuse_earlier(path)
    runner.name_usual(path)
    config = runner.config
    records.check_workdir(path, identity(config))
    first, said = runner.data(config.seed), []
    notes.tell(say, first.notes)
    losses = expanded(runner)
    if baselines and AUTO not in config.losses:
        losses = with_baselines(losses, first.kind, config.metric)
    starts: dict[str, dict[str, str]] = {}
    for job in (job_of("run", loss, config.seed) for loss in losses):
        method = runner.method(job)
        if baselines and chooses(method):
            program = runner.program(job)
            texts = starts_of(method, first.kind)
            starts[job.loss] = {fixed: texts[fixed] for fixed in program.starts}
            said += sentences(method, program)
    losses = tuple(dict.fromkeys([*losses, *(fixed for texts in starts.values() for fixed in texts)]))
    if config.reference:
        checks.one_of(config.reference, "reference", losses)
    measured = {}
    for job in (job_of("run", loss, config.seed) for loss in losses):
        program = runner.program(job)
        said += without_effect(runner.method(job), program.metric)
        if not program.starts:  # else the metric is decoded as the start that is chosen asks for
            measured[job.loss] = program.metric.name, program.metric.higher_is_better
    if say is not None:
        for line in dict.fromkeys(said):
            say(line)
    records.open_workdir(path, identity(config))
    nested = not (first.official_test or config.data.split_seed >= 0)
    return Plan(config, losses, nested, starts), Expected(identity(config), measured)


def _announcing(plan: Plan, say: Say, report: Report, workers: int) -> Callable[[Mapping[str, Any]], None]:
    """Says how many runs a comparison is going to make, and about how long they take.

    That is known beforehand from runs that are on record, and else after the first ones.
    """
    started, counts = time.monotonic(), []
    trials = f" and {plan.config.trials} tuning trials" if plan.tuned() else ""
    most = "" if plan.nested else "up to "  # a learned loss is tuned once for each start that some seed chooses

    def announce(done: Mapping[str, Any]) -> None:
        left = plan.left(done)
        if not counts and left:
            known = [line["seconds"] for line in done.values() if _counts_time(line)]
            if known:
                ahead = statistics.mean(known) * left / max(workers, 1) / 60
                long = f", which take about {ahead:.1f} min if each is as long as the {len(known)} on record are"
            else:
                long = "; about how long they take is said when the first have ended"
            say(f"{len(plan.losses)} losses with {plan.config.seeds} seeds{trials}: {most}{left} runs to make{long}.")
        elif len(counts) == 1 and left and len(done) > counts[0]:
            ahead = (time.monotonic() - started) / (len(done) - counts[0]) * left / 60
            report({"event": "note", "text": f"The {left} runs left take about {ahead:.1f} min."})
        if not counts or len(done) > counts[-1]:
            counts.append(len(done))

    return announce


def _counts_time(line: Mapping[str, Any]) -> bool:
    """Whether a line says how long its run was, which one that was chosen from others does not."""
    return isinstance(line.get("seconds"), int | float) and 0 < line["seconds"] < math.inf


def _refuse_earlier(path: pathlib.Path) -> None:
    """Refuses what `python -m jaxsurr` left before its results were those of a comparison.

    Raises:
      ValueError: the directory holds such results.
    """
    marker = path / "config.json"
    kept = records.read_json(marker) if marker.exists() else None
    if isinstance(kept, dict) and kept.get("losses"):
        raise ValueError(
            f"{path} holds losses that an earlier version compared, in another format. Choose another --workdir; or "
            "delete config.json, results.jsonl, table.md and study.json there, and the same command takes over the "
            "runs that are complete and goes on with the others. Nothing was changed."
        )


def __getattr__(name: str) -> Any:
    """Old names."""
    return renamed.attribute(__name__, name)
