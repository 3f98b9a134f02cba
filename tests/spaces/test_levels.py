"""The softmax of each prefix of the levels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr.spaces.levels import _prefixes


@pytest.mark.parametrize("backend", ["cpu", "gpu"])  # one after the other, and in a logarithmic number of steps
@pytest.mark.parametrize("size", [1, 2, 9, 40])
def test_prefixes_are_what_each_is_alone(size, backend, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    logits = 100 * jax.random.normal(jax.random.key(size), (3, size))  # far apart: a sum about one maximum is 0 in most

    def alone(z):
        prefixes = [z[:, : k + 1] for k in range(size)]
        squares = [jnp.sum(jax.nn.softmax(part) ** 2, axis=-1) for part in prefixes]
        return jnp.stack([jax.nn.logsumexp(part, axis=-1) for part in prefixes], axis=-1), jnp.stack(squares, axis=-1)

    @jax.jit
    def values_and_slopes(z):
        values, pullbacks = zip(*(jax.vjp(function, z) for function in (_prefixes, alone)), strict=True)
        weights = tuple(jax.random.normal(jax.random.key(one), z.shape) for one in range(2))
        return *zip(*values, strict=True), [pullback(weights)[0] for pullback in pullbacks]

    logarithms, squares, slopes = values_and_slopes(logits)
    np.testing.assert_allclose(*logarithms, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(*squares, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=2e-4)
