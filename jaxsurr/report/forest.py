"""Forest plots: differences between losses with their intervals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxsurr.report.canvas import blank, fitted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["forest_plot"]

_MARKERS = {"better": "o", "worse": "X", "tie": "s"}


def forest_plot(rows: Sequence[Mapping[str, Any]], *, metric: str, higher_is_better: bool, reference: str) -> "Figure":
    """Paired differences of losses to a reference with their 95 % intervals, best on top.

    Args:
      rows: dicts with `loss`, `difference`, `low`, `high` and `verdict`, in the order of the plot; rows without a
        difference (the reference, a loss that diverged) are shown as a line of text.
      metric: its name, for the axis.
      higher_is_better: the metric's direction.
      reference: name of the loss that differences are taken to.

    Returns:
      The figure.

    Raises:
      ValueError: no row has a difference with an interval.
      ImportError: matplotlib is not installed.

    >>> rows = [{"loss": "smoothed", "difference": -0.2, "low": -0.3, "high": -0.1, "verdict": "better"}]
    >>> figure = forest_plot(rows, metric="error rate", higher_is_better=False, reference="cross_entropy")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['smoothed']
    """
    if not any(row["low"] is not None for row in rows):
        raise ValueError("no row has a difference with an interval: compare at least two losses with two seeds.")
    figure, (axes,) = blank(width=7.5, height=1.4 + 0.34 * len(rows))
    farthest = max((row["difference"] for row in rows if row["low"] is not None), key=abs)
    beside: dict[str, Any] = dict(xytext=(6, 0), ha="left") if farthest > 0 else dict(xytext=(-6, 0), ha="right")
    for place, row in enumerate(rows):
        if row["low"] is None:
            text = "reference" if row["loss"] == reference else row["verdict"]
            if text in _MARKERS:  # a difference that is the same for every seed has a verdict, and no interval
                text = f"{row['difference']:+.4f} for every seed: {text}"
            axes.annotate(text, (0, place), textcoords="offset points", va="center", color="0.35", **beside)
            continue
        sure = row["verdict"] != "tie"
        axes.plot([row["low"], row["high"]], [place, place], color="0.1" if sure else "0.55", linewidth=2)
        marker = _MARKERS.get(row["verdict"], "s")
        axes.plot(
            row["difference"], place, marker, color="0.1", markerfacecolor="0.1" if sure else "white", markersize=7
        )
    axes.axvline(0, color="0.4", linewidth=1)
    axes.set_yticks(range(len(rows)), [row["loss"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25)
    side = "right" if higher_is_better else "left"
    figure.supxlabel(
        f"test {metric}: difference to {reference}, mean over paired seeds with 95 % interval\n"
        f"({side} of 0 is better; filled circle: better, cross: worse, empty square: tie)",
        fontsize="medium",
    )
    return fitted(figure)
