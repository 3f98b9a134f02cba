"""Masked and weighted reductions over the examples of a batch, and over devices.

Wherever examples are counted there is an argument `where`: None (all count), a mask `[B]` of booleans, or weights `[B]`
of floats of at least 0. An example of weight 0 is one that is masked, and one of weight 2 counts like two. Values of
examples are not multiplied by their weights; sums and means over examples are.
"""

from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
from jax import Array

__all__ = [
    "are_weights", "differences", "fill_masked_rows", "log_odds_of_draws", "masked", "masked_mean", "mean_one",
    "mean_weights", "num_valid", "psum", "safe_divide", "safe_sqrt", "upcast", "valid", "weighted", "wide",
]  # fmt: skip


def are_weights(where: Array | None) -> TypeGuard[Array]:
    """Whether `where` holds weights, and is no mask."""
    return where is not None and jnp.issubdtype(jnp.asarray(where).dtype, jnp.floating)


def valid(where: Array) -> Array:
    """The mask of a mask or of weights, `[B]` bool.

    A weight that is negative or NaN is valid here, and makes the sums of its examples NaN.
    """
    return jnp.asarray(where) != 0 if are_weights(where) else where


def masked(values: Array, where: Array | None) -> Array:
    """`values` with 0 in masked rows, so that neither they nor their gradients count.

    Args:
      values: `[B, ...]`.
      where: `[B]` bool, or weights, or None for all.
    """
    if where is None:
        return values
    return jnp.where(_rows(valid(where), values), values, jnp.zeros((), values.dtype))


def weighted(values: Array, where: Array | None) -> Array:
    """`masked` values times their weights, where there are weights.

    Inside `jit`, where they cannot be refused, weights that are negative, infinite or NaN make their rows NaN.
    """
    values = masked(values, where)
    if not are_weights(where):
        return values
    weights = jnp.asarray(where, values.dtype)
    return values * _rows(jnp.where((weights >= 0) & jnp.isfinite(weights), weights, jnp.nan), values)


def _rows(of_rows: Array, leaf: Array) -> Array:
    """One entry for each row, broadcast against `leaf`, `[B, ...]`."""
    return jnp.reshape(of_rows, of_rows.shape + (1,) * (leaf.ndim - of_rows.ndim))


def mean_one(where: Array | None, axis_name: str | None = None) -> Array | None:
    """Weights over their mean among the examples that are not masked, on all devices; a mask or None as it is.

    What is computed from them does not depend on the unit of the weights, and is as large as without.

    >>> import jax.numpy as jnp
    >>> mean_one(jnp.array([0.0, 2.0, 6.0])).tolist()
    [0.0, 0.5, 1.5]
    """
    if not are_weights(where):
        return where
    weights = jnp.asarray(where, jnp.float32)
    number, total = psum((jnp.sum(weights != 0, dtype=jnp.float32), jnp.sum(weights)), axis_name)
    return weights * safe_divide(number, total)


def wide(dtype) -> type:
    """The dtype of computations on numbers of a dtype: single precision, or double for double."""
    return jnp.float64 if dtype == jnp.float64 else jnp.float32


def upcast(values: Array) -> Array:
    """`values` in at least single precision; gradients come back in the original dtype, clipped to its largest number.

    The gradient of a metric that is smoothed on a tiny scale is large, and would be infinite as a float16.
    """
    if values.dtype != jnp.float16:  # bfloat16 has the range of float32
        return values.astype(wide(values.dtype))
    largest = float(jnp.finfo(jnp.float16).max)

    @jax.custom_vjp
    def cast(halves):
        return halves.astype(jnp.float32)

    def back(_, cotangent):
        return (jnp.clip(cotangent, -largest, largest).astype(jnp.float16),)

    cast.defvjp(lambda halves: (cast(halves), None), back)
    return cast(values)


def log_odds_of_draws(where: Array | None, batch: int) -> tuple[Array, Array]:
    """The mask `[B]` of examples that may be drawn, and the logarithms of their odds: 0, or those of their weights."""
    allowed = jnp.ones(batch, bool) if where is None else valid(jnp.asarray(where))
    odds = jnp.log(jnp.where(allowed, where, 1)) if are_weights(where) else jnp.zeros((), jnp.float32)
    return allowed, jnp.where(allowed, odds, -1e30)


def fill_masked_rows(tree: Any, where: Array | None) -> Any:
    """Each leaf with masked rows replaced by the first valid row.

    Where no row is valid all are 0. Leaves with another number of rows than `where` are unchanged.
    """
    if where is None:
        return tree
    where = valid(jnp.asarray(where))
    first = where & (jnp.arange(len(where)) == jnp.argmax(where))

    def one(leaf):
        if jnp.shape(leaf)[:1] != where.shape:
            return leaf
        leaf = jnp.asarray(leaf)
        # A sum, as an index would have to be gathered from whichever device has the row.
        chosen = jnp.where(_rows(first, leaf), leaf, jnp.zeros((), leaf.dtype))
        chosen = jnp.any(chosen, axis=0) if leaf.dtype == jnp.bool_ else jnp.sum(chosen, axis=0, dtype=leaf.dtype)
        return jnp.where(_rows(where, leaf), leaf, chosen[None])

    return jax.tree.map(one, tree)


def safe_divide(numerator: Array | float, denominator: Array) -> Array:
    """`numerator / denominator`, and `numerator` itself where the denominator is not positive; gradients are finite."""
    return numerator / jnp.where(denominator > 0, denominator, 1)


def safe_sqrt(values: Array) -> Array:
    """`sqrt(values)`, and 0, with gradient 0, where they are not positive."""
    positive = values > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, values, 1)), 0)


def psum(values, axis_name: str | None = None):
    """`jax.lax.psum`, the identity where there is no `axis_name`."""
    return values if axis_name is None else jax.lax.psum(values, axis_name)


def num_valid(where: Array | None, batch: int, axis_name: str | None = None) -> Array:
    """Number of valid examples, or the sum of their weights, over all devices: a scalar float."""
    ones = jnp.ones((batch,), jnp.float32)
    return psum(jnp.float32(batch) if where is None else jnp.sum(weighted(ones, where)), axis_name)


def masked_mean(values: Array, where: Array | None = None, *, axis_name: str | None = None) -> Array:
    """Mean over the valid examples, weighted where they have weights; 0 where there is none.

    A NaN of a valid example gives NaN.

    Args:
      values: `[B, ...]`.
      where: `[B]` bool, or float weights of at least 0, or None for all.
      axis_name: also over the devices of this `jax.pmap` axis.

    Returns:
      `[...]`.

    >>> import jax.numpy as jnp
    >>> float(masked_mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False])))
    2.0
    >>> float(masked_mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([3.0, 1.0, 0.0])))
    1.5
    """
    number = num_valid(where, values.shape[0], axis_name)
    values = weighted(values.astype(wide(values.dtype)), where)  # half precision cannot count to a thousand
    return safe_divide(psum(jnp.sum(values, axis=0), axis_name), number.astype(values.dtype))


def mean_weights(present: Array) -> Array:
    """Weights of the mean over the entries 1 of each row `[B, I]` of zeros and ones; all 0 where there is none."""
    return present / jnp.maximum(jnp.sum(present, axis=1, keepdims=True), 1)


def differences(scores: Array) -> Array:
    """Differences of all pairs of scores, `s_i - s_j` at `[..., i, j]`; 0 for equal scores, also infinite ones."""
    one, other = scores[..., :, None], scores[..., None, :]
    return jnp.where(jnp.isinf(one) & (one == other), 0, one - other)
