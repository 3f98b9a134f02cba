"""Metrics of ordinal levels 0 .. K - 1. How levels are decoded is part of the metric."""

import functools
from collections.abc import Callable

import jax.numpy as jnp

from jaxsurr import checks, decoding
from jaxsurr.metrics.base import metric
from jaxsurr.reductions import masked
from jaxsurr.spaces import level_logits
from jaxsurr.types import Array


def _distance(
    predictions: Array, targets: Array, where: Array | None, decode: str | Callable, levels: int | None
) -> Array:
    """Levels between the decoded and the true one, `[B]`; NaN where a prediction holds a NaN."""
    checks.floating(predictions, 2, "[B, K] (or [B, K - 1] cumulative logits, or a score [B, 1])")
    checks.integer_labels(predictions, targets, "levels")
    decoder = decoding.get(decode)
    if decoder is decoding.rounded_level:
        checks.positive_integer(levels, "levels (which decode='rounded' needs, as a score does not show their number)")
        decoder = functools.partial(decoder, levels=levels)
    elif levels is not None:
        raise ValueError(f"levels is {levels!r}, which only decode='rounded' reads; leave it out.")
    else:
        levels = predictions.shape[1] + (decoder is decoding.threshold_count)
    checks.labels_in_range(targets, levels, "levels")
    checks.mask(where, predictions.shape[0])
    predictions = masked(predictions, where)  # first too: a NaN there has no part in the gradient of the others
    distance = jnp.abs(decoder(predictions) - targets.astype(predictions.dtype))
    return jnp.where(jnp.any(jnp.isnan(predictions), axis=-1), jnp.nan, distance)


@metric(higher_is_better=False, space=level_logits)
def mean_absolute_error(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    decode: str | Callable = "median",
    levels: int | None = None,
) -> Array:
    """Absolute difference between the decoded and the true level, in levels; lower is better.

    `|decode(z) - y|`, per example.

    Args:
      predictions: `[B, K]` float level logits, `[B, K - 1]` cumulative logits for `decode="thresholds"`, or a score
        `[B, 1]` in levels for `decode="rounded"`.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.
      decode: "median" (the best for this metric), "argmax", "expected", "thresholds", "rounded", or a function
        `[B, ...] -> [B]`. For thresholds and scores bind the space too: `bind(decode="thresholds",
        space=jaxsurr.spaces.cumulative_logits)`, `bind(decode="rounded", levels=K, space=jaxsurr.spaces.scores)`.
      levels: K, for `decode="rounded"` only, whose predictions do not show it.

    Returns:
      `[B]` in [0, K - 1], in levels; NaN for a prediction that holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> mean_absolute_error(jnp.array([[5.0, 0.0, 0.0]]), jnp.array([2])).tolist()
    [2.0]
    """
    return masked(_distance(predictions, targets, where, decode, levels), where)


@metric(higher_is_better=True, space=level_logits)
def within_one_level(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    decode: str | Callable = "median",
    levels: int | None = None,
) -> Array:
    """Share of examples decoded to the true level or one next to it; higher is better.

    `1[|decode(z) - y| <= 1]`, per example. Arguments and errors as for `mean_absolute_error`.

    Returns:
      `[B]`, 0 or 1.

    >>> import jax.numpy as jnp
    >>> within_one_level(jnp.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]), jnp.array([2, 2])).tolist()
    [0.0, 1.0]
    """
    distance = _distance(predictions, targets, where, decode, levels)
    return masked((distance <= 1).astype(predictions.dtype), where)
