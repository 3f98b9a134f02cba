"""The figures of runs and comparisons, and what is drawn of a loss that was learned."""

import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from jaxsurr import report
from jaxsurr.core.spec import parse_spec
from jaxsurr.data import Source
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.config import update, warm_epochs
from jaxsurr.training.epochs import state_after
from jaxsurr.training.loading import hold_out
from jaxsurr.training.loop import load_data, prepare_method
from jaxsurr.training.methods import resolve
from jaxsurr.training.protocols import Config
from jaxsurr.training.starts import learned_method, starts_of

__all__ = ["draw"]

_SHOWN = ("correlated_gradients", "value_fit")  # losses with a value that can be drawn beside the metric


def draw(
    path: pathlib.Path,
    config: Config,
    runs: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    reference: str,
    source: Source | None = None,
) -> None:
    """Draws the figures of runs into `path / "figures"`.

    Learning curves of all; differences to the reference where they have intervals; gradient correlations where a loss
    was learned; and of the first of `_SHOWN` that has a checkpoint the learned loss and the smoothed metric along a
    line and as gradient fields on a plane of prediction space, about predictions on validation rows.

    Args:
      path: of the work directory.
      config: of the runs, but for loss and seed.
      runs: what was found.
      rows: of their table.
      reference: the loss that differences are taken to.
      source: arrays or a frame that the runs were made on in place of `config.data.source`, or None.
    """
    whole = [run for run in runs if run["history"]]
    facts: dict[str, Any] = {"metric": runs[0]["metric"], "higher_is_better": runs[0]["higher_is_better"]}
    learned = [run for run in whole if run["gradient_correlation"] is not None]
    figures = {}
    if whole:
        switch = (warm_epochs(config) or None) if learned else None
        figures["learning_curves"] = report.learning_curves(whole, switch=switch, **facts)
    if any(row["low"] is not None for row in rows):
        figures["differences"] = report.forest_plot(rows, reference=reference, **facts)
    if learned:
        figures["gradient_correlation"] = report.gradient_correlation_curve(learned)
    for run in learned:
        place = path / f"{run['loss']}-seed{run['seed']}" if config.losses else path
        if parse_spec(run["loss"])[0] in _SHOWN and (place / "checkpoints").exists():
            figures |= _slices(config, run, place, source)
            break
    for name, figure in figures.items():
        report.save(figure, path / "figures" / f"{name}.png")


def _slices(
    config: Config, run: Mapping[str, Any], place: pathlib.Path, source: Source | None, rows: int = 256
) -> dict[str, Any]:
    """The learned loss of a run at its end beside the smoothed metric, about predictions on some validation rows."""
    method = resolve(
        update(config.copy_and_resolve_references(), loss=run["loss"], seed=run["seed"], losses=(), seeds=1)
    )
    checkpoints = Checkpoints(place / "checkpoints", config.checkpoint.keep)
    try:
        data, program = prepare_method(method, data=load_data(method.config, source))
        if program.starts:
            method = learned_method(method, starts_of(method, data.kind)[run["start"]])
            program = program.starts[run["start"]]
        template = state_after(method.config, hold_out(method.config, data.train)[0], program, config.epochs)
        state = checkpoints.restore({"state": template, "best": template.params})[0]["state"]
    except ValueError as error:  # results need no checkpoint
        warnings.warn(f"the learned loss is not drawn: {error}", stacklevel=3)
        return {}
    finally:
        checkpoints.close()
    if program.surrogate is None:
        return {}
    inputs, targets, _ = jax.tree.map(lambda leaf: leaf[:rows], data.validation)
    seen = (program.surrogate, state.surrogate, program.metric, program.model.apply(state.params, inputs), targets)
    options: dict[str, Any] = dict(key=jax.random.key(0), scale=run["history"][-1]["scale"])
    return {
        "value_slice": report.value_slice(*seen, **options),
        "gradient_fields": report.gradient_fields(*seen, **options),
    }
