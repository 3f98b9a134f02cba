"""Shifts that are tuned on validation, against all thresholds, fine grids and scikit-learn."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import decoding, metrics, spaces
from jaxsurr.metrics import black_box
from jaxsurr.metrics.shift_search import Search

THREE = (0.75, 0.15, 0.1)


def rare(seed=0, size=300):
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < 0.1).astype(np.int32)
    return (rng.normal(size=size) + 2 * labels - 3).astype(np.float32), labels


def classes(seed=0, size=400, shares=THREE):
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(shares), size=size, p=shares).astype(np.int32)
    lead = 1.5 * np.eye(len(shares))[labels] + np.log(shares)
    return (rng.normal(size=(size, len(shares))) + lead).astype(np.float32), labels


def thresholds_of(scores):
    ordered = np.unique(scores)
    return [ordered[0] - 1, *(ordered[1:] + ordered[:-1]) / 2, ordered[-1] + 1]


@metrics.metric(higher_is_better=False, space=spaces.named_class_logits)
def asymmetric(logits, labels):  # to miss class 2 costs ten times as much
    return (jnp.argmax(logits, axis=-1) != labels) * jnp.where(labels == 2, 10.0, 1.0)


# --- two classes: exact -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("name", ["f_beta", "matthews_correlation", "error_rate"])
def test_threshold_is_the_best_of_all(name, weighted):
    scores, labels = rare()
    weights = np.random.default_rng(1).integers(0, 4, len(labels)).astype(np.float32) if weighted else None
    score = {
        "f_beta": sklearn.metrics.f1_score,
        "matthews_correlation": sklearn.metrics.matthews_corrcoef,
        "error_rate": lambda *given, **more: 1 - sklearn.metrics.accuracy_score(*given, **more),
    }[name]
    best = {"error_rate": min}.get(name, max)
    every = [score(labels, scores > t, sample_weight=weights) for t in thresholds_of(scores)]
    logits = np.stack([0 * scores, scores], axis=1)
    tuned = decoding.tune(name, logits, labels, where=weights)
    assert tuned.shifts.shape == (2,) and float(tuned.shifts[0]) == 0 and tuned.scale == 1
    decided = np.argmax(tuned.apply(logits), axis=1)
    np.testing.assert_allclose(tuned.after, score(labels, decided, sample_weight=weights), atol=1e-6)
    np.testing.assert_allclose(tuned.after, best(every), atol=1e-6)
    np.testing.assert_allclose(tuned.before, score(labels, scores > 0, sample_weight=weights), atol=1e-6)


def test_one_score_has_one_threshold_and_ties_are_kept_together():
    scores, labels = rare()
    scores = np.round(scores, 1)
    tuned = decoding.tune(metrics.f_beta.bind(space=spaces.binary_scores), scores, labels)
    assert tuned.shifts.shape == ()
    best = max(sklearn.metrics.f1_score(labels, scores > t) for t in thresholds_of(scores))
    np.testing.assert_allclose(tuned.after, best, atol=1e-6)
    np.testing.assert_allclose(metrics.f_beta(tuned.apply(scores), labels), best, atol=1e-6)


def test_a_black_box_of_few_rows_is_exact_too_and_a_large_one_is_asked_so_often():
    f1 = black_box(sklearn.metrics.f1_score, higher_is_better=True, decode="argmax")
    for size, calls, least in ((60, 80, 1e-6), (1000, 60, 0.03)):
        scores, labels = rare(3, size)
        logits = np.stack([0 * scores, scores], axis=1)
        with metrics.count_calls() as counted:
            tuned = decoding.tune(f1, logits, labels, calls=calls)
        assert tuned.calls == counted.number <= calls
        best = max(sklearn.metrics.f1_score(labels, scores > t) for t in thresholds_of(scores))
        assert best - least <= tuned.after <= best + 1e-6
        decided = np.argmax(tuned.apply(logits), axis=1)
        np.testing.assert_allclose(tuned.after, sklearn.metrics.f1_score(labels, decided), atol=1e-6)


# --- several classes, levels, labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(
    "metric", [metrics.f_beta, metrics.cohen_kappa, metrics.balanced_error, asymmetric], ids=lambda metric: metric.name
)
def test_three_classes_against_a_fine_grid(metric, weighted):
    where = jnp.asarray(np.random.default_rng(5).integers(0, 3, 400), jnp.float32) if weighted else None
    logits, labels = classes(7)
    tuned = decoding.tune(metric, logits, labels, where=where)
    grid = jnp.linspace(-2.0, 5.0, 71)
    pairs = jnp.stack([0 * grid[:, None] + grid[None], grid[:, None] + 0 * grid[None]], axis=-1).reshape(-1, 2)

    def at(pair):
        return metric.mean(logits + jnp.concatenate([jnp.zeros(1), pair])[None], labels, where=where)

    values = jax.jit(lambda pairs: jax.lax.map(at, pairs, batch_size=64))(pairs)
    best = float(jnp.min(metric.sign * values))
    assert metric.sign * tuned.after <= best + 1e-6
    assert metric.sign * tuned.after < metric.sign * tuned.before
    moved = metric.mean(tuned.apply(jnp.asarray(logits)), labels, where=where)
    np.testing.assert_allclose(moved, tuned.after, atol=1e-6)


def test_a_black_box_comes_near_to_its_twin_in_jax():
    logits, labels = classes(2, 300)
    twin = decoding.tune("f_beta", logits, labels)
    macro = black_box(sklearn.metrics.f1_score, higher_is_better=True, decode="argmax").bind(average="macro")
    tuned = decoding.tune(macro, logits, labels, calls=60)
    assert tuned.calls <= 60 and tuned.after > twin.after - 0.005 > twin.before + 0.03


def test_cumulative_logits_against_all_pairs_of_thresholds():
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=50, p=THREE)
    z = (rng.normal(size=(50, 2)) + 2 * (labels[:, None] > np.arange(2)) - 2).astype(np.float32)
    kappa = metrics.quadratic_weighted_kappa.bind(decode="thresholds", space=spaces.cumulative_logits)
    tuned = decoding.tune(kappa, z, labels)

    def score(decided):
        return sklearn.metrics.cohen_kappa_score(labels, decided, weights="quadratic")

    columns = [(z[:, k, None] > np.array(thresholds_of(z[:, k]))[None]).T.astype(int) for k in range(2)]
    best = max(score(one + other) for one, other in itertools.product(*columns))
    np.testing.assert_allclose(tuned.after, score(np.sum(tuned.apply(z) > 0, axis=1)), atol=1e-5)
    assert tuned.before + 0.05 < tuned.after <= best + 1e-5
    assert tuned.after > best - 0.02  # one threshold is moved at a time


def test_median_decoding_and_calibration_use_a_scale():
    logits, labels = classes(1)
    tuned = decoding.tune("expected_calibration_error", 4 * logits, labels)
    assert tuned.scale < 1 and tuned.after < tuned.before / 2
    value = metrics.expected_calibration_error(tuned.apply(4 * logits), labels)
    np.testing.assert_allclose(value, tuned.after, atol=1e-6)
    score = (labels / 3)[:, None] + 0.1 * np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32)
    rounded = metrics.mean_absolute_error.bind(decode="rounded", levels=3, space=spaces.level_scores)
    tuned = decoding.tune(rounded, score.astype(np.float32), labels)
    assert 2 < tuned.scale < 4 and tuned.after < 0.1 < tuned.before


def test_thresholds_of_several_labels():
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 3)) < 0.2).astype(np.int32)
    z = (rng.normal(size=(80, 3)) + 3 * labels - 4).astype(np.float32)

    @metrics.metric(higher_is_better=True)
    def share_right(logits, labels):
        return jnp.mean((logits > 0) == labels, axis=-1)

    tuned = decoding.tune(share_right, z, labels)
    best = np.mean([max(np.mean((z[:, k] > t) == labels[:, k]) for t in thresholds_of(z[:, k])) for k in range(3)])
    assert tuned.shifts.shape == (3,)
    np.testing.assert_allclose(tuned.after, best, atol=1e-6)


# --- what holds always ------------------------------------------------------------------------------------------------


def test_least_gain_is_what_every_change_gains():
    logits, labels = classes(3, 200)
    best = decoding.tune("f_beta", logits, labels)
    some = decoding.tune("f_beta", logits, labels, least_gain=0.02)
    none = decoding.tune("f_beta", logits, labels, least_gain=1.0)
    assert none.shifts.tolist() == [0, 0, 0] and none.after == none.before
    assert some.before + 0.02 <= some.after <= best.after
    assert np.sum(np.asarray(some.shifts) != 0) <= np.sum(np.asarray(best.shifts) != 0)


@pytest.mark.parametrize("seed", range(3))
def test_never_worse_and_nothing_to_gain_changes_nothing(seed):
    logits, labels = classes(seed, 40)
    for metric in (metrics.error_rate, metrics.top_k_error.bind(k=2)):
        tuned = decoding.tune(metric, logits, labels)
        assert tuned.after <= tuned.before
        np.testing.assert_allclose(metric.mean(tuned.apply(logits), labels), tuned.after, atol=1e-6)
    perfect = np.float32(9) * np.eye(3, dtype=np.float32)[labels]
    tuned = decoding.tune("balanced_error", perfect, labels)
    assert tuned.shifts.tolist() == [0, 0, 0] and (tuned.scale, tuned.before, tuned.after) == (1, 0, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda z: 0 * z,
        lambda z: 1e30 * z,
        lambda z: 1e-30 * z,
        lambda z: np.where(np.arange(3) == 0, -1e9, z).astype(np.float32),
        lambda z: np.where(np.arange(3) == 0, -np.inf, z).astype(np.float32),
        lambda z: z.astype(np.float16),
    ],
    ids=["constant", "huge", "tiny", "class ruled out", "minus infinity", "half precision"],
)
def test_odd_logits_get_finite_shifts_and_no_worse(spoil):
    logits, labels = classes(0, 60)
    z = spoil(logits)
    with np.errstate(all="raise", under="ignore"):
        tuned = decoding.tune("f_beta", z, labels)
    assert np.isfinite(tuned.shifts).all() and tuned.after >= tuned.before
    np.testing.assert_allclose(metrics.f_beta.mean(tuned.apply(z), labels), tuned.after, atol=1e-6)


def test_masked_rows_may_hold_anything_and_the_result_is_that_of_the_others():
    logits, labels = classes(0, 90)
    where = np.arange(90) % 3 > 0
    spoilt = np.where(where[:, None], logits, np.nan).astype(np.float32)
    masked = decoding.tune("f_beta", spoilt, labels, where=where)
    alone = decoding.tune("f_beta", logits[where], labels[where])
    np.testing.assert_allclose(masked.shifts, alone.shifts, atol=1e-5)
    assert abs(masked.after - alone.after) < 1e-6


def test_a_search_that_sees_no_counts_finds_the_same_threshold():
    scores, labels = rare(2)
    logits = jnp.stack([0 * scores, jnp.asarray(scores)], axis=1)

    @metrics.metric(higher_is_better=True, space=spaces.class_logits, per_example=False)
    def f1(logits, labels, *, where):  # without weights
        hit, found = (labels == 1) & where, (jnp.argmax(logits, axis=-1) == 1) & where
        return 2 * jnp.sum(hit & found) / jnp.maximum(jnp.sum(hit) + jnp.sum(found), 1)

    where = jnp.ones(len(labels), bool)
    tuned = decoding.tune(f1, logits, jnp.asarray(labels), where=where)
    twin = decoding.tune("f_beta", logits, labels)
    assert abs(tuned.after - twin.after) < 1e-6
    assert Search(f1, logits, jnp.asarray(labels), where, None).counted is None


def test_apply_is_pure_and_keeps_shapes_and_half_precision():
    tuned = decoding.Tuned(jnp.array([0.0, 1.0]), 2.0, 0.0, 1.0, 3)
    for shape in ((3, 2), (3, 4, 2)):
        z = jnp.ones(shape, jnp.bfloat16)
        moved = jax.jit(tuned.apply)(z)
        np.testing.assert_array_equal(moved, np.broadcast_to([2.0, 4.0], shape))
    np.testing.assert_array_equal(tuned._replace(shifts=jnp.float32(-1)).apply(np.ones(3, np.float32)), np.zeros(3))


class Tensor:
    """An array of another framework: NumPy can read it, and its dtype is not one of NumPy's."""

    dtype = "framework.float32"

    def __init__(self, values):
        self.values, self.ndim, self.shape = values, values.ndim, values.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values


def test_arrays_of_another_framework_are_read():
    logits, labels = classes(0, 60)
    where = np.arange(60) > 4
    tuned = decoding.tune("f_beta", Tensor(logits), Tensor(labels), where=Tensor(where))
    assert tuned.after == decoding.tune("f_beta", logits, labels, where=where).after
    np.testing.assert_array_equal(tuned.apply(Tensor(logits)), tuned.apply(logits))


def test_pixels_are_shifted_along_their_classes():
    rng = np.random.default_rng(0)
    labels = (rng.random((4, 5, 5)) < 0.2).astype(np.int32)
    z = np.stack([np.zeros((4, 5, 5)), rng.normal(size=(4, 5, 5)) + 2 * labels - 3], axis=-1).astype(np.float32)
    tuned = decoding.tune("mean_iou", z, labels)
    assert tuned.shifts.shape == (2,) and tuned.after > tuned.before + 0.05
    np.testing.assert_allclose(metrics.mean_iou.mean(tuned.apply(z), labels), tuned.after, atol=1e-6)


# --- wrong input ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_tuned_is_refused_in_a_sentence():
    scores, labels = rare(0, 40)
    logits = np.stack([0 * scores, scores], axis=1)
    for metric, z in (("roc_auc", scores), ("average_precision", logits)):
        with pytest.raises(ValueError, match="does not change when predictions are shifted"):
            decoding.tune(metric, z, labels)
    auc = black_box(sklearn.metrics.roc_auc_score, higher_is_better=True)
    with pytest.raises(ValueError, match="roc_auc_score does not change when predictions are shifted"):
        decoding.tune(auc, scores, labels, calls=12)
    poses = jaxsurr.Keypoints(np.zeros((4, 3, 2)), np.ones((4, 3)), np.ones(4))
    with pytest.raises(ValueError, match="pck reads keypoint_coordinates, in which no decision depends on shifts"):
        decoding.tune("pck", np.zeros((4, 3, 2), np.float32), poses)
    with pytest.raises(ValueError, match="ndcg reads ranked_lists"):
        decoding.tune("ndcg", np.zeros((4, 3), np.float32), jaxsurr.RankedLists(np.ones((4, 3)), np.ones((4, 3))))


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"targets": np.zeros(40, int)}, ValueError, "all targets that count are of one class, 0"),
        ({"targets": np.arange(39) % 2}, ValueError, r"shape \[40\], got \[39\]"),
        ({"targets": np.arange(40) % 3}, ValueError, "targets must be classes from 0 to 1"),
        ({"predictions": np.zeros((40, 2), int)}, TypeError, "predictions must have a floating dtype"),
        (
            {"predictions": np.full((40, 2), np.nan, np.float32)},
            ValueError,
            "80 values that are NaN in rows",
        ),
        ({"where": np.zeros(40, bool)}, ValueError, "no example counts"),
        ({"where": -np.ones(40, np.float32)}, ValueError, "at least 0"),
        ({"where": np.ones(3, bool)}, ValueError, r"shape \[40\]"),
        ({"calls": 3}, ValueError, "calls must be an integer of at least 10"),
        ({"least_gain": -1.0}, ValueError, "least_gain must be"),
        ({"calls": 2.5}, ValueError, "calls must be an integer"),
        ({"metric": "f_betas"}, ValueError, "did you mean 'f_beta'"),
        ({"metric": sklearn.metrics.f1_score}, TypeError, "does not say which direction is better"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_input(change, error, words):
    scores, labels = rare(0, 40)
    given = {"metric": "f_beta", "predictions": np.stack([0 * scores, scores], axis=1), "targets": labels} | change
    with pytest.raises(error, match=words):
        decoding.tune(given.pop("metric"), given.pop("predictions"), given.pop("targets"), **given)
