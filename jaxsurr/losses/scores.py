"""Fixed losses on scores of two classes: of each example, and of a whole set (soft F-beta of any number of classes).

All read one logit of the class 1, `[B]` or `[B, 1]`, or the logits of both classes, `[B, 2]`, whose difference is the
score. `binary_cross_entropy` of a score z is `cross_entropy` of the logits `[0, z]`, and `binary_focal` is `focal` of
them but for its weights `alpha` of the classes.

The loss of a set is one value. It is repeated in each entry of `[B]` that is not masked, so that the mean over `[B]` is
the loss of the set, with its gradient. The set is the batch: under `jax.pmap` each device's part of it.
"""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import of_examples, of_set, read
from jaxsurr.core.reductions import differences, masked, safe_divide, weighted
from jaxsurr.core.targets import check_decisions, check_two_classes, one_logit
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole
from jaxsurr.losses.classes import focused

__all__ = [
    "auc_margin",
    "binary_cross_entropy",
    "binary_focal",
    "pairwise_auc",
    "smooth_average_precision",
    "soft_f_beta",
]


@whole
def binary_cross_entropy(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Binary cross-entropy `log(1 + exp(-z))` of an example of class 1, `log(1 + exp(z))` of class 0.

    It is finite for logits of any size, and infinite only for an infinite logit of the wrong sign.

    Args:
      predictions: `[B]` or `[B, 1]` float, the logit of class 1; or `[B, 2]` logits, of which it is `cross_entropy`.
      targets: `[B]` integers or bool, 0 or 1; of one logit also `[B, 1]`.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> loss = binary_cross_entropy(jnp.array([0.0, 1000.0]), jnp.array([1, 0]))
    >>> round(float(loss[0]), 4), float(loss[1])  # log 2
    (0.6931, 1000.0)
    """
    loss, _, wrong = _logistic(predictions, targets, where)
    return of_examples(loss, where, wrong)


@whole
def binary_focal(
    predictions: Array, targets: Array, *, where: Array | None = None, gamma: float = 2.0, alpha: float = 0.25
) -> Array:
    """Focal loss `-a (1 - p)^gamma log p` of the probability p of the true class; a is alpha or, of class 0, 1 - alpha.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, with its defaults. With gamma 0 and alpha 1/2
    it is half of `binary_cross_entropy`.

    Args:
      predictions: `[B]` or `[B, 1]` float, the logit of class 1; or `[B, 2]` logits.
      targets: `[B]` integers or bool, 0 or 1; of one logit also `[B, 1]`.
      where: `[B]` bool; rows where it is False are 0.
      gamma: at least 0; the larger, the less an example counts that is right.
      alpha: above 0 and at most 1, the weight of class 1.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> round(float(binary_focal(jnp.array([0.0]), jnp.array([1]))[0]), 4)  # log 2 / 4 / 4
    0.0433
    """
    checks.number(gamma, "gamma", least=0)
    checks.number(alpha, "alpha", above=0, most=1, meaning="the weight of class 1")
    loss, positive, wrong = _logistic(predictions, targets, where)
    return of_examples(jnp.where(positive, alpha, 1 - alpha) * focused(loss, gamma), where, wrong)


def _logistic(predictions: Array, targets: Array, where: Array | None) -> tuple[Array, Array, Array | None]:
    """The loss `-log p` of each example's true class, whether it is class 1, and a mask of targets out of range."""
    z, labels, wrong = read(check_two_classes, *one_logit(predictions, targets), where)
    scores, positive = _difference(z), labels == 1
    return jax.nn.softplus(jnp.where(positive, -scores, scores)), positive, wrong


def _difference(z: Array) -> Array:
    """The score of class 1, `[B]`: the logit itself, or the difference of two, 0 where they are equal and infinite."""
    return z if z.ndim == 1 else jnp.where(z[:, 0] == z[:, 1], 0, z[:, 1] - z[:, 0])


def _of_each(value: Array, predictions: Array, where: Array | None, wrong: Array | None) -> Array:
    """The value of a set, repeated for each example."""
    return of_examples(jnp.broadcast_to(of_set(value, wrong), predictions.shape[:1]), where, None)


@whole
def soft_f_beta(
    predictions: Array, targets: Array, *, where: Array | None = None, beta: float = 1.0, average: str = "auto"
) -> Array:
    """One minus F-beta of soft counts, in which an example counts for each class by its probability.

    `1 - (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)` with `TP_k = sum_i p_ik 1[y_i = k]`. With beta 1 it is one minus
    the Dice coefficient of Milletari, Navab and Ahmadi, V-Net, 3DV 2016, with sums in place of sums of squares.

    Args:
      predictions: `[B, K]` float logits, or `[B]` or `[B, 1]` float scores of class 1.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False do not count and are 0.
      beta: b, positive.
      average: "binary" (class 1), "macro" (the mean over classes that are in the set), or "auto": "binary" for two
        classes, "macro" for more.

    Returns:
      `[B]`, the value of the set in [0, 1] in each entry.

    >>> import jax.numpy as jnp
    >>> soft_f_beta(jnp.array([0.0, 0.0]), jnp.array([1, 0])).tolist()  # TP 1/2, FP 1/2, FN 1/2
    [0.5, 0.5]
    """
    checks.one_of(average, "average", ("auto", "binary", "macro"))
    checks.number(beta, "beta", above=0)
    z, targets, wrong = read(check_decisions, *one_logit(predictions, targets), where)
    logits = jnp.stack([jnp.zeros_like(z), z], axis=-1) if z.ndim == 1 else z
    classes = logits.shape[-1]
    if average == "binary" and classes != 2:
        raise ValueError(f"average='binary' needs two classes, predictions have {classes}; use 'macro'.")
    probability = jax.nn.softmax(logits)
    true = jax.nn.one_hot(targets, classes, dtype=logits.dtype)
    both, predicted, of_class = (
        jnp.sum(weighted(count, where), axis=0) for count in (probability * true, probability, true)
    )
    # A class without an example has no score, and its denominator may be too small to be squared.
    denominator = jnp.where(of_class > 0, beta**2 * of_class + predicted, 0)
    score = safe_divide((1 + beta**2) * both, denominator)
    if average == "binary" or (average == "auto" and classes == 2):
        value = score[1]
    else:
        present = (of_class > 0).astype(score.dtype)
        value = jnp.sum(present * score) / jnp.maximum(jnp.sum(present), 1)
    return _of_each(1 - value, predictions, where, wrong)


@whole
def pairwise_auc(predictions: Array, targets: Array, *, where: Array | None = None, margin: float = 1.0) -> Array:
    """Squared hinge over all pairs of a positive and a negative: `mean max(0, margin - (s_pos - s_neg))^2`.

    Sources: Gao and Zhou, On the Consistency of AUC Pairwise Optimization, IJCAI 2015; it is LibAUC's pairwise AUC loss
    with a squared hinge. Memory grows as the square of the set.

    Args:
      predictions: `[B]` or `[B, 1]` float scores of class 1, or `[B, 2]` float logits.
      targets: `[B]` integers, 0 or 1.
      where: `[B]` bool; rows where it is False do not count and are 0.
      margin: positive.

    Returns:
      `[B]`, the value of the set in each entry; 0 where one class is missing.

    >>> import jax.numpy as jnp
    >>> pairwise_auc(jnp.array([0.5, 0.0]), jnp.array([1, 0])).tolist()  # (1 - 1/2)^2
    [0.25, 0.25]
    """
    checks.number(margin, "margin", above=0, meaning="in the unit of the scores")
    scores, positive, negative, wrong = _sides(predictions, targets, where)
    of_pair = positive[:, None] * negative[None]
    # Other pairs are masked before they are squared, since an infinity there would make the gradient NaN.
    ahead = jnp.where(of_pair != 0, differences(scores), margin)
    value = safe_divide(jnp.sum(of_pair * jnp.maximum(margin - ahead, 0) ** 2), jnp.sum(positive) * jnp.sum(negative))
    return _of_each(value, predictions, where, wrong)


def _sides(predictions: Array, targets: Array, where: Array | None) -> tuple[Array, Array, Array, Array | None]:
    """Scores of class 1 (differences of `[B, 2]` logits), weights of positives and of negatives, wrong targets."""
    z, targets, wrong = read(check_two_classes, *one_logit(predictions, targets), where)
    scores = z if z.ndim == 1 else z[:, 1] - z[:, 0]
    counts = weighted(jnp.ones_like(scores), where)
    return scores, masked(counts, targets == 1), masked(counts, targets == 0), wrong


@whole
def auc_margin(predictions: Array, targets: Array, *, where: Array | None = None, margin: float = 1.0) -> Array:
    """AUC margin loss, its inner problems solved for the batch: spread within classes and a margin between their means.

    `Var(h | y = 1) + Var(h | y = 0) + max(0, margin - (E[h | y = 1] - E[h | y = 0]))^2` with `h = sigmoid(s)`. Source:
    Yuan et al., Large-scale Robust Deep AUC Maximization, ICCV 2021 (LibAUC). There the means and the multiplier are
    learned beside the model by a primal-dual method; here they are those of the batch.

    Args:
      predictions: `[B]` or `[B, 1]` float scores of class 1, or `[B, 2]` float logits.
      targets: `[B]` integers, 0 or 1.
      where: `[B]` bool; rows where it is False do not count and are 0.
      margin: positive, of probabilities.

    Returns:
      `[B]`, the value of the set in each entry; the mean of an absent class is 0.

    >>> import jax.numpy as jnp
    >>> auc_margin(jnp.array([0.0, 0.0]), jnp.array([1, 0])).tolist()
    [1.0, 1.0]
    """
    checks.number(margin, "margin", above=0, meaning="of probabilities")
    scores, positive, negative, wrong = _sides(predictions, targets, where)
    chance = jax.nn.sigmoid(scores)
    means, within = [], 0.0
    for side in (positive, negative):
        weights = safe_divide(side, jnp.sum(side))
        means.append(jnp.sum(weights * chance))
        within += jnp.sum(weights * (chance - means[-1]) ** 2)
    return _of_each(within + jnp.maximum(margin - (means[0] - means[1]), 0) ** 2, predictions, where, wrong)


@whole
def smooth_average_precision(
    predictions: Array, targets: Array, *, where: Array | None = None, temperature: float = 0.1
) -> Array:
    """One minus average precision with sigmoids in place of the steps of its ranks.

    `1 - mean_{i pos} (1 + sum_{j pos} u_ij) / (1 + sum_j u_ij)`, `u_ij = sigmoid((s_j - s_i) / temperature)`, j other
    than i. Source: Brown et al., Smooth-AP: Smoothing the Path Towards Large-Scale Image Retrieval, ECCV 2020. Memory
    grows as the square of the set.

    Args:
      predictions: `[B]` or `[B, 1]` float scores of class 1, or `[B, 2]` float logits.
      targets: `[B]` integers, 0 or 1.
      where: `[B]` bool; rows where it is False do not count and are 0.
      temperature: positive, in the unit of the scores.

    Returns:
      `[B]`, the value of the set in [0, 1] in each entry; 1 without a positive.

    >>> import jax.numpy as jnp
    >>> smooth_average_precision(jnp.array([9.0, 0.0]), jnp.array([1, 0])).round(3).tolist()
    [0.0, 0.0]
    """
    checks.number(temperature, "temperature", above=0, meaning="in the unit of the scores")
    scores, positive, negative, wrong = _sides(predictions, targets, where)
    other = ~jnp.eye(len(scores), dtype=bool)
    ahead = jax.nn.sigmoid(differences(scores).T / temperature)
    true = jnp.where(positive != 0, positive, 1) + jnp.sum(jnp.where(other, positive[None] * ahead, 0), axis=1)
    false = jnp.sum(negative[None] * ahead, axis=1)
    value = safe_divide(jnp.sum(positive * true / (true + false)), jnp.sum(positive))
    return _of_each(1 - value, predictions, where, wrong)
