"""Decoding: from what a model predicts to what a metric scores.

Decoding belongs to the metric. For ordinal levels, the median of the predicted distribution is what minimises the
expected absolute error, and scores better than the mode whichever loss was trained on.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsurr import checks
from jaxsurr.types import Array


def argmax_level(logits: Array) -> Array:
    """The most probable level, the lowest of several; `[..., K]` logits to `[...]` floats from 0 to K - 1.

    >>> import jax.numpy as jnp
    >>> argmax_level(jnp.array([[0.0, 2.0, 1.0]])).tolist()
    [1.0]
    """
    return jnp.argmax(logits, axis=-1).astype(logits.dtype)


def median_level(logits: Array) -> Array:
    """The lowest level whose cumulative probability reaches one half.

    `min {k : sum_{i <= k} softmax(logits)_i >= 1/2}`; it minimises the expected absolute error.

    Args:
      logits: `[..., K]` float.

    Returns:
      `[...]` floats from 0 to K - 1.

    >>> import jax.numpy as jnp
    >>> median_level(jnp.log(jnp.array([[0.3, 0.15, 0.15, 0.4]]))).tolist()
    [2.0]
    """
    odds = jnp.exp(logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)))
    cumulative = jnp.cumsum(odds[..., :-1], axis=-1)
    below = 2 * cumulative < jnp.sum(odds, axis=-1, keepdims=True)
    return jnp.sum(below, axis=-1).astype(logits.dtype)


def expected_level(logits: Array) -> Array:
    """The mean level, `sum_k k softmax(logits)_k`; `[..., K]` logits to `[...]` floats in [0, K - 1], not rounded.

    >>> import jax.numpy as jnp
    >>> expected_level(jnp.log(jnp.array([[0.5, 0.0, 0.5]]) + 1e-9)).round(3).tolist()
    [1.0]
    """
    return jax.nn.softmax(logits, axis=-1) @ jnp.arange(logits.shape[-1], dtype=logits.dtype)


def threshold_count(cumulative_logits: Array) -> Array:
    """How many of the K - 1 thresholds are passed.

    Entry k of the input is the logit of `P(level > k)`, as CORAL, CORN and OR-CNN predict it; the level is the number
    of entries above zero.

    Args:
      cumulative_logits: `[..., K - 1]` float.

    Returns:
      `[...]` floats from 0 to K - 1.

    >>> import jax.numpy as jnp
    >>> threshold_count(jnp.array([[3.0, 0.5, -2.0]])).tolist()
    [2.0]
    """
    return jnp.sum(cumulative_logits > 0, axis=-1).astype(cumulative_logits.dtype)


DECODERS: dict[str, Callable[[Array], Array]] = {
    "argmax": argmax_level,
    "median": median_level,
    "expected": expected_level,
    "thresholds": threshold_count,
}


def get(decode: str | Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The decoder of this name ("argmax", "median", "expected", "thresholds"), or the function itself.

    Raises:
      ValueError: no decoder has this name.
    """
    if callable(decode):
        return decode
    checks.one_of(decode, "decode", DECODERS)
    return DECODERS[decode]
