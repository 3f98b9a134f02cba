"""Gains of the items of ranked lists, `2^relevance - 1`."""

import jax.numpy as jnp

from jaxsurr.core.types import Array

__all__ = ["gains"]

_LARGEST = 100  # 2^100 times a million items is still a float32
_INSTEAD = 20  # the power of the best item of a list beyond


def gains(relevance: Array) -> Array:
    """Gains `2^relevance - 1`, up to a factor for each list, which is 1 for a relevance below 101.

    Metrics and losses are ratios of gains, so that the factor cancels. It is a power of two that keeps the gains finite
    where relevance is a count, of plays or clicks.

    Args:
      relevance: `[B, L]` float of at least 0, 0 where there is no item.

    Returns:
      `[B, L]`, finite and at least 0.

    >>> import jax.numpy as jnp
    >>> gains(jnp.array([[2.0, 1.0, 0.0]])).tolist()
    [[3.0, 1.0, 0.0]]
    >>> large = gains(jnp.array([[1000.0, 999.0, 0.0]]))
    >>> (large / large.max()).round(4).tolist()
    [[1.0, 0.5, 0.0]]
    """
    best = jnp.floor(jnp.max(relevance, axis=-1, keepdims=True))
    shift = jnp.where(best > _LARGEST, best - _INSTEAD, 0)
    return jnp.exp2(relevance - shift) - jnp.exp2(-shift)
