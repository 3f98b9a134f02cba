"""Batches on the devices: the same rows in the same order, kept there or streamed."""

import itertools

import jax
import numpy as np
import pytest

from jaxsurr import parallel
from jaxsurr.data import Split, batches
from jaxsurr.training import default_config, loading, update

CONFIG = update(default_config(), seed=5, batch_size=8)


def split(rows, start=0):
    numbers = np.arange(start, start + rows)
    return Split(np.repeat(numbers[:, None], 3, axis=1).astype(np.float32), {"label": numbers.astype(np.int32)})


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        jax.tree.map(np.testing.assert_array_equal, tuple(map(loading.batch_of, one)), other)


@pytest.mark.parametrize("paired", [False, True])
def test_kept_on_the_device_or_streamed_the_batches_are_those_of_the_order(paired, monkeypatch):
    splits, on = (split(30), split(13, start=100)), parallel.executor(1)
    kept = list(loading.device_batches(CONFIG, splits, on)(2, paired=paired, offset=1))
    monkeypatch.setattr(loading, "RESIDENT_BYTES", 0)
    streamed = list(loading.device_batches(CONFIG, splits, on)(2, paired=paired, offset=1))
    stream = 10_000_000
    first = list(batches(splits[0], 8, seed=5, epoch=2 * stream + 2))
    assert len(first) == len(kept) == 3
    # the held-out part has one batch a turn
    turns = [next(batches(splits[1], 8, seed=5, epoch=(2 * (1 + 1000 * turn) + 1) * stream + 2)) for turn in range(3)]
    expected = list(zip(first, turns, strict=True)) if paired else [(batch,) for batch in first]
    same(kept, expected)
    same(streamed, expected)


def test_a_set_that_is_not_held_out_is_kept_and_counted_once():
    one = split(30)
    assert loading.size_of((one, one)) == 30 * 3 * 4 + 30 * 4
    assert loading.size_of((one, split(13))) == (30 + 13) * (3 * 4 + 4)


def test_a_stream_is_a_few_items_ahead_and_no_more():
    taken = []
    items = loading.ahead((taken.append(number) or number for number in itertools.count()), 2)
    assert [next(items), next(items)] == [0, 1]
    assert taken == [0, 1, 2, 3]
