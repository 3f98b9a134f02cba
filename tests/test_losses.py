import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from jaxsurr import Keypoints, losses

LOGITS = 2 * jax.random.normal(jax.random.key(0), (9, 5))
LABELS = jnp.arange(9) % 5
SHARES = scipy.special.softmax(np.asarray(LOGITS, np.float64), axis=1)
OF_LABEL = SHARES[np.arange(9), np.asarray(LABELS)]


def figures():
    keys = jax.random.split(jax.random.key(1), 2)
    points = jax.random.normal(keys[0], (9, 4, 2))
    visible = jnp.ones((9, 4)).at[0].set(0).at[1, 2].set(0)
    return points + jax.random.normal(keys[1], points.shape), Keypoints(points, visible, 1.0 + jnp.arange(9))


def point_loop(of_point):
    """Mean over visible points of `of_point(coordinate errors in scales)`."""
    predictions, targets = jax.tree.map(lambda a: np.asarray(a, np.float64), figures())
    rows = []
    for points, wanted, visible, scale in zip(predictions, *targets, strict=True):
        values = [of_point((p - w) / scale) for p, w, seen in zip(points, wanted, visible, strict=True) if seen]
        rows.append(sum(values) / len(values) if values else 0.0)
    return rows


def wing_of(error, width=0.5, curvature=0.1):
    size = abs(error)
    if size < width:
        return width * np.log(1 + size / curvature)
    return size - width + width * np.log(1 + width / curvature)


EXPECTED = {
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
    "or_cnn": [
        sum(np.log1p(np.exp(-z if label > k else z)) for k, z in enumerate(row))
        for row, label in zip(np.asarray(LOGITS, np.float64), LABELS.tolist(), strict=True)
    ],
    "mse": point_loop(lambda e: (e**2).sum()),
    "l1": point_loop(lambda e: np.abs(e).sum()),
    "euclidean": point_loop(lambda e: np.hypot(*e)),
    "smooth_l1": point_loop(
        lambda e: sum(x**2 / 2 / 0.1 if abs(x) <= 0.1 else abs(x) - 0.1 / 2 for x in e)  # Huber over delta
    ),
    "wing": point_loop(lambda e: sum(wing_of(x) for x in e)),
}


def problem(name):
    return figures() if name in ("l1", "mse", "euclidean", "smooth_l1", "wing") else (LOGITS, LABELS)


def test_every_loss_is_tested_here():
    assert set(EXPECTED) == set(losses.LOSSES)


@pytest.mark.parametrize("name", EXPECTED)
def test_value_against_numpy(name):
    values = losses.get(name)(*problem(name))
    assert values.shape == (9,)
    np.testing.assert_allclose(values, EXPECTED[name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_masked_rows_are_zero_whatever_they_hold(name):
    predictions, targets = problem(name)
    where = jnp.arange(9) < 6
    spoilt = jnp.where(where.reshape((9,) + (1,) * (predictions.ndim - 1)), predictions, jnp.nan)
    values = losses.get(name)(spoilt, targets, where=where)
    np.testing.assert_allclose(values, np.where(where, EXPECTED[name], 0), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_gradient_at_equal_logits_or_on_the_target_is_finite(name):
    predictions, targets = problem(name)
    there = targets.points if isinstance(targets, Keypoints) else jnp.zeros_like(predictions)
    for z in (there, 1e4 * jnp.sign(predictions)):
        gradient = jax.grad(lambda z: jnp.sum(losses.get(name)(z, targets)))(z)
        assert bool(jnp.all(jnp.isfinite(gradient)))


def test_cross_entropy_is_that_of_optax():
    expected = optax.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)
    assert losses.cross_entropy(LOGITS, LABELS).tolist() == expected.tolist()


def test_generalised_cross_entropy_lies_between_the_two():
    near = losses.generalised_cross_entropy(LOGITS, LABELS, q=1e-3)
    # q = 0.001 leaves a relative difference of q / 2 times the cross-entropy, which is below 8 here.
    np.testing.assert_allclose(near, EXPECTED["cross_entropy"], rtol=1e-3 / 2 * 8)
    np.testing.assert_allclose(losses.generalised_cross_entropy(LOGITS, LABELS, q=1.0), 1 - OF_LABEL, rtol=1e-5)


def test_focal_without_focus_is_cross_entropy():
    np.testing.assert_allclose(losses.focal(LOGITS, LABELS, gamma=0.0), EXPECTED["cross_entropy"], rtol=1e-5)
    gradient = jax.grad(lambda z: jnp.sum(losses.focal(z, LABELS, gamma=0.5)))(1e4 * jax.nn.one_hot(LABELS, 5))
    assert bool(jnp.all(jnp.isfinite(gradient)))


def test_heads_are_those_of_losses():
    assert set(losses.HEADS) <= set(losses.LOSSES)


def test_get():
    assert losses.get("wing") is losses.wing
    with pytest.raises(ValueError, match="did you mean 'cross_entropy'"):
        losses.get("crossentropy")


@pytest.mark.parametrize("name", ["cross_entropy", "expected_error", "focal", "label_smoothing"])
def test_labels_that_do_not_fit_are_refused_in_words(name):
    check_label_refusals(losses.get(name))


@pytest.mark.parametrize("name", ["squared_emd", "expected_absolute_error", "sord"])
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
def test_points_that_do_not_fit_are_refused_in_words(name):
    predictions, targets = figures()
    with pytest.raises(ValueError, match=r"targets\.points must have shape"):
        losses.get(name)(predictions, targets._replace(points=targets.points[:, :1]))  # would broadcast
    with pytest.raises(TypeError, match=r"targets must be jaxsurr\.Keypoints"):
        losses.get(name)(predictions, targets.points)
