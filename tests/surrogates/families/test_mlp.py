"""The small network: shapes, bounded outputs, smooth in its inputs."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.surrogates.families.mlp import mlp


def test_mlp_against_numpy():
    network = mlp(outputs=2, hidden=(3,))
    x = 10 * jax.random.normal(jax.random.key(0), (5, 4))
    params = network.init(jax.random.key(1), x)
    first, last = params["params"]["Dense_0"], params["params"]["Dense_1"]
    hidden = np.tanh((8 * np.tanh(x / 8)) @ first["kernel"] + np.asarray(first["bias"])[None])
    expected = hidden @ np.asarray(last["kernel"]) + np.asarray(last["bias"])[None]
    np.testing.assert_allclose(network.apply(params, x), expected, rtol=1e-4, atol=1e-5)


def test_leading_axes_are_kept():
    network = mlp(outputs=3)
    params = network.init(jax.random.key(0), jnp.zeros((2, 7, 4)))
    assert network.apply(params, jnp.ones((2, 7, 4))).shape == (2, 7, 3)


def test_far_away_it_is_flat_and_finite():
    network = mlp()
    params = network.init(jax.random.key(0), jnp.zeros((1, 2)))
    gradient = jax.grad(lambda x: network.apply(params, x)[0, 0])
    assert jnp.max(jnp.abs(gradient(jnp.full((1, 2), 1e30)))) == 0
    assert jnp.max(jnp.abs(gradient(jnp.zeros((1, 2))))) > 1e-3


def test_width_and_activation_are_chosen():
    narrow = mlp(hidden=(4, 5), activation=jax.nn.softplus)
    params = narrow.init(jax.random.key(0), jnp.zeros((1, 2)))["params"]
    assert [params[f"Dense_{i}"]["kernel"].shape for i in range(3)] == [(2, 4), (4, 5), (5, 1)]
