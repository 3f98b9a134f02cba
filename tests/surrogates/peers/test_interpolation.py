"""Interpolation: equal to the metric where it is defined, gradients against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import Keypoints, metrics, spaces
from jaxsurr.surrogates import interpolation
from jaxsurr.surrogates.peers.interpolation import anchors, interpolated, rewriting

KEY = jax.random.key(0)


def cases(batch=6):
    """A metric, predictions and targets of each rewriting."""
    keys = jax.random.split(jax.random.key(1), 4)
    logits = 2 * jax.random.normal(keys[0], (batch, 5))
    labels = jax.random.randint(keys[1], (batch,), 0, 5)
    points = jax.random.normal(keys[2], (batch, 4, 2)) * 10
    visible = jnp.ones((batch, 4)).at[:, 1].set(0)
    pose = Keypoints(points, visible, jnp.full((batch,), 10.0))
    return {
        "error_rate": (logits, labels),
        "top_k_error?k=2": (logits, labels),
        "mean_absolute_error": (logits, labels),
        "mean_absolute_error?decode=argmax": (logits, labels),
        "mean_absolute_error?decode=thresholds": (-jnp.sort(-logits[:, 1:], axis=1), labels),
        "hamming_error": (logits, (logits[::-1] > 0).astype(jnp.int32)),
        "subset_error": (logits[:, :2], logits[::-1, :2] > 0),
        "pck?threshold=0.4": (points + 4 * jax.random.normal(keys[3], points.shape), pose),
    }


@pytest.mark.parametrize("spec", cases())
def test_rewriting_has_the_value_of_the_metric(spec):
    predictions, targets = cases(64)[spec]
    metric = metrics.get(spec)
    rewritten = rewriting(metric)

    @jax.jit
    def values(predictions, targets):
        differences = rewritten.differences(predictions, targets)
        bits = jnp.where(differences > 0, 1.0, -1.0)
        best = rewritten.value(rewritten.truth(differences, targets), targets)
        return rewritten.value(bits, targets), metric(predictions, targets), best

    found, wanted, best = values(predictions, targets)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_array_equal(best, jnp.full((64,), 1.0 if metric.higher_is_better else 0.0))


@pytest.mark.parametrize("shape", [(64,), (64, 1)])
def test_one_logit_is_compared_with_0(shape):
    metric = metrics.error_rate.bind(space=spaces.binary_scores)
    z, y = jax.random.normal(KEY, shape), jnp.arange(64) % 3 > 0
    rewritten = rewriting(metric)
    bits = jnp.where(rewritten.differences(z, y) > 0, 1.0, -1.0)
    np.testing.assert_array_equal(rewritten.value(bits, y), metric(z, y))
    surrogate = interpolation(metric)
    gradient = jax.grad(lambda z: jnp.mean(surrogate.loss(surrogate.init(KEY, z, y), z, y)))(z)
    assert gradient.shape == shape and np.isfinite(gradient).all() and np.any(gradient)


def test_interpolation_is_exact_at_anchors_and_its_gradient_finite():
    corners = jnp.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]])
    values = jnp.array([0.0, 1.0, 3.0])
    for corner, value in zip(corners, values, strict=True):
        got, gradient = jax.value_and_grad(interpolated)(corner, corners, values)
        assert float(got) == pytest.approx(float(value), abs=1e-5)
        assert np.isfinite(gradient).all()
    between = interpolated(jnp.array([0.0, 1.0]), corners, values)  # distances 1, 1, sqrt 5
    assert float(between) == pytest.approx((1 + 3 / 5**0.5) / (2 + 1 / 5**0.5), rel=1e-6)


def test_interpolation_reads_only_the_coordinates_that_count():
    corners, values = jnp.array([[1.0, 1.0], [-1.0, 1.0]]), jnp.array([0.0, 1.0])
    counts = jnp.array([True, False])
    far = interpolated(jnp.array([0.5, -9.0]), corners, values, counts)
    assert float(far) == pytest.approx((1 / 1.5) / (1 / 0.5 + 1 / 1.5), rel=1e-5)


def test_anchors_are_49_of_the_four_kinds():
    truth = np.ones(8, np.float32)
    bits = np.array([1, 1, -1, 1, 1, -1, 1, 1], np.float32)
    counts = np.arange(8) < 7
    draw = jax.jit(anchors, static_argnums=4)
    out = np.asarray(draw(KEY, bits, truth, counts, 16))
    assert out.shape == (49, 8) and set(np.unique(out)) == {-1.0, 1.0}
    np.testing.assert_array_equal(out[0], truth)
    assert ((out[1:17] != truth).sum(axis=1) == 1).all() and (out[1:17, 7] == 1).all()
    flips = out[17:33] != bits
    assert (flips.sum(axis=1) == 1).all() and set(np.nonzero(flips)[1]) == {2, 5}  # wrong ones are put right
    assert 0.3 < (out[33:] > 0).mean() < 0.7
    right = np.asarray(draw(KEY, truth, truth, counts, 16))
    assert ((right[17:33] != truth).sum(axis=1) == 1).all()  # none is wrong: one is put wrong


@pytest.mark.parametrize("spec", cases())
def test_gradient_matches_finite_differences(spec):
    predictions, targets = cases()[spec]
    surrogate = interpolation(metrics.get(spec))
    state = surrogate.init(KEY, predictions, targets)
    both = jax.jit(jax.value_and_grad(lambda z: jnp.mean(surrogate.loss(state, z, targets))))
    gradient = both(predictions)[1]
    # Along the gradient; the anchors near the prediction are those of its signs, which so small a step leaves.
    direction = gradient / jnp.linalg.norm(gradient)
    step = 2e-2
    measured = (both(predictions + step * direction)[0] - both(predictions - step * direction)[0]) / (2 * step)
    assert float(measured) == pytest.approx(float(jnp.linalg.norm(gradient)), rel=0.02)


@pytest.mark.parametrize("spec", ["error_rate", "mean_absolute_error", "pck?threshold=0.4"])
def test_steps_down_the_loss_improve_the_metric(spec):
    predictions, targets = cases()[spec]
    metric = metrics.get(spec)
    surrogate = interpolation(metric)

    @jax.jit
    def step(predictions, key):
        state, _ = surrogate.update(surrogate.init(KEY, predictions, targets), key, predictions, targets)
        gradient = jax.grad(lambda z: jnp.mean(surrogate.loss(state, z, targets)))(predictions)
        return predictions - 0.2 * gradient / jnp.sqrt(jnp.sum(gradient**2))

    moved = predictions
    for key in jax.random.split(KEY, 100):
        moved = step(moved, key)
    before, after = (metric.sign * jnp.mean(metric(z, targets)) for z in (predictions, moved))
    assert float(after) < float(before) - 0.15


def test_masked_rows_count_nowhere():
    logits, labels = cases()["error_rate"]
    surrogate = interpolation(metrics.error_rate)
    state = surrogate.init(KEY, logits, labels)
    where = jnp.array([True, True, True, False, False, False])
    broken = logits.at[3:].set(jnp.nan)

    @jax.jit
    def losses_and_gradient(z, where):
        losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, labels, where), z)
        return losses, pullback(jnp.ones_like(losses))[0]

    losses, gradient = losses_and_gradient(broken, where)
    np.testing.assert_allclose(losses, losses_and_gradient(logits, where)[0], rtol=1e-6)
    assert losses[0] > 0 and losses[3:].tolist() == [0, 0, 0]
    assert np.isfinite(gradient).all() and not np.any(gradient[3:]) and np.any(gradient[:3])
    assert not np.any(losses_and_gradient(logits, jnp.zeros(6, bool))[0])


def test_a_batch_of_one_and_devices():
    logits, labels = jnp.array([[9.0, 0.0, 1.0]]), jnp.array([0])
    surrogate = interpolation(metrics.error_rate)
    state = surrogate.init(KEY, logits, labels)
    assert 0 < float(jax.jit(surrogate.loss)(state, logits, labels)[0]) < 0.1

    def update(z, y):
        return surrogate.update(state, KEY, z, y, axis_name="devices")[0], surrogate.loss(
            state, z, y, axis_name="devices"
        )

    states, losses = jax.jit(jax.vmap(update, axis_name="devices"))(jnp.stack([logits] * 2), jnp.stack([labels] * 2))
    assert losses.shape == (2, 1)
    keys = jax.random.key_data(states.key)
    np.testing.assert_array_equal(keys[0], keys[1])


@pytest.mark.parametrize(
    "spec", ["normalised_mean_error", "mean_absolute_error?decode=expected", "pck?threshold=0.2,0.5"]
)
def test_other_metrics_are_refused_in_a_sentence(spec):
    with pytest.raises(ValueError, match=r"cannot rewrite .* through comparisons: it knows error_rate"):
        interpolation(metrics.get(spec))
