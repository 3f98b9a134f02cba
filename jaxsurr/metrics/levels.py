"""Metrics of ordinal levels 0 .. K - 1. How levels are decoded is part of the metric."""

import functools

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.protocols import Decoder
from jaxsurr.core.reading import Check, checked, of_examples
from jaxsurr.core.types import Array
from jaxsurr.metrics import decoding
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import level_logits


def decoded_levels(decode: str | Decoder, levels: int | None = None) -> tuple[Check, Decoder]:
    """The check of predictions that are decoded so, and of their targets, and the decoder."""
    decoder = decoding.get(decode)
    if decoder is not decoding.rounded_level:
        if levels is not None:
            raise ValueError(f"levels is {levels!r}, which only decode='rounded' reads; leave it out.")
        cumulative = decoder is decoding.threshold_count
        return functools.partial(checks.labelled, what="levels", cumulative=cumulative), decoder
    checks.positive_integer(levels, "levels (which decode='rounded' needs, as a score does not show their number)")
    number = int(levels or 0)  # at least 1 by now

    def check(predictions: Array, targets: Array) -> Array | None:
        checks.scored(predictions, targets)
        return checks.labels_in_range(targets, number, "levels")

    return check, functools.partial(decoding.rounded_level, levels=number)


def _distance(
    predictions: Array, targets: Array, decode: str | Decoder, levels: int | None
) -> tuple[Array, Array | None]:
    """Levels between the decoded and the true one, `[B]`, NaN where a prediction holds a NaN; and who is out of range.

    Levels are counted in single precision whatever the predictions are: half precision knows no 257.
    """
    check, decoder = decoded_levels(decode, levels)
    z, truth, wrong = checked(check, predictions, targets)
    distance = jnp.abs(decoder(z).astype(z.dtype) - truth.astype(z.dtype))
    return jnp.where(jnp.any(jnp.isnan(z), axis=-1), jnp.nan, distance), wrong


@metric(higher_is_better=False, space=level_logits)
def mean_absolute_error(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    decode: str | Decoder = "median",
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
    distance, wrong = _distance(predictions, targets, decode, levels)
    return of_examples(distance, where, wrong)


@metric(higher_is_better=True, space=level_logits)
def within_one_level(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    decode: str | Decoder = "median",
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
    distance, wrong = _distance(predictions, targets, decode, levels)
    return of_examples((distance <= 1).astype(distance.dtype), where, wrong)
