"""Weights of rows go with them through splits, limits and orders, and reach the batches; wrong ones are refused."""

import jax
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from jaxsurr import parallel
from jaxsurr.core.types import Batch
from jaxsurr.data import Split, batches, load, stream
from jaxsurr.data import weights as weights_of
from jaxsurr.training import default_config, loading, update

ROWS = 60


@pytest.fixture
def source(tmp_path):
    """Rows whose input, target and weight are a number of the row."""
    number = np.arange(ROWS)
    np.savez(tmp_path / "a.npz", x=number[:, None] * 1.0, y=number % 3, w=number / 2, bad=-1.0 - number)
    return f"npz:{tmp_path / 'a.npz'}"


def splits(data):
    return data.train, data.validation, data.test


def test_a_weight_stays_with_its_row(source):
    plain, data = load(source, seed=3, limit=40), load(f"{source}?weight=w", seed=3, limit=40)
    assert [split.weights for split in splits(plain)] == [None, None, None]
    everything = [np.concatenate([getattr(split, name) for split in splits(data)]) for name in ("inputs", "weights")]
    line = np.polyfit(everything[0][:, 0], everything[1], 1)
    np.testing.assert_allclose(np.polyval(line, everything[0][:, 0]), everything[1], atol=1e-4)
    for one, other in zip(splits(plain), splits(data), strict=True):
        assert other.weights.dtype == np.float32 and len(other.weights) == len(other.inputs)
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.targets, other.targets)
        np.testing.assert_array_equal(other.targets, np.round(2 * other.weights).astype(int) % 3)
    assert "weighted rows" in data.description and "weighted" not in plain.description


def test_official_test_rows_have_their_own(tmp_path):
    x, y = np.arange(40.0), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, w_train=x, x_test=x[:5], y_test=y[:5], w_test=np.full(5, 0.25))
    data = load(f"npz:{tmp_path / 'a.npz'}?weight=w", seed=0)
    np.testing.assert_array_equal(data.test.weights, 0.25)


def test_rows_without_a_size_take_their_weights_with_them(tmp_path):
    size = np.where(np.arange(60) % 4, 2.0, 0.0)
    np.savez(tmp_path / "p.npz", x=np.arange(60.0), kp=np.ones((60, 2, 2)), size=size, w=np.arange(60.0))
    with pytest.warns(UserWarning, match="15 of 60 rows"):
        data = load(f"npz:{tmp_path / 'p.npz'}?points=kp&scale=size&weight=w", seed=0)
    found = np.sort(np.concatenate([split.weights for split in splits(data)]))
    np.testing.assert_array_equal(found, np.flatnonzero(size))


SPLIT = Split(np.arange(7, dtype=np.float32)[:, None], np.arange(7), np.arange(7, dtype=np.float32) / 4)


@pytest.mark.parametrize("seed", [None, 0])
def test_batches_hold_weights_and_0_in_rows_that_fill_up(seed):
    found = list(batches(SPLIT, 4, seed=seed, partial=True))
    for batch in found:
        assert batch.where.dtype == np.float32
    where, targets = (np.concatenate([getattr(batch, name) for batch in found]) for name in ("where", "targets"))
    np.testing.assert_array_equal(where[:7], targets[:7] / 4)
    assert where[7] == 0


def test_streams_and_batches_on_the_device_hold_weights(monkeypatch):
    for batch in stream(SPLIT, 3, seed=0):
        np.testing.assert_array_equal(batch.where, batch.targets / 4)
    config, on = update(default_config(), batch_size=3), parallel.executor(1)
    for limit in (loading.RESIDENT_BYTES, 0):
        monkeypatch.setattr(loading, "RESIDENT_BYTES", limit)
        found = [loading.batch_of(batch) for (batch,) in loading.device_batches(config, (SPLIT, SPLIT), on)(1)]
        assert len(found) == 2
        for batch in found:
            np.testing.assert_array_equal(np.asarray(batch.where), np.asarray(batch.targets) / 4)


def test_predictions_are_those_of_rows_that_count():
    on = parallel.executor(1)
    predict = on.compile_predict(lambda params, inputs: inputs[:, 0] * params)
    parts = batches(SPLIT, 4, partial=True)
    predictions, targets = parallel.predict_all(on, predict, np.float32(2), parts)
    assert targets.tolist() == [1, 2, 3, 4, 5, 6] and predictions.tolist() == [2, 4, 6, 8, 10, 12]


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.random.default_rng(0).choice(5, size=200, p=[0.5, 0.3, 0.1, 0.1, 0])
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(weights_of.balanced(labels), expected[labels], rtol=1e-6)
    own = np.random.default_rng(1).uniform(size=200)
    found = weights_of.balanced(labels, own)
    np.testing.assert_allclose(np.bincount(labels, found), own.sum() / 4, rtol=1e-5)  # of each class the same
    np.testing.assert_allclose((found / own)[labels == 0], (found / own)[labels == 0][0], rtol=1e-5)


def test_class_weights_are_of_training_rows_only(source):
    data = load(f"{source}?at_least=2", seed=0, class_weights="balanced")
    expected = compute_class_weight("balanced", classes=np.arange(2), y=data.train.targets)
    np.testing.assert_allclose(data.train.weights, expected[data.train.targets], rtol=1e-6)
    assert data.validation.weights is None and data.test.weights is None
    assert "balanced classes" in data.description
    config = update(default_config(), **{"data.source": source, "data.class_weights": "balanced"})
    from jaxsurr.training.loop import load_data

    assert load_data(config).train.weights is not None


def test_all_of_a_split_go_together():
    rows = jax.tree.map(lambda leaf: leaf[:2], SPLIT)
    assert isinstance(rows, Split) and rows.weights.tolist() == [0, 0.25]
    assert jax.tree.map(lambda leaf: leaf[:2], SPLIT._replace(weights=None)).weights is None
    assert Batch(*SPLIT).where is SPLIT.weights


def say(**arrays):
    x, y = np.arange(8.0), np.arange(8) % 2
    return dict(x=x, y=y) | arrays


@pytest.mark.parametrize(
    ("arrays", "query", "message"),
    [
        (dict(w=np.arange(8) - 2.0), "weight=w", "'w': 2 weights are negative, the first in row 1 \\(-2\\)"),
        (dict(w=[1, np.nan] * 4), "weight=w", "'w': 4 weights are NaN or infinite, the first in row 2"),
        (dict(w=[1, np.inf] * 4), "weight=w", "'w': 4 weights are NaN or infinite, the first in row 2"),
        (dict(w=[1, 1e39] * 4), "weight=w", "'w': 4 weights are too large for float32"),
        (dict(w=np.zeros(8)), "weight=w", "'w': all weights are 0, so that no row counts"),
        (dict(w=np.ones(7)), "weight=w", r"one number for each of 8 rows, got shape \(7,\)"),
        (dict(w=np.ones((8, 1))), "weight=w", r"one number for each of 8 rows, got shape \(8, 1\)"),
        (dict(w=["a"] * 8), "weight=w", "'w': weights must be numbers, got dtype <U1"),
        ({}, "weight=w", "no array 'w'"),
        ({}, "weight=y", "'y' cannot be both the weights and the inputs or targets"),
        ({}, "weight=x", "'x' cannot be both the weights and the inputs or targets"),
    ],
)
def test_refuses(arrays, query, message, tmp_path):
    np.savez(tmp_path / "a.npz", **say(**arrays))
    with pytest.raises(ValueError, match=message):
        load(f"npz:{tmp_path / 'a.npz'}?{query}", seed=0)


def test_refuses_class_weights_without_classes(source):
    with pytest.raises(ValueError, match="is for targets of classes or levels or scores, the kind here is 'num"):
        load(source, seed=0, kind="numbers", class_weights="balanced")
    with pytest.raises(ValueError, match="'balance', which is unknown; did you mean 'balanced'"):
        load(source, seed=0, class_weights="balance")


def test_refuses_a_split_that_does_not_count(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(40.0), y=np.arange(40) % 2, w=np.arange(40) == 7)
    with pytest.raises(ValueError, match=r"all weights of the (train|validation|test) split are 0"):
        load(f"npz:{tmp_path / 'a.npz'}?weight=w", seed=0)
    with pytest.raises(ValueError, match=r"weights must be one for each of 7 rows, got shape \(3,\)"):
        batches(SPLIT._replace(weights=np.ones(3)), 2)
