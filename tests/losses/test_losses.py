"""Losses against values written as arithmetic, finite gradients, masks, and refusals."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
from jax.test_util import check_grads

from jaxsurr import Keypoints, losses, models
from jaxsurr.metrics import decoding
from jaxsurr.training.config import CONVENTIONAL
from jaxsurr.training.kinds import LOSS_HEADS, LOSS_KINDS

LOGITS = 2 * jax.random.normal(jax.random.key(0), (9, 5))
LABELS = jnp.arange(9) % 5
SEVERAL = (jax.random.normal(jax.random.key(3), (9, 5)) > 0.3).astype(jnp.int32)  # labels
SHARES = scipy.special.softmax(np.asarray(LOGITS, np.float64), axis=1)
OF_LABEL = SHARES[np.arange(9), np.asarray(LABELS)]


def figures():
    keys = jax.random.split(jax.random.key(1), 2)
    points = jax.random.normal(keys[0], (9, 4, 2))
    visible = jnp.ones((9, 4)).at[0].set(0).at[1, 2].set(0)
    return points + jax.random.normal(keys[1], points.shape), Keypoints(points, visible, 1.0 + jnp.arange(9))


def keypoint_loop(of_point):
    """Mean over visible points of `of_point(coordinate errors in scales)`."""
    predictions, targets = jax.tree.map(lambda a: np.asarray(a, np.float64), figures())
    rows = []
    for points, wanted, visible, scale in zip(predictions, *targets, strict=True):
        values = [of_point((p - w) / scale) for p, w, seen in zip(points, wanted, visible, strict=True) if seen]
        rows.append(sum(values) / len(values) if values else 0.0)
    return rows


def heatmaps():
    """Maps of 12 by 9 pixels, and targets on, between and beyond them."""
    _, targets = figures()
    points = 4 + 3 * targets.points
    return 0.3 * jax.random.normal(jax.random.key(2), (9, 4, 12, 9)), targets._replace(points=points)


def heatmap_loop(sigma=1 / 32):
    maps, targets = jax.tree.map(lambda a: np.asarray(a, np.float64), heatmaps())
    rows, (y, x) = [], np.indices((12, 9))
    for of_row, points, visible in zip(maps, targets.points, targets.visible, strict=True):
        values = []
        for found, (at_x, at_y), seen in zip(of_row, points, visible, strict=True):
            bump = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * (12 * sigma) ** 2))
            values += [np.mean((found - bump) ** 2)] if seen else []
        rows.append(np.mean(values) if values else 0.0)
    return rows


def kappa_of(shares, labels):
    """Each example's weighted disagreement over that of chance, by matrices of agreement."""
    truth = np.eye(5)[labels]
    weights = np.subtract.outer(np.arange(5), np.arange(5)) ** 2
    chance = np.sum(weights * np.outer(shares.mean(axis=0), truth.mean(axis=0)))
    return np.array([np.sum(weights * np.outer(q, p)) for q, p in zip(shares, truth, strict=True)]) / chance


def thresholds(of_term):
    """Sum over thresholds of `of_term(logit, level, threshold)`."""
    return [
        sum(of_term(z, label, k) for k, z in enumerate(row))
        for row, label in zip(np.asarray(LOGITS, np.float64), LABELS.tolist(), strict=True)
    ]


def logistic(of_chance):
    """`of_chance(p, y)` of one logit, p the probability of the true class."""
    return [
        of_chance(1 / (1 + np.exp(z if y == 0 else -z)), y)
        for z, y in zip(np.asarray(LOGITS[:, 0], np.float64), np.asarray(LABELS % 2), strict=True)
    ]


def by_label(of_chance):
    """Mean over labels of `of_chance(p, y)`, p the probability that the label is set."""
    chances = 1 / (1 + np.exp(-np.asarray(LOGITS, np.float64)))
    return [
        np.mean([of_chance(p, y) for p, y in zip(row, labels, strict=True)])
        for row, labels in zip(chances, np.asarray(SEVERAL), strict=True)
    ]


def asymmetric_of(p, y):
    if y:
        return -(1 - p) * np.log(p)
    shifted = max(p - 0.05, 0)
    return -(shifted**4) * np.log(1 - shifted)


def wing_of(error, width=0.5, curvature=0.1):
    size = abs(error)
    if size < width:
        return width * np.log(1 + size / curvature)
    return size - width + width * np.log(1 + width / curvature)


COSTS = np.arange(25.0).reshape(5, 5) % 7
ERRORS = np.asarray(LOGITS[:, 0], np.float64) - (np.asarray(LABELS) + 0.25)


def interval_of(low, high, y, level=0.9):
    return high - low + 2 / (1 - level) * (max(low - y, 0) + max(y - high, 0))


EXPECTED = {
    "cost_weighted_cross_entropy": -np.log(OF_LABEL),
    "expected_cost": 1 - OF_LABEL,
    "asymmetric": by_label(asymmetric_of),
    "label_cross_entropy": by_label(lambda p, y: -np.log(p if y else 1 - p)),
    "binary_cross_entropy": logistic(lambda p, y: -np.log(p)),
    "binary_focal": logistic(lambda p, y: -(0.25 if y else 0.75) * (1 - p) ** 2 * np.log(p)),
    "cross_entropy": -np.log(OF_LABEL),
    "expected_error": 1 - OF_LABEL,
    "generalised_cross_entropy": (1 - OF_LABEL**0.7) / 0.7,
    "squared_emd": [
        sum((row[: k + 1].sum() - (label <= k)) ** 2 for k in range(4))
        for row, label in zip(SHARES, LABELS.tolist(), strict=True)
    ],
    "expected_absolute_error": [
        sum(share * abs(level - label) for level, share in enumerate(row))
        for row, label in zip(SHARES, LABELS.tolist(), strict=True)
    ],
    "focal": -((1 - OF_LABEL) ** 2) * np.log(OF_LABEL),
    "label_smoothing": -0.9 * np.log(OF_LABEL) - 0.1 * np.log(SHARES).mean(axis=1),
    "sord": [
        -sum(np.exp(-abs(i - label)) * np.log(share) for i, share in enumerate(row))
        / sum(np.exp(-abs(i - label)) for i in range(5))
        for row, label in zip(SHARES, LABELS.tolist(), strict=True)
    ],
    "or_cnn": thresholds(lambda z, label, k: np.log1p(np.exp(-z if label > k else z))),
    "coral": thresholds(lambda z, label, k: np.log1p(np.exp(-z if label > k else z))),
    "corn": thresholds(lambda z, label, k: np.log1p(np.exp(-z if label > k else z)) if label >= k else 0),
    "absolute_error": np.abs(np.asarray(LOGITS[:, 0], np.float64) - np.asarray(LABELS)),
    "squared_error": (np.asarray(LOGITS[:, 0], np.float64) - np.asarray(LABELS)) ** 2,
    "huber": [e**2 / 2 if abs(e) <= 1 else abs(e) - 1 / 2 for e in ERRORS],
    "log_cosh": np.log(np.cosh(ERRORS)),
    "pinball": np.abs(ERRORS) / 2,
    "interval_score": [
        interval_of(*row, label + 0.25)
        for row, label in zip(np.asarray(LOGITS[:, :2], np.float64).tolist(), LABELS.tolist(), strict=True)
    ],
    "quadratic_weighted_kappa": kappa_of(SHARES, np.asarray(LABELS)),
    "heatmap_mse": heatmap_loop(),
    "mse": keypoint_loop(lambda e: (e**2).sum()),
    "l1": keypoint_loop(lambda e: np.abs(e).sum()),
    "euclidean": keypoint_loop(lambda e: np.hypot(*e)),
    "smooth_l1": keypoint_loop(
        lambda e: sum(x**2 / 2 / 0.1 if abs(x) <= 0.1 else abs(x) - 0.1 / 2 for x in e)  # Huber over delta
    ),
    "wing": keypoint_loop(lambda e: sum(wing_of(x) for x in e)),
}


def problem(name):
    of_numbers = {"score": (LOGITS[:, :1], LABELS), "number": (LOGITS[:, 0], LABELS + 0.25)}
    of_numbers |= {"interval": (LOGITS[:, :2], LABELS + 0.25), "labels": (LOGITS, SEVERAL)}
    of_numbers |= {"logit": (LOGITS[:, 0], LABELS % 2)} if LOSS_HEADS[name] == ("logit",) else {}
    if LOSS_HEADS[name][0] in of_numbers:
        return of_numbers[LOSS_HEADS[name][0]]
    return {("points",): figures, ("heatmaps",): heatmaps}.get(LOSS_HEADS[name], lambda: (LOGITS, LABELS))()


def test_every_loss_is_tested_here():
    """Or in the file of its kind, or of losses of sets."""
    folder = Path(__file__).parent
    assert set(EXPECTED) <= set(losses.LOSSES)
    for name in set(losses.LOSSES) - set(EXPECTED):
        files = [folder / f"test_{kind}.py" for kind in (losses.KIND[name], "sets")]
        assert any(re.search(rf"\b{name}\b", file.read_text()) for file in files if file.exists()), name


@pytest.mark.parametrize("name", EXPECTED)
def test_value_against_numpy(name):
    values = jax.jit(losses.get(name))(*problem(name))
    assert values.shape == (9,)
    np.testing.assert_allclose(values, EXPECTED[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_masked_rows_are_zero_whatever_they_hold(name):
    predictions, targets = problem(name)
    where = jnp.arange(9) < 6
    spoilt = jnp.where(where.reshape((9,) + (1,) * (predictions.ndim - 1)), predictions, jnp.nan)
    values = jax.jit(losses.get(name))(spoilt, targets, where=where)
    expected = np.array(EXPECTED[name])
    if name == "quadratic_weighted_kappa":  # a loss of the batch, which masked rows are no part of
        expected[:6] = kappa_of(SHARES[:6], np.asarray(LABELS[:6]))
    np.testing.assert_allclose(values, np.where(where, expected, 0), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_gradient_at_equal_logits_or_on_the_target_is_finite(name):
    predictions, targets = problem(name)
    there = targets.points if LOSS_HEADS[name] == ("points",) else jnp.zeros_like(predictions)
    slope = jax.jit(jax.grad(lambda z: jnp.sum(losses.get(name)(z, targets))))
    for z in (there, 1e4 * jnp.sign(predictions)):
        gradient = slope(z)
        assert bool(jnp.all(jnp.isfinite(gradient)))


def test_cross_entropy_is_that_of_optax():
    expected = optax.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)
    assert losses.cross_entropy(LOGITS, LABELS).tolist() == expected.tolist()


def test_generalised_cross_entropy_lies_between_the_two():
    near = losses.generalised_cross_entropy(LOGITS, LABELS, q=1e-3)
    # q = 0.001 leaves a relative difference of q / 2 times the cross-entropy, which is below 8 here.
    np.testing.assert_allclose(near, EXPECTED["cross_entropy"], rtol=1e-3 / 2 * 8)
    np.testing.assert_allclose(losses.generalised_cross_entropy(LOGITS, LABELS, q=1.0), 1 - OF_LABEL, rtol=1e-5)


def test_losses_of_a_cost_matrix_against_loops_and_finite_differences():
    wrong = np.array([sum(COSTS[y, d] for d in range(5) if d != y) / 4 for y in range(5)])
    expected = {
        "expected_cost": [sum(p * c for p, c in zip(SHARES[i], COSTS[i % 5], strict=True)) for i in range(9)],
        "cost_weighted_cross_entropy": [-wrong[i % 5] * np.log(OF_LABEL[i]) for i in range(9)],
    }
    for name, values in expected.items():

        def total(z, name=name):
            return jnp.sum(losses.get(name)(z, LABELS, matrix=COSTS))

        np.testing.assert_allclose(losses.get(name)(LOGITS, LABELS, matrix=COSTS), values, rtol=1e-5)
        check_grads(total, (LOGITS,), order=1, modes=["rev"], eps=1e-2, rtol=1e-2)
        with pytest.raises(ValueError, match="matrix is 4 by 4, but predictions are of 5 classes"):
            losses.get(name)(LOGITS, LABELS, matrix=COSTS[:4, :4])


def test_focal_without_focus_is_cross_entropy():
    np.testing.assert_allclose(losses.focal(LOGITS, LABELS, gamma=0.0), EXPECTED["cross_entropy"], rtol=1e-5)
    gradient = jax.grad(lambda z: jnp.sum(losses.focal(z, LABELS, gamma=0.5)))(1e4 * jax.nn.one_hot(LABELS, 5))
    assert bool(jnp.all(jnp.isfinite(gradient)))


def test_every_loss_has_kinds_of_targets_and_heads_that_serve_them():
    assert set(LOSS_KINDS) == set(LOSS_HEADS) == set(CONVENTIONAL)
    for name, heads in LOSS_HEADS.items():
        served = [set(models.HEADS[head].kinds) & set(LOSS_KINDS[name]) for head in heads]
        assert all(served) and set.union(*served) == set(LOSS_KINDS[name]), name


def test_gradient_of_the_kappa_loss_is_that_of_the_loss_of_the_batch():
    where = jnp.arange(9) < 7

    def of_batch(logits):
        shares, truth = jax.nn.softmax(logits[:7]), jax.nn.one_hot(LABELS[:7], 5)
        weights = (jnp.arange(5.0)[:, None] - jnp.arange(5.0)[None]) ** 2
        chance = jnp.mean(shares, axis=0) @ weights @ jnp.mean(truth, axis=0)
        return jnp.mean(jnp.sum(shares @ weights * truth, axis=-1)) / chance

    def of_rows(logits):
        return jnp.sum(losses.quadratic_weighted_kappa(logits, LABELS, where=where)) / 7

    one, other = (jax.value_and_grad(f)(LOGITS) for f in (of_batch, of_rows))
    np.testing.assert_allclose(other[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(other[1], one[1], rtol=1e-4, atol=1e-7)


def test_kappa_loss_of_one_level_and_of_nothing():
    loss = losses.quadratic_weighted_kappa
    level = jnp.full(9, 2)
    values, gradient = jax.value_and_grad(lambda z: jnp.mean(loss(z, level)))(LOGITS)
    np.testing.assert_allclose(values, 1, rtol=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    assert loss(1e4 * jax.nn.one_hot(level, 5), level).tolist() == [0.0] * 9
    assert loss(LOGITS, LABELS, where=jnp.zeros(9, bool)).tolist() == [0.0] * 9


def test_values_of_half_precision_are_of_single_precision():
    for name in ("absolute_error", "coral", "corn", "quadratic_weighted_kappa", "heatmap_mse"):
        predictions, targets = problem(name)
        values = losses.get(name)(predictions.astype(jnp.bfloat16), targets)
        assert values.dtype == jnp.float32
        np.testing.assert_allclose(values, EXPECTED[name], rtol=0.1, atol=0.05)


def test_hidden_keypoints_of_heatmaps_may_hold_anything():
    maps, targets = heatmaps()
    spoilt = targets._replace(points=jnp.where(targets.visible[..., None] > 0, targets.points, jnp.nan))
    gradient = jax.grad(lambda h: jnp.sum(losses.heatmap_mse(h, spoilt)))(maps)
    assert bool(jnp.all(jnp.isfinite(gradient))) and not bool(jnp.any(gradient[0]))


# --- the authors' own libraries ---------------------------------------------------------------------------------------


def in_torch(*arrays):
    torch = pytest.importorskip("torch", reason="needs PyTorch, for the authors' own library")
    return [torch.tensor(np.array(array, np.float32 if np.ndim(array) > 1 else np.int64)) for array in arrays]


def coral_pytorch(part):
    return pytest.importorskip(f"coral_pytorch.{part}", reason="needs coral-pytorch, the authors' own library")


def test_coral_is_that_of_its_authors():
    logits, labels = in_torch(LOGITS, LABELS)
    levels = coral_pytorch("dataset").levels_from_labelbatch(labels, num_classes=6)
    expected = coral_pytorch("losses").coral_loss(logits, levels, reduction=None)
    np.testing.assert_allclose(losses.coral(LOGITS, LABELS), expected, rtol=1e-5)
    layer = coral_pytorch("layers").CoralLayer(4, 6)
    start = models.build("linear", outputs=6, head="coral").init(jax.random.key(0), jnp.ones((1, 4)))
    np.testing.assert_allclose(start["params"]["head"]["bias"], layer.coral_bias.detach(), rtol=1e-6)


def test_corn_is_that_of_its_authors_who_divide_by_the_number_of_terms():
    logits, labels = in_torch(LOGITS, LABELS)
    terms = sum(min(label + 1, 5) for label in LABELS.tolist())
    expected = coral_pytorch("losses").corn_loss(logits, labels, num_classes=6)
    np.testing.assert_allclose(jnp.sum(losses.corn(LOGITS, LABELS)) / terms, expected, rtol=1e-5)
    levels = decoding.threshold_count(decoding.cumulative_logits(LOGITS))
    assert levels.tolist() == coral_pytorch("dataset").corn_label_from_logits(logits).tolist()


def test_kappa_loss_squared_emd_and_sord_are_those_of_dlordinal():
    others = pytest.importorskip("dlordinal.losses", reason="needs dlordinal")
    logits, labels = in_torch(LOGITS, LABELS)
    logits.requires_grad_(True)
    kappa = others.WKLoss(5, penalization_type="quadratic", use_logits=True)(logits, labels)
    kappa.backward()
    value, gradient = jax.value_and_grad(lambda z: jnp.mean(losses.quadratic_weighted_kappa(z, LABELS)))(LOGITS)
    np.testing.assert_allclose(value, kappa.item(), rtol=1e-5)
    np.testing.assert_allclose(gradient, logits.grad, rtol=1e-4, atol=1e-6)
    distance = others.EMDLoss(5)(logits, labels)
    np.testing.assert_allclose(jnp.mean(losses.squared_emd(LOGITS, LABELS)), distance.item(), rtol=1e-5)
    sord = others.SORDLoss(alpha=1.0, num_classes=5, train_targets=labels)(logits, labels)
    np.testing.assert_allclose(jnp.mean(losses.sord(LOGITS, LABELS)), sord.item(), rtol=1e-5)


def test_get():
    assert losses.get("wing") is losses.wing
    with pytest.raises(ValueError, match="did you mean 'cross_entropy'"):
        losses.get("crossentropy")


@pytest.mark.parametrize("name", ["cross_entropy", "expected_error", "focal", "label_smoothing"])
def test_labels_that_do_not_fit_are_refused_in_words(name):
    check_label_refusals(losses.get(name))


@pytest.mark.parametrize("name", ["squared_emd", "expected_absolute_error", "sord", "quadratic_weighted_kappa"])
def test_levels_that_do_not_fit_are_refused_in_words(name):
    check_label_refusals(losses.get(name))


def check_label_refusals(loss):
    with pytest.raises(ValueError, match="targets must hold one of"):
        loss(LOGITS, LABELS[:, None])  # would broadcast
    with pytest.raises(TypeError, match="targets must be integers"):
        loss(LOGITS, LABELS.astype(jnp.float32))
    with pytest.raises(ValueError, match="from 0 to 4"):
        loss(LOGITS, LABELS + 1)


@pytest.mark.parametrize("name", ["l1", "mse", "smooth_l1", "euclidean", "wing"])
def test_keypoints_that_do_not_fit_are_refused_in_words(name):
    predictions, targets = figures()
    with pytest.raises(ValueError, match=r"targets\.points must have shape"):
        losses.get(name)(predictions, targets._replace(points=targets.points[:, :1]))  # would broadcast
    with pytest.raises(TypeError, match=r"targets must be jaxsurr\.Keypoints"):
        losses.get(name)(predictions, targets.points)


def test_other_predictions_that_do_not_fit_are_refused_in_words():
    for name in ("coral", "corn"):
        with pytest.raises(ValueError, match="from 0 to 4"):
            losses.get(name)(LOGITS[:, :4], LABELS + 1)
    maps, targets = heatmaps()
    with pytest.raises(ValueError, match=r"\[B, J, H, W\], a heat-map of each of J points, got \[9, 4, 2\]"):
        losses.heatmap_mse(*figures())
    with pytest.raises(ValueError, match=r"targets\.points must have shape \[9, 3, 2\]"):
        losses.heatmap_mse(maps[:, :3], targets)
    with pytest.raises(ValueError, match="sigma must be positive"):
        losses.heatmap_mse(maps, targets, sigma=0.0)
