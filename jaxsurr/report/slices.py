"""Slices of the learned loss and of the metric, along a line through a prediction."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.types import Array, PyTree, Surrogate
from jaxsurr.diagnosis.fidelity import noise
from jaxsurr.report.canvas import blank, fitted, legend, line_styles
from jaxsurr.report.neighbourhood import about, estimator, one_of_many, steepest, subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["POINTS", "REACH", "value_slice"]

REACH = 6.0
POINTS = 121


def _one_noise(key, example_ids, first_pair, pairs, num_pairs, size) -> Array:
    """An estimate with the same noise at every point of a line, so that the curve is smooth."""
    of_one = noise()(key, example_ids[:1], first_pair, pairs, num_pairs, size)
    return jnp.broadcast_to(of_one, (pairs, len(example_ids), size))


def value_slice(
    surrogate: Surrogate,
    state: PyTree,
    metric: MetricFunction,
    predictions: Array,
    targets: PyTree,
    *,
    key: Array,
    scale: Array | float,
    examples: int = 3,
    num_pairs: int = 2048,
    which: int = 0,
) -> "Figure":
    """The learned loss, the smoothed metric and the metric itself along a line through the prediction of an example.

    The line has the direction of the estimated gradient of the smoothed metric, so that the metric grows to the right,
    from -6 to 6 smoothing scales about the prediction. All three are shown in the metric's own direction: where higher
    is better, the learned loss is multiplied by -1. The examples are spread evenly by rank over those whose gradient
    norm is at least a quarter of the largest, without examples where the metric has no gradient.

    Args:
      surrogate: a `Surrogate`, whose `loss` is shown.
      state: of the surrogate.
      metric: of the surrogate; a per-example metric.
      predictions: `[B, ...]`, of a model; a few hundred rows are enough.
      targets: of the metric.
      key: typed, for the noise.
      scale: the smoothing scale s, `info.scale` of the last update.
      examples: number of examples; fewer where fewer have a gradient.
      num_pairs: antithetic pairs of the estimates.
      which: index of the metric, of M metrics.

    Returns:
      The figure, with one axes for each example.

    Raises:
      ValueError, TypeError: an argument does not fit, or the metric has no gradient at any example.
      ImportError: matplotlib is not installed.
    """
    metric, name = subject(metric, predictions, targets, scale, which, examples=examples, num_pairs=num_pairs)
    first_key, second_key = jax.random.split(key)
    chosen = steepest(
        metric, predictions, targets, which, count=examples, key=first_key, scale=scale, num_pairs=num_pairs
    )
    estimate = estimator(metric, which, num_pairs, _one_noise)
    distance = np.linspace(-REACH, REACH, POINTS)

    figure, panels = blank(len(chosen), width=3.6 if len(chosen) > 1 else 5.5, height=4.0, sharey=True)
    dark, middle, light = line_styles(3)
    for axes, (index, direction, slope) in zip(panels, chosen, strict=True):
        line = about(metric, predictions, targets, index, direction[None], distance[:, None], scale)
        raw = one_of_many(metric(line.predictions, line.targets), which)
        smooth = estimate(line.predictions, line.targets, second_key, scale)
        learned = metric.sign * one_of_many(surrogate.loss(state, line.predictions, line.targets), which)
        for values, label, style, width in (
            (raw, "metric", light, 1.6),
            (smooth.value, "smoothed metric", middle, 2.4),
            (learned, "learned loss" if metric.sign > 0 else "learned loss times -1", dark, 2.0),
        ):
            style = {**style, "marker": None, "linewidth": width}
            axes.plot(distance, np.asarray(values), label=label, **style)
        axes.axvline(0, color="0.5", linewidth=0.8, zorder=0)
        axes.set_title(f"example {index}\nslope {slope:.2g} per smoothing scale", fontsize="medium")
        axes.set_xlabel("distance along the metric's gradient,\nin smoothing scales")
        axes.grid(alpha=0.25)
    better = "higher" if metric.higher_is_better else "lower"
    panels[0].set_ylabel(f"{name}\n({better} is better)")
    figure.suptitle("Learned loss and metric along a line through a prediction (at 0)")
    legend(figure, panels[0], columns=3)
    return fitted(figure)
