"""Shuffled, augmented and prefetched batches by grain, whose position in the epoch can be saved."""

import jax
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Batch
from jaxsurr.data.augment import CHANCES, augmentation
from jaxsurr.data.batches import check_order, num_batches
from jaxsurr.data.sources import Split

__all__ = ["stream"]

_AUGMENT = 1_000_000_004  # random stream, beside those of the split


def stream(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    epoch: int = 0,
    augment: str = "",
    names: tuple[str, ...] = (),
    process_index: int = 0,
    process_count: int = 1,
    prefetch: int = 2,
):
    """Iterates over one epoch of a split in a shuffled order; batches are prefetched in a thread.

    Order and augmentation are functions of seed, epoch and row, so that a resumed run is the same with any number of
    processes. Each process gets its contiguous slice of every global batch; rows that do not fill a batch are left out.

    Args:
      split: inputs `[N, ...]` and targets, a pytree of arrays with leading axis N; weights `[N]` or None.
      batch_size: rows of a global batch, over all processes; a multiple of `process_count`.
      seed, epoch: of the order and of the augmentation, at least 0.
      augment: the augmentation, see `jaxsurr.data.augment`; "" for none.
      names: of the points, which flips need.
      process_index, process_count: as for `batches`.
      prefetch: number of batches that are prefetched, at least 1.

    Returns:
      A `grain.DatasetIterator` over `Batch` of NumPy arrays, `where` as for `batches`. Its `get_state()` is plain JSON
      data, and `set_state` of a stream with the same arguments goes on from there.

    Raises:
      ImportError: grain is missing.
      ValueError: as for `batches` and `jaxsurr.data.augment.augmentation`. It is raised by the call, not by the first
        batch.

    >>> split = Split(np.arange(12, dtype=np.float32)[:, None], np.arange(12, dtype=np.int32))
    >>> whole = [batch.targets.tolist() for batch in stream(split, 4, seed=0)]
    >>> begun = stream(split, 4, seed=0)
    >>> next(begun).targets.tolist() == whole[0]
    True
    >>> resumed = stream(split, 4, seed=0)
    >>> resumed.set_state(begun.get_state())
    >>> [batch.targets.tolist() for batch in resumed] == whole[1:]
    True
    """
    try:
        import grain
    except ImportError as error:
        raise ImportError("streams of batches need grain: pip install 'jaxsurr[train]'") from error
    rows, count = len(split.inputs), num_batches(split, batch_size)
    check_order(split, batch_size, seed, epoch, process_index, process_count)
    checks.positive_integer(prefetch, "prefetch")
    change = augmentation(augment, split, names)
    chances = np.random.default_rng([seed, epoch, _AUGMENT]).random((rows, CHANCES) if augment else (0, CHANCES))
    part = slice(process_index * batch_size // process_count, (process_index + 1) * batch_size // process_count)

    def make(index: np.ndarray) -> Batch:
        index = index[part]
        inputs, targets = split.inputs[index], jax.tree.map(lambda leaf: leaf[index], split.targets)
        if augment:
            inputs, targets = change(inputs, targets, chances[index])
        where = np.ones(len(index), bool) if split.weights is None else np.asarray(split.weights[index], np.float32)
        return Batch(inputs, targets, where)

    # One seed for each pair: grain adds the epoch to the seed, so that epoch 1 of seed 0 would be epoch 0 of seed 1.
    order = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    batches = grain.MapDataset.range(rows).shuffle(seed=order)[: count * batch_size].batch(batch_size).map(make)
    return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=prefetch)))
