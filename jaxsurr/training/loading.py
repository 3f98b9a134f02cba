"""Batches of a run, on its devices: gathered by the steps from a set that fits, streamed ahead of them otherwise."""

import collections
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.types import Array, Batch
from jaxsurr.data import Split, batches, stream
from jaxsurr.parallel import Executor
from jaxsurr.training.config import compares_parameters
from jaxsurr.training.protocols import Config

__all__ = [
    "AHEAD", "RESIDENT_BYTES", "Rows", "Splits", "ahead", "batch_of", "device_batches", "gather",
    "gathering", "hold_out", "host_batches", "numbered", "size_of",
]  # fmt: skip

RESIDENT_BYTES = 2**30
"""Sets up to this size are kept on every device; larger ones are streamed."""
AHEAD = 2
"""Batches that a stream has put on the devices before the step that reads them."""
_HELDOUT = 1_000_000_003  # random stream, beside those of the data
_STREAM = 10_000_000  # more than a run has epochs; orders of other streams than the training batches' start behind it

Splits = tuple[Split, Split]
"""Rows that are trained on and rows that a surrogate is judged on; the same object where they are the same rows."""


def hold_out(config: Config, train: Split) -> Splits:
    """The rows that are trained on and the rows that the surrogate is judged on.

    They are the same where the surrogate is learned in prediction space, or `surrogate.heldout` is 0.
    """
    if not (compares_parameters(config) and config.surrogate.heldout):
        return train, train
    rows = np.random.default_rng([config.seed, _HELDOUT]).permutation(len(train.inputs))
    number = round(config.surrogate.heldout * len(rows))
    if not 0 < number < len(rows):
        raise ValueError(
            f"surrogate.heldout = {config.surrogate.heldout} of {len(rows)} training rows leaves one part empty."
        )
    trained, judged = rows[number:], rows[:number]
    return jax.tree.map(lambda leaf: leaf[trained], train), jax.tree.map(lambda leaf: leaf[judged], train)


def size_of(splits: Splits) -> int:
    """Bytes of the rows that a run trains on and is judged on."""
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(_distinct(splits)))


def _distinct(splits: Splits) -> tuple[Split, ...]:
    return splits[:1] if splits[0] is splits[1] else splits


def numbered(split: Split) -> Split:
    """A split that holds the numbers of its rows in place of what is in them."""
    nothing: Any = ()
    return Split(np.arange(len(split.inputs), dtype=np.int32), nothing)


def gather(split: Split, rows: Array) -> Batch:
    """The batch of these rows; none of them is masked, and `where` holds their weights where the split has some.

    Args:
      split: on a device.
      rows: `[B]` integers within the split.

    >>> split = Split(jnp.arange(4.0), jnp.arange(4))
    >>> gather(split, jnp.array([2, 0])).inputs.tolist()
    [2.0, 0.0]
    """
    found = jax.tree.map(lambda leaf: leaf.at[rows].get(mode="promise_in_bounds"), split)
    return Batch(found.inputs, found.targets, jnp.ones(rows.shape, bool) if found.weights is None else found.weights)


class Rows(NamedTuple):
    """The batch of some rows of a split on the devices, which the program that reads it gathers.

    Attributes:
      split: whole, on every device.
      rows: `[B]` integers within the split.
    """

    split: Split
    rows: Array


def batch_of(item: Batch | Rows) -> Batch:
    """A batch, or the one that `Rows` stand for.

    >>> batch_of(Rows(Split(jnp.arange(4.0), jnp.arange(4)), jnp.array([2, 0]))).inputs.tolist()
    [2.0, 0.0]
    """
    return gather(*item) if isinstance(item, Rows) else item


def gathering(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step `(state, *batches)` that takes `Rows` in place of batches too."""
    return lambda state, *batches: step(state, *map(batch_of, batches))


def host_batches(
    config: Config,
    splits: Splits,
    epoch: int,
    *,
    names: tuple[str, ...] = (),
    paired: bool = False,
    offset: int = 0,
    skip: int = 0,
) -> Iterator[tuple[Batch, ...]]:
    """Batches of an epoch on the host, this process's part of each; an order is a function of seed, epoch and offset.

    Args:
      config: of the run.
      splits: what to draw from, or the numbers of their rows.
      epoch: from 1.
      names: of the points, for augmentation that mirrors them.
      paired: whether each batch comes with a held-out one, which begin again when they are used up.
      offset: of another order of the same epoch.
      skip: how many of the first ones are left out.
    """

    def shard(split: Split, number: int, augment: str = "") -> Iterator[Batch]:
        return (functools.partial(stream, augment=augment, names=names) if augment else batches)(
            split,
            config.batch_size,
            seed=config.seed,
            epoch=number * _STREAM + epoch,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    def endless() -> Iterator[Batch]:
        turn = 0
        while True:
            yield from shard(splits[1], 2 * (offset + turn * 1000) + 1)
            turn += 1

    others = endless()
    batches_of_epoch = shard(splits[0], 2 * offset, config.data.augment)
    yield from itertools.islice(
        ((batch, next(others)) if paired else (batch,) for batch in batches_of_epoch), skip, None
    )


def device_batches(
    config: Config, splits: Splits, executor: Executor, names: tuple[str, ...] = ()
) -> Callable[..., Iterator[tuple[Batch | Rows, ...]]]:
    """`(epoch, paired=, offset=, skip=) -> batches` on the devices, as `host_batches` orders them.

    A set of up to `RESIDENT_BYTES` is put on every device once, and steps gather its `Rows`; a larger one, or one that
    several processes share or that is augmented, is streamed.
    """
    if size_of(splits) > RESIDENT_BYTES or jax.process_count() > 1 or config.data.augment:
        return lambda *args, **options: ahead(
            (executor.shard(pair) for pair in host_batches(config, splits, *args, names=names, **options)), AHEAD
        )
    kept = [executor.place(split) for split in _distinct(splits)]
    sides = (kept[0], kept[-1])
    numbers = numbered(splits[0]), numbered(splits[1])

    # Numbers of rows go to a single device as arguments of the step, which is faster than to put each there before.
    shard = (lambda rows: rows) if executor.num_devices == 1 else executor.shard

    def resident(*args: Any, **options: Any) -> Iterator[tuple[Rows, ...]]:
        for pair in host_batches(config, numbers, *args, **options):
            yield tuple(Rows(side, shard(batch.inputs)) for side, batch in zip(sides, pair, strict=False))

    return resident


def ahead(items: Iterator[Any], number: int) -> Iterator[Any]:
    """Items of an iterator, each taken `number` items before it is given out.

    >>> list(ahead(iter("abc"), 2))
    ['a', 'b', 'c']
    """
    waiting: collections.deque[Any] = collections.deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > number:
            yield waiting.popleft()
    yield from waiting
