"""The objective against its formulas, and its second derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxsurr.core.moments import CORRELATIONS, moments
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.families.mlp import mlp


@pytest.fixture
def pair():
    x, noise = jax.random.normal(jax.random.key(0), (2, 40, 3))
    return x + 1.0, 2 * x + noise


# --- value fit --------------------------------------------------------------------------------------------------------


def test_value_fit_against_numpy(pair):
    x, y = pair
    expected = np.mean((x - y) ** 2) / np.var(y)
    np.testing.assert_allclose(objectives.value_fit(moments(x, y)), expected, rtol=1e-5)


def test_value_fit_of_the_best_constant_is_one_and_of_the_metric_zero(pair):
    _, y = pair
    np.testing.assert_allclose(objectives.value_fit(moments(jnp.full_like(y, jnp.mean(y)), y)), 1, rtol=1e-5)
    np.testing.assert_allclose(objectives.value_fit(moments(y, y)), 0, atol=1e-6)


def test_value_fit_of_a_constant_metric_is_the_mean_squared_error():
    value, gradient = jax.value_and_grad(lambda x: objectives.value_fit(moments(x, jnp.full(4, 2.0))))(jnp.full(4, 5.0))
    assert float(value) == (5 - 2) ** 2
    np.testing.assert_allclose(gradient, np.full(4, 2 * (5 - 2) / 4), rtol=1e-6)


# --- gradient correlation ---------------------------------------------------------------------------------------------


def test_gradient_correlation(pair):
    x, y = pair
    a, b = np.ravel(x), np.ravel(y)
    np.testing.assert_allclose(
        objectives.gradient_correlation(moments(x, y)), a @ b / np.linalg.norm(a) / np.linalg.norm(b), rtol=1e-5
    )
    np.testing.assert_allclose(
        objectives.gradient_correlation(moments(x, y), "pearson"), scipy.stats.pearsonr(a, b).statistic, rtol=1e-5
    )


@pytest.mark.parametrize("kind", CORRELATIONS)
def test_second_derivatives_through_the_gradient_correlation(kind):
    """The derivative, in the network's parameters, of the correlation of its input gradient, by finite differences."""
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(1), 4)
        z = jax.random.normal(keys[0], (7, 3), jnp.float64)
        goal = jax.random.normal(keys[1], (7, 3), jnp.float64)
        network = mlp(hidden=(5,))
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), network.init(keys[2], z))
        flat, rebuild = jax.flatten_util.ravel_pytree(params)

        def objective(flat):
            _, gradients = objectives.values_and_gradients(lambda z: network.apply(rebuild(flat), z)[:, 0], z)
            correlation = objectives.gradient_correlation(moments(gradients, goal), kind)
            return 1 - correlation + 0.1 * objectives.gradient_penalty(gradients)

        direction = jax.random.normal(keys[3], flat.shape, jnp.float64)
        step = 1e-5
        difference = (objective(flat + step * direction) - objective(flat - step * direction)) / (2 * step)
        slope = jnp.vdot(jax.grad(objective)(flat), direction)
        assert slope.dtype == jnp.float64
        assert abs(float(slope)) > 1e-3
        # 1e-6: the difference quotient has an error of the order of its step squared, over its rounding 1e-16 / 1e-5.
        np.testing.assert_allclose(difference, slope, rtol=1e-6)


# --- gradient penalty -------------------------------------------------------------------------------------------------


def test_gradient_penalty():
    gradients = jnp.array([[3.0, 4.0], [0.0, 0.0], [0.6, 0.8]])
    np.testing.assert_allclose(objectives.gradient_penalty(gradients), (5 - 1) ** 2 + 1 + 0, rtol=1e-6)
    np.testing.assert_allclose(objectives.gradient_penalty(gradients, norm=2.0), 3**2 + 2**2 + 1, rtol=1e-6)
    where = jnp.array([True, False, False])
    spoilt = gradients.at[2].set(jnp.nan)
    np.testing.assert_allclose(objectives.gradient_penalty(spoilt, where=where), (5 - 1) ** 2, rtol=1e-6)


def test_gradient_of_the_penalty_at_a_zero_gradient_is_zero():
    slopes = jax.grad(objectives.gradient_penalty)(jnp.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(slopes, [[2 * (5 - 1) * 3 / 5, 2 * (5 - 1) * 4 / 5], [0, 0]], rtol=1e-6)


# --- values and gradients ---------------------------------------------------------------------------------------------


def test_one_metric_by_grad():
    z = jnp.array([[1.0, 2.0], [3.0, -1.0]])
    values, gradients = objectives.values_and_gradients(lambda z: z[:, 0] * z[:, 1] ** 2, z)
    assert values.tolist() == [1 * 2**2, 3 * 1]
    assert gradients.tolist() == [[2**2, 2 * 1 * 2], [1, 2 * 3 * -1]]


def test_several_metrics_by_jacrev():
    z = jnp.array([[1.0, 2.0], [3.0, -1.0]])
    values, gradients = objectives.values_and_gradients(
        lambda z: jnp.stack([z[:, 0] * z[:, 1], jnp.sum(z**2, axis=1), z[:, 0]], axis=-1), z
    )
    assert values.tolist() == [[2, 5, 1], [-3, 10, 3]]
    assert gradients.tolist() == [[[2, 1], [-1, 3]], [[2, 4], [6, -2]], [[1, 0], [1, 0]]]


# --- value and gradient of a function of sums -------------------------------------------------------------------------


def test_value_and_gradient_is_that_of_the_composition(pair):
    x, y = pair

    def sums(params):
        return moments(params["a"] * x + params["b"], y)

    def combine(total):
        return objectives.value_fit(total) - objectives.gradient_correlation(total, "pearson"), total.n

    params = {"a": jnp.float32(0.7), "b": jnp.float32(-0.4)}
    (value, aux), gradient = objectives.value_and_gradient(sums, combine, params)
    wanted, wanted_gradient = jax.value_and_grad(lambda p: combine(sums(p))[0])(params)
    assert float(aux) == 40 * 3
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    for name in params:
        np.testing.assert_allclose(gradient[name], wanted_gradient[name], rtol=1e-5)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_input():
    objectives.check_weights(value_weight=0, correlation_weight=0.5)
    with pytest.raises(ValueError, match="value_weight must be a finite number of at least 0, got -1"):
        objectives.check_weights(value_weight=-1, correlation_weight=1)
    with pytest.raises(ValueError, match="value_weight must be a finite number of at least 0, got nan"):
        objectives.check_weights(value_weight=float("nan"))
    with pytest.raises(ValueError, match="at least one of a, b must be positive"):
        objectives.check_weights(a=0, b=0)
    with pytest.raises(ValueError, match="did you mean 'cosine'"):
        objectives.check_kind("cosin")
