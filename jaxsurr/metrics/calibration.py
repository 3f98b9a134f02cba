"""Calibration of class probabilities over a set."""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import checked
from jaxsurr.core.targets import check_decisions, one_logit
from jaxsurr.core.types import Array
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import class_logits

__all__ = ["expected_calibration_error"]


@set_metric(higher_is_better=False, space=class_logits)
def expected_calibration_error(predictions: Array, targets: Array, *, bins: int = 15) -> Value:
    """Mean difference between confidence and accuracy over bins of confidence; lower is better.

    `sum_b |sum_{i in b} (p_i - right_i)| / n` with p the largest probability, in equally wide bins `((b - 1) / bins,
    b / bins]`. Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.

    Args:
      predictions: `[B, K]` float logits, or one logit z of class 1, `[B]` or `[B, 1]`, which stands for `[0, z]`.
      targets: `[B]` integers from 0 to K - 1; of one logit also bool or `[B, 1]`.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: as `predictions`: the value with each example alone replaced is returned, `[B]`.
      bins: how many, from 1 to a million.

    Returns:
      `[]` in [0, 1]; 0 for the empty set.

    Raises:
      ValueError, TypeError: shapes, dtypes or options do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> round(float(expected_calibration_error(jnp.log(jnp.array([[0.9, 0.1], [0.1, 0.9]])), jnp.array([0, 0]))), 4)
    0.4
    """
    checks.number(bins, "bins", least=1, most=10**6, integer=True)
    predictions, targets, wrong = checked(check_decisions, *one_logit(predictions, targets))

    def statistics(z):
        if z.size == len(z):  # one logit
            z = jnp.stack([jnp.zeros(z.size, z.dtype), z.reshape(-1)], axis=1)
        confidence = jnp.max(jax.nn.softmax(z.astype(jnp.float32)), axis=-1)
        right = (jnp.argmax(z, axis=-1).astype(jnp.int32) == targets).astype(jnp.float32)
        place = jnp.clip(jnp.ceil(confidence * bins).astype(jnp.int32) - 1, 0, bins - 1)
        gap = jax.nn.one_hot(place, bins, dtype=jnp.float32) * (confidence - right)[:, None]
        return gap, jnp.ones_like(confidence)

    def value(sums):
        return ratio(jnp.sum(jnp.abs(sums[0])), sums[1])

    return of_sums(statistics, value, predictions, wrong=wrong)
