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

    np.testing.assert_allclose(_running_logsumexp(logits), prefixes(logits), rtol=1e-5, atol=1e-5)
    weights = jax.random.normal(jax.random.key(0), (3, size))
    slopes = [jax.grad(lambda z, f=f: jnp.sum(weights * f(z)))(logits) for f in (_running_logsumexp, prefixes)]
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=1e-4)
