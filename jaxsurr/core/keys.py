"""Conversion of typed keys to integers and back, for files, bytes and other processes."""

from typing import Any

import jax

__all__ = ["from_data", "is_key", "to_data"]


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a typed key, or the shape and dtype of one."""
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def to_data(leaf: Any) -> Any:
    """The integers of a typed key; any other leaf as it is.

    >>> to_data(jax.random.key(7)).tolist(), to_data(7)
    ([0, 7], 7)
    """
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def from_data(data: Any, like: Any) -> Any:
    """The inverse of `to_data`.

    Args:
      data: integers of a key, or any other leaf.
      like: the original leaf, or its shape and dtype (then a key has JAX's default implementation).

    >>> from_data(to_data(jax.random.key(7)), jax.random.key(0)) == jax.random.key(7)
    Array(True, dtype=bool)
    """
    if not is_key(like):
        return data
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(like) if isinstance(like, jax.Array) else None)
