"""The learned embedding: its distance follows the metric on held-out pairs; masks, devices, refusals."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import Keypoints, metrics
from jaxsurr.surrogates.peers.embedding import embedding

KEY = jax.random.key(0)


@functools.partial(jax.jit, static_argnames="batch")
def point_data(key, batch=64):
    keys = jax.random.split(key, 3)
    points = 50 * jax.random.uniform(keys[0], (batch, 2, 2))
    noise = 20 * jax.random.uniform(keys[1], (batch, 1, 1)) * jax.random.normal(keys[2], points.shape)
    visible = jnp.array([1.0, 0.0])[None] * jnp.ones((batch, 1))
    return points + noise, Keypoints(points, visible, jnp.full((batch,), 20.0))


@functools.partial(jax.jit, static_argnames=("batch", "levels"))
def level_data(key, batch=64, levels=4):
    keys = jax.random.split(key, 2)
    sure = 12 * jax.nn.one_hot(jax.random.randint(keys[0], (batch,), 0, levels), levels)
    return sure + jax.random.normal(keys[1], sure.shape), jax.random.randint(keys[1], (batch,), 0, levels)


@pytest.mark.parametrize(
    ("spec", "data", "penalty_weight", "bar"),
    [("normalised_mean_error", point_data, 10.0, 0.1), ("mean_absolute_error", level_data, 0.0, 0.1)],
)
def test_distance_equals_the_metric_on_held_out_pairs(spec, data, penalty_weight, bar):
    metric = metrics.get(spec)
    surrogate = embedding(metric, penalty_weight=penalty_weight, optimizer=optax.adam(5e-3))

    def step(state, key):
        return surrogate.update(state, key, *data(key))

    start = jax.jit(surrogate.init)(KEY, *data(KEY))
    state, infos = jax.jit(lambda state: jax.lax.scan(step, state, jax.random.split(KEY, 400)))(start)
    predictions, targets = data(jax.random.key(9), 256)
    wanted = metric(predictions, targets)
    error = jnp.mean(jnp.abs(jax.jit(surrogate.loss)(state, predictions, targets) - wanted))
    assert error < bar < 0.25 * jnp.mean(jnp.abs(wanted - jnp.mean(wanted)))  # and far below a constant's
    assert infos.value_error[-1] < 0.1 < infos.value_error[0]
    np.testing.assert_allclose(infos.metric[0], jnp.mean(metric(*data(jax.random.split(KEY, 400)[0]))), rtol=1e-5)


@pytest.mark.parametrize("spec", ["normalised_mean_error", "pck?threshold=0.4"])
def test_a_prediction_that_is_its_target_costs_nothing_and_has_a_finite_gradient(spec):
    _, targets = point_data(KEY, 4)
    surrogate = embedding(metrics.get(spec))
    state = jax.jit(surrogate.init)(KEY, targets.points, targets)

    @jax.jit
    def losses_and_gradient(z):
        losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, targets), z)
        return losses, pullback(jnp.ones(4))[0]

    losses, gradient = losses_and_gradient(targets.points)
    np.testing.assert_array_equal(losses, jnp.zeros(4))
    np.testing.assert_array_equal(gradient, jnp.zeros_like(targets.points))
    state, info = jax.jit(surrogate.update)(state, KEY, targets.points, targets)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert info.value_error == 0  # a higher-is-better metric enters as its distance from the best


def test_masked_rows_count_nowhere_and_devices_agree():
    predictions, targets = level_data(KEY, 8)
    surrogate = embedding(metrics.mean_absolute_error)
    state = jax.jit(surrogate.init)(KEY, predictions, targets)
    where = jnp.arange(8) < 4
    update = jax.jit(surrogate.update)
    masked = update(state, KEY, predictions.at[4:].set(jnp.nan), targets, where)[0]
    alone = update(state, KEY, predictions[:4], targets[:4])[0]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), masked, alone)
    assert not np.any(jax.jit(surrogate.loss)(state, predictions, targets, where)[4:])

    def on_device(z, y):
        return surrogate.update(state, KEY, z, y, axis_name="devices")

    parts = jax.tree.map(lambda leaf: leaf.reshape(2, 4, *leaf.shape[1:]), (predictions, targets))
    shared, info = jax.jit(jax.vmap(on_device, axis_name="devices"))(*parts)
    whole, whole_info = update(state, KEY, predictions, targets)
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[0], x[1]), shared, shared)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x[0], y, atol=1e-5), shared, whole)
    np.testing.assert_allclose(info.value_error[0], whole_info.value_error, rtol=1e-5)


def test_targets_of_another_form_are_refused():
    metric = jaxsurr.metric(lambda predictions, targets: jnp.abs(predictions[:, 0] - targets), higher_is_better=False)
    with pytest.raises(ValueError, match="in the form of predictions"):
        embedding(metric).init(KEY, jnp.zeros((2, 3)), jnp.zeros(2))
