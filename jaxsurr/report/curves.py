"""Curves over the epochs of training: the metric, and the correlation of learned and metric gradients."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsurr.core import checks
from jaxsurr.report.canvas import blank, fitted, legend, line_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["gradient_correlation_curve", "learning_curves"]


def _by_loss(runs: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Runs of each loss, in order of first appearance."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    seen = set()
    for run in runs:
        for field in ("loss", "seed", "history"):
            if field not in run:
                raise ValueError(f"every run must have {field!r}; one has only {sorted(run)}.")
        if not run["history"]:
            raise ValueError(f"the history of loss {run['loss']!r}, seed {run['seed']} is empty: nothing to draw.")
        if (run["loss"], run["seed"]) in seen:
            raise ValueError(f"loss {run['loss']!r} has two runs with seed {run['seed']}: pass each run once.")
        seen.add((run["loss"], run["seed"]))
        groups.setdefault(run["loss"], []).append(run)
    if not groups:
        raise ValueError("there are no runs to draw: runs is empty.")
    return groups


def _series(runs: Sequence[Mapping[str, Any]], field: str, which: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Epochs `[E]` that all runs of a loss have, and the field's values `[S, E]`, NaN where missing."""
    histories = [{entry["epoch"]: entry for entry in run["history"]} for run in runs]
    epochs = sorted(set.intersection(*map(set, histories)))
    if not epochs:
        raise ValueError(f"the runs of loss {runs[0]['loss']!r} have no epoch in common, so no mean can be drawn.")

    def read(entry: Mapping[str, Any]) -> float:
        value = entry.get(field)
        if value is None:
            return float("nan")
        values = np.ravel(np.asarray(value, float))
        checks.integer(which, "which", most=len(values) - 1, meaning=f"{field!r} holds {len(values)} values")
        return float(values[which])

    return np.array(epochs), np.array([[read(history[epoch]) for epoch in epochs] for history in histories])


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis without NaN; NaN where all are."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def learning_curves(
    runs: Sequence[Mapping[str, Any]], *, metric: str, higher_is_better: bool, switch: float | None = None
) -> "Figure":
    """The validation metric over epochs, a line for each loss.

    A line is the mean over seeds, at the epochs that all of them have; the band goes from the lowest to the highest
    seed, and the marker is at the best epoch of the mean. Where a seed is NaN there is a gap, since a mean without
    diverged seeds would be too favourable.

    Args:
      runs: dicts `{"loss": name, "seed": number, "history": [{"epoch": number, "validation": value, ...}, ...]}`.
      metric: its name, with its unit if it has one, for title and axis.
      higher_is_better: the metric's direction.
      switch: the last epoch on the fixed loss, before training on the learned loss, or None.

    Returns:
      The figure.

    Raises:
      ValueError: there are no runs, one is empty or there twice, or the runs of a loss share no epoch.
      ImportError: matplotlib is not installed.

    >>> history = [{"epoch": 1, "validation": 0.30}, {"epoch": 2, "validation": 0.25}]
    >>> figure = learning_curves([{"loss": "cross_entropy", "seed": 0, "history": history}],
    ...                          metric="error rate", higher_is_better=False)
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.3, 0.25]
    """
    groups = _by_loss(runs)
    figure, (axes,) = blank(width=8.5, height=4.2)
    for style, (loss, group) in zip(line_styles(len(groups)), groups.items(), strict=True):
        epochs, values = _series(group, "validation")
        mean = values.mean(axis=0)
        best = [] if np.isnan(mean).all() else [int(np.nanargmin(-mean if higher_is_better else mean))]
        seeds = f"{len(group)} seed{'s' if len(group) > 1 else ''}"
        axes.plot(epochs, mean, label=f"{loss} ({seeds})", markevery=best, markersize=8, **style)
        if len(group) > 1:
            axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.18, lw=0)
    if switch is not None:
        axes.axvline(switch, color="0.35", linewidth=1.0, linestyle=(0, (1, 1)), label="switch to the learned loss")
    axes.set_title(f"Learning curves: {metric}")
    axes.set_xlabel("training (epochs)")
    axes.set_ylabel(f"validation {metric}\n({'higher' if higher_is_better else 'lower'} is better)")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.25)
    axes.margins(x=0.02)
    note = ["line: mean over seeds", "band: lowest to highest seed", "marker: best epoch of the mean"]
    if len(groups) == len(runs):
        note = ["marker: best epoch"]
    legend(figure, axes, title="\n".join(note), alignment="left", fontsize="small", title_fontsize="small")
    return fitted(figure)


def gradient_correlation_curve(runs: Sequence[Mapping[str, Any]], *, which: int = 0) -> "Figure":
    """Correlation of the learned gradient with the metric's over epochs: measured, its ceiling, and their ratio.

    The measured correlation is with a noisy estimate; the ceiling is that of the true gradient, and the ratio estimates
    the correlation with the true gradient (noise can lift it above 1). A line is the mean over the seeds that have a
    value. Fixed losses have none and are left out; where the ceiling is 0 there is no ratio.

    Args:
      runs: as for `learning_curves`, with "gradient_correlation" and "ceiling" in the entries of a history: numbers,
        or lists of M where M metrics are learned. A missing value is absent, None or NaN.
      which: index of the metric, of M metrics.

    Returns:
      The figure, with three axes: correlation, ceiling, ratio.

    Raises:
      ValueError: no run has a correlation; or as for `learning_curves`.
      ImportError: matplotlib is not installed.
    """
    groups = _by_loss(runs)
    curves = []
    # Styles are assigned to all losses, so that a loss has the same style as in the learning curves.
    for style, (loss, group) in zip(line_styles(len(groups)), groups.items(), strict=True):
        epochs, measured = _series(group, "gradient_correlation", which)
        _, ceiling = _series(group, "ceiling", which)
        if not np.isnan(measured).all():
            usable = ceiling > 0
            ratio = np.where(usable, measured / np.where(usable, ceiling, 1), np.nan)
            curves.append((loss, style, epochs, [_mean_of_known(values) for values in (measured, ceiling, ratio)]))
    if not curves:
        raise ValueError(
            "no run holds a gradient_correlation that is a number: fixed losses have none. Pass runs of a learned loss."
        )
    figure, panels = blank(3, width=3.4, height=3.9, sharey=True)
    titles = (
        "measured correlation",
        "ceiling of this estimate",
        "ratio: correlation with\nthe true gradient, estimated",
    )
    for i, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for loss, style, epochs, values in curves:
            every = max(len(epochs) // 8, 1)
            axes.plot(epochs, values[i], label=loss, markersize=4.5, markevery=every, **style)
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("training (epochs)")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("correlation of gradients (no unit)")
    lowest, highest = panels[0].get_ylim()
    panels[0].set_ylim(min(lowest, 0), max(highest, 1.05))
    figure.suptitle("How well the learned gradient follows the metric's (mean over seeds)")
    legend(figure, panels[0], columns=4)
    return fitted(figure)
