"""Fidelity of a surrogate's values and gradients: comparison with an estimate of the metric's by many pairs."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core.compiling import quick
from jaxsurr.core.moments import cosine, moments, pearson
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.reductions import masked, masked_mean
from jaxsurr.core.types import Array, PyTree, Surrogate, View
from jaxsurr.metrics.base import Metric, as_metric, output_shape
from jaxsurr.smoothing.goal import estimated_goal, noise_ceiling, squared_norm
from jaxsurr.smoothing.smoothed_metric import Directions, table_directions
from jaxsurr.spaces import SPACES

__all__ = ["Comparison", "compare_with_reference", "correlations", "fidelity", "noise"]

_ENTRIES = 2**21  # of the noise in memory


@functools.cache
def noise() -> Directions:
    """Noise from a table, long enough for references; sampling it instead takes seconds to compile on a CPU."""
    return table_directions(entries=2**20)


class Comparison(NamedTuple):
    """A surrogate and the smoothed metric on the same predictions; lower is better in both.

    Attributes:
      losses: `[B, M]` (`[1, M]` for a metric of sets), the surrogate's.
      values: as `losses`, the reference estimate of the smoothed metric, in the loss's direction.
      gradients: `[M, B, ...]`, the surrogate's.
      goal: `[M, B, ...]`, the reference estimate of the smoothed metric's gradient.
      error: `[M, B, ...]`, with the mean square of that estimate's error.
    """

    losses: Array
    values: Array
    gradients: Array
    goal: Array
    error: Array


def compare_with_reference(
    surrogate: Surrogate,
    state: PyTree,
    metric: MetricFunction,
    predictions: Array,
    targets: PyTree,
    where: Array | None = None,
    *,
    key: Array,
    scale: Array | float,
    pairs: int = 4096,
    directions: Directions | None = None,
    estimator: str = "auto",
) -> Comparison:
    """Values and gradients of a surrogate, and reference estimates of the smoothed metric's; pure, for use under `jit`.

    Args:
      surrogate, state: any `Surrogate`.
      metric: of the surrogate.
      predictions, targets, where: as for its loss; masked rows are 0.
      key: typed, of the reference's noise.
      scale: the smoothing scale of the reference.
      pairs: antithetic pairs of the reference.
      directions: source of its noise, by default a long table.
      estimator: of the gradient of a metric of sets, as for `jaxsurr.smoothing.smoothed_metric`. Along functions the
        reference is the part of the gradient that these can express.
    """
    metric = as_metric(metric)
    predictions = jnp.asarray(predictions)
    reference = estimated_goal(
        metric,
        View(predictions, targets, where),
        key=key,
        scale=scale,
        num_pairs=pairs,
        space=SPACES.get((surrogate.settings or {}).get("space") or ""),
        chunk_size=max(1, min(64, _ENTRIES // predictions.size)),
        directions=noise() if directions is None else directions,
        estimator=estimator,
    )
    outputs = output_shape(metric, predictions, targets)

    def total(z):
        losses = surrogate.loss(state, z, targets, where)
        if losses.ndim > metric.per_example + len(outputs):  # a loss of examples as surrogate of a set metric
            losses = masked_mean(losses, where)
        losses = losses.reshape(reference.values.shape)
        return jnp.sum(losses, axis=0), losses

    gradients, losses = jax.jacrev(total, has_aux=True)(predictions.astype(reference.gradient.dtype))
    goal, error, gradients = (
        jax.vmap(lambda one: masked(one, where))(part) for part in (reference.gradient, reference.error, gradients)
    )
    return Comparison(losses, reference.values, gradients, goal, error)


def correlations(compared: Comparison, where: Array | None = None) -> dict[str, Array]:
    """Correlation of value and gradient with the reference, for each metric, `[M]`.

    Returns:
      `gradient`: cosine over all coordinates. `value`: Pearson over rows, NaN for a set metric, which has one row.
      `ceiling`: the correlation of the true gradient with this reference, in [0, 1]; `gradient / ceiling` estimates the
      correlation with the true gradient. All are 0 where either side is constant. Where the reference is estimated
      along functions of an example, the true gradient is the part of it that these can express.
    """
    gradient = jax.vmap(lambda x, y: cosine(moments(x, y, where)))(compared.gradients, compared.goal)
    if len(compared.losses) == compared.goal.shape[1]:
        value = jax.vmap(lambda x, y: pearson(moments(x, y, where)), in_axes=1)(compared.losses, compared.values)
    else:
        value = jnp.full(gradient.shape, jnp.nan)
    ceiling = noise_ceiling(squared_norm(compared.error), squared_norm(compared.goal))
    return {"gradient": gradient, "value": value, "ceiling": ceiling}


def fidelity(
    surrogate: Surrogate,
    state: PyTree,
    metric: Metric,
    predictions: Array,
    targets: PyTree,
    where: Array | None = None,
    **reference: Any,
) -> dict[str, Any]:
    """Correlation of a surrogate's gradient and value with a reference, preferably on held-out rows.

    Args:
      surrogate, state, metric, predictions, targets, where: as for `compare_with_reference`.
      **reference: `key`, `scale`, `pairs`, `directions` and `estimator`, as for `compare_with_reference`.

    Returns:
      `gradient`, `value` and `ceiling`, as for `correlations`: numbers, or lists of M numbers for M metrics at once.
    """

    def measure(predictions, targets, where):
        return correlations(
            compare_with_reference(surrogate, state, metric, predictions, targets, where, **reference), where
        )

    measured = jax.device_get(quick(measure)(jnp.asarray(predictions), targets, where))
    return {name: float(found[0]) if len(found) == 1 else found.tolist() for name, found in measured.items()}
