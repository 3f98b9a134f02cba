"""Ranking metrics of scores of two classes, exact also with ties: areas under curves, and points on them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import checked, of_set
from jaxsurr.core.targets import check_two_classes, one_logit
from jaxsurr.core.types import Array
from jaxsurr.metrics.sums import Value, ratio, set_metric
from jaxsurr.spaces import class_logits

__all__ = ["average_precision", "partial_roc_auc", "precision_at_recall", "recall_at_precision", "roc_auc"]

_ROUNDING = 1e-6  # relative, of a sum of weights that is compared with a bound
_TOGETHER = 64  # sets with one example replaced whose curves are held in memory at once

_AT_ONCE = 64  # sets that are evaluated together


def _scores(predictions: Array, targets: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    """Scores of class 1 (differences of `[B, 2]` logits), labels, and a mask of invalid targets or weights."""
    z, labels, wrong = checked(check_two_classes, *one_logit(predictions, targets))
    wrong = checks.either(wrong, checks.weights(weights, z.shape[0]))
    return z if z.ndim == 1 else z[:, 1] - z[:, 0], labels, wrong


def _weights(targets: Array, where: Array | None, weights: Array | None) -> Array:
    weight = jnp.ones(targets.shape, jnp.float32) if weights is None else jnp.asarray(weights, jnp.float32)
    return weight if where is None else jnp.where(where, weight, 0)


def _unbroken(values: Array, scores: Array, moved: Array, weight: Array) -> Array:
    """Values, NaN where a score that is not masked is NaN, be it another example's or a replacement."""
    broken = jnp.isnan(scores) & (weight > 0)
    others = jnp.sum(broken, dtype=jnp.int32) - (broken.astype(jnp.int32) if values.ndim else 0)
    return jnp.where((others > 0) | (jnp.isnan(moved) & (weight > 0) if values.ndim else False), jnp.nan, values)


def _before(values: Array) -> Array:
    """Exclusive prefix sums, `[B]` to `[B + 1]`."""
    return jnp.concatenate([jnp.zeros((1,), values.dtype), jnp.cumsum(values)])


@set_metric(higher_is_better=True, space=class_logits)
def roc_auc(predictions: Array, targets: Array) -> Value:
    """Area under the ROC curve: the probability that a positive has a higher score than a negative; higher is better.

    `sum_{i pos, j neg} w_i w_j (1[s_i > s_j] + 1[s_i = s_j] / 2) / (W_pos W_neg)`, in time `B log B`.

    Args:
      predictions: `[B]` or `[B, 1]` float scores of class 1, or `[B, 2]` float logits (their difference is the score).
      targets: `[B]` integers, 0 or 1; of scores also bool or `[B, 1]`.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: as `predictions`: the value with each example alone replaced is returned, `[B]`.

    Returns:
      `[]` in [0, 1]; 0.5 for a constant score, for examples of one class (scikit-learn: undefined), and for the empty
      set; NaN where a score that counts is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, there are not two classes, or labels are out of range.

    >>> import jax.numpy as jnp
    >>> float(roc_auc(jnp.array([0.1, 0.4, 0.4, 0.8]), jnp.array([0, 0, 1, 1])))  # 3 1/2 of 4 pairs
    0.875
    """
    return functools.partial(_area, predictions, targets)


def _area(
    predictions: Array, targets: Array, where: Array | None, weights: Array | None, replacements: Array | None
) -> Array:
    """Area under the ROC curve of a set, or of each set with one example replaced."""
    scores, targets, wrong = _scores(predictions, targets, weights)
    weight = _weights(targets, where, weights)
    scores = jnp.where(weight > 0, scores, 0)
    positive = targets == 1
    order = jnp.argsort(scores)
    in_order = scores[order]
    of_side = [jnp.where(positive == side, weight, 0) for side in (False, True)]
    before = [_before(side[order]) for side in of_side]

    def won(z):
        """Weight of the examples of the other class on the right side of a score; equal scores count half."""
        left, right = (jnp.searchsorted(in_order, z, side=side) for side in ("left", "right"))
        below, above = ((side[left] + side[right]) / 2 for side in before)
        return jnp.where(positive, below, before[1][-1] - above)

    negatives, positives = before[0][-1], before[1][-1]
    pairs = negatives * positives
    share = weight * won(scores)
    value = ratio(jnp.sum(jnp.where(positive, share, 0)), pairs, 0.5)
    if replacements is None:
        return of_set(_unbroken(value, scores, scores, weight), wrong)
    moved, *_ = _scores(replacements, targets, None)
    return of_set(_unbroken(value[None] + ratio(weight * won(moved) - share, pairs), scores, moved, weight), wrong)


@set_metric(higher_is_better=True, space=class_logits)
def average_precision(predictions: Array, targets: Array) -> Value:
    """Average precision, the area under the steps of precision over recall; higher is better.

    `sum_n (R_n - R_{n-1}) P_n` over distinct scores in descending order, as in scikit-learn: of equal scores all have
    the precision at the last. In time `B log B`.

    Args:
      predictions: `[B]` or `[B, 1]` float scores of class 1, or `[B, 2]` float logits (their difference is the score).
      targets: `[B]` integers, 0 or 1; of scores also bool or `[B, 1]`.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: as `predictions`: the value with each example alone replaced is returned, `[B]`; with
        `weights` in time `B^2 log B`.

    Returns:
      `[]` in [0, 1]; the fraction of positives for a constant score, 0 without a positive (as in scikit-learn) and for
      the empty set; NaN where a score that is not masked is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, there are not two classes, or labels are out of range.

    >>> import jax.numpy as jnp
    >>> round(float(average_precision(jnp.array([0.1, 0.4, 0.35, 0.8]), jnp.array([0, 0, 1, 1]))), 4)  # (1 + 2/3) / 2
    0.8333
    """
    return functools.partial(_precision, predictions, targets)


def _precision(
    predictions: Array, targets: Array, where: Array | None, weights: Array | None, replacements: Array | None
) -> Array:
    """Average precision of a set, or of each set with one example replaced."""
    if weights is not None and replacements is not None:
        # Moving an example changes the precision of others by its own weight: nothing is shared between examples.
        _scores(replacements, targets, weights)

        def replaced(row: Array) -> Array:
            one = jnp.arange(len(predictions)) == row
            moved = jnp.where(jnp.reshape(one, (-1,) + (1,) * (predictions.ndim - 1)), replacements, predictions)
            return _precision(moved, targets, where, weights, None)

        return jax.lax.map(replaced, jnp.arange(len(predictions)), batch_size=_AT_ONCE)
    scores, targets, wrong = _scores(predictions, targets, weights)
    weight = _weights(targets, where, weights)
    negated = jnp.where(weight > 0, -scores, jnp.inf)  # ascending: the best first
    positive = (targets == 1).astype(jnp.float32)
    order = jnp.argsort(negated)
    in_order, counts, hits = negated[order], weight[order], (weight * positive)[order]
    all_before, hits_before = _before(counts), _before(hits)
    last = jnp.searchsorted(in_order, in_order, side="right")
    number, true = all_before[last], hits_before[last]
    precision = ratio(true, number)
    positives = hits_before[-1]
    value = ratio(jnp.sum(hits * precision), positives)
    if replacements is None:
        return of_set(_unbroken(value, scores, scores, weight), wrong)

    # Moving an example from one rank to another changes the precision of the positives between, by one example and,
    # where it is a positive, by one hit; prefix sums give the change for all examples at once.
    moved_scores, *_ = _scores(replacements, targets, None)
    moved = -moved_scores
    place = jnp.argsort(order)
    joined, left = (
        [hits * (ratio(true + change * hit, number + change) - precision) for hit in (0, 1)] for change in (1, -1)
    )

    def chosen(pair, index):
        return jnp.where(positive > 0, pair[1][index], pair[0][index])

    old, new = (jnp.searchsorted(in_order, z, side="left") for z in (negated, moved))
    sums_joined, sums_left = [_before(terms) for terms in joined], [_before(terms) for terms in left]
    up = chosen(sums_joined, old) - chosen(sums_joined, new)
    down = chosen(sums_left, new) - chosen(sums_left, old) - chosen(left, place)
    between = jnp.where(moved < negated, up, jnp.where(moved > negated, down, 0))
    here = jnp.searchsorted(in_order, moved, side="right")
    without = (negated <= moved).astype(jnp.float32)
    own = ratio(hits_before[here] - without + 1, all_before[here] - without + 1) - precision[place]
    change = jnp.where(weight > 0, between + positive * own, 0)
    return of_set(_unbroken(value[None] + ratio(change, positives), scores, moved_scores, weight), wrong)


# --- parts of curves, and points on them ------------------------------------------------------------------------------


def _of_curve(value: Callable[[Array, Array, Array, Array], Array], predictions: Array, targets: Array) -> Value:
    """The metric `value(false, true, negatives, positives)` of the points of a curve, one for each threshold.

    Args:
      value: `[T], [T], [], [] -> []`, of the weights of the negatives and of the positives that have at least the score
        of each threshold, which rise as the thresholds fall, and of all of them. The thresholds are the scores; some
        may come twice.
      predictions, targets: of the metric.
    """

    def of_set_of(where: Array | None, weights: Array | None, replacements: Array | None) -> Array:
        scores, labels, wrong = _scores(predictions, targets, weights)
        weight = _weights(labels, where, weights)
        of_side = jnp.stack([jnp.where(labels == side, weight, 0) for side in (0, 1)])
        negated = jnp.where(weight > 0, -scores, jnp.inf)  # ascending: the best first
        order = jnp.argsort(negated)
        in_order, before = negated[order], jnp.stack([_before(side[order]) for side in of_side])
        reached = before[:, jnp.searchsorted(in_order, in_order, side="right")]
        negatives, positives = before[:, -1]
        if replacements is None:
            whole = value(reached[0], reached[1], negatives, positives)
            return of_set(_unbroken(whole, scores, scores, weight), wrong)

        def replaced(example):
            old, new, own = example
            at = jnp.searchsorted(in_order, new, side="right")
            there = before[:, at] + own * jnp.where(old <= new, 0, 1)
            moved = (new <= in_order).astype(own.dtype) - (old <= in_order).astype(own.dtype)
            others, place = reached + own[:, None] * moved[None], jnp.arange(len(in_order) + 1)
            below, above = (
                jnp.concatenate(pair, axis=1) for pair in ((others, others[:, :1]), (others[:, :1], others))
            )
            false, true = jnp.where(place < at, below, jnp.where(place == at, there[:, None], above))
            return value(false, true, negatives, positives)

        moved_scores, *_ = _scores(replacements, targets, None)
        new = jnp.where(weight > 0, -moved_scores, jnp.inf)
        each = jax.lax.map(replaced, (negated, new, of_side.T), batch_size=_TOGETHER)
        return of_set(_unbroken(each, scores, moved_scores, weight), wrong)

    return of_set_of


@set_metric(higher_is_better=True, space=class_logits)
def partial_roc_auc(predictions: Array, targets: Array, *, max_fpr: float = 0.1, standardised: bool = True) -> Value:
    """Area under the ROC curve up to a false-positive rate f, as `roc_auc_score(max_fpr=f)`; higher is better.

    Standardised it is `(1 + (A - f^2 / 2) / (f - f^2 / 2)) / 2` of the area A, which is 1/2 for chance and 1 for a
    perfect order. The curve is straight between its points. Source: McClish, Analyzing a Portion of the ROC Curve,
    Medical Decision Making 9, 1989. Arguments as for `roc_auc`; with `replacements` in time and memory `B^2`.

    Args:
      max_fpr: f, above 0 and at most 1, where it is `roc_auc`.
      standardised: False for the area A itself, in [0, f].

    Returns:
      `[]`; that of chance (1/2, or `f^2 / 2`) for examples of one class and for the empty set; NaN where a score that
      counts is NaN.

    >>> import jax.numpy as jnp
    >>> scores, labels = jnp.array([4.0, 3.0, 2.0, 1.0]), jnp.array([1, 0, 1, 0])
    >>> float(partial_roc_auc(scores, labels, max_fpr=0.5, standardised=False))  # true-positive rate 1/2 up to f
    0.25
    """
    checks.number(max_fpr, "max_fpr", above=0, most=1, meaning="a false-positive rate")
    checks.boolean(standardised, "standardised")

    def value(false, true, negatives, positives):
        false_rate, true_rate = (
            jnp.concatenate([jnp.zeros((1,), total.dtype), ratio(reached, total)])
            for reached, total in ((false, negatives), (true, positives))
        )
        low, high = false_rate[:-1], false_rate[1:]
        left, right = jnp.minimum(low, max_fpr), jnp.minimum(high, max_fpr)
        rise = true_rate[1:] - true_rate[:-1]
        at_right = true_rate[:-1] + rise * ratio(right - low, high - low)
        area, chance = jnp.sum((right - left) * (true_rate[:-1] + at_right) / 2), max_fpr**2 / 2
        area = jnp.where(negatives * positives > 0, area, chance)
        return (1 + (area - chance) / (max_fpr - chance)) / 2 if standardised else area

    return _of_curve(value, predictions, targets)


@set_metric(higher_is_better=True, space=class_logits)
def precision_at_recall(predictions: Array, targets: Array, *, recall: float = 0.8) -> Value:
    """Largest precision among the thresholds whose recall is at least a bound; higher is better.

    The thresholds are the scores, as in scikit-learn's `precision_recall_curve`: of equal scores all are positive or
    none. Arguments as for `roc_auc`; with `replacements` in time and memory `B^2`.

    Args:
      recall: the bound, above 0 and at most 1. (Sums of weights are compared with it to six digits.)

    Returns:
      `[]` in [0, 1]; the precision of calling all examples positive where the bound is 1 and the last positive comes
      last; 0 without a positive, and for the empty set; NaN where a score that counts is NaN.

    >>> import jax.numpy as jnp
    >>> scores, labels = jnp.array([4.0, 3.0, 2.0, 1.0]), jnp.array([1, 0, 1, 0])
    >>> round(float(precision_at_recall(scores, labels, recall=0.8)), 4)  # of the best three, two are positive
    0.6667
    """
    checks.number(recall, "recall", above=0, most=1)

    def value(false, true, negatives, positives):
        enough = (true >= recall * positives * (1 - _ROUNDING)) & (positives > 0)
        return jnp.max(jnp.where(enough, ratio(true, true + false), 0))

    return _of_curve(value, predictions, targets)


@set_metric(higher_is_better=True, space=class_logits)
def recall_at_precision(predictions: Array, targets: Array, *, precision: float = 0.8) -> Value:
    """Largest recall among the thresholds whose precision is at least a bound; higher is better.

    The thresholds are the scores, as in scikit-learn's `precision_recall_curve`: of equal scores all are positive or
    none. Arguments as for `roc_auc`; with `replacements` in time and memory `B^2`.

    Args:
      precision: the bound, above 0 and at most 1. (Sums of weights are compared with it to six digits.)

    Returns:
      `[]` in [0, 1]; 0 where no threshold has such a precision, without a positive, and for the empty set; NaN where a
      score that counts is NaN.

    >>> import jax.numpy as jnp
    >>> scores, labels = jnp.array([4.0, 3.0, 2.0, 1.0]), jnp.array([1, 0, 1, 0])
    >>> float(recall_at_precision(scores, labels, precision=0.8))  # the best one alone
    0.5
    """
    checks.number(precision, "precision", above=0, most=1)

    def value(false, true, negatives, positives):
        enough = true >= precision * (true + false) * (1 - _ROUNDING)
        return jnp.max(jnp.where(enough, ratio(true, positives), 0))

    return _of_curve(value, predictions, targets)
