"""Losses of numbers: shapes, gradients against finite differences, extremes, refusals. Values: `test_losses`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import Durations, losses

NAMES = ("absolute_error", "squared_error", "huber", "log_cosh", "pinball")
NUMBERS = np.random.default_rng(0).normal(0, 3, 12).astype(np.float32)
TARGETS = np.random.default_rng(1).normal(0, 3, 12).astype(np.float32)
ENDS = np.stack([NUMBERS, NUMBERS[::-1] + 0.5], axis=1)  # some of them cross


def gradient_of(loss, predictions):
    return jax.grad(lambda z: jnp.sum(loss(z, TARGETS)))(predictions)


@pytest.mark.parametrize("name", NAMES)
def test_a_column_and_integers_are_read_the_same(name):
    loss = losses.get(name)
    values = loss(NUMBERS, np.round(TARGETS))
    assert loss(NUMBERS[:, None], np.round(TARGETS)).tolist() == values.tolist()
    assert loss(NUMBERS, np.round(TARGETS).astype(int)).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in NAMES),
        ("huber", {"delta": 3.0}),
        ("log_cosh", {"scale": 2.0}),
        ("pinball", {"tau": 0.9}),
    ],
)
def test_gradient_against_finite_differences(name, options):
    def loss(z, y):
        return losses.get(name)(z, y, **options)

    step = 1e-2
    up, down = (np.asarray(loss(NUMBERS + sign * step, TARGETS), np.float64) for sign in (1, -1))
    np.testing.assert_allclose(gradient_of(loss, jnp.asarray(NUMBERS)), (up - down) / (2 * step), rtol=2e-3, atol=2e-3)


def test_gradient_of_the_interval_score_against_finite_differences():
    step, got = 1e-2, gradient_of(losses.interval_score, jnp.asarray(ENDS))
    for end in (0, 1):
        moved = [ENDS + sign * step * np.eye(2, dtype=np.float32)[end] for sign in (1, -1)]
        up, down = (np.asarray(losses.interval_score(z, TARGETS), np.float64) for z in moved)
        np.testing.assert_allclose(got[:, end], (up - down) / (2 * step), rtol=2e-3, atol=2e-3)


def test_the_interval_score_is_that_of_two_quantiles_and_crossing_costs_more():
    quantiles = [losses.pinball(ENDS[:, end], TARGETS, tau=tau) for end, tau in ((0, 0.1), (1, 0.9))]
    score = losses.interval_score(ENDS, TARGETS, level=0.8)
    np.testing.assert_allclose(score, 2 / 0.2 * (quantiles[0] + quantiles[1]), rtol=1e-5)
    crossed = ENDS[:, 0] > ENDS[:, 1]
    assert 0 < crossed.sum() < 12
    exchanged = losses.interval_score(np.sort(ENDS, axis=1), TARGETS, level=0.8)
    assert (np.asarray(score > exchanged) == crossed).all()


def test_pinball_is_that_of_scikit_learn_and_least_at_the_quantile():
    got = jnp.mean(losses.pinball(NUMBERS, TARGETS, tau=0.8))
    np.testing.assert_allclose(got, sklearn.metrics.mean_pinball_loss(TARGETS, NUMBERS, alpha=0.8), rtol=1e-6)
    constants = np.linspace(-8, 8, 1601, dtype=np.float32)
    means = jax.vmap(lambda c: jnp.mean(losses.pinball(jnp.full(12, c), TARGETS, tau=0.8)))(constants)
    best = constants[int(np.argmin(means))]
    assert np.mean(best + 1e-2 > TARGETS) >= 0.8 >= np.mean(best - 1e-2 > TARGETS)


def test_log_cosh_of_small_and_of_large_errors():
    errors = jnp.array([1e-6, 1e-3, 0.999999, 1.000001, 30.0, 1e4, 1e30])
    exact = np.asarray(errors, np.float64)
    wanted = np.where(exact < 1e-2, exact**2 / 2, exact + np.log1p(np.exp(-2 * exact)) - np.log(2))
    values = losses.log_cosh(errors, jnp.zeros(7))
    np.testing.assert_allclose(values, wanted, rtol=1e-6)
    slopes = jax.grad(lambda z: jnp.sum(losses.log_cosh(z, jnp.zeros(7))))(errors)
    np.testing.assert_allclose(slopes, np.tanh(exact), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_several_numbers_is_the_mean_of_those_of_each(name):
    loss, other = losses.get(name), np.round(TARGETS)
    z, y = np.stack([NUMBERS, 10 * NUMBERS], axis=1), np.stack([TARGETS, other], axis=1)
    values = loss(z, y, where=np.arange(12) > 2)
    each = (loss(z[:, 0], TARGETS) + loss(z[:, 1], other)) / 2
    np.testing.assert_allclose(values, np.where(np.arange(12) > 2, each, 0), rtol=1e-6)
    gradient = jax.grad(lambda z: jnp.sum(loss(z, y)))(z)
    np.testing.assert_allclose(gradient[:, 0], gradient_of(loss, NUMBERS) / 2, rtol=1e-6)
    spoilt = y.copy()
    spoilt[4, 1] = np.nan
    assert np.flatnonzero(np.isnan(jax.jit(loss)(z, spoilt))).tolist() == [4]


def test_losses_of_several_numbers_are_those_of_scikit_learn():
    z, y = np.stack([NUMBERS, 10 * NUMBERS], axis=1), np.stack([TARGETS, TARGETS**2], axis=1)
    weights = np.linspace(0.1, 2, 12)
    for loss, wanted in (
        (losses.absolute_error, sklearn.metrics.mean_absolute_error),
        (losses.squared_error, sklearn.metrics.mean_squared_error),
        (lambda z, y: losses.pinball(z, y, tau=0.5), sklearn.metrics.mean_pinball_loss),
    ):
        got = np.average(np.asarray(loss(z, y)), weights=weights)
        np.testing.assert_allclose(got, wanted(y, z, sample_weight=weights), rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_counted_in_single(dtype):
    halves = jnp.round(jnp.asarray(NUMBERS) * 4) / 4
    for name in NAMES:
        values = losses.get(name)(halves.astype(dtype), jnp.asarray(TARGETS))
        assert values.dtype == jnp.float32
        assert values.tolist() == losses.get(name)(halves, jnp.asarray(TARGETS)).tolist()


@pytest.mark.parametrize("name", [*NAMES, "interval_score"])
def test_a_target_that_is_not_finite_is_nan_inside_jit_and_masked_elsewhere(name):
    predictions = ENDS if name == "interval_score" else NUMBERS
    spoilt, where = np.where(np.arange(12) == 3, np.nan, TARGETS).astype(np.float32), np.arange(12) != 3
    loss = jax.jit(lambda z, y, w: losses.get(name)(z, y, where=w))
    assert np.isnan(loss(predictions, spoilt, np.ones(12, bool))).tolist() == (~where).tolist()
    kept = losses.get(name)(predictions, TARGETS)
    np.testing.assert_allclose(loss(predictions, spoilt, where), np.where(where, kept, 0), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: losses.squared_error(ENDS, TARGETS), ValueError, r"\[B\] or \[B, 1\], one number .* got \[12, 2\]"),
        (
            lambda: losses.squared_error(NUMBERS, TARGETS[:, None]),
            ValueError,
            r"\[12\], got \[12, 1\]. Pass targets\[:, 0",
        ),
        (lambda: losses.squared_error(NUMBERS, TARGETS[:5]), ValueError, r"one number for each .* \[12\], got \[5\]"),
        (
            lambda: losses.squared_error(NUMBERS, TARGETS > 0),
            TypeError,
            "must be numbers, floats or integers, got dtype",
        ),
        (lambda: losses.squared_error(NUMBERS, [1.0]), TypeError, "must be an array of numbers, got list"),
        (lambda: losses.huber(NUMBERS, TARGETS / 0), ValueError, "targets hold 12 values that are NaN or infinite"),
        (
            lambda: losses.huber(NUMBERS, Durations(NUMBERS, NUMBERS)),
            TypeError,
            "censoring are for concordance_index, cox",
        ),
        (lambda: losses.huber(NUMBERS, TARGETS, delta=0.0), ValueError, "delta must be positive"),
        (lambda: losses.log_cosh(NUMBERS, TARGETS, scale=-1.0), ValueError, "scale must be positive"),
        (
            lambda: losses.pinball(NUMBERS, TARGETS, tau=0.0),
            ValueError,
            "tau must be a finite number above 0 and below",
        ),
        (
            lambda: losses.pinball(NUMBERS, TARGETS, tau=1.0),
            ValueError,
            "tau must be a finite number above 0 and below",
        ),
        (
            lambda: losses.interval_score(NUMBERS, TARGETS),
            ValueError,
            r"\[B, 2\], the lower and the upper end .* got \[12\]",
        ),
        (
            lambda: losses.interval_score(ENDS, TARGETS, level=1),
            ValueError,
            "level must be a finite number above 0 and below",
        ),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with np.errstate(divide="ignore"), pytest.raises(kind, match=sentence):
        call()
