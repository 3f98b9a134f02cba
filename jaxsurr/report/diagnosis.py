"""A diagnosis as a figure: fidelity by region, by example, and of the value."""

from typing import TYPE_CHECKING

import numpy as np

from jaxsurr.core import checks
from jaxsurr.diagnosis.diagnose import Diagnosis
from jaxsurr.report.canvas import blank, fitted, legend, line_styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["diagnosis_panels"]


def diagnosis_panels(found: Diagnosis, *, which: int = 0) -> "Figure":
    """A diagnosis in three panels: fidelity by region, cosines of examples, and values.

    Left, by region of the margin (from the worst to the best predictions): correlation of the gradient with the
    reference and its ceiling, of the value, and the fraction of examples on which the metric has no gradient. Middle,
    the distribution of the cosines of examples, without those where either gradient is 0. Right, the surrogate's value
    against the smoothed metric's, one point for each example, or one for a metric of sets; lower is better in both.

    Args:
      found: of `jaxsurr.diagnose`.
      which: index of the metric, of M metrics.

    Returns:
      The figure, with three axes.

    Raises:
      ValueError: there is no such metric.
      ImportError: matplotlib is not installed.
    """
    number = len(found.metrics)
    checks.integer(which, "which", most=number - 1, meaning=f"the diagnosis is of {number} metrics")
    figure, (by_region, by_example, of_value) = blank(3, width=4.2, height=4.2)
    regions, place = found.regions, np.arange(len(found.regions.rows))
    by_region.bar(
        place, regions.zero_gradient_fraction[:, which], width=0.8, color="0.85", label="no gradient (fraction)"
    )
    series = {
        "gradient": regions.gradient[:, which],
        "gradient, ceiling": regions.ceiling[:, which],
        "value": regions.value[:, which],
    }
    for (label, values), style in zip(series.items(), line_styles(3), strict=True):
        if not np.isnan(values).all():  # the value of a metric of sets is one number
            by_region.plot(place, values, label=label, **style)
    by_region.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    ticks = [f"{low:.1f} to\n{high:.1f}" for low, high in zip(regions.low, regions.high, strict=True)]
    by_region.set_xticks(place, ticks, fontsize="x-small")
    by_region.set_ylim(min(-0.05, np.nanmin([0.0, *(values.min() for values in series.values())]) - 0.05), 1.05)
    by_region.set_xlabel("margin of an example, in smoothing scales\n(right: better)")
    by_region.set_ylabel("correlation with the reference")
    by_region.set_title("by region", fontsize="medium")

    cosines = found.by_example[found.by_example[:, which] != 0, which]
    by_example.hist(cosines, bins=np.linspace(-1, 1, 41), color="0.4")
    by_example.set_xlim(-1.02, 1.02)
    by_example.set_xlabel("cosine of surrogate's and metric's gradient")
    by_example.set_ylabel("examples")
    by_example.set_title(f"by example ({len(cosines)} of {len(found.by_example)} have both)", fontsize="medium")

    reference, losses = found.values[:, which], found.losses[:, which]
    low, high = min(reference.min(), losses.min()), max(reference.max(), losses.max())
    of_value.plot([low, high], [low, high], color="0.5", linewidth=0.8, zorder=0)
    of_value.plot(reference, losses, ".", color="0.2", markersize=4, alpha=0.5)
    of_value.set_xlabel("smoothed metric (lower is better)")
    of_value.set_ylabel("surrogate")
    of_value.set_title("value; the line is where both agree", fontsize="medium")
    figure.suptitle(
        f"{found.metrics[which]}: gradient {found.gradient[which]:.3f} (ceiling {found.ceiling[which]:.3f}), "
        + ("" if np.isnan(found.value[which]) else f"value {found.value[which]:.3f}, ")
        + f"no gradient on {found.zero_gradient_fraction[which]:.0%}"
    )
    legend(figure, by_region, columns=4, loc="outside lower left")
    return fitted(figure)
