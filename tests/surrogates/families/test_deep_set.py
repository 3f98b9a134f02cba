"""The deep set: groups that are pooled some at a time."""

import chex
import jax
import jax.numpy as jnp
import optax
import pytest

from jaxsurr import metrics
from jaxsurr.core.types import View
from jaxsurr.surrogates import correlated_gradients
from jaxsurr.surrogates.families import deep_set, set_network_family

ROWS, CLASSES = 24, 7
LOGITS = jax.random.normal(jax.random.key(0), (ROWS, CLASSES))
LABELS = jnp.arange(ROWS) % CLASSES


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_groups_some_at_a_time_are_all_at_once(monkeypatch, groups):
    surrogate = correlated_gradients(metrics.f_beta, num_pairs=4)
    state = surrogate.init(jax.random.key(1), LOGITS, LABELS)

    def results():
        after, info = jax.jit(lambda s, k: surrogate.update(s, k, LOGITS, LABELS))(state, jax.random.key(2))
        slope = jax.jit(jax.grad(lambda z: surrogate.loss(after, z, LABELS)))(LOGITS)
        return after, info, slope

    whole = results()
    monkeypatch.setattr(deep_set, "_MOST_EVENTS", groups * ROWS * 12)
    chex.assert_trees_all_close(results(), whole, rtol=2e-4, atol=1e-6)


def test_some_at_a_time_needs_less_memory(monkeypatch):
    options = dict(optimizer=optax.adam(1e-2), value_weight=1.0, correlation_weight=1.0, correlation="cosine")
    family = set_network_family(metrics.f_beta.space, **options)
    logits, labels = jnp.zeros((128, 100)), jnp.zeros(128, jnp.int32)
    state = jax.eval_shape(lambda key: family.init(key, View(logits, labels), jnp.float32(1), 1), jax.random.key(0))

    def planned():
        def slope(state, z):
            return jax.grad(lambda z: family.values(state, z, labels, jnp.float32(1), 1).sum())(z)

        return jax.jit(slope).lower(state, logits).compile().memory_analysis().temp_size_in_bytes

    whole = planned()
    monkeypatch.setattr(deep_set, "_MOST_EVENTS", 5 * 128 * 12)
    assert planned() < whole / 2
