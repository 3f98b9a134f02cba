"""Metrics of single examples against plain loops and scikit-learn; masks, binding, names."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import Keypoints, metrics, spaces
from jaxsurr.metrics import decoding
from jaxsurr.metrics.returned import FlatMetricWarning


def class_data(dtype=jnp.float32):
    logits = jax.random.normal(jax.random.key(0), (300, 7)).astype(dtype)
    return logits, jax.random.randint(jax.random.key(1), (300,), 0, 7)


@pytest.fixture
def figures():
    keys = jax.random.split(jax.random.key(2), 4)
    points = 100 * jax.random.uniform(keys[0], (50, 9, 2))
    visible = jax.random.bernoulli(keys[1], 0.7, (50, 9)).at[0].set(False)
    scale = jax.random.uniform(keys[2], (50,), minval=10.0, maxval=40.0)
    predictions = points + 0.4 * scale[:, None, None] * jax.random.normal(keys[3], (50, 9, 2))
    return predictions, Keypoints(points, visible, scale)


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_error_rate_against_scikit_learn(dtype):
    logits, labels = class_data(dtype)
    values = metrics.error_rate(logits, labels)
    predicted = np.argmax(np.asarray(logits, np.float32), axis=-1)
    assert values.dtype == jnp.float32
    assert values.tolist() == [float(wrong) for wrong in predicted != np.asarray(labels)]
    mean = float(metrics.error_rate.mean(logits.astype(jnp.float32), labels))
    assert mean == pytest.approx(1 - sklearn.metrics.accuracy_score(labels, predicted), rel=1e-6)
    assert mean == pytest.approx(sklearn.metrics.zero_one_loss(labels, predicted), rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_top_k_error_against_scikit_learn(k):
    logits, labels = class_data()
    expected = 1 - sklearn.metrics.top_k_accuracy_score(labels, logits, k=k, labels=range(7))
    assert float(metrics.top_k_error.bind(k=k).mean(logits, labels)) == pytest.approx(expected, rel=1e-6)


def test_with_as_many_guesses_as_classes_nothing_is_an_error():
    logits, labels = class_data()
    assert float(jnp.sum(metrics.top_k_error(logits, labels, k=7))) == 0
    assert float(jnp.sum(metrics.top_k_error(logits, labels, k=100))) == 0


def test_of_equal_logits_the_first_class_is_predicted():
    logits = jnp.array([[1.0, 1.0, 0.0]] * 3)
    assert metrics.error_rate(logits, jnp.arange(3)).tolist() == [0.0, 1.0, 1.0]
    assert metrics.top_k_error(logits, jnp.arange(3), k=2).tolist() == [0.0, 0.0, 1.0]
    coarse = jnp.round(class_data()[0])  # many ties
    labels = class_data()[1]
    assert metrics.error_rate(coarse, labels).tolist() == (np.argmax(coarse, axis=-1) != np.asarray(labels)).tolist()


def test_nan_logit_is_an_error():
    logits = jnp.array([[jnp.nan, 1.0, 0.0], [0.0, 1.0, jnp.nan], [jnp.nan] * 3])
    assert metrics.error_rate(logits, jnp.array([1, 1, 0])).tolist() == [1.0, 1.0, 1.0]
    assert metrics.error_rate(logits, jnp.array([0, 2, 2])).tolist() == [1.0, 1.0, 1.0]
    assert metrics.top_k_error(logits[:1], jnp.array([0]), k=2).tolist() == [1.0]


def test_small_integer_labels_with_many_classes():
    # 299 as an 8-bit number is 43: a label type too narrow for the number of classes must not hide a rival.
    logits = jnp.zeros((1, 300)).at[0, 299].set(1.0)
    assert metrics.error_rate(logits, jnp.array([43], jnp.uint8)).tolist() == [1.0]


# --- levels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decode", ["argmax", "median", "expected"])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_mean_absolute_error_against_scikit_learn(decode, dtype):
    logits, levels = class_data(dtype)
    metric = metrics.mean_absolute_error.bind(decode=decode)
    decoded = np.asarray(decoding.get(decode)(logits), np.float32)
    values = metric(logits, levels)
    assert values.dtype == jnp.float32
    expected = sklearn.metrics.mean_absolute_error(np.asarray(levels), decoded)
    assert float(jnp.mean(values)) == pytest.approx(expected, rel=1e-6)


def test_median_is_the_default_decoding():
    logits, levels = class_data()
    for metric in (metrics.mean_absolute_error, metrics.within_one_level):
        assert metric(logits, levels).tolist() == metric(logits, levels, decode="median").tolist()
        assert metric(logits, levels).tolist() != metric(logits, levels, decode="argmax").tolist()


def test_thresholds_decode_one_level_more_than_there_are_logits():
    metric = metrics.get("mean_absolute_error?decode=thresholds")
    assert metric.space is spaces.cumulative_logits
    assert metric(jnp.array([[2.0, -1.0], [2.0, 1.0], [-2.0, -1.0]]), jnp.array([2, 2, 2])).tolist() == [1.0, 0.0, 2.0]


def test_a_score_is_rounded_to_one_of_the_levels_that_there_are():
    metric = metrics.get("mean_absolute_error?decode=rounded&levels=4")
    assert metric.space is spaces.level_scores
    scores, levels = jnp.array([[1.4], [-7.0], [9.0], [jnp.nan]]), jnp.array([2, 1, 3, 0])
    np.testing.assert_array_equal(metric(scores, levels), [1.0, 1.0, 0.0, np.nan])
    assert metrics.within_one_level(scores, levels, decode="rounded", levels=4).tolist() == [1.0, 1.0, 1.0, 0.0]
    with pytest.raises(ValueError, match=r"levels \(which decode='rounded' needs, .*\) must be an integer"):
        metrics.mean_absolute_error(scores, levels, decode="rounded")
    with pytest.raises(ValueError, match="targets must be levels from 0 to 2"):
        metrics.mean_absolute_error(scores, levels, decode="rounded", levels=3)
    with pytest.raises(ValueError, match="levels is 4, which only decode='rounded' reads"):
        metrics.mean_absolute_error(jnp.zeros((4, 4)), levels, levels=4)


@pytest.mark.parametrize("decode", ["argmax", "median"])
def test_within_one_level_against_a_loop(decode):
    logits, levels = class_data()
    decoded = decoding.get(decode)(logits)
    expected = [
        1.0 if abs(int(a) - int(b)) <= 1 else 0.0
        for a, b in zip(decoded.tolist(), levels.tolist(), strict=True)  # whole levels
    ]
    assert metrics.within_one_level(logits, levels, decode=decode).tolist() == expected


def test_within_one_level_of_an_own_decoder():
    values = metrics.within_one_level(jnp.array([[1.4, 0.0], [2.0, 0.0]]), jnp.array([0, 1]), decode=lambda z: z[:, 0])
    assert values.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("decode", ["argmax", "median", "expected", "thresholds"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_nan_level_logits_are_no_success(decode, level):
    metric = metrics.get(f"mean_absolute_error?decode={decode}")
    logits = jnp.full((1, 2 if decode == "thresholds" else 3), jnp.nan)
    error = float(metric(logits, jnp.array([level]))[0])
    assert np.isnan(error) or error >= 1  # a NaN must show, or be wrong; it may not be right by chance
    within = metrics.within_one_level.bind(decode=decode, space=metric.space)(logits, jnp.array([level]))
    assert within.tolist() == [0.0]


# --- points -----------------------------------------------------------------------------------------------------------


def pck_loop(predictions, targets, threshold):
    values = []
    for points, wanted, visible, scale in zip(predictions, *targets, strict=True):
        hits = [
            float(np.hypot(*(p - w)) <= threshold * scale)
            for p, w, seen in zip(points, wanted, visible, strict=True)
            if seen
        ]
        values.append(sum(hits) / len(hits) if hits else 0.0)
    return values


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
def test_pck_against_a_loop(figures, dtype):
    predictions, targets = jax.tree.map(lambda a: a.astype(dtype) if a.dtype == jnp.float32 else a, figures)
    values = metrics.pck(predictions, targets, threshold=0.5)
    assert values.dtype == jnp.float32
    moved = np.asarray(predictions, np.float64), jax.tree.map(lambda a: np.asarray(a, np.float64), targets)
    expected = np.array(pck_loop(*moved, 0.5))
    assert 0.2 < expected.mean() < 0.9
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_pck_at_several_thresholds(figures):
    predictions, targets = figures
    values = metrics.pck(predictions, targets, threshold=(0.2, 0.5, 1.0))
    assert values.shape == (50, 3)
    for column, threshold in zip(values.T, (0.2, 0.5, 1.0), strict=True):
        np.testing.assert_allclose(column, pck_loop(*jax.tree.map(np.asarray, figures), threshold), rtol=1e-6)
    assert metrics.pck(predictions, targets, threshold=(0.5,)).shape == (50, 1)


def test_point_at_the_threshold_is_correct():
    targets = Keypoints(jnp.zeros((1, 2, 2)), jnp.ones((1, 2)), jnp.array([10.0]))
    predictions = jnp.array([[[3.0, 4.0], [3.0, 4.0 + 1e-3]]])  # at 5 = 0.5 * 10, and beyond
    assert metrics.pck(predictions, targets, threshold=0.5).tolist() == [0.5]


def test_normalised_mean_error_against_a_loop(figures):
    predictions, targets = jax.tree.map(np.asarray, figures)
    expected = []
    for points, wanted, visible, scale in zip(predictions, *targets, strict=True):
        errors = [np.hypot(*(p - w)) / scale for p, w, seen in zip(points, wanted, visible, strict=True) if seen]
        expected.append(sum(errors) / len(errors) if errors else 0.0)
    np.testing.assert_allclose(metrics.normalised_mean_error(*figures), expected, rtol=1e-5)


def test_hidden_keypoints_do_not_count_whatever_they_hold(figures):
    predictions, targets = figures
    hidden = ~targets.visible[..., None]
    spoilt = jnp.where(hidden, jnp.nan, predictions), targets._replace(points=jnp.where(hidden, 1e9, targets.points))
    for metric in (metrics.pck, metrics.normalised_mean_error):
        assert metric(*spoilt).tolist() == metric(predictions, targets).tolist()


def test_a_keypoint_that_is_nan_is_wrong(figures):
    predictions, targets = figures
    predictions = predictions.at[1].set(jnp.nan)
    assert float(metrics.pck(predictions, targets, threshold=1e6)[1]) == 0
    assert bool(jnp.isnan(metrics.normalised_mean_error(predictions, targets)[1]))


# --- masks and means --------------------------------------------------------------------------------------------------


# Those of lists, sequences, tokens and numbers are in files of their own.
APART = (spaces.ranked_lists, spaces.sequence_logits, spaces.token_logits, spaces.joint_token_logits)
APART += (spaces.real_numbers, spaces.relative_numbers, spaces.number_intervals)
OF_EXAMPLES = [name for name, metric in metrics.METRICS.items() if metric.per_example and metric.space not in APART]


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_masked_rows_are_zero_and_absent_from_the_mean(name, figures):
    metric = metrics.get(name)
    predictions, targets = figures if metric.space is spaces.keypoint_coordinates else class_data()
    if metric.space in (spaces.label_logits, spaces.example_cost_logits):
        dtype = jnp.int32 if metric.space is spaces.label_logits else jnp.float32
        targets = jax.nn.one_hot(targets, predictions.shape[1], dtype=dtype)
    where = jnp.arange(len(predictions)) % 3 > 0
    spoilt = jnp.where(where.reshape((-1,) + (1,) * (predictions.ndim - 1)), predictions, jnp.nan)
    values, mean = jax.jit(metric), jax.jit(metric.mean)
    whole = np.asarray(values(predictions, targets))
    assert values(spoilt, targets, where=where).tolist() == np.where(where, whole, 0).tolist()
    kept = jax.tree.map(lambda leaf: np.asarray(leaf)[np.asarray(where)], (predictions, targets))
    np.testing.assert_allclose(mean(spoilt, targets, where=where), mean(*kept), rtol=1e-5)


def test_mean_of_half_precision_values_is_counted_exactly():
    # 301 is no bfloat16 (302 is): the mean must be formed in single precision.
    logits = jnp.tile(jnp.array([[0.0, 1.0]], jnp.bfloat16), (1000, 1))
    labels = (jnp.arange(1000) >= 301).astype(jnp.int32)
    assert float(metrics.error_rate.mean(logits, labels)) == pytest.approx(301 / 1000, rel=1e-6)


def test_metrics_of_labels_out_of_range_inside_jit_do_not_fail():
    assert jax.jit(metrics.error_rate)(jnp.zeros((1, 3)), jnp.array([7])).shape == (1,)


# --- bind, get, metric ------------------------------------------------------------------------------------------------


def test_bind_names_the_options_and_leaves_the_metric_as_it_was():
    bound = metrics.pck.bind(threshold=0.2)
    assert bound.name == "pck(threshold=0.2)"
    assert metrics.pck.name == "pck"
    assert bound.bind(threshold=[0.2, 0.5]).name == "pck(threshold=(0.2, 0.5))"
    assert hash(bound.bind(threshold=[0.2, 0.5])) == hash(metrics.pck.bind(threshold=(0.2, 0.5)))
    assert bound.higher_is_better and bound.per_example and bound.space is spaces.keypoint_coordinates
    assert metrics.mean_absolute_error.bind(decode=decoding.argmax_level).name == (
        "mean_absolute_error(decode=argmax_level)"
    )
    assert metrics.pck.bind() == metrics.pck


def test_get():
    assert metrics.get("error_rate") == metrics.error_rate
    assert metrics.get("pck?threshold=0.2,0.5") == metrics.pck.bind(threshold=(0.2, 0.5))
    with pytest.raises(ValueError, match="did you mean 'error_rate'"):
        metrics.get("eror_rate")
    with pytest.raises(TypeError, match="no option 'treshold'; did you mean 'threshold'"):
        metrics.get("pck?treshold=0.2")


FOUR, CLASSES = jax.random.normal(jax.random.key(5), (4, 3)), jnp.array([0, 1, 2, 1])
FLAT = {
    "error_rate": (FOUR, CLASSES),
    "mean_absolute_error": (FOUR, CLASSES),
    "f_beta": (FOUR, CLASSES),
    "hamming_error": (FOUR, jnp.ones((4, 3), int)),
    "within_tolerance": (FOUR[:, 0], jnp.zeros(4)),
}
SMOOTH = {
    "absolute_error": (FOUR[:, 0], jnp.zeros(4)),
    "expected_calibration_error": (FOUR, CLASSES),
}


@pytest.mark.parametrize("name", [*FLAT, *SMOOTH])
def test_a_gradient_of_a_metric_that_counts_decisions_says_what_to_do(name):
    metric, (z, y) = metrics.METRICS[name], (FLAT | SMOOTH)[name]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jax.grad(lambda z: metric.mean(z, y))(z)
        jax.jit(jax.grad(lambda z: metric.mean(z, y)))(z)  # where nothing is known
        metric.mean(z, y)
    told = [str(one.message) for one in caught if issubclass(one.category, FlatMetricWarning)]
    assert len(told) == (name in FLAT)
    assert all("Train on a surrogate of it, jaxsurr.correlated_gradients(metric)" in text for text in told)


def test_direction():
    assert {name: metric.sign for name, metric in metrics.METRICS.items()} == {
        "absolute_error": 1,
        "average_precision": -1,
        "balanced_error": 1,
        "cohen_kappa": -1,
        "concordance_index": -1,
        "cost": 1,
        "edit_distance": 1,
        "error_rate": 1,
        "exact_match": -1,
        "example_cost": 1,
        "example_f_beta": -1,
        "example_regret": 1,
        "expected_calibration_error": 1,
        "f_beta": -1,
        "g_mean": -1,
        "hamming_error": 1,
        "interval_coverage": -1,
        "interval_score": 1,
        "interval_width": 1,
        "jaccard": -1,
        "label_f_beta": -1,
        "label_ranking_average_precision": -1,
        "matthews_correlation": -1,
        "mean_absolute_error": 1,
        "mean_absolute_percentage_error": 1,
        "mean_iou": -1,
        "ndcg": -1,
        "normalised_mean_error": 1,
        "partial_roc_auc": -1,
        "pck": -1,
        "pooled_token_error": 1,
        "precision_at_recall": -1,
        "quadratic_weighted_kappa": -1,
        "r2": -1,
        "recall_at_k": -1,
        "recall_at_precision": -1,
        "roc_auc": -1,
        "root_mean_squared_error": 1,
        "subset_error": 1,
        "token_error": 1,
        "top_k_error": 1,
        "within_one_level": -1,
        "within_relative_tolerance": -1,
        "within_tolerance": -1,
    }


@jaxsurr.metric(higher_is_better=False, space=spaces.real_numbers)
def minutes_late(predictions, targets):
    return jnp.abs(predictions - targets)


WAYS = {
    "called": lambda metric, z, y: metric(z, y),
    "mean": lambda metric, z, y: metric.mean(z, y),
    "compiled": lambda metric, z, y: jax.jit(metric)(z, y),
    "weighted": lambda metric, z, y: metric(z, y, where=jnp.ones(len(z))),
    "masked": lambda metric, z, y: metric(z, y, where=jnp.arange(len(z)) < 3),
    "mean of some": lambda metric, z, y: metric.mean(z, y, where=jnp.arange(len(z)) < 3),
    "differentiated": lambda metric, z, y: jax.grad(lambda z: metric.mean(z, y))(z),
    "smoothed": lambda metric, z, y: jaxsurr.smoothed_metric(metric, z, y, key=jax.random.key(0), scale=0.1),
    "learned": lambda metric, z, y: jaxsurr.correlated_gradients(metric).init(jax.random.key(0), z, y),
}
RETURNED = {  # instead of a value for each of 5 examples
    "of the set": (lambda z, y: jnp.mean(z), r"with B = 5 it returned shape \[\]. Return one .* per_example=False"),
    "of some": (lambda z, y: z[:2], r"with B = 5 it returned shape \[2\]"),
    "with one more axis": (lambda z, y: z[:, None, None], r"it returned shape \[5, 1, 1\]"),
    "a pair": (lambda z, y: (z, z), "must return a floating array, got tuple"),
    "a number": (lambda z, y: 0.5, r"with B = 5 it returned shape \[\]"),
    "nothing": (lambda z, y: None, "must return a floating array, got NoneType"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("returned", RETURNED)
def test_a_metric_of_examples_that_returns_something_else_is_refused_whoever_calls_it(returned, way):
    function, told = RETURNED[returned]
    own = jaxsurr.metric(function, higher_is_better=False, name="own")
    with pytest.raises((TypeError, ValueError), match=f"own .*{told}"):
        WAYS[way](own, jnp.zeros(5), jnp.ones(5))


@pytest.mark.parametrize("way", WAYS)
def test_a_value_for_each_pair_of_examples_is_refused(way):
    told = r"minutes_late returned \[5, 5\].*predictions are \[5, 1\], targets \[5\]"
    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match=told):
        WAYS[way](minutes_late, jnp.zeros((5, 1)), jnp.ones(5))


def test_as_many_metrics_as_examples_are_no_pairs():
    thresholds = metrics.pck.bind(threshold=(0.1, 0.2, 0.3))
    points = jnp.zeros((3, 4, 2))
    assert thresholds(points, Keypoints(points, jnp.ones((3, 4)), jnp.ones(3))).shape == (3, 3)


@pytest.mark.parametrize("make", [minutes_late.bind, functools.partial(jaxsurr.metric, abs, higher_is_better=False)])
def test_a_space_is_no_text(make):
    told = r"one of jaxsurr\.spaces, as jaxsurr\.spaces\.real_numbers, .*got 'real_numbers'"
    with pytest.raises(TypeError, match=told):
        make(space="real_numbers")


def test_own_metric_by_decorator():
    @jaxsurr.metric(higher_is_better=False, name="distance")
    def own(predictions, targets, power=1):
        """Documented."""
        return jnp.abs(predictions[:, 0] - targets) ** power

    predictions, targets = jnp.array([[3.0], [jnp.nan]]), jnp.array([1.0, 0.0])
    where = jnp.array([True, False])
    assert own.name == "distance"
    assert own.space is spaces.generic
    assert own(predictions, targets, where=where).tolist() == [2.0, 0.0]
    assert own.bind(power=2)(predictions, targets, where=where).tolist() == [4.0, 0.0]
    assert float(own.bind(power=2).mean(predictions, targets, where=where)) == 4.0 / 1


def test_own_metric_by_call():
    own = jaxsurr.metric(lambda z, y: z[:, 0] * y, higher_is_better=True, name="product", space=spaces.class_logits)
    assert own(jnp.array([[2.0, 0.0]]), jnp.array([3.0])).tolist() == [6.0]
    assert (own.name, own.sign, own.space) == ("product", -1.0, spaces.class_logits)


def test_function_with_name_and_direction_is_a_metric():
    def own(predictions, targets, *, where=None):
        return predictions[:, 0]

    own.higher_is_better = True
    made = metrics.as_metric(own)
    assert (made.name, made.higher_is_better, made.per_example) == ("own", True, True)
    assert metrics.as_metric(made) is made


def test_set_metric_with_mask():
    @jaxsurr.metric(higher_is_better=True, per_example=False)
    def f1(predictions, targets, *, where=None):
        counts = jnp.ones(len(targets)) if where is None else where.astype(jnp.float32)
        positive, true = (predictions[:, 1] > predictions[:, 0]) * counts, (targets == 1) * counts
        return 2 * jnp.sum(positive * true) / jnp.maximum(jnp.sum(positive) + jnp.sum(true), 1)

    logits, labels = class_data()
    logits, labels = logits[:, :2], labels % 2
    where = jnp.arange(300) < 200
    predicted = np.argmax(logits, axis=-1)
    assert float(f1.mean(logits, labels)) == pytest.approx(sklearn.metrics.f1_score(labels, predicted), rel=1e-6)
    assert float(f1.mean(logits, labels, where=where)) == pytest.approx(
        sklearn.metrics.f1_score(labels[:200], predicted[:200]), rel=1e-6
    )
    assert metrics.output_shape(f1, logits, labels) == ()


def test_vector_metric():
    @jaxsurr.metric(higher_is_better=False)
    def both(predictions, targets):
        return jnp.stack([jnp.abs(predictions[:, 0] - targets), jnp.sign(predictions[:, 0] - targets)], axis=-1)

    predictions, targets = jnp.array([[3.0], [1.0], [9.0]]), jnp.array([1.0, 4.0, 0.0])
    where = jnp.array([True, True, False])
    assert metrics.output_shape(both, predictions, targets) == (2,)
    assert both(predictions, targets, where=where).tolist() == [[2.0, 1.0], [3.0, -1.0], [0.0, 0.0]]
    assert both.mean(predictions, targets, where=where).tolist() == [(2 + 3) / 2, (1 - 1) / 2]


def test_masked_mean():
    values = jnp.array([1.0, 3.0, jnp.nan])
    assert float(jaxsurr.masked_mean(values, jnp.array([True, True, False]))) == (1 + 3) / 2
    assert bool(jnp.isnan(jaxsurr.masked_mean(values)))
    value, gradient = jax.value_and_grad(lambda v: jaxsurr.masked_mean(v, jnp.zeros(3, bool)))(values)
    assert float(value) == 0
    assert gradient.tolist() == [0.0, 0.0, 0.0]


# --- numbers that are hard to hold ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "size"), [(jnp.float16, 2.0**14), (jnp.float32, 2.0**120), (jnp.float32, 2.0**-100)])
def test_distances_whose_squares_no_number_holds(dtype, size):
    targets = Keypoints(jnp.zeros((1, 1, 2)), jnp.ones((1, 1)), jnp.ones(1))
    points = (jnp.array([[[3.0, 4.0]]]) * size / 4).astype(dtype)
    value, gradient = jax.value_and_grad(lambda z: jnp.sum(metrics.normalised_mean_error(z, targets)))(points)
    np.testing.assert_allclose(value, 5 / 4 * size, rtol=1e-3)
    np.testing.assert_allclose(gradient[0, 0], [3 / 5, 4 / 5], rtol=1e-3)


def test_a_nan_of_an_example_that_does_not_count_has_no_part_in_the_gradient():
    targets = Keypoints(jnp.zeros((2, 1, 2)), jnp.ones((2, 1)), jnp.ones(2))
    points = jnp.array([[[3.0, 4.0]], [[jnp.nan, jnp.inf]]])
    error = metrics.normalised_mean_error
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(error(z, targets, where=jnp.array([True, False])))))(points)
    np.testing.assert_allclose(gradient, [[[3 / 5, 4 / 5]], [[0, 0]]], rtol=1e-6)
    level = metrics.mean_absolute_error.bind(decode="expected")
    logits = jnp.array([[0.0, 0.0], [jnp.nan, 1.0]])
    labels = jnp.array([0, 1])
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(level(z, labels, where=jnp.array([True, False])))))(logits)
    np.testing.assert_allclose(gradient, [[-1 / 4, 1 / 4], [0, 0]], rtol=1e-6)
