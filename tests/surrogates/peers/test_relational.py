"""The relational loss ranks held-out batches as the metric does; ranks against SciPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsurr import Keypoints, metrics
from jaxsurr.surrogates.peers.relational import average_ranks, relational, soft_ranks, spreading

KEY = jax.random.key(0)


@functools.partial(jax.jit, static_argnames=("batch", "classes"))
def class_data(key, batch=64, classes=5):
    """Right for some examples, wrong for others, sure and unsure."""
    keys = jax.random.split(key, 3)
    labels = jax.random.randint(keys[0], (batch,), 0, classes)
    sure = 4 * jax.random.uniform(keys[1], (batch, 1))
    return sure * jax.nn.one_hot(labels, classes) + jax.random.normal(keys[2], (batch, classes)), labels


@functools.partial(jax.jit, static_argnames=("batch", "joints"))
def point_data(key, batch=64, joints=3):
    keys = jax.random.split(key, 3)
    points = 50 * jax.random.uniform(keys[0], (batch, joints, 2))
    noise = 20 * jax.random.uniform(keys[1], (batch, 1, 1)) * jax.random.normal(keys[2], points.shape)
    return points + noise, Keypoints(points, jnp.ones((batch, joints)), jnp.full((batch,), 20.0))


def learn(surrogate, data, updates, seed=KEY):
    def step(state, key):
        data_key, update_key = jax.random.split(key)
        return surrogate.update(state, update_key, *data(data_key))

    state = jax.jit(surrogate.init)(seed, *data(seed))
    return jax.jit(lambda state: jax.lax.scan(step, state, jax.random.split(seed, updates)))(state)


def test_average_ranks_against_scipy():
    values = jnp.array([3.0, 1.0, 1.0, 5.0, 3.0, 3.0])
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values) - 1)


def test_soft_ranks_tend_to_ranks_and_have_a_gradient():
    values = jax.random.normal(KEY, (32,))
    ranks = jax.jit(functools.partial(soft_ranks, steepness=1000.0))(values)
    np.testing.assert_allclose(ranks, stats.rankdata(values) - 1, atol=0.3)
    own = jax.jit(jax.jacrev(soft_ranks))(values)
    assert np.isfinite(own).all() and (np.diag(own) > 0).all()  # a larger value, a higher rank
    assert np.isfinite(jax.jit(jax.jacrev(soft_ranks))(jnp.zeros(32))).all()
    with pytest.raises(ValueError, match="sorts 2, 4, 8"):
        soft_ranks(jnp.zeros(6))


@pytest.mark.parametrize("spec", ["error_rate", "mean_absolute_error", "pck?threshold=0.4"])
def test_spreading_moves_the_metric_from_best_to_worst(spec):
    metric = metrics.get(spec)
    predictions, targets = (point_data if "pck" in spec else class_data)(KEY)
    spread = jax.jit(spreading(metric))
    mean = []
    for share in (0.0, 0.5, 1.0):
        got = spread(KEY, predictions, targets, jnp.full((64,), share))
        mean.append(float(metric.sign * jnp.mean(metric(predictions, got))))
    assert mean[0] == (-1.0 if metric.higher_is_better else 0.0)  # targets are what is predicted
    assert mean[0] + 0.1 < mean[1] < mean[2] - 0.1


@pytest.mark.parametrize(
    ("spec", "data", "updates", "seeds"),
    [
        ("error_rate", class_data, 60, 3),
        ("mean_absolute_error", class_data, 120, 5),
        ("pck?threshold=0.4", point_data, 60, 3),
    ],
)
def test_ranks_held_out_batches_as_the_metric_does(spec, data, updates, seeds):
    """In the median of seeds: of errors in levels one that begins to rank the wrong way round takes long to turn."""
    metric = metrics.get(spec)
    surrogate = relational(metric, groups=8, group_size=16)
    states, infos = jax.vmap(lambda seed: learn(surrogate, data, updates, seed))(jax.random.split(KEY, seeds))
    assert np.isfinite(infos.metric).all() and np.isnan(infos.gradient_correlation).all()

    @jax.jit
    @jax.vmap
    def held_out(key, quality):
        predictions, targets = data(key)
        # A model from bad to good: predictions of a share of the examples are those of others.
        taken = jnp.where(jnp.arange(64) < quality * 64, jnp.arange(64), (jnp.arange(64) + 1) % 64)
        predictions = predictions[taken]
        losses = jax.vmap(lambda state: jnp.mean(surrogate.loss(state, predictions, targets)))(states)
        return losses, jnp.mean(metric(predictions, targets))

    losses, values = held_out(jax.random.split(jax.random.key(9), 40), jnp.linspace(0, 1, 40))
    assert np.median([stats.spearmanr(one, metric.sign * values).statistic for one in losses.T]) > 0.9


def test_masked_rows_count_nowhere_and_devices_agree():
    predictions, targets = class_data(KEY, batch=8)
    surrogate = relational(metrics.error_rate, groups=4, group_size=4)
    state = jax.jit(surrogate.init)(KEY, predictions, targets)
    where = jnp.arange(8) < 4
    broken = predictions.at[4:].set(jnp.nan)
    update = jax.jit(surrogate.update)
    jax.tree.map(
        np.testing.assert_array_equal,
        update(state, KEY, broken, targets, where),
        update(state, KEY, jnp.where(where[:, None], predictions, 3.0), targets, where),
    )

    @jax.jit
    def losses_and_gradient(z):
        losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, targets, where), z)
        return losses, pullback(jnp.ones(8))[0]

    losses, gradient = losses_and_gradient(broken)
    assert not np.any(losses[4:]) and np.isfinite(gradient).all() and not np.any(gradient[4:])

    def on_device(z, y):
        return surrogate.update(state, KEY, z, y, axis_name="devices")[0]

    parts = jax.tree.map(lambda leaf: leaf.reshape(2, 4, *leaf.shape[1:]), (predictions, targets))
    shared = jax.jit(jax.vmap(on_device, axis_name="devices"))(*parts)
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[0], leaf[1]), shared)
    alone = jax.jit(surrogate.update)(state, KEY, predictions[:1], targets[:1])[0]  # a batch of one
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(alone))


def test_refusals():
    with pytest.raises(ValueError, match="power of two"):
        relational(metrics.error_rate, groups=6)
    several = relational(metrics.get("pck?threshold=0.2,0.5"))
    with pytest.raises(ValueError, match="one value for each example"):
        several.init(KEY, *point_data(KEY))
