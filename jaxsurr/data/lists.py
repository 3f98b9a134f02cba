"""Ranked lists made from the rows of a table."""

from typing import Any

import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import RankedLists

__all__ = ["deal"]


def deal(
    lists: np.ndarray | int, inputs: Any, relevance: np.ndarray, weights: np.ndarray | None = None
) -> tuple[Any, RankedLists, np.ndarray | None]:
    """Groups rows into lists, padded to the length of the longest.

    Args:
      lists: `[N]`, rows of the same value are a list, in the order of the rows; or the number of items in a list, to
        assign rows to lists of that length at random with a fixed seed; the last one may be shorter.
      inputs: `[N, D]`, or a `jaxsurr.data.tables.Table`.
      relevance: `[N]`, at least 0.
      weights: `[N]`, the same in all rows of a list, or None.

    Returns:
      Inputs `[M, L, D]` of M lists, 0 where there is no item (of a table anything), `RankedLists` of float32 arrays
      `[M, L]`, and the weights of lists, `[M]` or None.

    Raises:
      ValueError: a relevance is negative, no list has two items, or rows of a list differ in their weights.

    >>> inputs, targets, _ = deal(np.array([7, 8, 7]), np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 2]))
    >>> inputs[..., 0].tolist(), targets.items.tolist()
    ([[1.0, 3.0], [2.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
    """
    if np.min(relevance) < 0:
        raise ValueError(f"the relevance of an item must be at least 0, found {np.min(relevance):g}; add a constant")
    if isinstance(lists, int):
        checks.integer(lists, "list_size", least=2, meaning="items to be ordered")
        rows = np.random.default_rng(0).permutation(len(inputs))
        groups = np.split(rows, np.arange(lists, len(rows), lists))
    else:
        numbers = np.unique(lists, return_inverse=True)[1]
        rows = np.argsort(numbers, kind="stable")
        groups = np.split(rows, np.flatnonzero(np.diff(numbers[rows])) + 1)
    longest = max(map(len, groups))
    if longest < 2:
        raise ValueError("every list has one item only, so there is nothing to order; check the column of lists")
    place = np.zeros((len(groups), longest), np.int64)
    items = np.zeros(place.shape, np.float32)
    for number, group in enumerate(groups):
        place[number, : len(group)], items[number, : len(group)] = group, 1
    targets = RankedLists(np.where(items > 0, relevance[place], 0).astype(np.float32), items)
    if weights is not None:
        first, differ = weights[place[:, 0]], (weights[place] != weights[place[:, :1]]) & (items > 0)
        if differ.any():
            row = int(place[differ][0])
            raise ValueError(
                f"weights of lists must be the same in all rows of a list; row {row + 1} has {weights[row]:g}, and "
                f"another row of its list {first[np.argmax(differ.any(axis=1))]:g}"
            )
        weights = first
    dealt = inputs[place]
    return np.where(items[..., None] > 0, dealt, 0) if isinstance(dealt, np.ndarray) else dealt, targets, weights
