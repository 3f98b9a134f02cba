"""The small network: shapes, bounded outputs, smooth in its inputs; weights as layers of flax begin with."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


class AsFlaxBegins(nn.Module):
    widths: tuple

    @nn.compact
    def __call__(self, x):
        for width in self.widths:
            x = nn.Dense(width)(x)
        return x


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(("features", "hidden", "outputs"), [(5, (32, 32), 1), (40, (8, 16), 3), (3, (), 2)])
def test_weights_are_those_of_flax(features, hidden, outputs, double):
    rows = np.zeros((4, features), np.float32)
    with jax.enable_x64(double):
        found = mlp(outputs, hidden).init(jax.random.key(3), rows)
        expected = AsFlaxBegins((*hidden, outputs)).init(jax.random.key(3), rows)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_normal_numbers_are_drawn_by_one_function():
    text = jax.jit(mlp(hidden=(8, 16)).init).lower(jax.random.key(0), jnp.zeros((4, 3))).as_text()
    assert text.count("func.func private @_truncated_normal") == 1
