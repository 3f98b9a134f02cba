"""Ranked lists made from the rows of a table."""

import numpy as np

from jaxsurr.core.types import RankedLists


def deal(lists: np.ndarray | int, inputs: np.ndarray, relevance: np.ndarray) -> tuple[np.ndarray, RankedLists]:
    """Groups rows into lists, padded to the length of the longest.

    Args:
      lists: `[N]`, rows of the same value are a list, in the order of the rows; or the number of items in a list, to
        assign rows to lists of that length at random with a fixed seed; the last one may be shorter.
      inputs: `[N, D]`.
      relevance: `[N]`, at least 0.

    Returns:
      Inputs `[M, L, D]` of M lists, 0 where there is no item, and `RankedLists` of float32 arrays `[M, L]`.

    Raises:
      ValueError: a relevance is negative, or no list has two items.

    >>> inputs, targets = deal(np.array([7, 8, 7]), np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 2]))
    >>> inputs[..., 0].tolist(), targets.items.tolist()
    ([[1.0, 3.0], [2.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
    """
    if np.min(relevance) < 0:
        raise ValueError(f"the relevance of an item must be at least 0, found {np.min(relevance):g}; add a constant")
    if isinstance(lists, int):
        if lists < 2:
            raise ValueError(f"a list needs at least 2 items to be ordered, got list_size={lists}")
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
    return np.where(items[..., None] > 0, inputs[place], 0), targets
