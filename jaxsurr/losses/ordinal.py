"""Conventional losses on the logits of ordinal levels."""

import jax
import jax.numpy as jnp
import optax

from jaxsurr import checks
from jaxsurr.reductions import masked
from jaxsurr.types import Array


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
    checks.labelled(predictions, targets, "levels")
    cumulative = jnp.cumsum(jax.nn.softmax(predictions), axis=-1)[:, :-1]
    truth = (targets[:, None] <= jnp.arange(predictions.shape[-1] - 1)[None]).astype(predictions.dtype)
    return masked(jnp.sum((cumulative - truth) ** 2, axis=-1), where)


def expected_absolute_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Expected absolute error `sum_k softmax(z)_k |k - y|`, in levels; `[B, K]` and `[B]` to `[B]` in [0, K - 1]."""
    checks.labelled(predictions, targets, "levels")
    levels = jnp.arange(predictions.shape[-1], dtype=predictions.dtype)
    distance = jnp.abs(levels[None] - targets[:, None].astype(predictions.dtype))
    return masked(jnp.sum(jax.nn.softmax(predictions) * distance, axis=-1), where)


def sord(predictions: Array, targets: Array, *, where: Array | None = None, alpha: float = 1.0) -> Array:
    """Cross-entropy with the soft target `softmax_i(-alpha |i - y|)`; `[B, K]` and `[B]` to `[B]`, at least 0.

    Source: Diaz and Marathe, Soft Labels for Ordinal Regression, CVPR 2019. Their distance is a choice of the task;
    ours is the absolute one, that of the mean absolute error.
    """
    checks.labelled(predictions, targets, "levels")
    levels = jnp.arange(predictions.shape[-1], dtype=predictions.dtype)
    soft = jax.nn.softmax(-alpha * jnp.abs(levels[None] - targets[:, None].astype(predictions.dtype)))
    return masked(optax.softmax_cross_entropy(predictions, soft), where)


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
    checks.labelled(predictions, targets, "levels", cumulative=True)
    above = (targets[:, None] > jnp.arange(predictions.shape[-1])[None]).astype(predictions.dtype)
    return masked(jnp.sum(optax.sigmoid_binary_cross_entropy(predictions, above), axis=-1), where)
