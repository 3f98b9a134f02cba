"""What does not count is not read, and what is wrong is never plausible: every loss and every metric.

Rows that are masked, points that are not visible, items that are absent, tokens beyond the end and pixels that are
ignored hold NaN, infinities and labels out of range; values and gradients are as if they held zeros. Labels that count
and are out of range are refused, or NaN where they are traced. Half precision, strict promotion and double precision
give what single precision gives. All for what is in `losses.LOSSES` and `metrics.METRICS`, with other decodings.
"""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import Durations, Keypoints, RankedLists, Sequences, losses, metrics, spaces
from jaxsurr.core import reading
from jaxsurr.metrics import decoding
from jaxsurr.spaces import binary_scores
from tests.long.properties import space_of

BATCH, RUBBISH = 5, np.array([np.nan, np.inf, -np.inf, 1e30], np.float32)
MASK = np.array([True, True, False, True, False])
TWO_CLASSES = (
    *("auc_margin", "pairwise_auc", "smooth_average_precision", "roc_auc", "average_precision"),
    *("partial_roc_auc", "precision_at_recall", "recall_at_precision"),
)


def of_spec(spec):
    return f"metric {spec}", metrics.get(spec)


SUBJECTS = {f"loss {name}": loss for name, loss in losses.LOSSES.items()}
SUBJECTS |= dict(of_spec(name) for name in metrics.METRICS)
SUBJECTS |= dict(
    of_spec(spec)
    for spec in (
        "mean_absolute_error?decode=expected",
        "mean_absolute_error?decode=thresholds",
        "mean_absolute_error?decode=rounded&levels=5",
        "quadratic_weighted_kappa?decode=expected",
        "pck?threshold=0.2,0.5",
        "ndcg?average_ties=true",
        "ndcg?exponential=false",
        "edit_distance?blank=0",
        "edit_distance?end=1",
        "f_beta?average=weighted",
        "cost?decode=expected",
        "label_f_beta?average=micro",
    )
)
SUBJECTS["loss soft_f_beta of scores"] = losses.soft_f_beta
SUBJECTS["metric roc_auc of scores"] = metrics.roc_auc.bind(space=binary_scores)
SUBJECTS["metric f_beta of scores"] = metrics.f_beta.bind(space=binary_scores)
SUBJECTS["metric error_rate of scores"] = metrics.error_rate.bind(space=binary_scores)
SUBJECTS["metric expected_calibration_error of scores"] = metrics.expected_calibration_error.bind(space=binary_scores)
STEPS = ("token_logits", "joint_token_logits")
SETS = (
    *("auc_margin", "pairwise_auc", "smooth_average_precision", "soft_f_beta", "soft_label_f_beta"),
    *("loss quadratic_weighted_kappa", "cox", "pairwise_concordance"),
)


def kind_of(subject):
    """The kind of predictions and targets that fit it."""
    if subject.endswith("of scores"):
        return "binary_scores"
    name, function = subject.split("?")[0].split(" ")[1], SUBJECTS[subject]
    if name in TWO_CLASSES:
        return "two_classes"
    if isinstance(function, jaxsurr.Metric):
        return function.space.name
    return space_of(name)


SHAPES = {
    "class_logits": (5,),
    "decision_logits": (5,),
    "label_logits": (5,),
    "level_logits": (5,),
    "cumulative_logits": (4,),
    "two_classes": (2,),
    "binary_scores": (),
    "level_scores": (1,),
    "keypoint_coordinates": (4, 2),
    "heatmaps": (4, 5, 6),
    "ranked_lists": (6,),
    "pixel_logits": (3, 2, 5),
    "sequence_logits": (4, 5),
    "token_logits": (4, 5),
    "joint_token_logits": (4, 5),
    "real_numbers": (),
    "relative_numbers": (1,),
    "number_intervals": (2,),
    "event_order": (),
}


def sound(kind, seed):
    """Predictions and targets of which all counts that the targets say is there; zeros elsewhere.

    Those of a space without an entry in `SHAPES` are random, of its `sample`.
    """
    if kind not in SHAPES:
        return jax.tree.map(np.array, jaxsurr.sample(spaces.SPACES[kind], jax.random.key(seed), BATCH, 5))
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (BATCH, *SHAPES[kind])).astype(np.float32)
    if kind in ("keypoint_coordinates", "heatmaps"):
        visible = (rng.random((BATCH, 4)) < 0.7).astype(np.float32)
        points = rng.uniform(0, 5, (BATCH, 4, 2)).astype(np.float32) * visible[..., None]
        scale = np.where(visible.any(axis=1), rng.uniform(1, 3, BATCH), 1).astype(np.float32)
        return z * visible.reshape(visible.shape + (1,) * (z.ndim - 2)), Keypoints(points, visible, scale)
    if kind == "ranked_lists":
        items = (rng.random((BATCH, 6)) < 0.8).astype(np.float32)
        return z * items, RankedLists(rng.integers(0, 4, (BATCH, 6)).astype(np.float32) * items, items)
    if kind == "label_logits":
        return z, rng.integers(0, 2, z.shape).astype(np.int32)
    if kind == "pixel_logits":
        labels = rng.integers(-1, 5, (BATCH, 3, 2)).astype(np.int32)
        return z * (labels >= 0)[..., None], labels
    if kind in STEPS:
        lengths = rng.integers(0, 5, BATCH).astype(np.int32)
        within = np.arange(4) < lengths[:, None]
        tokens = np.where(within, rng.integers(-1, 5, (BATCH, 4)), 0).astype(np.int32)
        return z * (within & (tokens >= 0))[..., None], Sequences(tokens, lengths)
    if kind == "sequence_logits":
        lengths = rng.integers(0, 5, BATCH).astype(np.int32)
        tokens = rng.integers(0, 5, (BATCH, 4)).astype(np.int32) * (np.arange(4) < lengths[:, None])
        return z, Sequences(tokens.astype(np.int32), lengths)
    if kind in ("real_numbers", "relative_numbers", "number_intervals"):
        return z, rng.normal(1, 2, BATCH).astype(np.float32)
    if kind == "event_order":
        return z, Durations(rng.exponential(2, BATCH).astype(np.float32), (np.arange(BATCH) < 4).astype(np.float32))
    return z, rng.integers(0, 2 if kind in ("two_classes", "binary_scores") else 5, BATCH).astype(np.int32)


def rows(array, where):
    return np.asarray(where).reshape(np.shape(where) + (1,) * (array.ndim - np.ndim(where)))


def present(kind, predictions, targets, where):
    """Where a prediction counts."""
    here = where
    if isinstance(targets, Keypoints):
        here = where[:, None] & (targets.visible > 0)
    elif isinstance(targets, RankedLists):
        here = where[:, None] & (targets.items > 0)
    elif kind == "pixel_logits":
        here = where[:, None, None] & (targets >= 0)
    elif kind in STEPS:
        here = where[:, None] & (np.arange(4) < targets.lengths[:, None]) & (targets.tokens >= 0)
    return np.broadcast_to(rows(predictions, here), predictions.shape)


def zeroed(kind, predictions, targets, where):
    """The same, with zeros where rows are masked (and scales of 1)."""
    keep = jax.tree.map(lambda leaf: np.where(rows(leaf, where), leaf, 0).astype(leaf.dtype), (predictions, targets))
    if isinstance(targets, Keypoints):
        keep = keep[0], keep[1]._replace(scale=np.where(where, targets.scale, 1).astype(np.float32))
    return keep


def spoilt(kind, predictions, targets, where, seed):
    """The same, with rubbish wherever nothing counts."""
    rng = np.random.default_rng(seed)

    def put(array, here, values):
        values = np.asarray(values).astype(array.dtype)
        return np.where(np.broadcast_to(rows(array, here), array.shape), array, rng.choice(values, array.shape))

    numbers = put(predictions, present(kind, predictions, targets, where), RUBBISH)
    if isinstance(targets, Keypoints):
        seen = where[:, None] & (targets.visible > 0)
        targets = Keypoints(
            put(targets.points, seen, RUBBISH),
            put(targets.visible, where, RUBBISH),
            put(targets.scale, seen.any(axis=1), [0, -1, *RUBBISH]),
        )
    elif isinstance(targets, RankedLists):
        here = where[:, None] & (targets.items > 0)
        targets = RankedLists(put(targets.relevance, here, [-3, *RUBBISH]), put(targets.items, where, RUBBISH))
    elif isinstance(targets, Sequences):
        within = where[:, None] & (np.arange(4) < targets.lengths[:, None])
        targets = Sequences(
            put(targets.tokens, within, [-5, 10**6]), put(targets.lengths, where, [-3, 99, np.iinfo(np.int32).max])
        )
    elif isinstance(targets, Durations):
        targets = Durations(put(targets.time, where, [-3, *RUBBISH]), put(targets.event, where, [2, *RUBBISH]))
    elif targets.dtype == np.float32:
        targets = put(targets, where, RUBBISH)
    elif kind == "pixel_logits":
        ignored = np.where(targets < 0, rng.choice([-1, -100], targets.shape), targets).astype(np.int32)
        targets = put(ignored, where, [-1, 255, 10**6])
    else:
        targets = put(targets, where, [-1, 10**6, np.iinfo(np.int32).min])
    return numbers, targets


@functools.cache
def compiled(subject):
    """Values and gradient of their sum, of predictions, targets and mask."""

    def summed(z, y, w):
        values = SUBJECTS[subject](z, y, where=w)
        return jnp.sum(values), values

    return jax.jit(jax.grad(summed, has_aux=True)), jax.grad(summed, has_aux=True)


def arrays(tree):
    return jax.tree.map(jnp.asarray, tree)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_does_not_count_may_hold_anything(subject):
    kind, (run, run_outside_jit) = kind_of(subject), compiled(subject)
    for seed, where in enumerate((MASK, np.ones(BATCH, bool), np.zeros(BATCH, bool), ~MASK)):
        inputs = sound(kind, seed)
        expected = run(*arrays(zeroed(kind, *inputs, where)), where)
        rubbish = arrays(spoilt(kind, *inputs, where, seed))
        gradient, values = run(*rubbish, where)
        np.testing.assert_array_equal(values, expected[1])
        np.testing.assert_array_equal(gradient, expected[0])
        assert np.isfinite(values).all() and np.isfinite(gradient).all()
        assert not np.any(np.asarray(gradient)[~present(kind, *inputs, where)])
        if seed == 0:  # outside jit neither labels nor scales of what does not count are refused
            gradient, values = run_outside_jit(*rubbish, where)
            np.testing.assert_allclose(values, expected[1], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(gradient, expected[0], rtol=1e-4, atol=1e-5)


def out_of_range(kind, targets):
    """Targets with something that counts out of range in the second example, in several ways."""

    def changed(array, index, value):
        array = np.array(array)
        array[index] = value
        return array

    if isinstance(targets, Keypoints):
        seen = targets._replace(visible=changed(targets.visible, (1, 0), 1))
        yield from (seen._replace(scale=changed(seen.scale, 1, scale)) for scale in (0, -1, np.nan, np.inf))
        yield from (seen._replace(points=changed(seen.points, (1, 0), value)) for value in (np.nan, np.inf))
    elif isinstance(targets, RankedLists):
        there = targets._replace(items=changed(targets.items, (1, 0), 1))
        yield from (there._replace(relevance=changed(there.relevance, (1, 0), value)) for value in (-1, np.nan, np.inf))
    elif isinstance(targets, Sequences):
        yield from (targets._replace(lengths=changed(targets.lengths, 1, length)) for length in (-1, 5))
        there = targets._replace(lengths=changed(targets.lengths, 1, 2))
        wrong = (5, 10**6) if kind in STEPS else (-1, 5)
        yield from (there._replace(tokens=changed(there.tokens, (1, 0), token)) for token in wrong)
    elif kind == "label_logits":
        yield from (changed(targets, (1, 0), label) for label in (-1, 2, 10**6))
    elif isinstance(targets, Durations):
        yield from (targets._replace(time=changed(targets.time, 1, time)) for time in (-1, np.nan, np.inf))
        yield from (targets._replace(event=changed(targets.event, 1, event)) for event in (2, np.nan))
    elif targets.dtype == np.float32:
        yield from (changed(targets, 1, value) for value in (np.nan, np.inf, -np.inf))
    elif kind == "pixel_logits":
        yield from (changed(targets, (1, 0, 0), label) for label in (5, 255))
    else:
        count = 2 if kind in ("two_classes", "binary_scores") else 5
        yield from (changed(targets, 1, label) for label in (-1, count, -7, 10**6))


@pytest.mark.parametrize(
    "subject",
    [s for s in SUBJECTS if s not in ("loss absolute_error", "loss squared_error")],  # any level is one
)
def test_targets_out_of_range_are_refused_or_give_nan(subject):
    kind, (run, _) = kind_of(subject), compiled(subject)
    predictions, targets = sound(kind, 7)
    everyone, without = np.ones(BATCH, bool), np.arange(BATCH) != 1
    right = run(*arrays((predictions, targets)), everyone)[1]
    for wrong in out_of_range(kind, targets):
        of_set = right.ndim == 0 or any(name in subject for name in SETS)
        values = np.asarray(run(*arrays((predictions, wrong)), everyone)[1])
        assert np.isnan(values if of_set else values[1]).all(), wrong
        if not of_set:
            np.testing.assert_array_equal(np.delete(values, 1, axis=0), np.delete(right, 1, axis=0))
        assert np.isfinite(run(*arrays((predictions, wrong)), without)[1]).all()
        with pytest.raises(ValueError, match=r"targets(\.\w+)? (must be|must lie|hold)"):
            SUBJECTS[subject](*arrays((predictions, wrong)))


def test_a_wrong_label_has_a_gradient_that_is_not_a_number():
    gradient = jax.jit(jax.grad(lambda z, y: losses.cross_entropy(z, y).sum()))(jnp.zeros((2, 3)), jnp.array([1, 3]))
    assert np.isfinite(gradient[0]).all() and np.isnan(gradient[1]).all()


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.int8, jnp.int16])
def test_labels_of_few_bits_are_compared_with_the_number_of_classes(dtype):
    z = jnp.zeros((2, 300)).at[:, 3].set(1.0)
    assert jax.jit(metrics.error_rate)(z, jnp.array([3, 7], dtype)).tolist() == [0.0, 1.0]
    few = jax.jit(losses.cross_entropy)(z[:, :5], jnp.array([3, 7], dtype))
    assert np.isfinite(few[0]) and np.isnan(few[1])


# --- metrics of the user's own ----------------------------------------------------------------------------------------


def test_own_metrics_find_zeros_where_nothing_counts():
    def masked(z, y, *, where=None):
        return jnp.sqrt(jnp.sum((z - y.points) ** 2, axis=(1, 2)) + 1) / y.scale

    def unmasked(z, y):
        return masked(z, y)

    def of_set(z, y, *, where=None):
        return jnp.sum(jnp.where(where, masked(z, y), 0))

    inputs = sound("keypoint_coordinates", 3)
    rubbish, zeros = arrays(spoilt("", *inputs, MASK, 3)), arrays(zeroed("", *inputs, MASK))
    for function in (masked, unmasked, of_set):
        own = jaxsurr.metric(function, higher_is_better=False, per_example=function is not of_set)
        for transform in (lambda f: f, jax.jit):
            run = transform(jax.value_and_grad(lambda z, y, own=own: jnp.sum(own(z, y, where=MASK))))
            for got, expected in zip(jax.tree.leaves(run(*rubbish)), jax.tree.leaves(run(*zeros)), strict=True):
                np.testing.assert_allclose(got, expected, rtol=1e-6)
                assert np.isfinite(got).all()


@pytest.mark.parametrize("subject", [s for s, f in SUBJECTS.items() if getattr(f, "replaces", False)])
def test_weights_and_replacements_of_masked_rows_may_hold_anything(subject):
    kind, metric = kind_of(subject), SUBJECTS[subject]
    inputs, (other, _) = sound(kind, 0), sound(kind, 1)
    rubbish, zeros = arrays(spoilt(kind, *inputs, MASK, 0)), arrays(zeroed(kind, *inputs, MASK))
    weights = np.where(MASK, 0.5, np.nan).astype(np.float32)
    np.testing.assert_array_equal(
        metric(*rubbish, where=MASK, weights=weights), metric(*zeros, where=MASK, weights=np.full(BATCH, 0.5))
    )
    bad = np.where(rows(other, MASK), other, np.nan).astype(np.float32)
    found = metric(*rubbish, where=MASK, replacements=bad)
    wanted = metric(*zeros, where=MASK, replacements=jnp.asarray(other))
    np.testing.assert_array_equal(found, wanted)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("subject", [s for s, f in SUBJECTS.items() if getattr(f, "replaces", False)])
def test_weights_out_of_range_are_refused_or_give_nan(subject):
    predictions, targets = arrays(sound(kind_of(subject), 0))
    run = jax.jit(lambda weights: SUBJECTS[subject](predictions, targets, weights=weights))
    assert np.isfinite(run(jnp.ones(BATCH)))
    for value in (-0.5, jnp.nan, jnp.inf):
        weights = jnp.ones(BATCH).at[1].set(value)
        assert np.isnan(run(weights))
        with pytest.raises(ValueError, match="weights must be finite numbers of at least 0"):
            SUBJECTS[subject](predictions, targets, weights=weights)


@pytest.mark.parametrize("per_example", [True, False])
def test_a_black_box_gives_nan_for_labels_out_of_range_in_jit(per_example):
    def right(labels, decided):
        return (labels == decided).astype(float) if per_example else np.mean(labels == decided)

    box = metrics.black_box(right, higher_is_better=True, decode="argmax", per_example=per_example)
    run = jax.jit(lambda y, w: box(jnp.eye(3), y, where=w))
    assert np.isnan(run(jnp.array([0, 3, 2]), np.ones(3, bool))).tolist() == (
        [False, True, False] if per_example else True
    )
    left = run(jnp.array([0, 3, 2]), np.array([True, False, True]))
    assert left.tolist() == ([1.0, 0.0, 1.0] if per_example else 1.0)


# --- dtypes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", SUBJECTS)
def test_half_precision_is_computed_in_single_precision(subject):
    kind, (run, _) = kind_of(subject), compiled(subject)
    predictions, targets = arrays(sound(kind, 5))
    halves = predictions.astype(jnp.bfloat16)
    gradient, values = run(halves, targets, MASK)
    expected = run(halves.astype(jnp.float32), targets, MASK)
    assert (values.dtype, gradient.dtype) == (jnp.float32, jnp.bfloat16)
    np.testing.assert_allclose(values, expected[1], rtol=1e-5, atol=1e-6)
    # bfloat16 keeps 8 bits.
    np.testing.assert_allclose(gradient.astype(jnp.float32), expected[0], rtol=2**-7, atol=1e-5)


LEVELS = [
    s for s in SUBJECTS if kind_of(s) in ("class_logits", "level_logits", "cumulative_logits") and "levels=" not in s
]


@pytest.mark.parametrize("subject", LEVELS)
def test_levels_beyond_what_half_precision_can_count(subject):
    logits = jax.random.normal(jax.random.key(0), (BATCH, 700), jnp.bfloat16)
    labels = jnp.array([0, 255, 301, 523, 699])
    got, wanted = (jax.jit(SUBJECTS[subject])(z, labels) for z in (logits, logits.astype(jnp.float32)))
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_levels_and_places_are_decoded_in_single_precision(dtype):
    logits = jax.random.normal(jax.random.key(0), (BATCH, 700), dtype)
    for name in ("argmax", "median", "expected", "thresholds"):
        decoder = decoding.get(name)
        np.testing.assert_array_equal(decoder(logits), decoder(logits.astype(jnp.float32)))
    assert losses.squared_error(jnp.zeros((1, 1), dtype), jnp.array([301])).tolist() == [301.0**2]
    assert np.isfinite(losses.quadratic_weighted_kappa(logits, jnp.arange(BATCH) * 170)).all()
    far = jnp.zeros((1, 2, 600), dtype).at[0, 1, 513].set(100)
    assert decoding.soft_argmax(far).tolist() == [[513.0, 1.0]]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_strict_promotion_and_double_precision(subject):
    kind = kind_of(subject)
    predictions, targets = sound(kind, 5)
    halves, whole = (jnp.bfloat16, jnp.float16, jnp.float32, jnp.float64), (np.uint8, np.int64, np.int32, np.int64)
    if kind == "pixel_logits":
        whole = (np.int8, np.int64, np.int32, np.int64)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for floats, integers in zip(halves, whole, strict=True):
            spoken = jax.tree.map(
                lambda leaf, i=integers: jnp.asarray(leaf.astype(i if leaf.dtype == np.int32 else leaf.dtype)), targets
            )
            z = jnp.asarray(predictions).astype(floats)
            _, function = compiled(subject)
            gradient, values = jax.eval_shape(function, z, spoken, jnp.asarray(MASK))
            assert gradient.dtype == floats
            assert values.dtype in (jnp.float32, jnp.float64 if floats == jnp.float64 else jnp.float32)
            if floats == jnp.bfloat16:
                jax.eval_shape(SUBJECTS[subject], z, spoken)
        value = jax.jit(SUBJECTS[subject])(z, spoken)  # in double precision
    expected = compiled(subject)[0](*arrays((predictions, targets)), np.ones(BATCH, bool))[1]
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


# --- what is ruled out ------------------------------------------------------------------------------------------------


SOFT = ("loss label_smoothing", "loss sord")


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if kind_of(s) in ("class_logits", "level_logits")])
def test_a_class_of_minus_infinity_is_one_that_is_ruled_out(subject):
    predictions, targets = sound("class_logits", 2)
    targets = targets % 4
    run, _ = compiled(subject)
    far, infinite = (
        run(*arrays((np.where(np.arange(5) < 4, predictions, low), targets)), MASK) for low in (-1e9, -np.inf)
    )
    if subject in SOFT:  # a share of the target is where it cannot be
        assert np.isinf(infinite[1][MASK]).all()
        with pytest.raises(ValueError, match=r"predictions rule a class out, -inf at index \(0, 4\)"):
            SUBJECTS[subject](jnp.asarray(predictions).at[:, 4].set(-jnp.inf), jnp.asarray(targets))
        return
    for one, other in zip(infinite, far, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_smoothing_of_nothing_is_cross_entropy_also_of_classes_that_are_ruled_out():
    z, y = jnp.array([[1.0, 0.0, -jnp.inf]]), jnp.array([0])
    value, gradient = jax.value_and_grad(lambda z: losses.label_smoothing(z, y, smoothing=0.0).sum())(z)
    np.testing.assert_allclose(value, losses.cross_entropy(z, y)[0], rtol=1e-6)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if kind_of(s) == "ranked_lists"])
def test_an_item_of_minus_infinity_comes_last_among_the_items(subject):
    targets = RankedLists(jnp.array([[0.0, 2.0, 0, 1], [0, 3, 0, 0]]), jnp.array([[0.0, 1, 1, 1], [0, 1, 0, 0]]))
    run = jax.jit(jax.grad(lambda z: (lambda v: (jnp.sum(v), v))(SUBJECTS[subject](z, targets)), has_aux=True))
    infinite, far = (run(jnp.array([[0.0, 1.0, low, 0.5], [0.0, low, 0.0, 0.0]])) for low in (-jnp.inf, -1e30))
    if "list_softmax" in subject:  # a list that consists of what is impossible
        infinite, far = (tuple(part[:1] for part in one) for one in (infinite, far))
    for one, other in zip(infinite, far, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    if isinstance(SUBJECTS[subject], jaxsurr.Metric):
        assert infinite[1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if kind_of(s) == "two_classes"])
def test_scores_that_are_infinite_on_the_right_side(subject):
    labels = jnp.array([1, 1, 0, 0, 1])
    scores = jnp.array([jnp.inf, jnp.inf, -jnp.inf, -jnp.inf, 2.0])
    value, gradient = jax.value_and_grad(lambda z: jnp.sum(SUBJECTS[subject](z, labels)))(scores)
    far, _ = jax.value_and_grad(lambda z: jnp.sum(SUBJECTS[subject](z, labels)))(jnp.clip(scores, -1e6, 1e6))
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(value, far, rtol=1e-6)


@pytest.mark.parametrize("name", ["or_cnn", "coral", "corn"])
def test_thresholds_that_are_certain(name):
    z, y = jnp.array([[jnp.inf, jnp.inf, -jnp.inf, 0.5]]), jnp.array([2])
    value, gradient = jax.value_and_grad(lambda z: losses.get(name)(z, y).sum())(z)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(value, 0 if name == "corn" else np.log1p(np.exp(0.5)), rtol=1e-6)


def test_median_of_plus_infinity():
    assert decoding.median_level(jnp.array([[0, 0, jnp.inf], [jnp.inf, 0, jnp.inf]])).tolist() == [2.0, 0.0]
    assert metrics.mean_absolute_error(jnp.array([[0, 0, jnp.inf]]), jnp.array([2])).tolist() == [0.0]


@pytest.mark.parametrize("largest", [100, 127, 128, 150, 1000, 10**6])
def test_relevance_that_is_counted(largest):
    relevance = np.array([largest, largest - 1, 3, 0, largest - 30], np.float64)
    scores = np.array([0.3, 2.0, 1.0, 0.1, -1.0])
    targets = RankedLists(jnp.asarray(relevance[None], jnp.float32), jnp.ones((1, 5)))
    gains = 2.0 ** (relevance - largest) - 2.0 ** -min(largest, 1000)
    discounts = 1 / np.log2(np.arange(5) + 2)
    expected = np.sum(gains[np.argsort(-scores)] * discounts) / np.sum(np.sort(gains)[::-1] * discounts)
    np.testing.assert_allclose(metrics.ndcg(jnp.asarray(scores[None]), targets), [expected], rtol=1e-5)
    log_share = scores - np.log(np.sum(np.exp(scores)))
    np.testing.assert_allclose(
        losses.list_softmax(jnp.asarray(scores[None]), targets), [-np.sum(gains * log_share) / np.sum(gains)], rtol=1e-5
    )


# --- options ----------------------------------------------------------------------------------------------------------


NO_NUMBERS = (float("nan"), float("inf"), -1.0, "0.5", True, 10**400, [0.5])
MAY_BE_ZERO = ("clip", "empty", "gamma", "gamma_negative", "gamma_positive", "smoothing", "relevant")
NOT_OPTIONS = ("where", "weights", "replacements", "axis_name")
PLAIN = {s: f for s, f in SUBJECTS.items() if "?" not in s and " of " not in s}


def options_of(function):
    function = function.function if isinstance(function, jaxsurr.Metric) else function
    return {
        name: parameter.default
        for name, parameter in list(inspect.signature(function).parameters.items())[2:]
        if name not in NOT_OPTIONS
    }


def refused(name, default):
    """Values that an option of this name and default must refuse."""
    if isinstance(default, bool):
        return "yes", 1, float("nan"), None
    if isinstance(default, str):
        return "nonsense", 1, float("nan"), None
    if default is None:  # an integer, or nothing
        return -1, 2.5, *NO_NUMBERS
    if isinstance(default, int):
        return 0, 2.5, None, *(value for value in NO_NUMBERS if name != "k" or value != 10**400)
    return None, *NO_NUMBERS, *(() if name in MAY_BE_ZERO else (0, 0.0))


OPTIONS = [(subject, name) for subject, function in PLAIN.items() for name in options_of(function)]


@pytest.mark.parametrize(("subject", "name"), OPTIONS)
def test_options_out_of_range_are_refused(subject, name):
    predictions, targets = arrays(sound(kind_of(subject), 0))
    for value in refused(name, options_of(PLAIN[subject])[name]):
        if name == "threshold" and value == [0.5]:
            continue
        with pytest.raises(ValueError, match=name):
            PLAIN[subject](predictions, targets, **{name: value})


@pytest.mark.parametrize(
    ("subject", "name"), [(s, name) for s, name in OPTIONS if isinstance(options_of(PLAIN[s])[name], float)]
)
def test_numbers_may_be_traced(subject, name):
    predictions, targets = arrays(sound(kind_of(subject), 0))
    default = options_of(PLAIN[subject])[name]
    result = jax.jit(lambda value: PLAIN[subject](predictions, targets, **{name: value}))(default)
    np.testing.assert_allclose(result, PLAIN[subject](predictions, targets), rtol=1e-4, atol=1e-6)


# --- messages ---------------------------------------------------------------------------------------------------------


Z, Y = jnp.ones((4, 3)), jnp.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: metrics.top_k_error(jnp.ones(4), Y % 2), ValueError, r"one logit .* error_rate.bind\(space="),
        (lambda: losses.cross_entropy(jnp.ones((4, 1)), Y % 2), ValueError, "Its loss is binary_cross_entropy"),
        (lambda: losses.cross_entropy(Z, jax.nn.one_hot(Y, 3)), TypeError, r"one-hot labels: pass targets.argmax"),
        (lambda: losses.cross_entropy(Z, jax.nn.one_hot(Y, 3, dtype=int)), ValueError, r"one-hot .* targets.argmax"),
        (lambda: metrics.roc_auc(Z[:, :2], Y > 0), TypeError, r"Pass targets.astype\(int\)"),
        (lambda: losses.focal(jnp.ones((2, 3, 4)), jnp.zeros((2, 3), int)), ValueError, r"reshape\(-1, K\) .* where="),
        (lambda: metrics.f_beta.bind(weights=jnp.ones(4)), TypeError, "weights is an array .* into the targets"),
        (lambda: metrics.get("accuracy"), ValueError, "1 - accuracy is error_rate"),
        (lambda: metrics.get("F1-score"), ValueError, "f_beta"),
        (lambda: metrics.get("auc"), ValueError, "that is roc_auc"),
        (lambda: losses.get("BCE"), ValueError, "or_cnn"),
        (lambda: losses.get("HuberLoss"), ValueError, "of numbers it is huber, of points smooth_l1"),
        (lambda: metrics.as_metric("eror_rate"), ValueError, "did you mean 'error_rate'"),
    ],
)
def test_messages_say_what_to_do(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()


def test_other_words_speak_of_names_that_there_are():
    from jaxsurr.losses.words import MEANT as OF_LOSSES
    from jaxsurr.metrics.words import MEANT as OF_METRICS

    also = dict.fromkeys(("losses.cross_entropy", "losses.pinball"))
    for meant, known in ((OF_LOSSES, losses.LOSSES), (OF_METRICS, {**metrics.METRICS, **also})):
        assert not set(meant) & set(known)
        for sentence in meant.values():
            assert any(name in sentence for name in known), sentence


def test_a_name_is_a_metric_and_a_numpy_function_is_told_of_black_boxes():
    assert metrics.as_metric("pck?threshold=0.2") == metrics.pck.bind(threshold=0.2)
    own = jaxsurr.metric(lambda z, y: np.asarray(z)[:, 0] + np.asarray(y), higher_is_better=False, name="mine")
    assert own(Z, Y).tolist() == [1.0, 2.0, 3.0, 1.0]
    with pytest.raises(TypeError, match=r"mine cannot be traced .* jaxsurr.metrics.black_box\(function"):
        metrics.output_shape(own, Z, Y)


def test_what_has_no_row_for_each_example_is_left_alone():
    predictions, targets = reading.counted(Z, {"labels": Y, "costs": jnp.ones((3, 3))}, jnp.array([True, False] * 2))
    assert targets["labels"].tolist() == [0, 0, 2, 0] and targets["costs"].tolist() == [[1.0] * 3] * 3
    assert predictions[:, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
