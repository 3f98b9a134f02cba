"""What the launcher does: a run or a study, its figures, and a text to print."""

import os
import pathlib
import warnings
from typing import Any

import jax

from jaxsurr import report as figures_of
from jaxsurr.comparison.study import study, table
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.config import update, warm_epochs
from jaxsurr.training.epochs import state_after
from jaxsurr.training.loop import hold_out, prepare, run
from jaxsurr.training.methods import resolve
from jaxsurr.training.protocols import Config, Report, Say, Stop
from jaxsurr.training.stopping import never


def job(
    config: Config,
    workdir: str | os.PathLike,
    *,
    report: Report | None = None,
    say: Say | None = None,
    figures: bool = True,
    stop: Stop = never,
) -> str:
    """Runs a config (a study where it names `losses`), draws the figures, and returns the table as text.

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
        outcome = study(config, path, report=report, say=say, stop=stop)
        runs, rows = outcome["runs"], outcome["rows"]
    else:
        runs = [run(config, path, report=report, say=say, stop=stop)]
        rows = table(runs)
    if jax.process_index() != 0:
        return ""
    if figures:
        draw(config, path, runs)
    first = runs[0]
    better = "higher" if first["higher_is_better"] else "lower"
    heading = f"{first['metric']} on {config.data.source} ({better} is better)"
    return "\n".join([heading, "", figures_of.summary_table(rows), "", f"Results: {path}"])


def draw(config: Config, path: pathlib.Path, runs: list[dict[str, Any]]) -> list[pathlib.Path]:
    """Draws the figures of finished runs into `path / "figures"`.

    Learning curves of all runs; where a loss was learned, its gradient correlation, and for the first such run the
    learned loss and the smoothed metric along a line and as gradient fields on a plane of prediction space, about
    predictions on validation rows.

    Returns:
      The files.
    """
    first = runs[0]
    learned = [result for result in runs if result["loss"] in ("correlated_gradients", "value_fit")]
    switch = (warm_epochs(config) or None) if learned else None
    figures = {
        "learning_curves": figures_of.learning_curves(
            runs, metric=first["metric"], higher_is_better=first["higher_is_better"], switch=switch
        )
    }
    if learned and learned[0]["history"][-1]["phase"] == "surrogate":
        shown = learned[0]
        figures["gradient_correlation"] = figures_of.gradient_correlation_curve(learned)
        single = update(
            config.copy_and_resolve_references(), loss=shown["loss"], seed=shown["seed"], losses=(), seeds=1
        )
        where = path / f"{shown['loss']}-seed{shown['seed']}" if config.losses else path
        try:
            last = last_state(single, where)
        except ValueError as error:  # results need no checkpoint
            warnings.warn(f"the learned loss is not drawn: {error}", stacklevel=2)
        else:
            options = dict(key=jax.random.key(0), scale=shown["history"][-1]["scale"])
            figures["value_slice"] = figures_of.value_slice(*last, **options)
            figures["gradient_fields"] = figures_of.gradient_fields(*last, **options)
    return [figures_of.save(figure, path / "figures" / f"{name}.png") for name, figure in figures.items()]


def last_state(config: Config, workdir: pathlib.Path, rows: int = 256) -> tuple:
    """The surrogate of a finished run, its state at the end, the metric, and predictions and targets to see them at.

    Args:
      config: of the run.
      workdir: of the run.
      rows: how many validation rows to predict, at most.

    Returns:
      `(surrogate, state, metric, predictions, targets)`.
    """
    data, program = prepare(config)
    config = resolve(config).config
    checkpoints = Checkpoints(workdir / "checkpoints", config.checkpoint.keep)
    try:
        template = state_after(config, hold_out(config, data.train)[0], program, config.epochs)
        arrays, _ = checkpoints.restore({"state": template, "best": template.params})
    finally:
        checkpoints.close()
    state = arrays["state"]
    sample = jax.tree.map(lambda leaf: leaf[:rows], data.validation)
    predictions = program.model.apply(state.params, sample.inputs)
    return program.surrogate, state.surrogate, program.metric, predictions, sample.targets
