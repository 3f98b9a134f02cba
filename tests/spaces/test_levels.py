"""Running sums of exponentials over levels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr.spaces.levels import _running_logsumexp


@pytest.mark.parametrize("size", [1, 2, 8, 9, 40, 100])
def test_running_logsumexp_is_that_of_each_prefix(size):
    logits = 100 * jax.random.normal(jax.random.key(size), (3, size))  # far apart: a sum about one maximum is 0 in most

    def prefixes(z):
        return jnp.stack([jax.nn.logsumexp(z[:, : k + 1], axis=-1) for k in range(size)], axis=-1)

    @jax.jit
    def values_and_slopes(z):
        values, pullbacks = zip(*(jax.vjp(function, z) for function in (_running_logsumexp, prefixes)), strict=True)
        weights = jax.random.normal(jax.random.key(0), z.shape)
        return values, [pullback(weights)[0] for pullback in pullbacks]

    values, slopes = values_and_slopes(logits)
    np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=1e-4)
