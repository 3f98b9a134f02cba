"""Metrics of several labels of an example, from a logit of each: a label is predicted where its logit is above 0.

Targets are `[B, K]` of 0 and 1. An example without a label counts like any other; what each metric says of it is in its
docstring. For probabilities p in place of logits pass `p - threshold`, whose sign decides alike.
"""

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.targets import check_labels
from jaxsurr.core.types import Array
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import label_logits

__all__ = [
    "example_f_beta",
    "hamming_error",
    "label_f_beta",
    "label_ranking_average_precision",
    "subset_error",
]


def _read(predictions: Array, targets: Array) -> tuple[Array, Array, Array | None]:
    """Logits, whether each label is set, and a mask of examples whose targets are out of range."""
    z, labels, wrong = checked(check_labels, predictions, targets)
    return z, labels.astype(jnp.int32) == 1, wrong


def _missed(z: Array, there: Array) -> Array:
    """Whether each label is predicted wrongly; a NaN is."""
    return ~jnp.where(there, z > 0, z <= 0)


@metric(higher_is_better=False, space=label_logits)
def hamming_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Fraction of an example's labels that are predicted wrongly; lower is better.

    `mean_k 1[(z_k > 0) != y_k]`, per example, scikit-learn's `hamming_loss`. Without a set label it is the fraction of
    labels that are predicted. A NaN is an error.

    Args:
      predictions: `[B, K]` float, a logit of each of K labels.
      targets: `[B, K]` of 0 and 1: integers, bool or floats.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]` in [0, 1].

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or targets are not 0 or 1 (outside `jit`).

    >>> import jax.numpy as jnp
    >>> hamming_error(jnp.array([[2.0, -1.0, 1.0, -3.0]]), jnp.array([[1, 1, 1, 0]])).tolist()
    [0.25]
    """
    z, there, wrong = _read(predictions, targets)
    return of_examples(jnp.mean(_missed(z, there), axis=1, dtype=z.dtype), where, wrong)


@metric(higher_is_better=False, space=label_logits)
def subset_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Fraction of examples of which at least one label is predicted wrongly; lower is better.

    `1[some (z_k > 0) != y_k]`, per example: one minus the subset accuracy, scikit-learn's `accuracy_score` of several
    labels. Without a set label it is 0 where none is predicted. A NaN is an error. Arguments as for `hamming_error`.

    Returns:
      `[B]`, 0 or 1.

    >>> import jax.numpy as jnp
    >>> subset_error(jnp.array([[2.0, -1.0], [1.0, 1.0]]), jnp.array([[1, 1], [1, 1]])).tolist()
    [1.0, 0.0]
    """
    z, there, wrong = _read(predictions, targets)
    return of_examples(jnp.any(_missed(z, there), axis=1).astype(z.dtype), where, wrong)


@metric(higher_is_better=True, space=label_logits)
def example_f_beta(
    predictions: Array, targets: Array, *, where: Array | None = None, beta: float = 1.0, empty: float = 0.0
) -> Array:
    """F-beta of the predicted and the true labels of each example; higher is better.

    `(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)`, per example: its mean is scikit-learn's `average="samples"`. A NaN
    counts as a wrong label. Arguments as for `hamming_error`, and:

    Args:
      beta: b, a positive number: the weight of recall relative to precision.
      empty: in [0, 1], the value where no label is set and none is predicted (scikit-learn's `zero_division`).

    Returns:
      `[B]` in [0, 1]; 0 where labels are predicted of an example that has none.

    >>> import jax.numpy as jnp
    >>> round(float(example_f_beta(jnp.array([[2.0, -1.0, 1.0]]), jnp.array([[1, 0, 0]]))[0]), 4)  # 2 / 3
    0.6667
    """
    checks.number(beta, "beta", above=0)
    checks.number(empty, "empty", least=0, most=1)
    z, there, wrong = _read(predictions, targets)
    missed = _missed(z, there)
    parts = (there & ~missed, there & missed, ~there & missed)
    right, absent, extra = (jnp.sum(part, axis=1, dtype=z.dtype) for part in parts)
    value = ratio((1 + beta**2) * right, (1 + beta**2) * right + beta**2 * absent + extra, empty)
    return of_examples(value, where, wrong)


@metric(higher_is_better=True, space=label_logits)
def label_ranking_average_precision(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Average over an example's set labels of the fraction of set labels among those ranked as high; higher is better.

    `mean_{k set} |{j set: z_j >= z_k}| / |{j: z_j >= z_k}|`, per example, as in scikit-learn: equal logits count
    against it, and an example with no label, or with all, has 1. A NaN ranks above all others, and is no hit. Memory
    grows as the square of K. Arguments as for `hamming_error`.

    Returns:
      `[B]` in (0, 1]; with a NaN in [0, 1].

    >>> import jax.numpy as jnp
    >>> round(float(label_ranking_average_precision(jnp.array([[3.0, 2.0, 1.0]]), jnp.array([[1, 0, 1]]))[0]), 4)
    0.8333
    """
    z, there, wrong = _read(predictions, targets)
    as_high = ~(z[:, None, :] < z[:, :, None])  # [B, k, j]
    hits = (z[:, None, :] >= z[:, :, None]) & there[:, None, :]
    precision = jnp.sum(hits, axis=-1, dtype=z.dtype) / jnp.sum(as_high, axis=-1, dtype=z.dtype)
    number = jnp.sum(there, axis=1, dtype=z.dtype)
    return of_examples(ratio(jnp.sum(jnp.where(there, precision, 0), axis=1), number, 1.0), where, wrong)


@set_metric(higher_is_better=True, space=label_logits)
def label_f_beta(predictions: Array, targets: Array, *, beta: float = 1.0, average: str = "macro") -> Value:
    """F-beta of several labels over a set; higher is better.

    `(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)` of each label, averaged; 0 where it is 0 / 0, as scikit-learn's
    `zero_division=0`: so for a label that is never set and never predicted, and for the empty set.

    Args:
      predictions: `[B, K]` float, a logit of each of K labels.
      targets: `[B, K]` of 0 and 1: integers, bool or floats.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: `[B, K]` as `predictions`: the value with each example alone replaced is returned, `[B]`.
      beta: b, a positive number: the weight of recall relative to precision.
      average: "macro" (the mean over all labels), "micro" (of the sums over labels), or "weighted" (by how often a
        label is set). That over examples is `example_f_beta`.

    Returns:
      `[]` in [0, 1]; NaN where a prediction that is not masked is NaN.

    Raises:
      ValueError, TypeError: shapes, dtypes or options do not fit, or targets are not 0 or 1 (outside `jit`).

    >>> import jax.numpy as jnp
    >>> logits, labels = jnp.array([[1.0, 1.0], [1.0, -1.0]]), jnp.array([[1, 1], [0, 1]])
    >>> float(label_f_beta(logits, labels)), float(label_f_beta(logits, labels, average="micro"))  # 2 of 3 each
    (0.6666666865348816, 0.6666666865348816)
    """
    checks.one_of(average, "average", ("macro", "micro", "weighted"))
    checks.number(beta, "beta", above=0)
    predictions, there, wrong = _read(predictions, targets)
    true = there.astype(jnp.float32)

    def statistics(z):
        predicted = (z > 0).astype(jnp.float32)
        return predicted * true, predicted, true

    def value(sums):
        both, predicted, of_label = (jnp.sum(part, keepdims=True) if average == "micro" else part for part in sums)
        each = ratio((1 + beta**2) * both, beta**2 * of_label + predicted)
        weight = of_label if average == "weighted" else jnp.ones_like(each)
        return ratio(jnp.sum(weight * each), jnp.sum(weight))

    return of_sums(statistics, value, predictions, wrong=wrong)
