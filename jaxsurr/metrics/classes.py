"""Metrics of class logits; the error rate also of one logit for two classes."""

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.targets import check_decisions, one_logit
from jaxsurr.core.types import Array
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import class_logits

__all__ = ["error_rate", "top_k_error"]


def _beaten_by(logits: Array, labels: Array) -> Array:
    """Number of classes ranked above the true one; of equal logits the first class is higher, as in `argmax`.

    The comparisons are negated, so that a NaN on either side counts against the prediction.
    """
    of_label = jnp.take_along_axis(logits, labels[:, None], axis=-1)
    classes = jnp.arange(logits.shape[-1], dtype=labels.dtype)[None]
    earlier, other = classes < labels[:, None], classes != labels[:, None]
    return jnp.sum(other & jnp.where(earlier, ~(logits < of_label), ~(logits <= of_label)), axis=-1)


@metric(higher_is_better=False, space=class_logits)
def error_rate(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Fraction of examples whose most probable class is not the true one; lower is better.

    `1[argmax_k z_k != y]`, per example. Of equal logits the first class is predicted; a NaN is an error. One logit of
    two classes predicts class 1 where it is above 0, as the logits `[0, z]` do. A surrogate on it reads the space of
    scores: `error_rate.bind(space=jaxsurr.spaces.binary_scores)`.

    Args:
      predictions: `[B, K]` float logits (or probabilities), or one logit of class 1, `[B]` or `[B, 1]`.
      targets: `[B]` integers from 0 to K - 1; of one logit also bool or `[B, 1]`.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, 0 or 1.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> error_rate(jnp.array([[0.1, 2.0], [3.0, 0.0]]), jnp.array([1, 1])).tolist()
    [0.0, 1.0]
    """
    z, labels, wrong = checked(check_decisions, *one_logit(predictions, targets))
    missed = ~jnp.where(labels == 1, z > 0, z <= 0) if z.ndim == 1 else _beaten_by(z, labels) >= 1
    return of_examples(missed.astype(z.dtype), where, wrong)


@metric(higher_is_better=False, space=class_logits)
def top_k_error(predictions: Array, targets: Array, *, where: Array | None = None, k: int = 5) -> Array:
    """Fraction of examples whose true class is not among the k most probable; lower is better.

    Args:
      predictions: `[B, K]` float logits (or probabilities).
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.
      k: number of classes that may be predicted, from 1; with `k >= K` there are no errors.

    Returns:
      `[B]`, 0 or 1.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> top_k_error(jnp.array([[3.0, 2.0, 1.0]]), jnp.array([1]), k=2).tolist()
    [0.0]
    """
    checks.positive_integer(k, "k")
    z, labels, wrong = checked(class_logits.check, predictions, targets)
    return of_examples((_beaten_by(z, labels) >= min(k, 2**30)).astype(z.dtype), where, wrong)
