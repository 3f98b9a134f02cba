"""Metrics of numbers and intervals against scikit-learn and plain loops; masks, weights, ties, empty and odd sets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import Durations, metrics

OF_SETS = ("root_mean_squared_error", "r2")
SKLEARN = {
    "absolute_error": sklearn.metrics.mean_absolute_error,
    "mean_absolute_percentage_error": sklearn.metrics.mean_absolute_percentage_error,
    "r2": sklearn.metrics.r2_score,
    "root_mean_squared_error": sklearn.metrics.root_mean_squared_error,
}


def data(seed, batch=30):
    """Numbers on a grid of quarters, targets on one of halves so that errors tie, weights, a mask."""
    rng = np.random.default_rng(seed)
    targets = np.round(rng.normal(1, 3, batch) * 2) / 2
    targets[targets == 0] = 0.5
    numbers = np.round((targets + rng.normal(0, 2, batch)) * 4) / 4
    weights, where = rng.uniform(0.1, 2, batch), rng.random(batch) < 0.7
    return [array.astype(np.float32) for array in (numbers, targets, weights)] + [where]


@functools.cache
def mean(name):
    """The metric of a set with a mask."""
    return jax.jit(lambda z, y, where: metrics.get(name).mean(z, y, where=where))


@functools.cache
def weighted(name):
    metric = metrics.get(name)
    value = jax.jit(lambda z, y, where, weights: metric(z, y, where=where, weights=weights))
    replaced = jax.jit(lambda z, y, where, other: metric(z, y, where=where, replacements=other))
    return value, replaced


@pytest.mark.parametrize("name", SKLEARN)
def test_agrees_with_scikit_learn_whole_masked_and_weighted(name):
    for seed in range(5):
        numbers, targets, weights, where = data(seed)
        spoilt, odd = np.where(where, numbers, np.nan), np.where(where, targets, np.inf)
        got = mean(name)(spoilt.astype(np.float32), odd.astype(np.float32), where)
        np.testing.assert_allclose(got, SKLEARN[name](targets[where], numbers[where]), rtol=1e-5)
        if name in OF_SETS:
            wanted = SKLEARN[name](targets[where], numbers[where], sample_weight=weights[where])
            got = weighted(name)[0](numbers, targets, where, weights)
        else:
            values = np.asarray(metrics.get(name)(numbers, targets))
            wanted = SKLEARN[name](targets, numbers, sample_weight=weights)
            got = np.average(values, weights=weights)
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def several(seed, batch=30):
    """Three numbers of each example, in units that differ by a factor of a hundred."""
    columns = [data(10 * seed + place, batch) for place in range(3)]
    unit = np.array([1, 10, 100], np.float32)
    numbers, targets = (np.stack([column[part] for column in columns], axis=1) * unit for part in (0, 1))
    return numbers, targets, *columns[0][2:]


@pytest.mark.parametrize("name", SKLEARN)
def test_several_numbers_are_averaged_as_by_scikit_learn(name):
    for seed in range(5):
        numbers, targets, weights, where = several(seed)
        spoilt, odd = (np.where(where[:, None], part, np.nan).astype(np.float32) for part in (numbers, targets))
        wanted = functools.partial(SKLEARN[name], multioutput="uniform_average")
        np.testing.assert_allclose(mean(name)(spoilt, odd, where), wanted(targets[where], numbers[where]), rtol=1e-5)
        if name in OF_SETS:
            got = weighted(name)[0](numbers, targets, where, weights)
            exact = wanted(targets[where], numbers[where], sample_weight=weights[where])
        else:
            got = np.average(np.asarray(metrics.get(name)(numbers, targets)), weights=weights)
            exact = wanted(targets, numbers, sample_weight=weights)
        np.testing.assert_allclose(got, exact, rtol=1e-5)


@pytest.mark.parametrize("name", ["within_tolerance", "within_relative_tolerance"])
def test_hits_of_several_numbers_are_the_mean_of_those_of_each(name):
    rng = np.random.default_rng(1)
    targets = rng.normal(8, 2, (30, 3)).astype(np.float32)
    numbers = (targets + rng.normal(0, 1, (30, 3))).astype(np.float32)
    each = [metrics.get(name)(numbers[:, place], targets[:, place]) for place in range(3)]
    values = metrics.get(name)(numbers, targets)
    np.testing.assert_allclose(values, np.mean(each, axis=0), rtol=1e-6)
    assert len(np.unique(np.round(values, 3))) > 2
    broken = numbers.copy()
    broken[2, 1] = np.nan
    assert np.flatnonzero(np.isnan(metrics.get(name)(broken, targets))).tolist() == [2]


def test_an_output_without_variance_has_the_r2_of_scikit_learn():
    numbers, targets, _, _ = several(2)
    targets[:, 1] = 7
    for predicted in (numbers, np.where(np.arange(3) == 1, targets, numbers)):
        np.testing.assert_allclose(
            metrics.r2(predicted, targets), sklearn.metrics.r2_score(targets, predicted), rtol=1e-5
        )


@pytest.mark.parametrize("name", OF_SETS)
def test_replacements_are_the_values_of_sets_with_one_example_replaced(name):
    value, replaced = weighted(name)
    for seed, make in ((0, data), (1, data), (2, several)):
        numbers, targets, weights, where = make(seed, 12)
        other = numbers[::-1].copy()
        got = replaced(numbers, targets, where, other)
        for row in range(12):
            moved = numbers.copy()
            moved[row] = other[row]
            np.testing.assert_allclose(
                got[row], value(moved, targets, where, np.ones_like(weights)), rtol=1e-4, atol=1e-5
            )


def test_hits_against_a_loop():
    for seed in range(5):
        numbers, targets, _, _ = data(seed)
        pairs = list(zip(numbers.tolist(), targets.tolist(), strict=True))
        got = metrics.within_tolerance(numbers, targets, tolerance=1.5)
        assert got.tolist() == [float(abs(z - y) <= 1.5) for z, y in pairs]
        assert {1.5} <= {abs(z - y) for z, y in pairs} or seed  # on the edge counts
        got = metrics.within_relative_tolerance(numbers, targets, tolerance=0.5)
        assert got.tolist() == [float(abs(z - y) <= 0.5 * abs(y)) for z, y in pairs]
    assert metrics.within_tolerance.bind(tolerance=5.0).name == "within_tolerance(tolerance=5.0)"


def test_intervals_against_a_loop():
    for seed in range(5):
        numbers, targets, _, where = data(seed)
        ends = np.stack([numbers, numbers[::-1]], axis=1)
        held, width, score = (metrics.get(f"interval_{part}")(ends, targets) for part in ("coverage", "width", "score"))
        for (a, b), y, *got in zip(ends.tolist(), targets.tolist(), held, width, score, strict=True):
            missed = max(a - y, 0) + max(y - b, 0)
            np.testing.assert_allclose(got, [a <= y <= b, abs(b - a), b - a + 20 * missed], rtol=1e-5)
        inside = mean("interval_coverage")(ends, targets, where)
        np.testing.assert_allclose(inside, np.mean(np.asarray(held)[where]), rtol=1e-6)


@pytest.mark.parametrize("name", [*SKLEARN, "within_tolerance", "within_relative_tolerance"])
def test_columns_integers_halves_and_nan(name):
    numbers, targets, _, where = data(1)
    metric, value = metrics.get(name), mean(name)(numbers, targets, where)
    assert float(mean(name)(numbers[:, None], targets, where)) == float(value)
    whole = np.round(targets)
    assert float(metric.mean(numbers, whole.astype(int))) == float(metric.mean(numbers, whole))
    halves = jnp.asarray(numbers, jnp.bfloat16)  # the grid is exact in 8 bits
    assert metric.mean(halves, targets).dtype == jnp.float32
    np.testing.assert_allclose(metric.mean(halves, targets), metric.mean(numbers, targets), rtol=1e-6)
    broken = numbers.copy()
    broken[np.argmax(where)] = np.nan
    assert np.isnan(mean(name)(broken, targets, where))


@pytest.mark.parametrize("name", SKLEARN)
def test_extremes_are_finite_and_so_are_their_gradients(name):
    _, targets, _, where = data(2)
    metric = metrics.get(name)
    slope = jax.jit(jax.value_and_grad(lambda z: metric.mean(z, targets, where=where)))
    for predictions in (targets, np.full(30, 3e36, np.float32), np.full(30, -1e20, np.float32)):
        value, gradient = slope(jnp.asarray(predictions))
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_no_example_one_example_and_targets_that_are_all_equal():
    numbers, targets, _, _ = data(3)
    nobody, one, everyone = np.zeros(30, bool), np.arange(30) == 4, np.ones(30, bool)
    for name in SKLEARN:
        assert float(mean(name)(numbers, targets, nobody)) == 0
    assert float(mean("root_mean_squared_error")(numbers, targets, one)) == abs(numbers[4] - targets[4])
    with pytest.warns(sklearn.exceptions.UndefinedMetricWarning):
        assert np.isnan(sklearn.metrics.r2_score(targets[:1], targets[:1]))  # ours: by the rule for equal targets
    assert float(mean("r2")(numbers, targets, one)) == 0
    assert float(mean("r2")(targets, targets, one)) == 1
    for constant in (7.0, 0.0):
        equal = np.full(30, constant, np.float32)
        assert float(mean("r2")(equal, equal, everyone)) == sklearn.metrics.r2_score(equal, equal) == 1
        assert float(mean("r2")(numbers, equal, everyone)) == sklearn.metrics.r2_score(equal, numbers) == 0


def test_r2_of_targets_far_from_zero_loses_no_digits():
    rng = np.random.default_rng(0)
    targets = (1e5 + rng.integers(0, 64, 50) / 32).astype(np.float32)
    numbers = (targets + rng.integers(-8, 8, 50) / 32).astype(np.float32)
    wanted = sklearn.metrics.r2_score(targets.astype(np.float64), numbers.astype(np.float64))
    np.testing.assert_allclose(metrics.r2(numbers, targets), wanted, rtol=2e-3)


def test_a_target_of_zero_counts_as_a_millionth():
    assert metrics.mean_absolute_percentage_error(jnp.ones(1), jnp.zeros(1)).tolist() == pytest.approx([1e6])
    assert metrics.within_relative_tolerance(jnp.array([0.0, 1e-3]), jnp.zeros(2)).tolist() == [1, 0]


NUMBERS, TARGETS = data(0)[:2]


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: metrics.within_tolerance(NUMBERS, TARGETS, tolerance=0), ValueError, "tolerance must be positive"),
        (lambda: metrics.within_tolerance(NUMBERS, TARGETS, tolerance=-2.0), ValueError, "tolerance must be positive"),
        (lambda: metrics.within_relative_tolerance(NUMBERS, TARGETS, tolerance=0), ValueError, "must be positive"),
        (lambda: metrics.absolute_error(NUMBERS, TARGETS * np.nan), ValueError, "targets hold 30 values that are NaN"),
        (
            lambda: metrics.absolute_error(np.stack([NUMBERS] * 3, 1), TARGETS),
            ValueError,
            r"one number .* got \[30, 3\]",
        ),
        (lambda: metrics.r2(NUMBERS, TARGETS[:, None]), ValueError, r"got \[30, 1\]. Pass targets\[:, 0\]"),
        (lambda: metrics.r2(NUMBERS, Durations(TARGETS, TARGETS)), TypeError, "censoring are for concordance_index"),
        (lambda: metrics.interval_score(NUMBERS, TARGETS), ValueError, r"\[B, 2\], the lower and the upper end"),
        (
            lambda: metrics.mean_absolute_error(np.stack([NUMBERS] * 2, 1), TARGETS),
            TypeError,
            "their own: absolute_error",
        ),
        (
            lambda: metrics.r2(np.stack([NUMBERS] * 3, 1), np.stack([TARGETS] * 2, 1)),
            ValueError,
            r"same number D .* predictions \[30, 3\] and targets \[30, 2\]. Give the model an output for each target",
        ),
        (
            lambda: metrics.absolute_error(NUMBERS[:, None], np.stack([TARGETS] * 2, 1)),
            ValueError,
            r"predictions \[30, 1\] and targets \[30, 2\]",
        ),
        (
            lambda: metrics.absolute_error(np.stack([NUMBERS] * 2, 1), np.stack([TARGETS, TARGETS * np.inf], 1)),
            ValueError,
            "targets hold 30 values that are NaN or infinite, the first at index \\(0, 1\\)",
        ),
        (lambda: metrics.r2(np.zeros((30, 0)), np.zeros((30, 0))), ValueError, "same number D of numbers"),
        (
            lambda: metrics.concordance_index(NUMBERS[:, None], TARGETS[:, None]),
            ValueError,
            r"got \[30, 1\]. Pass targets\[:, 0\]",
        ),
        (
            lambda: metrics.interval_score(np.stack([NUMBERS] * 2, 1), np.stack([TARGETS] * 2, 1)),
            ValueError,
            r"one number for each row of predictions, shape \[30\], got \[30, 2\]",
        ),
        (lambda: metrics.get("mae"), ValueError, "of numbers it is absolute_error"),
        (lambda: metrics.get("rmse"), ValueError, "root_mean_squared_error"),
        (lambda: metrics.get("mape"), ValueError, "mean_absolute_percentage_error"),
        (lambda: metrics.get("r2_score"), ValueError, "that is r2"),
        (lambda: metrics.get("c_index"), ValueError, "that is concordance_index"),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()
