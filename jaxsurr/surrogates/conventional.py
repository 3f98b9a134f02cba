"""A fixed loss as a surrogate."""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxsurr.core.reductions import fill_masked_rows, masked
from jaxsurr.core.targets import cleared
from jaxsurr.core.types import Array, Info, PyTree, Surrogate
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["conventional"]


def _without_what_is_absent(predictions: Array, targets: PyTree, where: Array | None) -> tuple[Array, PyTree]:
    """A batch for a loss of whose space nothing is known; what does not fit is left for the loss to refuse."""
    if not hasattr(predictions, "dtype"):
        return predictions, targets
    if where is not None and jnp.shape(where) == predictions.shape[:1]:
        predictions, targets = masked(predictions, where), fill_masked_rows(targets, where)
    return cleared(predictions, targets)


@described
def conventional(loss: Callable[..., Array]) -> Surrogate:
    """A fixed loss as a `Surrogate` whose update learns nothing; its `Info` is NaN throughout.

    Args:
      loss: `(predictions, targets, *, where=None) -> [B]`, as in `jaxsurr.losses`; where it compares the rows of a
        batch with each other it takes an `axis_name` too.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = conventional(jaxsurr.losses.cross_entropy)
    >>> state = surrogate.init(jax.random.key(0), jnp.zeros((2, 3)), jnp.array([0, 1]))
    >>> surrogate.loss(state, jnp.zeros((2, 3)), jnp.array([0, 1])).shape
    (2,)
    """
    reads_axis = "axis_name" in inspect.signature(loss).parameters

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> tuple:
        return ()

    def value(
        state: tuple,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        return loss(predictions, targets, where=where, **({"axis_name": axis_name} if reads_axis else {}))

    def update(state: tuple, key: Array, predictions: Array, targets: PyTree, where: Array | None = None, **more: Any):
        return state, Info.unknown()

    return of_sound_batches(_without_what_is_absent, init, value, update)
