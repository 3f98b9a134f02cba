"""Metrics of ordinal levels 0 .. K - 1. How levels are decoded is part of the metric."""

from collections.abc import Callable

import jax.numpy as jnp

from jaxsurr import checks, decoding
from jaxsurr.metrics.base import metric
from jaxsurr.reductions import masked
from jaxsurr.spaces import level_logits
from jaxsurr.types import Array


def _distance(predictions: Array, targets: Array, where: Array | None, decode: str | Callable) -> Array:
    """Levels between the decoded and the true one, `[B]`; NaN where a prediction holds a NaN."""
    checks.floating(predictions, 2, "[B, K] (or [B, K - 1] cumulative logits)")
    checks.integer_labels(predictions, targets, "levels")
    decoder = decoding.get(decode)
    levels = predictions.shape[1] + (decoder is decoding.threshold_count)
    checks.labels_in_range(targets, levels, "levels")
    checks.mask(where, predictions.shape[0])
    predictions = masked(predictions, where)  # first too: a NaN there has no part in the gradient of the others
    distance = jnp.abs(decoder(predictions) - targets.astype(predictions.dtype))
    return jnp.where(jnp.any(jnp.isnan(predictions), axis=-1), jnp.nan, distance)


@metric(higher_is_better=False, space=level_logits)
def mean_absolute_error(
    predictions: Array, targets: Array, *, where: Array | None = None, decode: str | Callable = "median"
) -> Array:
    """Absolute difference between the decoded and the true level, in levels; lower is better.

    `|decode(z) - y|`, per example.

    Args:
      predictions: `[B, K]` float level logits, or `[B, K - 1]` cumulative logits for `decode="thresholds"`.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.
      decode: "median" (the best for this metric), "argmax", "expected", "thresholds", or a function
        `[B, ...] -> [B]`. For thresholds bind the space too: `bind(decode="thresholds",
        space=jaxsurr.spaces.cumulative_logits)`.

    Returns:
      `[B]` in [0, K - 1], in levels; NaN for a prediction that holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> mean_absolute_error(jnp.array([[5.0, 0.0, 0.0]]), jnp.array([2])).tolist()
    [2.0]
    """
    return masked(_distance(predictions, targets, where, decode), where)


@metric(higher_is_better=True, space=level_logits)
def within_one_level(
    predictions: Array, targets: Array, *, where: Array | None = None, decode: str | Callable = "median"
) -> Array:
    """Share of examples decoded to the true level or one next to it; higher is better.

    `1[|decode(z) - y| <= 1]`, per example. Arguments and errors as for `mean_absolute_error`.

    Returns:
      `[B]`, 0 or 1.

    >>> import jax.numpy as jnp
    >>> within_one_level(jnp.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]), jnp.array([2, 2])).tolist()
    [0.0, 1.0]
    """
    distance = _distance(predictions, targets, where, decode)
    return masked((distance <= 1).astype(predictions.dtype), where)
