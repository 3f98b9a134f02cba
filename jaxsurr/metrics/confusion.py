"""Set metrics that are functions of the confusion counts: F-beta, Jaccard, balanced error, G-mean, Matthews, kappa.

All read `[B, K]` logits, of which the first largest is predicted, or one logit of two classes, `[B]` or `[B, 1]`, where
a score above 0 means class 1. For surrogates on one logit bind its space: `f_beta.bind(space=
jaxsurr.spaces.binary_scores)`. A NaN among predictions that are not masked gives NaN. Sums of weights and counts are in
single precision, exact to 2^24.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.products import matmul
from jaxsurr.core.reading import checked
from jaxsurr.core.targets import check_decisions, one_logit
from jaxsurr.core.types import Array
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import class_logits

__all__ = ["balanced_error", "cohen_kappa", "f_beta", "g_mean", "jaccard", "matthews_correlation"]

AVERAGES = ("auto", "binary", "macro", "micro", "weighted")


class Counts(NamedTuple):
    """Sums of weights by class, `[K]`: both predicted and true, predicted, true."""

    both: Array
    predicted: Array
    true: Array


def _decided(predictions: Array) -> tuple[Array, int]:
    """The predicted class of each example, and the number of classes."""
    if predictions.size == len(predictions):  # one logit, `[B]` or `[B, 1]`
        return (predictions.reshape(-1) > 0).astype(jnp.int32), 2
    return jnp.argmax(predictions, axis=-1), predictions.shape[-1]


def from_counts(value: Callable[[Counts], Array], predictions: Array, targets: Array) -> Value:
    """The metric `value(counts)` of the confusion counts of a set."""
    predictions, targets, wrong = checked(check_decisions, *one_logit(predictions, targets))

    def statistics(z):
        decided, classes = _decided(z)
        predicted, true = (jax.nn.one_hot(labels, classes, dtype=jnp.float32) for labels in (decided, targets))
        return Counts(predicted * true, predicted, true)

    return of_sums(statistics, value, predictions, wrong=wrong)


def averaged(counts: Counts, numerator: Array, denominator: Array, average: str) -> Array:
    """Average over classes of `numerator / denominator`, 0 where that is 0 / 0.

    "binary" is the ratio of class 1, "micro" that of the sums over classes, "macro" the mean over classes that are true
    or predicted somewhere, "weighted" the mean weighed by how often each class is true.
    """
    if average == "micro":
        return ratio(jnp.sum(numerator), jnp.sum(denominator))
    each = ratio(numerator, denominator)
    if average == "binary":
        return each[1]
    weight = counts.true if average == "weighted" else ((counts.true > 0) | (counts.predicted > 0)).astype(each.dtype)
    return ratio(jnp.sum(weight * each), jnp.sum(weight))


def chosen_average(average: str, predictions: Array, targets: Array) -> str:
    """The average, where "auto" is class 1 for two classes and the mean over classes for more."""
    checks.one_of(average, "average", AVERAGES)
    predictions, targets = one_logit(predictions, targets)
    check_decisions(predictions, targets)
    classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    if average == "auto":
        return "binary" if classes == 2 else "macro"
    if average == "binary" and classes != 2:
        raise ValueError(f"average='binary' needs two classes, predictions have {classes}; use 'macro' or 'micro'.")
    return average


@set_metric(higher_is_better=True, space=class_logits)
def f_beta(predictions: Array, targets: Array, *, beta: float = 1.0, average: str = "auto") -> Value:
    """F-beta of precision and recall; higher is better.

    `(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)`, by class and averaged; 0 where it is 0 / 0, as scikit-learn's
    `zero_division=0`, so also for the empty set.

    Args:
      predictions: `[B, K]` float logits, or `[B]` or `[B, 1]` float scores of class 1.
      targets: `[B]` integers from 0 to K - 1; of scores also bool or `[B, 1]`.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: `[B, ...]` as `predictions`: the value with each example alone replaced is returned, `[B]`.
      beta: b, a positive number: the weight of recall relative to precision.
      average: "binary" (of class 1), "macro" (over the classes that are true or predicted), "micro", "weighted" (by how
        often a class is true), or "auto": "binary" for two classes, "macro" for more.

    Returns:
      `[]` in [0, 1].

    Raises:
      ValueError, TypeError: shapes, dtypes or options do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> round(float(f_beta(jnp.array([1.0, 2.0, -1.0]), jnp.array([1, 0, 0]))), 4)  # precision 1/2, recall 1
    0.6667
    """
    checks.number(beta, "beta", above=0)
    average = chosen_average(average, predictions, targets)

    def value(counts):
        return averaged(counts, (1 + beta**2) * counts.both, beta**2 * counts.true + counts.predicted, average)

    return from_counts(value, predictions, targets)


@set_metric(higher_is_better=True, space=class_logits)
def jaccard(predictions: Array, targets: Array, *, average: str = "auto") -> Value:
    """Jaccard index `TP / (TP + FN + FP)`, by class and averaged; higher is better. Arguments as for `f_beta`.

    Returns:
      `[]` in [0, 1]; 0 where it is 0 / 0.

    >>> import jax.numpy as jnp
    >>> float(jaccard(jnp.array([1.0, 2.0, -1.0]), jnp.array([1, 0, 0])))
    0.5
    """
    average = chosen_average(average, predictions, targets)

    def value(counts):
        return averaged(counts, counts.both, counts.true + counts.predicted - counts.both, average)

    return from_counts(value, predictions, targets)


@set_metric(higher_is_better=False, space=class_logits)
def balanced_error(predictions: Array, targets: Array) -> Value:
    """Mean over classes of the fraction of their examples that is predicted wrongly; lower is better.

    One minus scikit-learn's balanced accuracy: classes that are never true do not count. Arguments as for `f_beta`.

    Returns:
      `[]` in [0, 1]; 0 for the empty set.

    >>> import jax.numpy as jnp
    >>> float(balanced_error(jnp.array([1.0, 2.0, -1.0]), jnp.array([1, 0, 0])))  # 0 of class 1, 1/2 of class 0
    0.25
    """

    def value(counts):
        present = (counts.true > 0).astype(jnp.float32)
        return ratio(jnp.sum(ratio(counts.true - counts.both, counts.true)), jnp.sum(present))

    return from_counts(value, predictions, targets)


@set_metric(higher_is_better=True, space=class_logits)
def g_mean(predictions: Array, targets: Array) -> Value:
    """Geometric mean over classes of their recall; higher is better. Arguments as for `f_beta`.

    `(prod_k TP_k / true_k)^(1 / K)` over the K classes that are true somewhere; a class that is never found makes it 0.
    Source: Kubat and Matwin, Addressing the Curse of Imbalanced Training Sets, ICML 1997, for two classes.

    Returns:
      `[]` in [0, 1]; 0 for the empty set.

    >>> import jax.numpy as jnp
    >>> round(float(g_mean(jnp.array([1.0, 2.0, -1.0]), jnp.array([1, 0, 0]))), 4)  # sqrt(1 * 1/2)
    0.7071
    """

    def value(counts):
        present = counts.true > 0
        recall = ratio(counts.both, counts.true, 1.0)
        found = recall > 0
        logarithm = jnp.sum(jnp.where(found, jnp.log(jnp.where(found, recall, 1)), -jnp.inf))
        number = jnp.sum(present, dtype=jnp.float32)
        return jnp.where(number > 0, jnp.exp(logarithm / jnp.maximum(number, 1)), 0)

    return from_counts(value, predictions, targets)


def _chance(counts: Counts) -> tuple[Array, Array, Array, Array]:
    """Frequencies of agreement, of agreement by chance, and of each side with itself by chance."""
    total = jnp.sum(counts.true)
    true, predicted = ratio(counts.true, total), ratio(counts.predicted, total)
    agreement = ratio(jnp.sum(counts.both), total)
    # Inner products, and no sums of products: XLA of jax 0.10 fuses those with what follows, and on CPU the result is
    # then wrong for more than 32,768 sets at once.
    return agreement, matmul(true, predicted), matmul(true, true), matmul(predicted, predicted)


@set_metric(higher_is_better=True, space=class_logits)
def matthews_correlation(predictions: Array, targets: Array) -> Value:
    """Matthews correlation coefficient, of any number of classes; higher is better. Arguments as for `f_beta`.

    With the frequencies c of agreement, t_k of true and p_k of predicted classes: `(c - sum t_k p_k) / sqrt((1 - sum
    t_k^2) (1 - sum p_k^2))`. Source: Gorodkin, Comparing two K-category assignments by a K-category correlation
    coefficient, Computational Biology and Chemistry 28, 2004.

    Returns:
      `[]` in [-1, 1]; 0 where either side holds one class only (as in scikit-learn), and for the empty set.

    >>> import jax.numpy as jnp
    >>> round(float(matthews_correlation(jnp.array([1.0, 2.0, -1.0]), jnp.array([1, 0, 0]))), 4)
    0.5
    """

    def value(counts):
        agreement, chance, true, predicted = _chance(counts)
        several = (jnp.sum(counts.true > 0) > 1) & (jnp.sum(counts.predicted > 0) > 1)
        spread = jnp.sqrt(jnp.maximum((1 - true) * (1 - predicted), 1e-30))
        return jnp.where(several, (agreement - chance) / spread, 0)

    return from_counts(value, predictions, targets)


@set_metric(higher_is_better=True, space=class_logits)
def cohen_kappa(predictions: Array, targets: Array) -> Value:
    """Cohen's kappa, agreement beyond chance; higher is better. Arguments as for `f_beta`.

    `(c - e) / (1 - e)` with the frequency c of agreement and `e = sum_k t_k p_k`, that of agreement by chance.

    Returns:
      `[]` in [-1, 1]; 0 where both sides hold one and the same class (scikit-learn: undefined), and for the empty set.

    >>> import jax.numpy as jnp
    >>> round(float(cohen_kappa(jnp.array([1.0, 2.0, -1.0]), jnp.array([1, 0, 0]))), 4)
    0.4
    """

    def value(counts):
        agreement, chance, _, _ = _chance(counts)
        constant = jnp.sum((counts.true > 0) | (counts.predicted > 0)) <= 1
        return jnp.where(constant, 0, (agreement - chance) / jnp.where(constant, 1, 1 - chance))

    return from_counts(value, predictions, targets)
