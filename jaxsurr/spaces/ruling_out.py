"""Classes, levels and items that a mask rules out by a logit of -1e4, -1e9 or minus infinity.

Such a logit marks a class as impossible, and must not count in the size of the others. A finite one is recognised by
two conditions: it lies `BEYOND` below the largest logit of its row, where a softmax is 0 in any precision, and the gap
above it is `APART` times as wide as the range of the logits above the gap. So logits of a few hundred are never taken
for a mask, nor are large logits that spread over a whole range. (Where one class is left in a row, the gap is compared
with the range of the logits below it.) Minus infinity rules a class out beside any finite logit.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.reductions import upcast
from jaxsurr.core.types import Array

__all__ = ["APART", "BEYOND", "finite_below", "mean_over", "ruled_out"]

BEYOND = 500.0
APART = 20.0
_FAR_BELOW = 1e6  # where minus infinity is put, below the largest of the row


def _largest(chosen: Array, *scores: Array) -> list[Array]:
    """The largest of the chosen entries of each row, `[..., 1]`, of several arrays in one pass; -inf where none is.

    Each pass is a loop of its own to compile.
    """

    def larger(ones: tuple, others: tuple) -> tuple:
        return tuple(map(jnp.maximum, ones, others))

    least = tuple(np.array(-np.inf, one.dtype) for one in scores)
    given = tuple(map(functools.partial(jnp.where, chosen), scores, least))
    return [found[..., None] for found in jax.lax.reduce(given, least, larger, (chosen.ndim - 1,))]


def ruled_out(scores: Array, present: Array | None = None) -> Array:
    """Mask of the scores of each row that are ruled out; `[..., K]` float to `[..., K]` bool.

    Args:
      scores: logits. Nothing is ruled out in a row whose largest logit is not finite.
      present: bool, like `scores`: the entries that count, or None for all.

    >>> import jax.numpy as jnp
    >>> ruled_out(jnp.array([[0.3, -1.0, -1e4], [200.0, -200.0, 0.0]])).tolist()
    [[False, False, True], [False, False, False]]
    """
    return _ruled_out(scores, present)


@jax.jit  # outside of compiled code it is one program, not twenty
def _ruled_out(scores: Array, present: Array | None) -> Array:
    scores = upcast(jax.lax.stop_gradient(scores))
    present = jnp.ones(scores.shape, bool) if present is None else present
    (top,) = _largest(present, scores)
    infinite = present & (scores == -jnp.inf) & jnp.isfinite(top)
    low = present & ~infinite & (scores < top - BEYOND)
    near = present & ~infinite & ~low
    place = jax.lax.broadcasted_iota(scores.dtype, scores.shape, scores.ndim - 1)
    last, minus_first, minus_least = _largest(near, place, -place, -scores)
    highest, minus_lowest = _largest(low, scores, -scores)
    gap = -minus_least - highest
    several = last + minus_first > 0
    apart = (gap > APART * (top + minus_least)) & (several | (gap > APART * (highest + minus_lowest)))
    return infinite | (low & apart)


def finite_below(scores: Array, present: Array | None = None) -> Array:
    """Scores with minus infinity that rules out replaced by a number far below the row.

    >>> import jax.numpy as jnp
    >>> bool(jnp.isfinite(finite_below(jnp.array([[0.0, -jnp.inf]]))).all())
    True
    """
    return _finite_below(scores, present)


@jax.jit
def _finite_below(scores: Array, present: Array | None) -> Array:
    fixed = jax.lax.stop_gradient(scores)
    present = jnp.ones(scores.shape, bool) if present is None else present
    infinite = present & (fixed == -jnp.inf)
    top, minus_lowest = _largest(present & ~infinite, fixed, -fixed)
    # As low as another mask, if there is one, so that both are recognised.
    below = jnp.where(-minus_lowest < top - BEYOND, -minus_lowest, top - _FAR_BELOW)
    return jnp.where(infinite & jnp.isfinite(top), below, scores)


@jax.jit
def mean_over(values: Array, chosen: Array) -> Array:
    """Mean over the chosen entries of the last axis, 0 where there is none; `[..., K]` to `[..., 1]`."""
    number = jnp.maximum(jnp.sum(chosen, axis=-1, keepdims=True), 1).astype(values.dtype)
    return jnp.sum(jnp.where(chosen, values, 0), axis=-1, keepdims=True) / number
