"""Masked reductions over the examples of a batch, and over devices."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def masked(values: Array, where: Array | None) -> Array:
    """`values` with 0 in masked rows, so that neither they nor their gradients count.

    Args:
      values: `[B, ...]`.
      where: `[B]` bool, or None for all.
    """
    if where is None:
        return values
    return jnp.where(
        jnp.reshape(where, where.shape + (1,) * (values.ndim - where.ndim)), values, jnp.zeros((), values.dtype)
    )


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


def fill_masked_rows(tree: Any, where: Array | None) -> Any:
    """Each leaf with masked rows replaced by the first valid row.

    Where no row is valid all are 0. Leaves with another number of rows than `where` are unchanged.
    """
    if where is None:
        return tree
    where = jnp.asarray(where)
    first = where & (jnp.arange(len(where)) == jnp.argmax(where))

    def rows(mask, leaf):
        return jnp.reshape(mask, mask.shape + (1,) * (leaf.ndim - 1))

    def one(leaf):
        if jnp.shape(leaf)[:1] != where.shape:
            return leaf
        leaf = jnp.asarray(leaf)
        # A sum, as an index would have to be gathered from whichever device has the row.
        chosen = jnp.where(rows(first, leaf), leaf, jnp.zeros((), leaf.dtype))
        chosen = jnp.any(chosen, axis=0) if leaf.dtype == jnp.bool_ else jnp.sum(chosen, axis=0, dtype=leaf.dtype)
        return jnp.where(rows(where, leaf), leaf, chosen[None])

    return jax.tree.map(one, tree)


def safe_divide(numerator: Array | float, denominator: Array) -> Array:
    """`numerator / denominator`, and `numerator` itself where the denominator is not positive; gradients are finite."""
    return numerator / jnp.where(denominator > 0, denominator, 1)


def psum(values, axis_name: str | None = None):
    """`jax.lax.psum`, the identity where there is no `axis_name`."""
    return values if axis_name is None else jax.lax.psum(values, axis_name)


def num_valid(where: Array | None, batch: int, axis_name: str | None = None) -> Array:
    """Number of valid examples, over all devices: a scalar float."""
    local = jnp.float32(batch) if where is None else jnp.sum(where, dtype=jnp.float32)
    return psum(local, axis_name)


def masked_mean(values: Array, where: Array | None = None, *, axis_name: str | None = None) -> Array:
    """Mean over the valid examples; 0 where there is none. A NaN of a valid example gives NaN.

    Args:
      values: `[B, ...]`.
      where: `[B]` bool, or None for all.
      axis_name: also over the devices of this `jax.pmap` axis.

    Returns:
      `[...]`.

    >>> import jax.numpy as jnp
    >>> float(masked_mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False])))
    2.0
    """
    number = num_valid(where, values.shape[0], axis_name)
    dtype = wide(values.dtype)  # half precision cannot count to a thousand
    return psum(jnp.sum(masked(values, where), axis=0, dtype=dtype), axis_name) / jnp.maximum(number, 1).astype(dtype)


def mean_weights(present: Array) -> Array:
    """Weights of the mean over the entries 1 of each row `[B, I]` of zeros and ones; all 0 where there is none."""
    return present / jnp.maximum(jnp.sum(present, axis=1, keepdims=True), 1)


def differences(scores: Array) -> Array:
    """Differences of all pairs of scores, `s_i - s_j` at `[..., i, j]`; 0 for equal scores, also infinite ones."""
    one, other = scores[..., :, None], scores[..., None, :]
    return jnp.where(jnp.isinf(one) & (one == other), 0, one - other)
