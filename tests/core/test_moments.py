"""Running moments and correlations against NumPy and scipy.stats."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxsurr.core.moments import Moments, affine, correlate, cosine, moments, pearson, variation


@pytest.fixture
def pair():
    x, noise = jax.random.normal(jax.random.key(0), (2, 30, 4))
    return x + 0.5, x - 0.7 * noise - 2.0


def numpy_cosine(x, y):
    x, y = np.ravel(x), np.ravel(y)
    return x @ y / np.sqrt((x @ x) * (y @ y))


def test_moments_are_sums():
    sums = moments(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[1.0, 0.0], [-1.0, 2.0]]))
    expected = Moments(4, 1 + 2 + 3 + 4, 1 + 0 - 1 + 2, 1 + 4 + 9 + 16, 1 + 0 + 1 + 4, 1 + 0 - 3 + 8)
    assert [float(entry) for entry in sums] == list(expected)


def test_cosine_against_numpy(pair):
    np.testing.assert_allclose(cosine(moments(*pair)), numpy_cosine(*pair), rtol=1e-5)


def test_pearson_against_scipy(pair):
    expected = scipy.stats.pearsonr(*map(np.ravel, pair)).statistic
    np.testing.assert_allclose(pearson(moments(*pair)), expected, rtol=1e-5)


def test_rows_that_do_not_count_are_absent(pair):
    x, y = pair
    where = jnp.arange(30) < 20
    spoilt = moments(jnp.where(where[:, None], x, jnp.nan), jnp.where(where[:, None], y, jnp.inf), where)
    for got, wanted in zip(spoilt, moments(x[:20], y[:20]), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_sums_of_parts_add_up(pair):
    x, y = pair
    parts = jax.tree.map(jnp.add, moments(x[:11], y[:11]), moments(x[11:], y[11:]))
    np.testing.assert_allclose(pearson(parts), pearson(moments(x, y)), rtol=1e-5)


def test_affine(pair):
    x, y = pair
    for got, wanted in zip(affine(moments(x, y), -3.0, 0.25), moments(-3.0 * x + 0.25, y), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "pearson"])
@pytest.mark.parametrize("factor", [3.0, -3.0])
def test_scale_does_not_count_and_sign_does(kind, factor, pair):
    x, _ = pair
    np.testing.assert_allclose(correlate(moments(factor * x, x), kind), np.sign(factor), rtol=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "pearson"])
@pytest.mark.parametrize("constant", [0.0, 0.1])
def test_constant_array_has_correlation_and_gradient_zero(kind, constant, pair):
    x, _ = pair
    y = jnp.full_like(x, constant)
    value, gradient = jax.value_and_grad(lambda y: correlate(moments(x, y), kind))(y)
    if kind == "pearson" or constant == 0:
        assert float(value) == 0
        assert float(jnp.max(jnp.abs(gradient))) == 0
    else:  # a constant that is not zero is a direction like any other
        np.testing.assert_allclose(value, numpy_cosine(x, y), rtol=1e-5)
        assert bool(jnp.all(jnp.isfinite(gradient)))


def test_variation():
    x = jnp.array([1.0, 2.0, 6.0])
    np.testing.assert_allclose(variation(3, jnp.sum(x), jnp.sum(x * x)), 4 + 1 + 9, rtol=1e-6)
    assert float(variation(3, 0.3, 3 * 0.01 * (1 + 1e-7))) == 0


def test_bad_input():
    with pytest.raises(ValueError, match=r"one shape, got \[3\] and \[4\]"):
        moments(jnp.zeros(3), jnp.zeros(4))
    with pytest.raises(ValueError, match="did you mean 'pearson'"):
        correlate(moments(jnp.ones(3), jnp.ones(3)), "person")
