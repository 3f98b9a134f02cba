"""Metrics of ordinal levels 0 .. K - 1. The decoding of levels is part of the metric."""

import functools

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.protocols import Decoder
from jaxsurr.core.reading import Check, checked, of_examples
from jaxsurr.core.targets import check_classes, check_level_scores, labels_in_range
from jaxsurr.core.types import Array
from jaxsurr.metrics import decoding
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import level_logits

__all__ = ["mean_absolute_error", "quadratic_weighted_kappa", "within_one_level"]


def decoded_levels(decode: str | Decoder, levels: int | None = None) -> tuple[Check, Decoder]:
    """The check of predictions and targets for a decoding, and the decoder."""
    decoder = decoding.get(decode)
    if decoder is not decoding.rounded_level:
        if levels is not None:
            raise ValueError(f"levels is {levels!r}, which only decode='rounded' reads; leave it out.")
        cumulative = decoder is decoding.threshold_count
        return functools.partial(check_classes, what="levels", cumulative=cumulative), decoder
    checks.positive_integer(levels, "levels (which decode='rounded' needs, as a score does not show their number)")
    number = int(levels or 0)  # at least 1 by now

    def check(predictions: Array, targets: Array) -> Array | None:
        check_level_scores(predictions, targets)
        return labels_in_range(targets, number, "levels")

    return check, functools.partial(decoding.rounded_level, levels=number)


def _distance(
    predictions: Array, targets: Array, decode: str | Decoder, levels: int | None
) -> tuple[Array, Array | None]:
    """Distance of decoded and true levels, `[B]`, NaN where a prediction is NaN; and a mask of targets out of range.

    Levels are counted in single precision, since half precision cannot represent 257.
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
        space=jaxsurr.spaces.cumulative_logits)`, `bind(decode="rounded", levels=K, space=jaxsurr.spaces.level_scores)`.
      levels: K, for `decode="rounded"` only, since it cannot be read from a score.

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
    """Fraction of examples decoded to the true level or one next to it; higher is better.

    `1[|decode(z) - y| <= 1]`, per example. Arguments and errors as for `mean_absolute_error`.

    Returns:
      `[B]`, 0 or 1.

    >>> import jax.numpy as jnp
    >>> within_one_level(jnp.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]), jnp.array([2, 2])).tolist()
    [0.0, 1.0]
    """
    distance, wrong = _distance(predictions, targets, decode, levels)
    return of_examples((distance <= 1).astype(distance.dtype), where, wrong)


@set_metric(higher_is_better=True, space=level_logits)
def quadratic_weighted_kappa(predictions: Array, targets: Array, *, decode: str | Decoder = "argmax") -> Value:
    """Cohen's kappa with quadratic weights, between decoded and true levels; higher is better.

    `1 - E (a - b)^2 / (E a^2 + E b^2 - 2 E a E b)` over decoded levels a and true levels b, which is the ratio of the
    weighted confusion matrix to that expected of independent sides. Source: Cohen, Weighted kappa, Psychological
    Bulletin 70, 1968.

    Args:
      predictions: `[B, K]` float level logits, or `[B, K - 1]` cumulative logits for `decode="thresholds"`.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: `[B, ...]` as `predictions`: the value with each example alone replaced is returned, `[B]`.
      decode: "argmax", "median", "expected" (not rounded), "thresholds", or a function `[B, ...] -> [B]`. For
        thresholds bind the space too, as for `mean_absolute_error`.

    Returns:
      `[]` in [-1, 1]; 0 where all true levels are the same (scikit-learn: undefined where decoded ones are too), and
      for the empty set.

    Raises:
      ValueError, TypeError: shapes, dtypes or options do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> logits = 9 * jnp.eye(3)[jnp.array([0, 1, 2, 2])]
    >>> round(float(quadratic_weighted_kappa(logits, jnp.array([0, 1, 2, 1]))), 4)
    0.8
    """
    check, decoder = decoded_levels(decode)
    predictions, targets, wrong = checked(check, predictions, targets)
    levels = predictions.shape[1] + (decoder is decoding.threshold_count)
    middle = (levels - 1) / 2  # squares about the middle lose the least to rounding

    def statistics(z):
        a, b = (side.astype(jnp.float32) - middle for side in (decoder(z.astype(jnp.float32)), targets))
        return jnp.ones_like(a), a, b, a * a, b * b, (a - b) ** 2

    def value(sums):
        number, a, b, aa, bb, apart = sums
        a, b, aa, bb, apart = (ratio(term, number) for term in (a, b, aa, bb, apart))
        chance, several = aa + bb - 2 * a * b, bb - b * b > 1e-6 * bb  # with one true level all agreement is chance
        return jnp.where(several & (chance > 1e-6 * (aa + bb)), 1 - ratio(apart, chance), 0)

    return of_sums(statistics, value, predictions, wrong=wrong)
