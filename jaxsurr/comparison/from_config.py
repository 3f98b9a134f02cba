"""The run of a config as it stands, or a small comparison whose runs are kept in their own directories.

This is what `python -m jaxsurr` makes. Losses are not tuned, no baselines join, and every run can go on within an
epoch. Runs are made one after the other, so that several processes can train each of them together.
"""

import os
import pathlib
from typing import Any

import jax

from jaxsurr.comparison.figures import draw
from jaxsurr.comparison.lines import read_results, telling
from jaxsurr.comparison.results import RESULTS, append, same_text, starts_texts, table, tabulate
from jaxsurr.comparison.runner import Runner
from jaxsurr.comparison.runs import begin, finish
from jaxsurr.data import Source
from jaxsurr.report import summary_table
from jaxsurr.training import locks
from jaxsurr.training.config import update
from jaxsurr.training.entries import sealed
from jaxsurr.training.loop import named, run
from jaxsurr.training.protocols import Config, Report, Say, Stop
from jaxsurr.training.stopping import never

__all__ = ["PRINTED", "make", "study"]

PRINTED = (
    "loss", "seeds", "validation", "test", "std", "difference", "low", "high", "verdict", "gradient correlation",
    "ceiling",
)  # fmt: skip
"""Columns of the table that is printed."""


def study(
    config: Config,
    workdir: str | os.PathLike,
    *,
    figures: bool = False,
    report: Report | None = None,
    say: Say | None = None,
    data: Source | None = None,
    model: Any = None,
    stop: Stop = never,
) -> dict[str, Any]:
    """Compares the losses of a config with its seeds, each run in its own work directory, `LOSS-seedSEED`.

    Args:
      config: with `losses` and `seeds`, one at least; `trials` is not used.
      workdir: gets what `jaxsurr.compare` leaves, and a directory for each run. The same call goes on where it stopped,
        within an epoch; more losses or seeds can be added later.
      figures: whether to draw.
      report: called after every epoch of every run.
      say: called with a line that says which rows or labels were changed or left out, before anything is trained.
      data: arrays or a frame in place of `config.data.source`, as for `jaxsurr.training.run`.
      model: one of your own, as for `jaxsurr.training.run`.
      stop: as for `jaxsurr.training.run`.

    Returns:
      As `jaxsurr.compare`.

    Raises:
      ValueError: the config is wrong, or the directory belongs to another one.
      BlockingIOError: another run or comparison is at work in the directory.
    """
    config = update(named(config, data).copy_and_resolve_references(), trials=1)
    writes, path = jax.process_index() == 0, pathlib.Path(workdir)
    runner = Runner(config, report or (lambda event: None), model, stop, data)
    plan, expected = begin(path, runner, say if writes else None, baselines=False)
    with locks.alone(path):
        done = read_results(path / RESULTS, telling(report), expected)
        for job in plan.runs():
            if job.key not in done:
                done[job.key] = sealed(runner.line_kept_in(path / f"{job.loss}-seed{job.seed}", job))
                if writes:
                    append(path / RESULTS, [done[job.key]])
        return finish(path, plan, done, figures, data) if writes else tabulate(plan, done)


def make(
    config: Config,
    workdir: str | os.PathLike,
    *,
    report: Report | None = None,
    say: Say | None = None,
    figures: bool = True,
    stop: Stop = never,
) -> str:
    """Makes the run of a config, or the runs of its `losses`, and draws the figures.

    Args:
      config: see `jaxsurr.training.default_config`.
      workdir: where results go; `figures/*.png` among them.
      report: called after every epoch.
      say: called with a line that says which rows or labels were changed or left out, before anything is trained.
      figures: whether to draw.
      stop: as for `jaxsurr.training.run`.

    Returns:
      A heading and a table, for people.
    """
    path = pathlib.Path(workdir)
    if config.losses:
        outcome = study(config, path, figures=figures, report=report, say=say, stop=stop)
        runs, rows = outcome["runs"], outcome["rows"]
    else:
        runs = [run(config, path, report=report, say=say, stop=stop)]
        rows = table(runs)
        if figures and jax.process_index() == 0:
            draw(path, config, runs, rows, config.loss)
    if jax.process_index() != 0:
        return ""
    order = list(dict.fromkeys(run["loss"] for run in runs))
    rows = sorted(rows, key=lambda row: order.index(row["loss"]))
    shown = [{column: row[column] for column in PRINTED} for row in rows]
    better = "higher" if runs[0]["higher_is_better"] else "lower"
    heading = f"{runs[0]['metric']} on {config.data.source} ({better} is better)"
    chosen = [f"{text}\n" for text in (same_text(rows), *starts_texts(runs)) if text]
    return "\n".join([heading, "", summary_table(shown), "", *chosen, f"Results: {path}"])
