"""Random predictions and targets of a prediction space, from which a surrogate can be learned without a model.

The distributions (`Space.sample`) are this library's. They are wide on purpose: confident and uncertain predictions,
right and wrong ones, near a decision and far from it. Where predictions of a model are available, they are better.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr.core import checks, renamed
from jaxsurr.core.types import Array, PyTree, Space

__all__ = ["sample"]


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _drawn(key: Array, draw: Callable[[Array, int, int], tuple[Array, PyTree]], rows: int, size: int):
    def plain(leaf: Array) -> Array:
        return leaf.astype(jnp.float32) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(plain, draw(key, rows, size))


def sample(space: Space, key: Array, rows: int, size: int) -> tuple[Array, PyTree]:
    """Samples predictions of a space, and matching targets.

    Args:
      space: of classes, scores of two classes, labels, levels, cumulative logits, keypoints or lists; or your own, if
        it has a `sample`.
      key: typed.
      rows: B, how many examples.
      size: number of classes or levels K or of the items of a list L, at least 2, or of labels K or points J; scores
        have none.

    Returns:
      predictions `[B, K]`, `[B, K - 1]`, `[B, J, 2]`, `[B]` or `[B, L]`, and targets; what is no integer is float32.

    Raises:
      ValueError: the space has no sampler, or a number is out of range.

    >>> import jax, jaxsurr
    >>> logits, labels = sample(jaxsurr.spaces.class_logits, jax.random.key(0), 8, 1000)
    >>> logits.shape, labels.shape
    ((8, 1000), (8,))
    """
    checks.typed_key(key)
    checks.positive_integer(rows, "rows")
    checks.positive_integer(size, "size")
    if space.sample is None:
        raise ValueError(
            f"predictions of the space {space.name!r} cannot be sampled: it has no sampler. Pass predictions and "
            "targets of your own."
        )
    with jax.numpy_dtype_promotion("standard"):  # none of the dtypes is the caller's
        return _drawn(key, space.sample, rows, size)


def __getattr__(name: str) -> Any:
    """What is no more, for an error that says where to look."""
    return renamed.attribute(__name__, name)
