"""The smoothing scale that stands for the gap between training and held-out examples."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks, renamed
from jaxsurr.core.reductions import masked_mean
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics.base import Metric, as_metric
from jaxsurr.smoothing.smoothed_metric import prepared, smoothed_metric, smoothing_scale

__all__ = ["matched_scale"]


@renamed.arguments
def matched_scale(
    metric: Metric,
    predictions: Array,
    targets: PyTree,
    value: Array | float,
    *,
    key: Array,
    where: Array | None = None,
    space: Space | None = None,
    num_pairs: int = 16,
    low: float = 0.05,
    high: float = 1.0,
    squared_size: Array | None = None,
) -> Array:
    """The relative scale at which the smoothed metric of these predictions has a given value.

    A metric is better on examples that a model was trained on than on others, as if the predictions for the others had
    been shifted by noise. The scale of that noise is where the smoothed metric on training examples,
    `E m(z + s e, y)`, equals the metric on held-out ones. A surrogate with this scale sees training examples at the
    margins that held-out ones have: a wide one where a model has fitted noise, a narrow one where it has not.

        state = state._replace(relative_scale=jaxsurr.matched_scale(metric, z, y, metric.mean(z_val, y_val), key=key))

    Found by eight bisections between `low` and `high`, even in the logarithm, so to 1 %; the bound itself where no
    scale between them has the value. The idea and the method are this library's.

    Args:
      metric: what `jaxsurr.metric` makes; of several at once the first one counts.
      predictions, targets: `[B, ...]` of examples that the model was trained on; a thousand or two are enough.
      value: of the metric on held-out examples.
      key: typed.
      where: `[B]` bool, or weights of the examples, or None.
      space: the prediction space, by default the metric's.
      num_pairs: antithetic pairs of the estimate.
      low, high: bounds of the result.
      squared_size: mean over the predictions, that of these by default; `[]`.

    Returns:
      `[]` float32, for `relative_scale`.

    Raises:
      ValueError, TypeError: the bounds are not in order, the value or a prediction is NaN or infinite, or shapes or
        dtypes do not fit.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> labels = jnp.arange(200) % 2
    >>> logits = 4.0 * jax.nn.one_hot(labels, 2)  # always right, by a margin of 4
    >>> find = lambda error: matched_scale(jaxsurr.metrics.error_rate, logits, labels, error, key=jax.random.key(0))
    >>> bool(find(0.0) < 0.1 < find(0.01) < find(0.05) < 1)
    True
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    checks.typed_key(key)
    checks.number(low, "low", above=0)
    checks.number(high, "high", above=low, meaning="low")
    if checks.is_concrete(value) and not np.all(np.isfinite(value)):
        raise ValueError(f"value must be the metric of held-out examples, a finite number, got {value}.")
    predictions, targets = prepared(space, predictions, targets, where)
    if squared_size is None:
        squared_size = masked_mean(space.squared_size(predictions, targets), where)
    value = jnp.ravel(jnp.asarray(value))[0]

    def halve(_, bounds):
        below, above = bounds
        middle = (below + above) / 2
        options: dict[str, Any] = dict(key=key, num_pairs=num_pairs, space=space, where=where)
        options["scale"] = smoothing_scale(jnp.exp(middle), squared_size, space.least)
        found = smoothed_metric(metric, predictions, targets, **options).value
        found = masked_mean(found, where) if metric.per_example else found
        better = metric.sign * (jnp.ravel(found)[0] - value) < 0
        return jnp.where(better, middle, below), jnp.where(better, above, middle)

    bounds = (jnp.float32(np.log(low)), jnp.float32(np.log(high)))
    return jnp.exp(sum(jax.lax.fori_loop(0, 8, halve, bounds)) / 2)
