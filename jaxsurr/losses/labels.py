"""Fixed losses on several labels of an example, from a logit of each: means over the labels."""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import of_examples, of_set, read
from jaxsurr.core.reductions import masked_mean, safe_divide
from jaxsurr.core.targets import check_labels
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole
from jaxsurr.losses.classes import focused, raised

__all__ = ["asymmetric", "label_cross_entropy", "soft_label_f_beta"]


@whole
def label_cross_entropy(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Binary cross-entropy, the mean over labels of `log(1 + exp(-z))` where a label is set, else `log(1 + exp(z))`.

    Times K it is the sum over labels, the negative log-likelihood of independent labels.

    Args:
      predictions: `[B, K]` float, a logit of each of K labels.
      targets: `[B, K]` of 0 and 1: integers, bool or floats.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> round(float(label_cross_entropy(jnp.zeros((1, 3)), jnp.array([[0, 1, 1]]))[0]), 4)  # log 2
    0.6931
    """
    z, labels, wrong = read(check_labels, predictions, targets, where)
    return of_examples(jnp.mean(_miss(z, _set(labels)), axis=1), where, wrong)


@whole
def asymmetric(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    gamma_positive: float = 1.0,
    gamma_negative: float = 4.0,
    clip: float = 0.05,
) -> Array:
    """Asymmetric loss: a focal loss with another focus for absent labels, of which the easy ones do not count at all.

    The mean over labels of `-(1 - p)^g+ log p` where a label is set, and of `-m^g- log(1 - m)`, `m = max(p - clip, 0)`,
    where it is not. Source: Ridnik et al., Asymmetric Loss For Multi-Label Classification, ICCV 2021, with the
    defaults of the authors' code, which sums over labels and examples. With `gamma_positive=0, gamma_negative=0,
    clip=0` it is `label_cross_entropy`.

    Args:
      predictions: `[B, K]` float, a logit of each of K labels.
      targets: `[B, K]` of 0 and 1: integers, bool or floats.
      where: `[B]` bool; rows where it is False are 0.
      gamma_positive: g+, at least 0.
      gamma_negative: g-, at least 0.
      clip: in [0, 1], the probability up to which an absent label costs nothing.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> asymmetric(jnp.array([[-4.0]]), jnp.array([[0]])).tolist()  # a probability of 0.02, which is clipped
    [0.0]
    """
    checks.number(gamma_positive, "gamma_positive", least=0)
    checks.number(gamma_negative, "gamma_negative", least=0)
    checks.number(clip, "clip", least=0, most=1, meaning="a probability")
    z, labels, wrong = read(check_labels, predictions, targets, where)
    there = _set(labels)
    probability, miss = jax.nn.sigmoid(z), _miss(z, there)
    # `log(1 - p + clip)` from logarithms, which keep it exact where p is near 1 and nothing is clipped.
    rest = jnp.logaddexp(-miss, jnp.log(jnp.asarray(clip, z.dtype)))
    absent = raised(jnp.maximum(probability - clip, 0), gamma_negative) * jnp.maximum(-rest, 0)
    return of_examples(jnp.mean(jnp.where(there, focused(miss, gamma_positive), absent), axis=1), where, wrong)


@whole
def soft_label_f_beta(
    predictions: Array, targets: Array, *, where: Array | None = None, beta: float = 1.0, average: str = "macro"
) -> Array:
    """One minus F-beta of soft counts, in which an example counts for each label by its probability.

    `1 - (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)` with `TP_k = sum_i p_ik y_ik`, of each label and averaged
    ("macro"), or of the sums over labels ("micro"). It is a loss of the whole set, repeated for each example.

    Args:
      predictions: `[B, K]` float, a logit of each of K labels.
      targets: `[B, K]` of 0 and 1: integers, bool or floats.
      where: `[B]` bool; rows where it is False do not count and are 0.
      beta: b, positive.
      average: "macro" (labels that no example has do not count) or "micro".

    Returns:
      `[B]`, the value of the set in [0, 1] in each entry; 1 where no label is set.

    >>> import jax.numpy as jnp
    >>> soft_label_f_beta(jnp.zeros((2, 1)), jnp.array([[1], [0]])).tolist()  # TP 1/2, FP 1/2, FN 1/2
    [0.5, 0.5]
    """
    checks.one_of(average, "average", ("macro", "micro"))
    checks.number(beta, "beta", above=0)
    z, labels, wrong = read(check_labels, predictions, targets, where)
    there, probability = _set(labels).astype(z.dtype), jax.nn.sigmoid(z)
    # Means in place of sums, whose ratios are the same.
    both, predicted, true = (masked_mean(count, where) for count in (probability * there, probability, there))
    if average == "micro":
        both, predicted, true = (jnp.sum(count, keepdims=True) for count in (both, predicted, true))
    # Without a set label there is no score, and the denominator may be too small to be squared.
    denominator = jnp.where(true > 0, beta**2 * true + predicted, 0)
    score, present = safe_divide((1 + beta**2) * both, denominator), (true > 0).astype(z.dtype)
    value = 1 - jnp.sum(present * score) / jnp.maximum(jnp.sum(present), 1)
    return of_examples(jnp.broadcast_to(of_set(value, wrong), z.shape[:1]), where, None)


def _set(labels: Array) -> Array:
    """Whether each label is set, from integers or bool."""
    return labels.astype(jnp.int32) == 1


def _miss(z: Array, there: Array) -> Array:
    """The loss `-log p` of the probability that the label is as it is."""
    return jax.nn.softplus(jnp.where(there, -z, z))
