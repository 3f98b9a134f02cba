"""Streams by grain: an order of seed and epoch, a place that can be saved, the same batches on every process."""

import json

import jax
import numpy as np
import pytest

from jaxsurr.data import JOINTS, Split, stick_figures, stream

pytest.importorskip("grain", reason="needs grain")


def numbered(n):
    return Split(np.arange(n, dtype=np.float32)[:, None], np.arange(n, dtype=np.int32))


def order(n, size, **options):
    return [batch.targets.tolist() for batch in stream(numbered(n), size, **options)]


@pytest.fixture(scope="module")
def figures():
    return Split(*stick_figures(22, size=16, seed=0))


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True))


def test_every_row_at_most_once_in_whole_batches():
    rows = order(23, 5, seed=0)
    assert [len(batch) for batch in rows] == [5] * (23 // 5)
    assert len(np.unique(np.concatenate(rows))) == 20
    assert np.unique(np.concatenate(order(20, 5, seed=0))).tolist() == list(range(20))
    batch = next(stream(numbered(23), 5, seed=0))
    assert batch.inputs[:, 0].tolist() == batch.targets.tolist() and batch.where.tolist() == [True] * 5


def test_order_is_a_function_of_seed_and_epoch():
    orders = [order(40, 8, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(orders[i] != orders[j] for i in range(4) for j in range(i))  # epoch 1 of seed 0 is not epoch 0 of seed 1
    assert order(40, 8, seed=1, epoch=1) == orders[3]


AUGMENT = dict(augment="crop,flip,rotate", names=JOINTS)


def test_resumed_stream_is_the_same(figures):
    whole = list(stream(figures, 4, seed=3, epoch=2, **AUGMENT))
    begun = stream(figures, 4, seed=3, epoch=2, **AUGMENT)
    for _ in range(3):
        next(begun)
    state = json.loads(json.dumps(begun.get_state()))  # a checkpoint keeps it as text
    resumed = stream(figures, 4, seed=3, epoch=2, **AUGMENT)
    resumed.set_state(state)
    rest = list(resumed)
    assert len(whole) == 5 and len(rest) == 2
    assert all(same(a, b) for a, b in zip(whole[3:], rest, strict=True))


def test_global_batch_does_not_depend_on_the_number_of_processes(figures):
    whole = list(stream(figures, 6, seed=1, **AUGMENT))
    parts = [list(stream(figures, 6, seed=1, process_index=p, process_count=3, **AUGMENT)) for p in range(3)]
    for together, *slices in zip(whole, *parts, strict=True):
        assert [len(part.where) for part in slices] == [2] * 3
        assert same(together, jax.tree.map(lambda *leaves: np.concatenate(leaves), *slices))


def test_augmentation_is_a_function_of_seed_epoch_and_row(figures):
    images, people, _ = figures

    def by_row(size, **options):
        """What becomes of each row; the row is told by the size of its figure, which no step changes."""
        rows = {}
        for batch in stream(figures, size, **options, **AUGMENT):
            rows |= dict(zip(batch.targets.scale.tolist(), batch.inputs, strict=True))
        return rows

    first, other_batches = by_row(2, seed=0), by_row(11, seed=0)
    assert len(first) == len(other_batches) == 22
    assert all(np.array_equal(first[row], other_batches[row]) for row in first)
    for options in (dict(seed=0, epoch=1), dict(seed=1)):
        changed = by_row(2, **options)
        assert sum(not np.array_equal(first[row], changed[row]) for row in first) > 16
    plain = {
        row: image
        for batch in stream(figures, 2, seed=0)
        for row, image in zip(batch.targets.scale, batch.inputs, strict=True)
    }
    assert all(np.array_equal(plain[scale], image) for scale, image in zip(people.scale, images, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(batch_size=30), "23 rows, which is less than one batch of 30"),
        (dict(batch_size=5, process_count=2), "must be a multiple of the 2 processes"),
        (dict(batch_size=5, process_index=1), "process_index must be an integer of at least 0"),
        (dict(batch_size=5, seed=-1), "seed must be an integer of at least 0"),
        (dict(batch_size=5, prefetch=0), "prefetch must be an integer of at least 1"),
        (dict(batch_size=5, augment="flip"), "is for images"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        stream(numbered(23), **({"seed": 0} | options))
