"""Trade-off curves of two metrics."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsurr.report.canvas import blank, fitted, legend, line_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["trade_off_curve"]


def trade_off_curve(
    curves: Mapping[str, Any],
    *,
    metrics: tuple[str, str],
    higher_is_better: bool,
    labels: Sequence[str] = (),
) -> "Figure":
    """Two metrics against each other, a line for each method and a point for each weight between them.

    A point that is dominated by another one of its method in both metrics is hollow.

    Args:
      curves: `[W, 2]` values of the two metrics by name of the method, in the order of the weights.
      metrics: names of the two metrics, with their units if they have one.
      higher_is_better: the direction of both.
      labels: of the W weights; the first, the middle and the last are shown beside the first method's points.

    Returns:
      The figure.

    Raises:
      ValueError: there is no curve, one has another shape or holds a NaN, or there are not as many labels as points.
      ImportError: matplotlib is not installed.

    >>> figure = trade_off_curve({"learned": [[0.1, 0.5], [0.2, 0.2], [0.3, 0.3]]}, metrics=("misses", "alarms"),
    ...                          higher_is_better=False)
    >>> [len(line.get_xdata()) for line in figure.axes[0].lines]  # the curve, and its hollow points
    [3, 1]
    """
    if not curves:
        raise ValueError("there is no curve to draw: curves is empty.")
    points = {name: np.asarray(values, float) for name, values in curves.items()}
    for name, values in points.items():
        if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] != 2 or not np.isfinite(values).all():
            raise ValueError(f"{name!r} must hold finite values [W, 2] of two metrics, got shape {list(values.shape)}.")
        if labels and len(labels) != len(values):
            raise ValueError(f"{name!r} has {len(values)} points, and there are {len(labels)} labels.")
    figure, (axes,) = blank(width=6.4, height=4.6)
    for style, (name, values) in zip(line_styles(len(points)), points.items(), strict=True):
        axes.plot(*values.T, label=name, markersize=7, **style)
        beaten = values[_beaten(values if higher_is_better else -values)]
        if len(beaten):
            hollow = dict(linestyle="", marker=style["marker"], markersize=7)
            axes.plot(*beaten.T, markerfacecolor="white", markeredgecolor=style["color"], **hollow)
    if labels:
        first = next(iter(points.values()))
        for place in sorted({0, len(first) // 2, len(first) - 1}):
            axes.annotate(labels[place], first[place], xytext=(6, 6), textcoords="offset points", fontsize="small")
    direction = "higher" if higher_is_better else "lower"
    axes.set_xlabel(f"{metrics[0]} ({direction} is better)")
    axes.set_ylabel(f"{metrics[1]} ({direction} is better)")
    axes.set_title(f"Trade-off between {metrics[0]} and {metrics[1]}")
    axes.grid(alpha=0.25)
    axes.margins(x=0.08)  # room for the labels
    legend(figure, axes, columns=2, title=f"beside points: weight of {metrics[0]}" if labels else None)
    return fitted(figure)


def _beaten(values: np.ndarray) -> np.ndarray:
    """Mask `[W]` of dominated points: another point is higher in both of two columns."""
    return np.any(np.all(values[None] > values[:, None], axis=2), axis=1)
