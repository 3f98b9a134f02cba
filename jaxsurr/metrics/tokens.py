"""Metrics of the labels of steps, compared step by step."""

import jax.numpy as jnp

from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.reductions import masked
from jaxsurr.core.targets import labels_of_steps
from jaxsurr.core.types import Array, Sequences
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import joint_token_logits, token_logits

__all__ = ["exact_match", "pooled_token_error", "token_error"]


def _missed(predictions: Array, labels: Array) -> Array:
    """Number of steps with a label whose largest logit is another's, `[B]`; NaN where such a step holds a NaN."""
    z = masked(predictions, labels >= 0)
    wrong = jnp.sum((labels >= 0) & (jnp.argmax(z, axis=-1).astype(jnp.int32) != labels), axis=1, dtype=z.dtype)
    return jnp.where(jnp.any(jnp.isnan(z), axis=(1, 2)), jnp.nan, wrong)


@metric(higher_is_better=False, space=token_logits)
def token_error(predictions: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Fraction of the steps of an example whose most probable label is not the true one; lower is better.

    The mean over a set weighs examples equally, not steps (`pooled_token_error` does). For sequences of another length
    than the steps, which have to be aligned, there is `edit_distance`.

    Args:
      predictions: `[B, T, K]` float logits; of equal ones the first label is predicted.
      targets: `Sequences` of `[B, T]` labels, negative where a step is to be ignored, and `[B]` lengths.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]` in [0, 1]; 0 for an example without a label, NaN where a step that counts holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, labels or lengths are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> logits = jnp.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    >>> token_error(logits, Sequences(jnp.array([[0, 0, 0]]), jnp.array([2]))).tolist()
    [0.5]
    """
    z, targets, wrong = checked(token_logits.check, predictions, targets)
    labels = labels_of_steps(targets)
    number = jnp.maximum(jnp.sum(labels >= 0, axis=1, dtype=z.dtype), 1)
    return of_examples(_missed(z, labels) / number, where, wrong)


@metric(higher_is_better=True, space=joint_token_logits)
def exact_match(predictions: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Fraction of examples of which every label is predicted; higher is better.

    Args:
      predictions: `[B, T, K]` float logits; of equal ones the first label is predicted.
      targets: `Sequences` of `[B, T]` labels, negative where a step is to be ignored, and `[B]` lengths.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, 0 or 1; 1 for an example without a label, NaN where a step that counts holds a NaN.

    Raises:
      ValueError, TypeError: as for `token_error`.

    >>> import jax.numpy as jnp
    >>> logits = jnp.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]] * 2)
    >>> exact_match(logits, Sequences(jnp.array([[0, 1, 0], [0, 1, 0]]), jnp.array([2, 3]))).tolist()
    [1.0, 0.0]
    """
    z, targets, wrong = checked(joint_token_logits.check, predictions, targets)
    missed = _missed(z, labels_of_steps(targets))
    return of_examples(jnp.where(jnp.isnan(missed), jnp.nan, (missed == 0).astype(z.dtype)), where, wrong)


@set_metric(higher_is_better=False, space=token_logits)
def pooled_token_error(predictions: Array, targets: Sequences) -> Value:
    """Fraction of all steps of a set whose most probable label is not the true one; lower is better.

    Args:
      predictions: `[B, T, K]` float logits; of equal ones the first label is predicted.
      targets: `Sequences` of `[B, T]` labels, negative where a step is to be ignored, and `[B]` lengths.
      where: `[B]` bool; masked examples do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: as `predictions`: the value with each example alone replaced is returned, `[B]`.

    Returns:
      `[]` in [0, 1]; 0 where there is no step, NaN where a step that counts holds a NaN.

    Raises:
      ValueError, TypeError: as for `token_error`.

    >>> import jax.numpy as jnp
    >>> logits = jnp.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]] * 2)
    >>> float(pooled_token_error(logits, Sequences(jnp.zeros((2, 3), int), jnp.array([1, 3]))))  # 2 of 4
    0.5
    """
    predictions, targets, wrong = checked(token_logits.check, predictions, targets)
    labels = labels_of_steps(targets)

    def statistics(z):
        return _missed(z, labels), jnp.sum(labels >= 0, axis=1, dtype=z.dtype)

    return of_sums(
        statistics, lambda sums: ratio(*sums), predictions, wrong=wrong, clear=lambda z: masked(z, labels >= 0)
    )
