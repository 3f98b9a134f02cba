"""Thresholds that are tuned on validation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import metrics, spaces
from jaxsurr.training import default_config, thresholds, update
from jaxsurr.training.loop import prepare, train


def rare(seed=0, size=400):
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < 0.1).astype(np.int32)
    scores = rng.normal(size=size) + 2 * labels - 3
    return jnp.asarray(np.stack([0 * scores, scores], axis=1), jnp.float32), jnp.asarray(labels)


def test_threshold_of_two_classes_is_the_best_of_all():
    logits, labels = rare()
    shift = thresholds.best_shift(metrics.f_beta, logits, labels)
    assert float(shift[0]) == 0
    scores = np.asarray(logits[:, 1])
    best = max(sklearn.metrics.f1_score(labels, scores > threshold, zero_division=0) for threshold in scores - 1e-6)
    before, after = metrics.f_beta(logits, labels), metrics.f_beta(logits + shift[None], labels)
    assert after > before + 0.1
    # A hundredth of 400 rows is four of them: the best of all thresholds is at most a few rows away.
    assert best - 0.03 < float(after) <= best + 1e-6


def test_many_classes_get_no_worse_and_nothing_to_gain_changes_nothing():
    logits = jax.random.normal(jax.random.key(0), (200, 4)) + jnp.array([2.0, 0, 0, 0])[None]
    labels = jnp.arange(200) % 4
    shift = thresholds.best_shift(metrics.balanced_error, logits, labels)
    assert metrics.balanced_error(logits + shift[None], labels) < metrics.balanced_error(logits, labels)
    perfect = 9 * jax.nn.one_hot(labels, 4)
    assert thresholds.best_shift(metrics.balanced_error, perfect, labels).tolist() == [0, 0, 0, 0]


def test_shift_is_chosen_once_and_kept():
    logits, labels = rare()
    entry = {}
    moved = thresholds.shifted(metrics.f_beta, logits, labels, entry)
    np.testing.assert_allclose(moved - logits, jnp.tile(jnp.asarray(entry["shift"]), (400, 1)), atol=1e-5)
    again = thresholds.shifted(metrics.f_beta, *rare(1), entry)
    np.testing.assert_allclose(again - rare(1)[0], moved - logits, atol=1e-5)


def test_points_have_no_threshold():
    with pytest.raises(ValueError, match="pck reads keypoint_coordinates"):
        thresholds.check(metrics.pck)


def test_a_run_with_tuned_thresholds(tmp_path):
    rng = np.random.default_rng(0)
    labels = (rng.random(600) < 0.15).astype(int)
    table = rng.normal(size=(600, 2)) + labels[:, None]
    lines = ["a,b,y", *(f"{a},{b},{y}" for (a, b), y in zip(table, labels, strict=True))]
    (tmp_path / "rare.csv").write_text("\n".join(lines))
    fields = {"data.source": f"csv:{tmp_path}/rare.csv?target=y", "data.kind": "classes", "data.label_noise": 0.0,
              "metric": "f_beta", "epochs": 2, "warm_epochs": 0, "batch_size": 64}  # fmt: skip
    results = {}
    for loss in ("cross_entropy", "cross_entropy?tune_threshold=True"):
        config = update(default_config(), loss=loss, **fields)
        data, program = prepare(config)
        results[loss] = train(config, data, program)
    plain, tuned = results.values()
    assert "shift" not in plain["history"][0] and len(tuned["history"][0]["shift"]) == 2
    assert [entry["loss"] for entry in plain["history"]] == [entry["loss"] for entry in tuned["history"]]
    assert tuned["validation"] > plain["validation"] and tuned["test"] > plain["test"]


@pytest.mark.parametrize("shape", [(400,), (400, 1)])
def test_the_threshold_of_one_logit_is_that_of_two_classes(shape):
    logits, labels = rare()
    pair = jnp.stack([jnp.zeros(400), logits[:, 1] - logits[:, 0]], axis=1)
    metric = metrics.f_beta.bind(space=spaces.binary_scores)
    thresholds.check(metric)
    wanted, entry = thresholds.best_shift(metrics.f_beta, pair, labels), {}
    moved = thresholds.shifted(metric, pair[:, 1].reshape(shape), labels, entry)
    assert moved.shape == shape
    np.testing.assert_allclose(entry["shift"], wanted[1:], rtol=1e-6)
    np.testing.assert_allclose(metric.mean(moved, labels), metrics.f_beta.mean(pair + wanted[None], labels), rtol=1e-6)
