"""Values of a metric on shifted predictions, many at once: from counts of decisions, or by evaluating the metric."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.types import AnyArray, Array, PyTree
from jaxsurr.metrics.base import Metric

__all__ = ["Counted", "of_shifts", "one_value", "readable", "shifted"]

_AT_ONCE = 2**22  # numbers in the arrays that are evaluated together
_FAR = 20.0  # logits of decisions that are certain


def readable(tree: PyTree) -> PyTree:
    """A tree whose arrays of other libraries, such as tensors of PyTorch on the host, are arrays of NumPy."""

    def one(leaf: Any) -> Any:
        foreign = hasattr(leaf, "__array__") and not isinstance(leaf, jax.Array | np.ndarray | np.generic)
        return np.asarray(leaf) if foreign else leaf

    return jax.tree.map(one, tree)


def shifted(predictions: AnyArray, shifts: AnyArray, scale: AnyArray) -> Array:
    """`scale (z + shifts)`, shifts along the last axis; of `[B]` scores there is one."""
    z, shifts = jnp.asarray(readable(predictions)), jnp.asarray(shifts)
    return (z + jnp.reshape(shifts, (1,) * (z.ndim - shifts.ndim) + shifts.shape)) * jnp.asarray(scale)


def one_value(metric: Metric, predictions: Array, targets: PyTree, where: Array | None) -> Array:
    """The metric of a set, turned so that lower is better; of several metrics the first."""
    return metric.sign * jnp.ravel(metric.mean(predictions, targets, where=where))[0]


@functools.partial(jax.jit, static_argnums=0)
def _of_counts(metric: Metric, predictions: Array, targets: Array, counts: Array) -> Array:
    return jax.vmap(lambda count: one_value(metric, predictions, targets, count))(counts)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _of_shifts(
    metric: Metric,
    at_once: int,
    predictions: Array,
    targets: PyTree,
    where: Array | None,
    shifts: Array,
    scales: Array,
) -> Array:
    def value(one: tuple[Array, Array]) -> Array:
        return one_value(metric, shifted(predictions, *one), targets, where)

    return jax.lax.map(value, (shifts, scales), batch_size=at_once)


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([rows, np.broadcast_to(rows[:1], (size - len(rows), *rows.shape[1:]))])


def _in_parts(evaluate: Callable[..., Array], most: int, *rows: np.ndarray) -> np.ndarray:
    """Values of rows, so many at once, of few different numbers, as each number is compiled again."""
    found = []
    for start in range(0, len(rows[0]), most):
        part = [one[start : start + most] for one in rows]
        size = min(most, 4 ** int(np.ceil(np.log(max(len(part[0]), 16)) / np.log(4))))
        values = evaluate(*(jnp.asarray(_padded(one, max(size, len(one))), jnp.float32) for one in part))
        found.append(np.asarray(values, np.float64)[: len(part[0])])
    return np.concatenate(found)


def of_shifts(
    metric: Metric, predictions: Array, targets: PyTree, where: Array | None, shifts: np.ndarray, scales: np.ndarray
) -> np.ndarray:
    """Values `[C]` of a metric in JAX at shifts `[C, ...]` and scales `[C]`."""
    at_once = 2 ** int(np.clip(np.log2(_AT_ONCE / max(predictions.size, 1)), 0, 6))
    evaluate = functools.partial(_of_shifts, metric, at_once, predictions, targets, where)
    return _in_parts(evaluate, 4**4, shifts, scales)


class Counted:
    """A metric that depends on the number of examples of each decision and label alone.

    Such are all that decode by argmax or by thresholds and take weights. Two thresholds differ in the decisions on
    some examples only, so that sums over the examples between them give the counts at all thresholds, and the metric is
    evaluated on one row for each decision and label, weighted by its count.

    Args:
      metric: in JAX.
      weights: `[B]` float, of the examples.
      labels: `[B]` integers.
      levels: whether predictions are `[B, C]` entries whose number above 0 is the decision, and not `[B, K]` logits of
        which the largest is.
      width: C or K.
      scores: whether the metric reads `[B]` scores.
    """

    def __init__(self, metric: Metric, weights: np.ndarray, labels: np.ndarray, levels: bool, width: int, scores: bool):
        self.metric, self.weights, self.labels, self.levels = metric, weights, labels, levels
        self.number = width + levels  # of decisions, and of labels
        decision, label = np.divmod(np.arange(self.number**2), self.number)
        columns = np.arange(width)[None]
        certain = columns < decision[:, None] if levels else columns == decision[:, None]
        rows = np.where(certain, _FAR, -_FAR)
        self.rows = jnp.asarray(rows[:, 0] if scores else rows, jnp.float32)
        self.row_labels = jnp.asarray(label, jnp.int32)
        self.at_once = int(np.clip(4 ** int(np.log(_AT_ONCE / rows.size) / np.log(4)), 16, 4**6))

    def decided(self, z: np.ndarray) -> np.ndarray:
        """Decisions `[B]` on predictions."""
        return np.sum(z > 0, axis=1) if self.levels else np.argmax(z, axis=1)

    def at(self, z: np.ndarray) -> float:
        """The value at predictions."""
        cell = self.decided(z) * self.number + self.labels
        counts = np.bincount(cell, self.weights, minlength=self.number**2)
        return float(self.values(counts[None])[0])

    def values(self, counts: np.ndarray) -> np.ndarray:
        """Values `[C]` at counts `[C, cells]`."""
        counts = np.where(counts > 1e-9 * np.sum(self.weights), counts, 0)  # sums of weights are rounded
        evaluate = functools.partial(_of_counts, self.metric, self.rows, self.row_labels)
        return _in_parts(evaluate, self.at_once, counts)

    def along(self, z: np.ndarray, column: int, needed: np.ndarray, changes: np.ndarray) -> np.ndarray:
        """Values `[C]` with each of the changes, in ascending order, added to a column.

        Args:
          z: `[B, ...]` predictions.
          column: of them.
          needed: `[B]`, the change beyond which the decision is another one (`shift_places.needed`).
          changes: `[C]`, none of which is among `needed`.
        """
        if self.levels:
            off = np.sum(z > 0, axis=1) - (z[:, column] > 0)
            on = off + 1
        else:
            others = np.where(np.arange(z.shape[1])[None] == column, -np.inf, z)
            off, on = np.argmax(others, axis=1), np.full(len(z), column)
        first = np.searchsorted(changes, needed, side="right")  # the change from which on the decision is made
        steps = np.zeros((len(changes) + 1, self.number**2))
        start = np.bincount(off * self.number + self.labels, self.weights, minlength=self.number**2)
        np.add.at(steps, (first, on * self.number + self.labels), self.weights)
        np.add.at(steps, (first, off * self.number + self.labels), -self.weights)
        return self.values(start[None] + np.cumsum(steps[:-1], axis=0))
