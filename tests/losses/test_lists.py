"""Losses of ranked lists against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import RankedLists, losses

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["list_logistic", "list_softmax"])
def test_lists_against_a_loop(name):
    scores, items = RNG.normal(size=(5, 6)), RNG.random((5, 6)) < 0.7
    items[:, :2], items[4] = True, False
    relevance = RNG.integers(0, 3, (5, 6)).astype(float)
    relevance[3] = 0
    targets = RankedLists(jnp.asarray(relevance), jnp.asarray(items))
    wanted = []
    for row, grades, present in zip(scores, relevance, items, strict=True):
        z, r = row[present], grades[present]
        if name == "list_softmax":
            gains = 2**r - 1
            wanted.append(np.sum(gains * (np.log(np.sum(np.exp(z))) - z)) / max(np.sum(gains), 1e-9) if len(z) else 0)
        else:
            places = range(len(z))
            pairs = [np.log1p(np.exp(z[j] - z[i])) for i in places for j in places if r[i] > r[j]]
            wanted.append(np.mean(pairs) if pairs else 0)
    spoilt = jnp.where(items, scores, jnp.nan)
    loss = jax.jit(losses.get(name))
    np.testing.assert_allclose(loss(spoilt, targets), wanted, rtol=1e-4, atol=1e-6)
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(loss(z, targets))))(spoilt)
    assert np.isfinite(gradient).all() and not np.any(gradient[~items])
    where = jnp.arange(5) < 2
    assert loss(spoilt, targets, where=where)[2:].tolist() == [0, 0, 0]
