"""The target of learning: value and gradient of the smoothed metric, as a loss should have them.

`smoothed_metric` gives the metric in its own direction and shape. A `Goal` is the same in the direction of a loss
(lower is better) and in one shape, whether the metric is one or several, of examples or of sets.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reductions import are_weights, masked, masked_mean, num_valid, safe_divide
from jaxsurr.core.types import Array, Space, View
from jaxsurr.metrics.base import Metric
from jaxsurr.smoothing.function_directions import FunctionSums
from jaxsurr.smoothing.set_estimators import GROUP_SIZE, check_estimator
from jaxsurr.smoothing.smoothed_metric import Directions, smoothed_and_sums, table_directions

__all__ = [
    "DEFAULT", "NOISE", "Estimation", "Goal", "check_options", "estimated_goal", "first_row", "goal_of_each", "is_zero",
    "noise_ceiling", "squared_norm", "with_noise", "zero_gradient_fraction",
]  # fmt: skip

NOISE = table_directions()
"""The normal noise of all surrogates, read from a table."""


class Estimation(NamedTuple):
    """Settings of how a surrogate estimates its metric that are seldom changed.

    Attributes:
      spread: standard deviation, in smoothing scales, of the noise that is added to the predictions where a surrogate
        is learned; 0 learns at the predictions themselves.
      decay: of the running averages of spread, calibration and offset, in [0, 1).
      chunk_size: antithetic pairs held in memory at once.
      estimator: of the gradient of a metric of sets: "auto", "replace", "functions" or "groups", see
        `jaxsurr.smoothing.set_estimators`. "auto" is "replace" for a metric that knows `replacements`, as all of this
        library's do, else "functions" where the space has some (all but the generic one, sequences and scores of
        levels), else "groups".
    """

    spread: float = 1.0
    decay: float = 0.95
    chunk_size: int = 16
    estimator: str = "auto"


DEFAULT = Estimation()


class Goal(NamedTuple):
    """Value and gradient that a surrogate should have at B predictions, for M metrics; lower is better.

    Attributes:
      values: `[B, M]` (`[1, M]` of a set).
      gradient: `[M, B, ...]`, with respect to the predictions.
      error: as `gradient`, of the mean square of the estimate's error; NaN for a single pair.
      sums: what the estimator "functions" carries over to the next estimate, or None.
    """

    values: Array
    gradient: Array
    error: Array
    sums: FunctionSums | None = None


def check_options(num_pairs: int, relative_scale: float | None, estimation: Estimation) -> None:
    """Refuses options of a surrogate that perturbs its metric, where they are out of range."""
    checks.positive_integer(num_pairs, "num_pairs")
    if relative_scale is not None:
        checks.number(relative_scale, "relative_scale", above=0)
    if not isinstance(estimation, Estimation):
        raise TypeError(
            f"estimation must be jaxsurr.surrogates.Estimation({', '.join(Estimation._fields)}), "
            f"got {type(estimation).__name__}."
        )
    checks.positive_integer(estimation.chunk_size, "chunk_size")
    checks.number(estimation.decay, "decay", least=0, below=1)
    checks.number(estimation.spread, "spread", least=0)
    check_estimator(estimation.estimator, GROUP_SIZE)


def first_row(predictions: Array, axis_name: str | None) -> Array | int:
    """The index of this device's first row among those of all devices, which its noise depends on."""
    return 0 if axis_name is None else jax.lax.axis_index(axis_name) * predictions.shape[0]


def with_noise(
    view: View, unit: Array, *, key: Array, scale: Array, spread: float, axis_name: str | None = None
) -> View:
    """A view whose predictions are moved by normal noise of `spread` smoothing scales, in the `unit` of their space."""
    if not spread:
        return view
    predictions, shape = view.predictions, view.predictions.shape
    rows = first_row(predictions, axis_name) + jnp.arange(shape[0])
    noise = NOISE(key, rows, 0, 1, 1, predictions[0].size)[0].reshape(shape)
    moved = predictions + spread * scale * unit * noise
    return view._replace(predictions=masked(moved, view.where))


def estimated_goal(
    metric: Metric,
    view: View,
    *,
    key: Array,
    scale: Array | float,
    num_pairs: int,
    space: Space | None = None,
    chunk_size: int = 16,
    estimator: str = "auto",
    directions: Directions = NOISE,
    sums: FunctionSums | None = None,
    unit: Array | None = None,
    axis_name: str | None = None,
) -> Goal:
    """The goal at a view's predictions, estimated from antithetic pairs; arguments as for `smoothed_and_sums`."""
    shape = view.predictions.shape
    smoothed, carried = smoothed_and_sums(
        metric,
        view.predictions,
        view.targets,
        key=key,
        scale=scale,
        num_pairs=num_pairs,
        where=view.where,
        space=space,
        chunk_size=chunk_size,
        first_example=first_row(view.predictions, axis_name),
        directions=directions,
        estimator=estimator,
        sums=sums,
        unit=unit,
        axis_name=axis_name,
    )
    return Goal(
        metric.sign * smoothed.value.reshape(shape[0] if metric.per_example else 1, -1),
        metric.sign * smoothed.gradient.reshape(-1, *shape),
        metric.sign * smoothed.error.reshape(-1, *shape),
        carried,
    )


def goal_of_each(goal: Goal, where: Array | None) -> Goal:
    """The goal of each of the n examples of a set, `values` `[B, M]`, where their mean stands for the set.

    Each has the whole value and, as the mean divides by n, n times its part of the gradient: of weighted examples the
    sum of the weights over its own.
    """
    batch = goal.gradient.shape[1]
    size = num_valid(where, batch)
    if are_weights(where):
        own = jnp.reshape(where, (1, batch) + (1,) * (goal.gradient.ndim - 2))
        size = safe_divide(size, own)
    return Goal(jnp.broadcast_to(goal.values, (batch, goal.values.shape[1])), size * goal.gradient, size * goal.error)


def squared_norm(gradient: Array) -> Array:
    """`|gradient|^2` of each metric, `[M, ...]` to `[M]`."""
    return jnp.sum(gradient.reshape(len(gradient), -1) ** 2, axis=-1)


def is_zero(gradient: Array) -> Array:
    """Whether the gradient of each example is exactly zero, `[M, B, ...]` to `[M, B]`: the metric is flat around it."""
    return jnp.all(gradient.reshape(*gradient.shape[:2], -1) == 0, axis=-1)


def zero_gradient_fraction(goal: Goal, where: Array | None = None, axis_name: str | None = None) -> Array:
    """The fraction of examples whose estimated gradient is exactly zero, `[M]`."""
    zero = is_zero(goal.gradient).T
    return masked_mean(zero.astype(goal.gradient.dtype), where, axis_name=axis_name)


def noise_ceiling(squared_error: Array, squared_size: Array) -> Array:
    """The cosine that the true gradient would have with an estimate, in [0, 1]; 0 where the estimate is zero.

    Args:
      squared_error: `|error|^2` of the estimate.
      squared_size: `|gradient|^2`, error included.
    """
    signal = 1 - safe_divide(squared_error, squared_size)
    return jnp.where(squared_size > 0, jnp.sqrt(jnp.maximum(signal, 0)), 0)
