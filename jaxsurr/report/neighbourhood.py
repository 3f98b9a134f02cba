"""The neighbourhood of one example in prediction space, in units of the smoothing scale.

A prediction z is moved to `z + s u (a_1 d_1 + a_2 d_2 + ...)`, with s the smoothing scale, u the space's unit, d
directions of length 1 and a the distances in smoothing scales: a distance of 1 is one standard deviation of the noise.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.compiling import few_times
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.types import Array, PyTree
from jaxsurr.diagnosis.fidelity import noise
from jaxsurr.metrics.base import Metric, as_metric, output_shape
from jaxsurr.smoothing.smoothed_metric import Directions, Smoothed, smoothed_metric

__all__ = ["PAIRS_TO_CHOOSE", "Neighbourhood", "about", "clearest", "estimator", "one_of_many", "steepest", "subject"]

PAIRS_TO_CHOOSE = 256


class Neighbourhood(NamedTuple):
    """Points about one example, and the axes of their coordinates.

    Attributes:
      predictions: `[N, ...]`, the moved prediction.
      targets: the example's target, N times.
      axes: `[D, ...]`, `s u d`: the change of the prediction when a coordinate grows by 1.
    """

    predictions: Array
    targets: PyTree
    axes: np.ndarray

    def components(self, gradients: Array) -> np.ndarray:
        """Derivatives in the coordinates, `[N, D]`, from gradients in the predictions, `[N, ...]`."""
        return np.asarray(gradients).reshape(len(gradients), -1) @ self.axes.reshape(len(self.axes), -1).T


def subject(
    metric: MetricFunction, predictions: Array, targets: PyTree, scale, which: int, **counts: int
) -> tuple[Metric, str]:
    """The metric and its name on axes, after a check of the arguments of a figure.

    Raises:
      ValueError, TypeError: it is a set metric, `which` is out of range, the scale or a count is not positive,
        predictions are not finite, or shapes do not fit.
    """
    metric = as_metric(metric)
    for name, value in counts.items():
        checks.positive_integer(value, name)
    checks.number(scale, "scale", above=0, meaning="info.scale of an update")
    metric.space.check(predictions, targets)
    checks.finite(predictions)
    if not metric.per_example:
        raise ValueError(f"{metric.name} is a set metric: it has no value for one example that could be plotted.")
    outputs = output_shape(metric, predictions, targets)
    number = outputs[0] if outputs else 1
    checks.integer(which, "which", most=number - 1, meaning=f"{metric.name} has {number} values for an example")
    return metric, f"{metric.name}[{which}]" if outputs else metric.name


def one_of_many(values: Array, which: int) -> Array:
    """Values `[B]` of one of M metrics, from `[B]` or `[B, M]`."""
    return values if values.ndim == 1 else values[:, which]


@functools.lru_cache(maxsize=8)
def estimator(metric: Metric, which: int, num_pairs: int, directions: Directions | None = None) -> Callable:
    """The smoothed metric, one of M, as a compiled function `(predictions, targets, key, scale, first_example=0)`.

    Figures of one metric share it.

    Args:
      metric, which: as for the figures.
      num_pairs: of `smoothed_metric`.
      directions: of `smoothed_metric`; by default from a table.
    """

    def estimate(
        predictions: Array, targets: PyTree, key: Array, scale: Array | float, first_example: Array | int = 0
    ) -> Smoothed:
        options: dict[str, Any] = dict(key=key, scale=scale, num_pairs=num_pairs, directions=directions or noise())
        out = smoothed_metric(metric, predictions, targets, first_example=first_example, **options)
        if out.value.ndim == 1:
            return out
        return Smoothed(out.value[:, which], out.gradient[which], out.error[which])

    return few_times(estimate)


def steepest(
    metric: Metric, predictions: Array, targets: PyTree, which: int, *, count: int, key: Array, scale, num_pairs: int
) -> list[tuple[int, np.ndarray, float]]:
    """Examples with a large gradient, and for each the direction of steepest ascent of the smoothed metric.

    Examples are chosen (`clearest`) by an estimate with few pairs; the estimates for them use `num_pairs`.

    Args:
      metric, predictions, targets, which: as for the figures.
      count: maximal number of examples.
      key, scale, num_pairs: of `smoothed_metric`.

    Returns:
      For each example its index, the direction `[...]` of length 1 in units of the space, and the growth along it, in
      units of the metric for a smoothing scale.

    Raises:
      ValueError: the metric is flat about every example.
    """
    in_scales = scale * np.broadcast_to(metric.space.unit(predictions, targets), predictions.shape)
    rough = estimator(metric, which, min(num_pairs, PAIRS_TO_CHOOSE))
    exact = estimator(metric, which, num_pairs)
    coarse = np.asarray(rough(predictions, targets, key, scale).gradient) * in_scales
    lengths = np.sqrt(np.sum(coarse.reshape(len(coarse), -1) ** 2, axis=1))
    if not np.any(lengths > 0):
        raise ValueError(
            f"{metric.name} does not change within the noise about any of these {len(predictions)} examples, so "
            "there is no direction to plot. Pass more examples, or a larger scale."
        )
    chosen = []
    for index in clearest(lengths, count):
        slope = coarse[index]
        if exact is not rough:
            target = jax.tree.map(lambda leaf, i=index: jnp.asarray(leaf)[i : i + 1], targets)
            found = exact(predictions[index : index + 1], target, key, scale, index).gradient[0]
            slope = np.asarray(found) * in_scales[index]
        length = np.linalg.norm(slope)
        chosen.append((index, slope / length if length else slope, float(length)))
    return chosen


def clearest(lengths: np.ndarray, count: int) -> list[int]:
    """Up to `count` examples with a large gradient, in descending order.

    They are spread evenly by rank over the examples whose gradient norm is at least a quarter of the largest; where
    those are fewer than `count`, they are the ones with the largest gradients. Examples without gradient are left out.

    >>> clearest(np.array([0.1, 4.0, 0.0, 2.0, 3.0, 1.0]), 3)
    [1, 4, 5]
    >>> clearest(np.array([0.1, 4.0, 0.0]), 3)
    [1, 0]
    """
    order = np.argsort(-lengths, kind="stable")
    available = int(np.sum(lengths > 0))
    pool = max(int(np.sum(lengths >= lengths.max() / 4)), min(count, available))
    ranks = np.linspace(0, pool - 1, min(count, pool)).astype(int)
    return [int(i) for i in order[ranks]]


def about(
    metric: Metric, predictions: Array, targets: PyTree, index: int, directions: Array | np.ndarray, coordinates, scale
) -> Neighbourhood:
    """The prediction of example `index`, moved along directions `[D, ...]` by coordinates `[N, D]`."""
    start = np.asarray(predictions[index])
    unit = np.broadcast_to(metric.space.unit(predictions, targets), predictions.shape)[index]
    axes = np.asarray(scale * unit[None] * np.asarray(directions), start.dtype)
    coordinates = np.asarray(coordinates, start.dtype)
    moved = start[None] + np.tensordot(coordinates, axes, axes=1)

    def repeated(leaf):
        leaf = np.asarray(leaf)[index]
        return np.broadcast_to(leaf, (len(coordinates), *leaf.shape))

    return Neighbourhood(jnp.asarray(moved), jax.tree.map(repeated, targets), axes)
