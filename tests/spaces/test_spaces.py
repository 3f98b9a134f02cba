"""Spaces: invariances of features, units of noise, finite gradients at extremes, checks of shapes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import Durations, Keypoints, RankedLists, Sequences, metrics, spaces
from jaxsurr.spaces import class_logits, cumulative_logits, generic, keypoint_coordinates, level_logits

SCALE = jnp.float32(0.5)
LOGITS = jax.random.normal(jax.random.key(0), (12, 6))
LABELS = jnp.arange(12) % 6


def figures(batch=5, joints=4):
    keys = jax.random.split(jax.random.key(1), 3)
    points = 10 * jax.random.normal(keys[0], (batch, joints, 2))
    visible = jnp.ones((batch, joints)).at[0, 1].set(0)
    targets = Keypoints(points, visible, 1 + jax.random.uniform(keys[1], (batch,)))
    return points + jax.random.normal(keys[2], points.shape), targets


PROBLEMS = {
    "class_logits": (LOGITS, LABELS),
    "named_class_logits": (LOGITS, LABELS),
    "decision_logits": (LOGITS, LABELS),
    "level_logits": (LOGITS, LABELS),
    "cumulative_logits": (LOGITS, (jnp.arange(12) * 5) % 7),
    "level_scores": (LOGITS[:, :1], LABELS),
    "keypoint_coordinates": figures(),
    "generic": (LOGITS, LOGITS[::-1] + 1),
    "binary_scores": (LOGITS[:, 0], LABELS % 2),
    "label_logits": (LOGITS, (jnp.arange(72).reshape(12, 6) % 5 < 2).astype(jnp.int32)),
    "named_label_logits": (LOGITS, (jnp.arange(72).reshape(12, 6) % 5 < 2).astype(jnp.int32)),
    "ranked_lists": (LOGITS, RankedLists(jnp.abs(jnp.round(LOGITS[::-1])), (jnp.arange(72) % 5 > 0).reshape(12, 6))),
    "real_numbers": (LOGITS[:, 0], LOGITS[:, 1]),
    "relative_numbers": (LOGITS[:, :1], LOGITS[:, 1]),
    "number_intervals": (LOGITS[:, :2], LOGITS[:, 2]),
    "event_order": (LOGITS[:, 0], Durations(jnp.abs(LOGITS[:, 1]), LABELS % 2)),
    "example_cost_logits": (LOGITS, jnp.round(2 * LOGITS[::-1]) - 1),
    "pixel_logits": (LOGITS.reshape(4, 3, 1, 6), (LABELS - 1).reshape(4, 3, 1)),
    "token_logits": (LOGITS.reshape(4, 3, 6), Sequences(LABELS.reshape(4, 3) - 1, jnp.array([3, 0, 1, 2]))),
    "joint_token_logits": (LOGITS.reshape(4, 3, 6), Sequences(LABELS.reshape(4, 3), jnp.array([3, 0, 1, 2]))),
    "sequence_logits": (LOGITS.reshape(4, 3, 6), Sequences(LABELS.reshape(4, 3), jnp.array([3, 0, 1, 2]))),
}


@functools.partial(jax.jit, static_argnums=0)
def reads(space, predictions, targets, scale=SCALE):
    """All that a surrogate reads."""
    return space.features(predictions, targets, scale), space.margins(predictions, targets, scale)


def assert_same(got, wanted, tolerance=1e-4):
    """1e-4: features are log-sum-exps of logits of a few units over a scale of one half, in single precision."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)


# --- what every space keeps -------------------------------------------------------------------------------------------


def test_every_space_is_tested_here():
    assert set(PROBLEMS) == set(spaces.SPACES)


@pytest.mark.parametrize("name", PROBLEMS)
def test_shapes(name):
    space, (predictions, targets) = spaces.SPACES[name], PROBLEMS[name]
    space.check(predictions, targets)
    batch = len(predictions)
    unit, spread, read, fixed = jax.eval_shape(
        lambda z, y: (space.unit(z, y), space.squared_size(z, y), reads(space, z, y), space.losses(z, y, SCALE)),
        *(predictions, targets),
    )
    assert jnp.broadcast_shapes(unit.shape, predictions.shape) == predictions.shape
    assert spread.shape == (batch,)
    for values, weights in read:
        assert values.shape[:2] == weights.shape
        assert values.ndim == 3
    assert fixed.shape[0] == batch
    if space.pooled is not None:
        read = jax.jit(lambda z, y: space.pooled(z, y, SCALE, None))(predictions, targets)
        assert read.features.shape[:3] == read.label_features.shape[:3] == (*read.weights.shape, len(read.positions))
        assert bool(jnp.all((read.label_features >= 0) & (read.label_features <= 1)))


@pytest.mark.parametrize("name", PROBLEMS)
def test_projection_is_idempotent(name):
    space, (predictions, _) = spaces.SPACES[name], PROBLEMS[name]
    once = space.project(predictions)
    np.testing.assert_allclose(space.project(once), once, atol=1e-6)
    if name in (
        "class_logits",
        "level_logits",
        "pixel_logits",
        "sequence_logits",
        "token_logits",
    ):
        np.testing.assert_allclose(jnp.sum(once, axis=-1), 0, atol=1e-5)


@functools.cache
def total_and_gradient(name):
    """The sum of everything that is read, and its gradient; compiled once for a space."""
    space, (_, targets) = spaces.SPACES[name], PROBLEMS[name]

    def total(predictions):
        everything = reads(space, predictions, targets), space.losses(predictions, targets, SCALE)
        everything = everything, space.squared_size(predictions, targets)
        if space.pooled is not None:
            everything = everything, space.pooled(predictions, targets, SCALE, None)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(everything))

    return jax.jit(jax.value_and_grad(total))


@pytest.mark.parametrize("extreme", [1e4, -1e4, 0.0, "mixed"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_extremes_are_finite_and_so_are_their_gradients(name, extreme):
    predictions, _ = PROBLEMS[name]
    predictions = 1e4 * jnp.sign(predictions) if extreme == "mixed" else jnp.full_like(predictions, extreme)
    value, gradient = total_and_gradient(name)(predictions)
    assert bool(jnp.isfinite(value))
    assert bool(jnp.all(jnp.isfinite(gradient)))


def test_level_scores_may_be_shifted_by_a_level_or_reversed():
    space, (scores, levels) = spaces.level_scores, PROBLEMS["level_scores"]
    for moved in ((scores + 3, levels + 3), (-scores, -levels)):
        assert_same(reads(space, *moved), reads(space, scores, levels))
        assert_same(space.losses(*moved, SCALE), space.losses(scores, levels, SCALE))
    exact = space.squared_size(levels[:, None].astype(jnp.float32), levels)
    assert exact.tolist() == [1.0] * 12  # one level, however exact the scores are


def test_prediction_on_its_target_has_finite_gradients():
    for space, (predictions, targets) in (
        (keypoint_coordinates, (figures()[1].points, figures()[1])),
        (generic, (LOGITS, LOGITS)),
    ):
        for read in (space.features, space.margins):
            slope = jax.jit(jax.grad(lambda z, read=read, targets=targets: jnp.sum(read(z, targets, SCALE)[0])))
            gradient = slope(predictions)
            assert bool(jnp.all(jnp.isfinite(gradient)))


@pytest.mark.parametrize("name", ["class_logits", "cumulative_logits", "keypoint_coordinates"])
def test_features_are_in_units_of_the_scale(name):
    space, (predictions, targets) = spaces.SPACES[name], PROBLEMS[name]
    centre = targets.points if name == "keypoint_coordinates" else 0
    moved = centre + 8 * (predictions - centre)
    assert_same(reads(space, moved, targets, 8 * SCALE), reads(space, predictions, targets))
    np.testing.assert_allclose(
        space.squared_size(moved, targets), 64 * space.squared_size(predictions, targets), rtol=1e-4
    )


# --- class logits -----------------------------------------------------------------------------------------------------


def test_classes_a_shift_changes_nothing():
    moved = LOGITS + jnp.arange(12.0)[:, None]
    assert_same(reads(class_logits, moved, LABELS), reads(class_logits, LOGITS, LABELS))
    assert_same(class_logits.squared_size(moved, LABELS), class_logits.squared_size(LOGITS, LABELS))


def test_named_classes_are_told_apart_where_their_logits_are_alike():
    logits, labels = jnp.eye(3), jnp.arange(3)
    alike, _ = class_logits.features(logits, labels, SCALE)
    named, weights = spaces.named_class_logits.features(logits, labels, SCALE)
    assert_same(alike, jnp.broadcast_to(alike[:1], alike.shape))
    assert_same(named, jnp.concatenate([alike, jnp.eye(3)[:, None]], axis=-1))
    assert weights.shape == (3, 1)


def test_classes_a_permutation_changes_nothing():
    order = jnp.array([3, 0, 5, 1, 4, 2])
    moved = LOGITS[:, order]
    assert_same(reads(class_logits, moved, jnp.argsort(order)[LABELS]), reads(class_logits, LOGITS, LABELS))


def test_classes_the_number_of_features_does_not_depend_on_the_number_of_classes():
    many = jax.random.normal(jax.random.key(2), (12, 100))
    for few, more in zip(reads(class_logits, LOGITS, LABELS), reads(class_logits, many, LABELS), strict=True):
        assert few[0].shape == more[0].shape


def test_classes_margin_tells_right_from_wrong():
    (ramps, _), wrong = class_logits.margins(8 * LOGITS, LABELS, SCALE), jnp.argmax(LOGITS, axis=-1) != LABELS
    assert ((ramps[:, 0, 0] < 0) == wrong).all()
    assert 0 < int(jnp.sum(wrong)) < 12


def test_classes_margins_against_numpy():
    (features, _), (ramps, _) = reads(class_logits, LOGITS, LABELS)
    logits, labels = np.asarray(LOGITS, np.float64) / 0.5, LABELS.tolist()
    for row, label, got, ramp in zip(logits, labels, features[:, 0], ramps[:, 0], strict=True):
        rivals = np.delete(row, label)
        margins = {t: row[label] - t * np.log(np.sum(np.exp(rivals / t))) for t in (2.0, 1.0, 0.5, 0.25)}
        rank = np.log1p(np.sum(1 / (1 + np.exp(-1.7 * (rivals - row[label])))))
        np.testing.assert_allclose(got, [*margins.values(), rank], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(ramp, [margins[1.0], margins[0.25]], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("classes", [6, 30])
def test_decisions_are_right_where_another_class_is_the_largest(classes):
    logits = 9 * jax.random.normal(jax.random.key(3), (12, classes))
    space, decided = spaces.decision_logits, jnp.argmax(logits, axis=-1)
    (margins, weights), amplitudes = space.margins(logits, LABELS, SCALE), space.amplitudes(logits, LABELS)
    assert ((margins[..., 1] < 0) == (jnp.arange(classes)[None] == decided[:, None])).all()
    assert ((weights == 0) == (jnp.arange(classes)[None] == LABELS[:, None])).all()
    np.testing.assert_allclose(jnp.sum(weights, axis=1), 1, rtol=1e-6)
    assert amplitudes.shape == (12, classes, 36 if classes == 6 else 60)
    both = amplitudes.reshape(12, 6, 6, 6)[3, 4] if classes == 6 else amplitudes[3, 4].reshape(2, 30)
    assert both.sum() == (1 if classes == 6 else 2) and both[(3, 4) if classes == 6 else (0, 3)] == 1


# --- levels -----------------------------------------------------------------------------------------------------------


def test_levels_a_shift_changes_nothing():
    moved = LOGITS + jnp.arange(12.0)[:, None]
    assert_same(reads(level_logits, moved, LABELS), reads(level_logits, LOGITS, LABELS))


def test_levels_reversing_the_order_reverses_the_thresholds():
    reverse = reads(level_logits, LOGITS[:, ::-1], 5 - LABELS)
    for (values, weights), (wanted, _) in zip(reverse, reads(level_logits, LOGITS, LABELS), strict=True):
        assert_same(values[:, ::-1], wanted)
        assert weights.shape == (12, 5)


def test_levels_spread_is_the_way_of_a_threshold_of_the_true_level_to_its_other_side():
    logits = jnp.log(jnp.array([[0.1, 0.2, 0.3, 0.4]]))
    first = np.log(0.9 / 0.1) ** 2 / (1 + (0.2**2 + 0.3**2 + 0.4**2) / 0.9**2)
    third = np.log(0.7 / 0.3) ** 2 / ((0.4**2 + 0.3**2) / 0.7**2 + (0.2**2 + 0.1**2) / 0.3**2)
    last = np.log(0.6 / 0.4) ** 2 / (1 + (0.1**2 + 0.2**2 + 0.3**2) / 0.6**2)
    spread = jax.jit(level_logits.squared_size)(jnp.repeat(logits, 4, axis=0), jnp.arange(4))
    np.testing.assert_allclose(spread, [first, min(first, third), min(third, last), last], rtol=1e-4)


def test_levels_margins_count_the_thresholds_on_the_wrong_side():
    from jaxsurr.metrics import mean_absolute_error

    margins, weights = level_logits.margins(LOGITS, LABELS, SCALE)
    wrong = jnp.sum(weights * (margins[..., 1] < 0), axis=1)  # at temperature 1 the sign is the median's
    assert wrong.tolist() == mean_absolute_error(LOGITS, LABELS, decode="median").tolist()
    assert float(jnp.max(wrong)) >= 2


def test_cumulative_margins_count_the_thresholds_on_the_wrong_side():
    from jaxsurr.metrics import mean_absolute_error

    predictions, targets = -jnp.sort(-LOGITS, axis=1), PROBLEMS["cumulative_logits"][1]
    margins, weights = cumulative_logits.margins(predictions, targets, SCALE)
    wrong = jnp.sum(weights * (margins[..., 0] < 0), axis=1)
    assert wrong.tolist() == mean_absolute_error(predictions, targets, decode="thresholds").tolist()


# --- labels -----------------------------------------------------------------------------------------------------------


def test_labels_features_against_numpy():
    predictions, targets = PROBLEMS["label_logits"]
    (features, weights), (margins, _) = reads(spaces.label_logits, predictions, targets)
    assert float(jnp.sum(weights[0])) == pytest.approx(1)
    logits, there = np.asarray(predictions, np.float64) / 0.5, np.asarray(targets)
    for row, labels, got, margin in zip(logits, there, features, margins[..., 0], strict=True):
        signed = np.where(labels == 1, row, -row)
        np.testing.assert_allclose(margin, signed, rtol=1e-5)
        for k in range(6):
            other = np.delete(np.arange(6), k)
            worst = -np.log(np.sum(np.exp(-signed[other])) + np.exp(-8))
            ahead = 1 / (1 + np.exp(-1.7 * (row[other] - row[k])))
            ranks = [np.log1p(np.sum(ahead[labels[other] == side])) for side in (1, 0)]
            expected = [signed[k], 2 * labels[k] - 1, worst, *ranks, np.mean(labels)]
            np.testing.assert_allclose(got[k], expected, rtol=1e-4, atol=1e-4)


def test_labels_are_alike_unless_they_have_names():
    order = jnp.array([3, 0, 5, 1, 4, 2])
    predictions, targets = PROBLEMS["label_logits"]
    for moved, wanted in zip(
        reads(spaces.label_logits, predictions[:, order], targets[:, order]),
        reads(spaces.label_logits, predictions, targets),
        strict=True,
    ):
        assert_same(moved[0], wanted[0][:, order])
    named, _ = spaces.named_label_logits.features(predictions, targets, SCALE)
    assert named.shape == (12, 6, 6 + 2 * 6)
    assert_same(named[..., 6:12], jnp.broadcast_to(jnp.eye(6)[None], (12, 6, 6)))
    assert_same(named[..., 12:], jnp.eye(6)[None] * targets[..., None])


def test_labels_margins_count_the_labels_on_the_wrong_side():
    predictions, targets = PROBLEMS["label_logits"]
    margins, weights = spaces.label_logits.margins(predictions, targets, SCALE)
    wrong = jnp.sum(weights * (margins[..., 0] < 0), axis=1)
    np.testing.assert_allclose(wrong, metrics.hamming_error(predictions, targets), rtol=1e-6)


# --- points -----------------------------------------------------------------------------------------------------------


def moved_together(transform, factor=1.0):
    predictions, targets = figures()
    return transform(predictions), Keypoints(transform(targets.points), targets.visible, factor * targets.scale)


@pytest.mark.parametrize(
    "moved",
    [
        moved_together(lambda p: jnp.stack([0.6 * p[..., 0] - 0.8 * p[..., 1], 0.8 * p[..., 0] + 0.6 * p[..., 1]], -1)),
        moved_together(lambda p: p + jnp.array([3.0, -7.0])[None, None]),
        moved_together(lambda p: 4 * p, 4.0),
    ],
    ids=["rotation", "translation", "scaling"],
)
def test_keypoints_moving_prediction_and_target_together_changes_nothing(moved):
    assert_same(reads(keypoint_coordinates, *moved), reads(keypoint_coordinates, *figures()))
    assert_same(keypoint_coordinates.squared_size(*moved), keypoint_coordinates.squared_size(*figures()))


def test_keypoints_that_are_not_visible_have_no_weight_and_no_noise():
    predictions, targets = figures()
    for _, weights in reads(keypoint_coordinates, predictions, targets):
        np.testing.assert_allclose(weights[0], [1 / 3, 0, 1 / 3, 1 / 3], rtol=1e-6)
        np.testing.assert_allclose(weights[1], [1 / 4] * 4, rtol=1e-6)
    unit = jnp.broadcast_to(keypoint_coordinates.unit(predictions, targets), predictions.shape)
    assert unit[0, 1].tolist() == [0, 0]
    np.testing.assert_allclose(unit[1], jnp.full((4, 2), targets.scale[1]), rtol=1e-6)


# --- generic ----------------------------------------------------------------------------------------------------------


def test_generic_reads_all_leaves_of_the_targets():
    targets = {"a": jnp.ones((12, 2, 2)), "b": jnp.arange(12)}
    features, _ = generic.features(LOGITS, targets, SCALE)
    assert features.shape == (12, 1, 6 + 4 + 1)
    assert features[:, 0, -1].tolist() == list(range(12))
    with pytest.raises(ValueError, match="family='network'"):
        generic.margins(LOGITS, targets, SCALE)
    with pytest.raises(ValueError, match="family='network'"):
        generic.losses(LOGITS, targets, SCALE)
