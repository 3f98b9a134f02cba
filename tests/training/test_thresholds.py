"""Thresholds that are tuned on validation."""

import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import metrics, spaces
from jaxsurr.training import default_config, thresholds, update
from jaxsurr.training.loop import prepare, train


def rare(seed=0, size=400):
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < 0.1).astype(np.int32)
    scores = rng.normal(size=size) + 2 * labels - 3
    return jnp.asarray(np.stack([0 * scores, scores], axis=1), jnp.float32), jnp.asarray(labels)


def test_shift_is_chosen_once_and_kept():
    logits, labels = rare()
    entry = {}
    moved = thresholds.shifted(metrics.f_beta, logits, labels, entry)
    np.testing.assert_allclose(moved - logits, jnp.tile(jnp.asarray(entry["shift"]), (400, 1)), atol=1e-5)
    again = thresholds.shifted(metrics.f_beta, *rare(1), entry)
    np.testing.assert_allclose(again - rare(1)[0], moved - logits, atol=1e-5)


def test_shift_is_that_of_tune_and_no_worse_than_a_threshold_at_each_hundredth():
    logits, labels = rare()
    entry = {}
    moved = thresholds.shifted(metrics.f_beta, logits, labels, entry)
    assert entry["shift"] == jaxsurr.decoding.tune("f_beta", logits, labels, least_gain=1 / 400).shifts.tolist()
    hundredths = np.quantile(logits[:, 1], np.linspace(0, 1, 101))
    best = max(sklearn.metrics.f1_score(labels, logits[:, 1] > place) for place in hundredths)
    assert float(metrics.f_beta(moved, labels)) >= best - 1e-6


def test_a_scale_is_kept_too_and_rows_that_tell_nothing_end_no_run():
    logits, labels = rare()
    entry = {}
    moved = thresholds.shifted(metrics.expected_calibration_error, 5 * logits, labels, entry)
    assert entry["scale_of_shifted"] != 1
    np.testing.assert_array_equal(
        moved, thresholds.shifted(metrics.expected_calibration_error, 5 * logits, labels, entry)
    )
    for z, y in ((logits, 0 * labels), (jnp.full_like(logits, jnp.nan), labels)):
        entry = {}
        assert thresholds.shifted(metrics.f_beta, z, y, entry).shape == logits.shape
        assert np.isfinite(entry["shift"]).all()


def test_points_have_no_threshold():
    with pytest.raises(ValueError, match="tune_threshold: pck reads keypoint_coordinates"):
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
    of_pair, entry = {}, {}
    wanted = thresholds.shifted(metrics.f_beta, pair, labels, of_pair)
    moved = thresholds.shifted(metric, pair[:, 1].reshape(shape), labels, entry)
    assert moved.shape == shape
    np.testing.assert_allclose(np.ravel(entry["shift"]), of_pair["shift"][1:], rtol=1e-6)
    np.testing.assert_allclose(metric.mean(moved, labels), metrics.f_beta.mean(wanted, labels), rtol=1e-6)
