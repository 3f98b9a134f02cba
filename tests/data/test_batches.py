"""Batches: every row once an epoch, in an order of seed and epoch alone, shared among processes."""

import numpy as np
import pytest

from jaxsurr.core.types import Keypoints
from jaxsurr.data import Split, batches, num_batches


def numbered(n):
    return Split(np.arange(n, dtype=np.float32)[:, None], np.arange(n, dtype=np.int32))


def order(split, *args, **options):
    return [batch.targets.tolist() for batch in batches(split, *args, **options)]


def test_rows_in_order_without_a_seed():
    assert order(numbered(7), 3) == [[0, 1, 2], [3, 4, 5]]
    assert all(batch.where.all() and batch.where.dtype == bool for batch in batches(numbered(7), 3))


def test_partial_fills_up_with_row_zero():
    last = list(batches(numbered(7), 3, partial=True))[-1]
    assert last.targets.tolist() == [6, 0, 0]
    assert last.inputs[:, 0].tolist() == [6, 0, 0]
    assert last.where.tolist() == [True, False, False]


def test_partial_of_a_multiple_adds_nothing():
    assert order(numbered(6), 3, partial=True) == [[0, 1, 2], [3, 4, 5]]


def test_order_is_a_function_of_seed_and_epoch():
    split = numbered(10)
    expected = np.random.default_rng([5, 2]).permutation(10)[:9].reshape(3, 3).tolist()
    assert order(split, 3, seed=5, epoch=2) == expected
    assert order(split, 3, seed=5, epoch=2) == expected
    assert order(split, 3, seed=5, epoch=3) != expected
    assert order(split, 3, seed=6, epoch=2) != expected


def test_filling_rows_of_a_shuffled_epoch_are_row_zero():
    last = list(batches(numbered(5), 4, seed=0, partial=True))[-1]
    assert last.targets.tolist() == [np.random.default_rng([0, 0]).permutation(5)[4], 0, 0, 0]


@pytest.mark.parametrize("partial", [False, True])
def test_global_batch_does_not_depend_on_the_number_of_processes(partial):
    split = numbered(21)
    whole = list(batches(split, 6, seed=1, partial=partial))
    parts = [list(batches(split, 6, seed=1, partial=partial, process_index=p, process_count=3)) for p in range(3)]
    assert [len(part) for part in parts] == [len(whole)] * 3
    for together, *slices in zip(whole, *parts, strict=True):
        assert [len(batch.targets) for batch in slices] == [6 // 3] * 3
        for name in ("inputs", "targets", "where"):
            joined = np.concatenate([getattr(batch, name) for batch in slices])
            np.testing.assert_array_equal(getattr(together, name), joined)


def test_targets_may_be_keypoints():
    n = 5
    points = Keypoints(np.arange(n * 4.0).reshape(n, 2, 2), np.ones((n, 2)), np.arange(n) + 1.0)
    last = list(batches(Split(np.zeros((n, 3)), points), 2, partial=True))[-1]
    assert isinstance(last.targets, Keypoints)
    np.testing.assert_array_equal(last.targets.points, points.points[[4, 0]])
    np.testing.assert_array_equal(last.targets.scale, [4 + 1, 0 + 1])


@pytest.mark.parametrize(
    ("n", "size", "partial", "count"), [(7, 3, False, 2), (7, 3, True, 3), (6, 3, True, 2), (1, 3, True, 1)]
)
def test_num_batches(n, size, partial, count):
    assert num_batches(numbered(n), size, partial) == count
    assert len(list(batches(numbered(n), size, partial=partial))) == count


@pytest.mark.parametrize(
    ("n", "size", "options", "message"),
    [
        (3, 4, {}, "3 rows, which is less than one batch of 4; use a batch_size of at most 3, or partial=True"),
        (0, 1, {"partial": True}, "no rows"),
        (3, 0, {}, "batch_size must be an integer of at least 1, got 0"),
        (8, 4, {"process_count": 3}, "multiple of the 3 processes; use 3 or"),
        (8, 2, {"process_count": 3}, "multiple of the 3 processes; use 3 or"),
        (
            8,
            4,
            {"process_index": 2, "process_count": 2},
            r"process_index must be .* at most 1 \(of 2 processes\), got 2",
        ),
        (8, 4, {"process_index": -1}, "process_index must be an integer .*, got -1"),
        (8, 4, {"process_count": 0}, "process_count must be an integer of at least 1, got 0"),
        (8, 4, {"seed": -1}, "seed must be an integer of at least 0, got -1"),
        (8, 4, {"seed": 0, "epoch": -1}, "epoch must be an integer of at least 0, got -1"),
    ],
)
def test_refuses_at_once(n, size, options, message):
    with pytest.raises(ValueError, match=message):
        batches(numbered(n), size, **options)  # not iterated


def test_refuses_targets_of_another_length():
    with pytest.raises(ValueError, match="as many rows as inputs, 4; one of their arrays has 3"):
        batches(Split(np.zeros((4, 1)), np.zeros(3)), 2)
