"""Batches of a split, in an order that is a pure function of seed and epoch."""

from collections.abc import Iterator

import jax
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Batch
from jaxsurr.data.sources import Split

__all__ = ["batches", "check_order", "num_batches"]


def num_batches(split: Split, batch_size: int, partial: bool = False) -> int:
    """Number of batches that `batches` returns in an epoch.

    `floor(N / batch_size)`, or `ceil(N / batch_size)` with `partial`.

    Args:
      split: inputs and targets with N rows.
      batch_size: rows of a global batch, at least 1.
      partial: whether the last, incomplete batch counts.

    Returns:
      The number of batches, the same on every process.

    Raises:
      ValueError: `batch_size` is below 1, the split has no rows, or fewer than one whole batch without `partial`.

    >>> split = Split(np.zeros((10, 2), np.float32), np.zeros(10, np.int32))
    >>> num_batches(split, 4), num_batches(split, 4, partial=True)
    (2, 3)
    """
    rows = len(split.inputs)
    checks.positive_integer(batch_size, "batch_size")
    if rows == 0:
        raise ValueError("the split has no rows, so there are no batches")
    if rows < batch_size and not partial:
        raise ValueError(
            f"the split has {rows} rows, which is less than one batch of {batch_size}; use a batch_size of at most "
            f"{rows}, or partial=True to fill the batch up with masked rows"
        )
    return -(-rows // batch_size) if partial else rows // batch_size


def check_order(
    split: Split, batch_size: int, seed: int | None, epoch: int, process_index: int, process_count: int
) -> None:
    """Refuses invalid arguments of `batches`."""
    rows = len(split.inputs)
    for leaf in jax.tree.leaves(split.targets):
        if len(leaf) != rows:
            raise ValueError(f"targets must have as many rows as inputs, {rows}; one of their arrays has {len(leaf)}")
    if split.weights is not None and np.shape(split.weights) != (rows,):
        raise ValueError(f"weights must be one for each of {rows} rows, got shape {np.shape(split.weights)}")
    checks.positive_integer(process_count, "process_count")
    checks.integer(process_index, "process_index", most=process_count - 1, meaning=f"of {process_count} processes")
    if batch_size % process_count:
        raise ValueError(
            f"batch_size={batch_size} is the global batch and must be a multiple of the {process_count} processes; "
            f"use {batch_size - batch_size % process_count or process_count} or another multiple of {process_count}"
        )
    checks.integer(epoch, "epoch")
    if seed is not None:
        checks.integer(seed, "seed")


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    partial: bool = False,
) -> Iterator[Batch]:
    """Iterates over one epoch of a split.

    With a seed, row i of the epoch is `np.random.default_rng([seed, epoch]).permutation(N)[i]`, so that a resumed run
    goes on with the same order. Each process gets its contiguous slice of every global batch.

    Args:
      split: inputs `[N, ...]` and targets, a pytree of arrays with leading axis N; weights `[N]` or None.
      batch_size: rows of a global batch, over all processes; a multiple of `process_count`.
      seed: of the order, at least 0; None keeps the order of the rows, for evaluation.
      epoch: number of the epoch, at least 0; each has its own order.
      process_index: of this process, in [0, process_count).
      process_count: number of processes, at least 1.
      partial: True fills the last batch up with row 0, where `where` is False or 0; False drops it.

    Returns:
      An iterator over `Batch` of NumPy arrays with leading axis `batch_size / process_count`; `where` is a bool array,
      or a float32 array of the weights of a split that has some.

    Raises:
      ValueError: as for `num_batches`; targets of another length than the inputs, a batch size that does not divide, or
        a process index, seed or epoch out of range. It is raised by the call, not by the first batch.

    >>> split = Split(np.arange(5, dtype=np.float32)[:, None], np.arange(5, dtype=np.int32))
    >>> [batch.targets.tolist() for batch in batches(split, 2)]
    [[0, 1], [2, 3]]
    >>> [(batch.targets.tolist(), batch.where.tolist()) for batch in batches(split, 4, partial=True)]
    [([0, 1, 2, 3], [True, True, True, True]), ([4, 0, 0, 0], [True, False, False, False])]
    """
    rows = len(split.inputs)
    count = num_batches(split, batch_size, partial)
    check_order(split, batch_size, seed, epoch, process_index, process_count)
    order = np.arange(rows) if seed is None else np.random.default_rng([seed, epoch]).permutation(rows)
    filling = max(count * batch_size - rows, 0)
    order = np.concatenate([order, np.zeros(filling, order.dtype)])[: count * batch_size]
    where = np.arange(count * batch_size) < rows
    if split.weights is not None:
        where = np.where(where, split.weights[order], 0).astype(np.float32)
    # [batches, processes, rows of one process]
    order, where = (array.reshape(count, process_count, -1)[:, process_index] for array in (order, where))

    def iterate() -> Iterator[Batch]:
        for index, counts in zip(order, where, strict=True):
            yield Batch(split.inputs[index], jax.tree.map(lambda leaf, index=index: leaf[index], split.targets), counts)

    return iterate()
