"""Curves of time and memory by size."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsurr.report.canvas import blank, fitted, legend, line_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["growth_curves"]


def growth_curves(lines: Sequence[Mapping[str, Any]]) -> "Figure":
    """Time and memory over those of the smallest size, by the size over the smallest, on logarithmic axes.

    A line that is less steep than the dotted one grows less than in proportion.

    Args:
      lines: dicts with `axis` (what is made larger), `metric`, `size`, CPU `time` over that of the smallest size of its
        axis and metric, and `bytes`, as `python -m jaxsurr.benchmarks.sizes` writes them, the smallest size first.

    Returns:
      The figure, with two axes: time and memory.

    Raises:
      ValueError: there are no lines.
      ImportError: matplotlib is not installed.

    >>> lines = [{"axis": "classes", "metric": "error rate", "size": n, "time": n / 10, "bytes": 8 * n}
    ...          for n in (10, 100)]
    >>> growth_curves(lines).axes[1].lines[0].get_ydata().tolist()
    [1.0, 10.0]
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        groups.setdefault(f"{line['axis']}: {line['metric']}", []).append(line)
    if not groups:
        raise ValueError("there are no measurements to draw: lines is empty.")
    figure, panels = blank(2, width=4.4, height=4.0)
    for style, (name, group) in zip(line_styles(len(groups)), groups.items(), strict=True):
        sizes = np.array([line["size"] for line in group], float)
        for axes, field in zip(panels, ("time", "bytes"), strict=True):
            values = np.array([line[field] for line in group], float)
            axes.plot(sizes / sizes[0], values / values[0], label=name, markersize=6, **style)
    for axes, title in zip(panels, ("CPU time", "temporary memory"), strict=True):
        ends = np.array(axes.get_xlim()).clip(min=1)
        axes.plot(ends, ends, color="0.4", linewidth=1.0, linestyle=(0, (1, 1)), label="in proportion to the size")
        axes.set(xscale="log", yscale="log", title=f"{title} of an update")
        axes.set_xlabel("size over the smallest")
        axes.set_ylabel("over that of the smallest")
        axes.grid(alpha=0.25)
    legend(figure, panels[0], columns=2, fontsize="small")
    return fitted(figure)
