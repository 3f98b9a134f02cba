"""Residual likelihood: a density that integrates to one, invertible, with masks and hidden points."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsurr import Keypoints
from jaxsurr.surrogates.peers.residual_likelihood import _Flow, residual_likelihood

KEY = jax.random.key(0)


def pose(batch=8, joints=3):
    points = 50 * jax.random.uniform(KEY, (batch, joints, 2))
    targets = Keypoints(points, jnp.ones((batch, joints)).at[:, 1].set(0), jnp.full((batch,), 20.0))
    error = jnp.array([[[2.0, -1.0]]])
    log_sigma = jnp.array([[[np.log(2.0), np.log(4.0)]]])
    both = jnp.broadcast_to(log_sigma, points.shape)
    return jnp.concatenate([points + error, both], axis=-1), targets


def test_loss_of_a_flow_that_has_learned_nothing_is_normal_plus_laplace():
    predictions, targets = pose()
    surrogate = residual_likelihood()
    losses = surrogate.loss(surrogate.init(KEY, predictions, targets), predictions, targets)
    residual = np.array([2 / 2, -1 / 4])
    log_sigma = np.log([2.0, 4.0])
    normal = 0.5 * np.sum(residual**2) + np.log(2 * np.pi)
    laplace = np.sum(log_sigma + np.log(2) + np.abs(residual))
    np.testing.assert_allclose(losses, np.full(8, np.sum(log_sigma) + normal + laplace), rtol=1e-4)


def test_a_flow_is_a_density():
    flow = _Flow(4, 8)
    line = jnp.linspace(-12, 12, 241)
    grid = jnp.stack(jnp.meshgrid(line, line), axis=-1)
    params = flow.init(KEY, grid)
    leaves, form = jax.tree.flatten(params)
    keys = jax.random.split(KEY, len(leaves))
    moved = [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    density = jnp.exp(jax.jit(flow.apply)(form.unflatten(moved), grid))
    assert float(jnp.sum(density)) * 0.1**2 == pytest.approx(1, abs=0.02)
    assert float(jnp.max(jnp.abs(density - jnp.exp(flow.apply(params, grid))))) > 0.01  # and another than the normal


def test_updates_raise_the_likelihood_of_the_residuals():
    predictions, targets = pose(64)
    surrogate = residual_likelihood(layers=2, width=16, optimizer=optax.adam(0.01))
    noise = 1 + 0.2 * jax.random.laplace(KEY, targets.points.shape)  # a narrow density about (1, 1) sigma
    predictions = jnp.concatenate([targets.points + noise, jnp.zeros_like(noise)], axis=-1)
    start = surrogate.init(KEY, predictions, targets)

    def step(state, key):
        return surrogate.update(state, key, predictions, targets)

    state, _ = jax.jit(lambda state: jax.lax.scan(step, state, jax.random.split(KEY, 150)))(start)
    loss = jax.jit(surrogate.loss)
    before, after = (jnp.mean(loss(s, predictions, targets)) for s in (start, state))
    assert after < before - 1


def test_masks_hidden_points_and_devices():
    predictions, targets = pose()
    surrogate = residual_likelihood(layers=2, width=8)
    state = surrogate.init(KEY, predictions, targets)
    where = jnp.arange(8) < 4
    update = jax.jit(surrogate.update)
    hidden = targets._replace(points=targets.points.at[:, 1].set(jnp.nan))
    masked = update(state, KEY, predictions.at[4:].set(jnp.nan), hidden, where)[0]
    few = jax.tree.map(lambda leaf: leaf[:4], (predictions, targets))
    alone = update(state, KEY, *few)[0]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), masked, alone)

    @jax.jit
    def losses_and_gradient(z):
        losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, hidden, where), z)
        return losses, pullback(jnp.ones(8))[0]

    losses, gradient = losses_and_gradient(predictions.at[4:].set(jnp.nan))
    assert not np.any(losses[4:]) and np.all(losses[:4] != 0)
    assert np.isfinite(gradient).all() and not np.any(gradient[4:]) and not np.any(gradient[:, 1])
    assert np.any(gradient[:4, 0])

    def on_device(z, y):
        return surrogate.update(state, KEY, z, y, axis_name="devices")[0]

    parts = jax.tree.map(lambda leaf: leaf.reshape(2, 4, *leaf.shape[1:]), (predictions, targets))
    shared = jax.jit(jax.vmap(on_device, axis_name="devices"))(*parts)
    whole = update(state, KEY, predictions, targets)[0]
    jax.tree.map(lambda x: np.testing.assert_array_equal(x[0], x[1]), shared)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x[0], y, atol=1e-5), shared, whole)


def test_predictions_without_sigma_are_refused():
    predictions, targets = pose()
    with pytest.raises(ValueError, match="log sigma_x"):
        residual_likelihood().init(KEY, predictions[..., :2], targets)
