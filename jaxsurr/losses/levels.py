"""Fixed losses on ordinal levels: on their logits or on logits of thresholds; those of one score are in `numbers`."""

import functools

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.products import matmul
from jaxsurr.core.reading import of_examples, of_set, read
from jaxsurr.core.reductions import masked_mean
from jaxsurr.core.targets import check_classes
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole
from jaxsurr.losses.classes import soft_cross_entropy

__all__ = [
    "coral",
    "corn",
    "expected_absolute_error",
    "or_cnn",
    "quadratic_weighted_kappa",
    "sord",
    "squared_emd",
]

_LEVELS = functools.partial(check_classes, what="levels")
_THRESHOLDS = functools.partial(check_classes, what="levels", cumulative=True)


def _distances(levels: Array, count: int, dtype) -> Array:
    """`|k - y|` of each level k, `[B, K]`."""
    return jnp.abs(jnp.arange(count, dtype=dtype)[None] - levels[:, None].astype(dtype))


def _threshold_terms(logits: Array, above: Array) -> Array:
    """Binary cross-entropy of each threshold, `log(1 + exp(-z))` where the level is above it; 0 at its own infinity."""
    return jax.nn.softplus(jnp.where(above, -logits, logits))


@whole
def squared_emd(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Squared earth mover's distance `sum_k (CDF_k - 1[y <= k])^2` between predicted and true level.

    Source: Hou, Yu and Samaras, Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks,
    arXiv 1611.05916.

    Args:
      predictions: `[B, K]` float logits of the levels.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]` in [0, K - 1].

    >>> import jax.numpy as jnp
    >>> squared_emd(jnp.log(jnp.array([[0.5, 0.5, 1e-9]])), jnp.array([0])).round(3).tolist()
    [0.25]
    """
    z, levels, wrong = read(_LEVELS, predictions, targets, where)
    cumulative = jnp.cumsum(jax.nn.softmax(z), axis=-1)[:, :-1]
    truth = (levels[:, None] <= jnp.arange(z.shape[-1] - 1, dtype=levels.dtype)[None]).astype(z.dtype)
    return of_examples(jnp.sum((cumulative - truth) ** 2, axis=-1), where, wrong)


@whole
def expected_absolute_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Expected absolute error `sum_k softmax(z)_k |k - y|`, in levels; `[B, K]` and `[B]` to `[B]` in [0, K - 1]."""
    z, levels, wrong = read(_LEVELS, predictions, targets, where)
    distance = _distances(levels, z.shape[-1], z.dtype)
    return of_examples(jnp.sum(jax.nn.softmax(z) * distance, axis=-1), where, wrong)


@whole
def sord(predictions: Array, targets: Array, *, where: Array | None = None, alpha: float = 1.0) -> Array:
    """Cross-entropy with the soft target `softmax_i(-alpha |i - y|)`; `[B, K]` and `[B]` to `[B]`, at least 0.

    Source: Diaz and Marathe, Soft Labels for Ordinal Regression, CVPR 2019. Their distance is a choice of the task;
    ours is the absolute one, that of the mean absolute error. alpha is positive. It is infinite where a level is ruled
    out by a logit of minus infinity, and refused outside `jit`.
    """
    checks.number(alpha, "alpha", above=0)
    z, levels, wrong = read(_LEVELS, predictions, targets, where)
    soft = jax.nn.softmax(-alpha * _distances(levels, z.shape[-1], z.dtype))
    return of_examples(soft_cross_entropy(z, soft), where, wrong)


@whole
def or_cnn(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Sum over thresholds of the binary cross-entropy of `y > k` (optax), from a logit for each threshold.

    Source: Niu et al., Ordinal Regression with Multiple Output CNN for Age Estimation, CVPR 2016.

    Args:
      predictions: `[B, K - 1]` float, logits of P(y > k).
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> round(float(or_cnn(jnp.zeros((1, 2)), jnp.array([1]))[0]), 4)  # 2 log 2
    1.3863
    """
    z, levels, wrong = read(_THRESHOLDS, predictions, targets, where)
    above = levels[:, None] > jnp.arange(z.shape[-1], dtype=levels.dtype)[None]
    return of_examples(jnp.sum(_threshold_terms(z, above), axis=-1), where, wrong)


@whole
def coral(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """CORAL: the terms of `or_cnn`, on logits that are one score plus a bias for each threshold (head "coral").

    Source: Cao, Mirjalili and Raschka, Rank Consistent Ordinal Regression for Neural Networks with Application to Age
    Estimation, Pattern Recognition Letters 140, 2020, with equal weights of the thresholds. It differs from `or_cnn` in
    the head, which makes `P(y > k)` fall in k. Arguments, returns and errors are those of `or_cnn`.
    """
    return or_cnn(predictions, targets, where=where)


@whole
def corn(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """CORN: sum over thresholds of the binary cross-entropy of `y > k`, of those with `k <= y` only (optax).

    Logit k is that of `P(y > k | y >= k)`, and `P(y > k)` is the product of the sigmoids up to k
    (`jaxsurr.decoding.cumulative_logits`).

    Source: Shi, Cao and Raschka, Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
    Probabilities, Pattern Analysis and Applications 26, 2023. They divide the sum over a batch by its number of terms,
    this library by its number of examples, which changes the size of a batch's gradient and not its direction.

    Args:
      predictions: `[B, K - 1]` float, logits of P(y > k | y >= k).
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> [round(float(value), 4) for value in corn(jnp.zeros((2, 3)), jnp.array([0, 3]))]  # log 2 and 3 log 2
    [0.6931, 2.0794]
    """
    z, levels, wrong = read(_THRESHOLDS, predictions, targets, where)
    threshold = jnp.arange(z.shape[-1], dtype=levels.dtype)[None]
    terms = _threshold_terms(jnp.where(levels[:, None] >= threshold, z, 0), levels[:, None] > threshold)
    return of_examples(jnp.sum(jnp.where(levels[:, None] >= threshold, terms, 0), axis=-1), where, wrong)


@whole
def quadratic_weighted_kappa(
    predictions: Array, targets: Array, *, where: Array | None = None, axis_name: str | None = None
) -> Array:
    """One minus the soft quadratic weighted kappa: weighted disagreement over that of chance, a loss of the batch.

    With probabilities `q_i = softmax(z_i)`, weights `w_jk = (j - k)^2`, the mean probabilities Q and the frequencies P
    of the true levels in the batch,

        mean_i sum_j w_{j y_i} q_ij  /  sum_jk w_jk Q_j P_k .

    0 is perfect, 1 is chance. The value of an example is its own disagreement over that of chance. The mean of the
    values is the loss of the batch, and the mean of their gradients its gradient, including that of the denominator,
    with masks and over devices. Where all examples have one level it is 1 (0 for 0 over 0), with gradient 0.

    Source: de la Torre, Puig and Valls, Weighted Kappa Loss Function for Multi-class Classification of Ordinal Data in
    Deep Learning, Pattern Recognition Letters 105, 2018, without their logarithm, as in Vargas, Gutierrez and
    Hervas-Martinez, Cumulative Link Models for Deep Ordinal Classification, Neurocomputing 401, 2020.

    Args:
      predictions: `[B, K]` float logits of the levels.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0, and do not count in the batch.
      axis_name: of the `jax.pmap` axis whose devices share the batch, or None.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> quadratic_weighted_kappa(jnp.zeros((4, 2)), jnp.array([0, 1, 0, 1])).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    z, targets, wrong = read(_LEVELS, predictions, targets, where)
    levels = jnp.arange(z.shape[-1], dtype=z.dtype)
    weights = (levels[:, None] - levels[None]) ** 2 / (len(levels) - 1) ** 2
    truth = jax.nn.one_hot(targets, len(levels), dtype=z.dtype)
    probabilities = jax.nn.softmax(z)
    of_chance = matmul(probabilities, matmul(weights, masked_mean(truth, where, axis_name=axis_name)))
    observed = jnp.sum(probabilities * matmul(truth, weights), axis=-1)
    means = [jax.lax.stop_gradient(masked_mean(a, where, axis_name=axis_name)) for a in (observed, of_chance)]
    chance = jnp.where(means[1] > 0, means[1], 1)
    # The last term is 0 and carries the gradient of the denominator, with the part of each example.
    through_chance = means[0] / chance**2 * (of_chance - jax.lax.stop_gradient(of_chance))
    return of_examples(of_set(observed / chance - through_chance, wrong, axis_name), where, None)
