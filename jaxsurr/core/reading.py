"""Masking and checking of the arguments and values of every loss and metric.

`counted` comes first: it puts zeros where an example is masked, a point is not visible or an item is absent, so that
neither a formula nor its gradient depends on these entries. `checked` refuses invalid arguments and returns predictions
in at least single precision, in which levels, classes and ranks are counted exactly; gradients come back in the dtype
of the predictions. `of_examples` and `of_set` finish the values: 0 where an example is masked, NaN where its targets
are out of range, since that cannot be refused inside `jit`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.reductions import masked, psum, upcast, wide
from jaxsurr.core.targets import Durations, Keypoints, RankedLists, cleared
from jaxsurr.core.types import Array, PyTree

__all__ = ["Check", "checked", "counted", "of_examples", "of_set", "read"]

Check = Callable[[Array, PyTree], Array | None]
"""A check that refuses invalid arguments, and returns a mask of traced rows that are out of range, or None."""


def counted(predictions: Array, targets: PyTree, where: Array | None) -> tuple[Array, PyTree]:
    """Predictions and targets with zeros in masked entries, and scales of 1.

    Args:
      predictions: `[B, ...]`.
      targets: `Keypoints`, `RankedLists`, `Sequences`, or any pytree; arrays without a row for each example stay.
      where: `[B]` bool; rows where it is False do not count.

    Raises:
      ValueError, TypeError: `where` is no mask of the examples.

    >>> import jax.numpy as jnp
    >>> predictions, labels = counted(jnp.array([[1.0], [jnp.nan]]), jnp.array([2, -1]), jnp.array([True, False]))
    >>> predictions.tolist(), labels.tolist()
    ([[1.0], [0.0]], [2, 0])
    """
    if np.ndim(predictions) == 0:
        return predictions, targets  # refused by whoever reads it
    batch = np.shape(predictions)[0]
    checks.mask(where, batch)
    if where is not None:
        predictions = masked(jnp.asarray(predictions), where)
        targets = jax.tree.map(lambda leaf: _of_row(leaf, where, batch), targets)
    return cleared(predictions, targets)


def _of_row(leaf, where: Array, batch: int):
    """An array of the targets with zeros in masked rows."""
    if np.ndim(leaf) == 0 or np.shape(leaf)[0] != batch:
        return leaf
    leaf = jnp.asarray(leaf)
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) else masked(leaf, where)


def checked(check: Check, predictions: Array, targets: PyTree) -> tuple[Array, PyTree, Array | None]:
    """Predictions in at least single precision, targets, and a mask of rows that are out of range, or None.

    Labels and tokens are int32; targets that are numbers have the dtype of the predictions.

    Raises:
      ValueError, TypeError: they do not fit.
    """
    wrong = check(predictions, targets)
    predictions, targets = jnp.asarray(predictions), jax.tree.map(jnp.asarray, targets)
    leaves = [predictions, *(leaf for leaf in jax.tree.leaves(targets))]
    dtype = wide(jnp.float64 if any(leaf.dtype == jnp.float64 for leaf in leaves) else predictions.dtype)
    numbers = isinstance(targets, Keypoints | RankedLists | Durations)

    def plain(leaf):
        if leaf.dtype == jnp.bool_:
            return leaf
        return leaf.astype(dtype if numbers or jnp.issubdtype(leaf.dtype, jnp.floating) else jnp.int32)

    return upcast(predictions).astype(dtype), jax.tree.map(plain, targets), wrong


def read(check: Check, predictions: Array, targets: PyTree, where: Array | None) -> tuple[Array, PyTree, Array | None]:
    """`counted` and then `checked`: the first line of every loss. For a metric, `Metric` has called `counted`."""
    return checked(check, *counted(predictions, targets, where))


def of_examples(values: Array, where: Array | None, wrong: Array | None) -> Array:
    """Values `[B, ...]` of examples: 0 where masked, NaN (and so the gradient) where the targets are out of range."""
    if wrong is not None:
        values = _spoilt(values, wrong.reshape(wrong.shape + (1,) * (values.ndim - 1)))
    return masked(values, where)


def of_set(value: Array, wrong: Array | None, axis_name: str | None = None) -> Array:
    """Values of a set, of any shape: NaN where the targets of an example are out of range, on any device."""
    if wrong is None:
        return value
    spoilt = psum(jnp.sum(wrong, dtype=jnp.float32), axis_name) > 0
    return _spoilt(value, spoilt)


def _spoilt(values: Array, wrong: Array) -> Array:
    """Values, and through the factor gradients, that are NaN where the targets are out of range.

    The factor alone is not enough for the values: XLA simplifies 0 times NaN to 0 where the 0 comes from a comparison.
    """
    factor, term = (jnp.where(wrong, jnp.nan, sound).astype(values.dtype) for sound in (1, 0))
    return values * factor + term
