"""Conventional losses on the logits of ordinal levels."""

import jax
import jax.numpy as jnp

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
