"""The value fit of sets follows the metric of held-out sets; masks and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics
from jaxsurr.core.reductions import masked_mean
from jaxsurr.spaces import class_logits
from jaxsurr.surrogates.peers.set_value_fit import set_value_fit

KEY = jax.random.key(0)


def class_data(key, batch=32, classes=3):
    """A model that is right more often in some batches than in others."""
    keys = jax.random.split(key, 3)
    labels = jax.random.randint(keys[0], (batch,), 0, classes)
    sure = 4 * jax.random.uniform(keys[1]) * jax.nn.one_hot(labels, classes)
    return sure + jax.random.normal(keys[2], sure.shape), labels


def squared_error_rate(predictions, targets, *, where=None):
    return masked_mean(metrics.error_rate(predictions, targets, where=where), where) ** 2


of_sets = jaxsurr.metric(squared_error_rate, higher_is_better=False, space=class_logits, per_example=False)


@pytest.mark.parametrize("metric", [metrics.error_rate, of_sets])
def test_follows_the_metric_of_held_out_sets(metric):
    surrogate = set_value_fit(metric)

    def step(state, key):
        return surrogate.update(state, key, *class_data(key))

    start = surrogate.init(KEY, *class_data(KEY))
    state, infos = jax.jit(lambda state: jax.lax.scan(step, state, jax.random.split(KEY, 400)))(start)

    def held_out(key):
        predictions, targets = class_data(key)
        return jnp.mean(surrogate.loss(state, predictions, targets)), metric.mean(predictions, targets)

    losses, values = jax.jit(jax.vmap(held_out))(jax.random.split(jax.random.key(9), 100))
    assert np.corrcoef(losses, values)[0, 1] > 0.9
    assert np.mean(np.abs(losses - values)) < 0.3 * np.std(values) + 0.02
    np.testing.assert_allclose(infos.metric[0], metric.mean(*class_data(jax.random.split(KEY, 400)[0])), rtol=1e-5)


def test_masked_rows_count_nowhere_order_does_not_matter_and_devices_agree():
    predictions, targets = class_data(KEY, 8)
    surrogate = set_value_fit(metrics.error_rate, sets=1)
    state = surrogate.init(KEY, predictions, targets)
    where = jnp.arange(8) < 4
    loss, update = jax.jit(surrogate.loss), jax.jit(surrogate.update)
    masked = loss(state, predictions.at[4:].set(jnp.nan), targets, where)
    np.testing.assert_allclose(masked[:4], loss(state, predictions[:4], targets[:4]), rtol=1e-5)
    assert not np.any(masked[4:]) and len(set(masked[:4].tolist())) == 1
    np.testing.assert_allclose(
        loss(state, predictions[::-1], targets[::-1]), loss(state, predictions, targets), rtol=1e-5
    )
    parts = jax.tree.map(lambda leaf: leaf.reshape(2, 4, *leaf.shape[1:]), (predictions, targets))

    def on_device(z, y):
        return surrogate.update(state, KEY, z, y, axis_name="devices")

    shared, info = jax.jit(jax.vmap(on_device, axis_name="devices"))(*parts)
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[0], leaf[1]), shared)
    np.testing.assert_allclose(info.metric[0], jnp.mean(metrics.error_rate(predictions, targets)), rtol=1e-6)
    alone = update(state, KEY, predictions[:1], targets[:1])[0]  # a batch of one
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(alone))


def test_several_metrics_are_refused():
    points = jnp.zeros((2, 3, 2))
    targets = jaxsurr.Keypoints(points, jnp.ones((2, 3)), jnp.ones(2))
    with pytest.raises(ValueError, match="one value"):
        set_value_fit(metrics.get("pck?threshold=0.2,0.5")).init(KEY, points, targets)
