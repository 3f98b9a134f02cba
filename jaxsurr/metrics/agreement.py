"""Agreement of ordinal levels over a set."""

import jax.numpy as jnp

from jaxsurr.core.protocols import Decoder
from jaxsurr.core.reading import checked, of_set
from jaxsurr.core.types import Array
from jaxsurr.metrics import decoding
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.levels import decoded_levels
from jaxsurr.metrics.sums import of_sums, ratio
from jaxsurr.spaces import level_logits


@metric(higher_is_better=True, space=level_logits, per_example=False)
def quadratic_weighted_kappa(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    weights: Array | None = None,
    replacements: Array | None = None,
    decode: str | Decoder = "argmax",
) -> Array:
    """Cohen's kappa with quadratic weights, between decoded and true levels; higher is better.

    `1 - E (a - b)^2 / (E a^2 + E b^2 - 2 E a E b)` over decoded levels a and true levels b, which is the ratio of the
    weighted confusion matrix to that expected of independent sides. Source: Cohen, Weighted kappa, Psychological
    Bulletin 70, 1968.

    Args:
      predictions: `[B, K]` float level logits, or `[B, K - 1]` cumulative logits for `decode="thresholds"`.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; other rows count nowhere.
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

    return of_set(of_sums(statistics, value, predictions, where, weights, replacements), wrong)
