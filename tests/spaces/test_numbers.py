"""Spaces of numbers and of durations: invariances, units, decisions, and what a surrogate learns in them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import Durations, metrics, spaces
from jaxsurr.spaces import event_order, number_intervals, real_numbers, relative_numbers
from jaxsurr.spaces.sampling import sample

SCALE = jnp.float32(0.5)
KEY = jax.random.key(0)
NUMBERS = 3 * jax.random.normal(jax.random.key(1), (12,))
TARGETS = NUMBERS + jax.random.normal(jax.random.key(2), (12,))
ENDS = jnp.stack([NUMBERS - 1, NUMBERS + 2], axis=1)
TIMES = Durations(jnp.exp(TARGETS / 3), (jnp.arange(12) % 3 > 0).astype(jnp.float32))


@functools.partial(jax.jit, static_argnums=0)
def reads(space, predictions, targets, scale=SCALE):
    values = space.features(predictions, targets, scale), space.margins(predictions, targets, scale)
    return values, space.losses(predictions, targets, scale), space.squared_size(predictions, targets)


def assert_same(got, wanted):
    """1e-4: differences of numbers of about 100 in single precision, over a scale of one half."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3, rtol=1e-4)


def test_a_shift_of_both_changes_nothing_of_errors_and_intervals():
    assert_same(reads(real_numbers, NUMBERS + 100, TARGETS + 100), reads(real_numbers, NUMBERS, TARGETS))
    assert_same(reads(number_intervals, ENDS + 100, TARGETS + 100), reads(number_intervals, ENDS, TARGETS))


def test_a_factor_of_both_changes_nothing_of_relative_errors():
    assert_same(
        reads(relative_numbers, -50 * NUMBERS, -50 * TARGETS)[0][1], reads(relative_numbers, NUMBERS, TARGETS)[0][1]
    )
    assert_same(reads(relative_numbers, 50 * NUMBERS, 50 * TARGETS), reads(relative_numbers, NUMBERS, TARGETS))
    np.testing.assert_allclose(relative_numbers.unit(NUMBERS, TARGETS), jnp.abs(TARGETS), rtol=1e-6)
    assert relative_numbers.unit(NUMBERS[:, None], TARGETS).shape == (12, 1)


def test_of_durations_only_the_order_counts():
    moved = TIMES._replace(time=TIMES.time**3 + 1)
    assert_same(reads(event_order, NUMBERS + 7, moved), reads(event_order, NUMBERS, TIMES))
    pooled = [event_order.pooled(*batch, SCALE, None) for batch in ((NUMBERS, TIMES), (NUMBERS + 7, moved))]
    assert_same(pooled[0].features, pooled[1].features)
    assert_same(pooled[0].label_features, pooled[1].label_features)


@pytest.mark.parametrize("space", [real_numbers, relative_numbers], ids=lambda space: space.name)
def test_a_column_is_read_the_same(space):
    assert_same(reads(space, NUMBERS[:, None], TARGETS), reads(space, NUMBERS, TARGETS))


@pytest.mark.parametrize("space", [real_numbers, relative_numbers], ids=lambda space: space.name)
def test_each_of_several_numbers_is_an_item_that_is_read_alone_and_known_by_name(space):
    z, y = jnp.stack([NUMBERS, 2 * NUMBERS], axis=1), jnp.stack([TARGETS, TARGETS], axis=1)
    (features, weights), (margins, _) = reads(space, z, y)[0]
    for output in range(2):
        (alone, _), (margin, _) = reads(space, z[:, output], TARGETS)[0]
        assert_same(features[:, output, :-2], alone[:, 0])
        assert features[:, output, -2:].tolist() == np.tile(np.eye(2)[output], (12, 1)).tolist()
        assert_same(margins[:, output], margin[:, 0])
    assert weights.tolist() == np.full((12, 2), 0.5).tolist()
    spreads = [space.squared_size(z[:, output], TARGETS) for output in range(2)]
    np.testing.assert_allclose(space.squared_size(z, y), np.mean(spreads, axis=0), rtol=1e-5)
    assert jnp.broadcast_shapes(space.unit(z, y).shape, z.shape) == z.shape
    one, other = space.alike(y, y)
    assert one.tolist() == other.tolist() and one.shape == (12, 2)


def test_errors_are_in_units_of_the_scale_and_the_size_is_that_of_the_residuals():
    error = np.asarray(NUMBERS - TARGETS)
    np.testing.assert_allclose(real_numbers.squared_size(NUMBERS, TARGETS), error**2, rtol=1e-4)
    features, weights = real_numbers.features(NUMBERS, TARGETS, SCALE)
    np.testing.assert_allclose(features[:, 0, 0], error / 0.5, rtol=1e-4)
    assert weights.shape == (12, 1)
    margins = real_numbers.decisions(features, NUMBERS, TARGETS)
    np.testing.assert_allclose(margins[:, 0, 0], -np.abs(error) / 0.5, rtol=1e-4)


def test_the_decision_of_an_interval_is_whether_it_holds_the_target():
    features, _ = number_intervals.features(ENDS, TARGETS, SCALE)
    inside = number_intervals.decisions(features, ENDS, TARGETS)[:, 0, 0] >= 0
    assert inside.tolist() == metrics.interval_coverage(ENDS, TARGETS).tolist()
    assert 0 < int(jnp.sum(inside)) < 12


@pytest.mark.parametrize("name", ["real_numbers", "relative_numbers", "number_intervals", "event_order"])
def test_samples_fit_their_space(name):
    space = spaces.SPACES[name]
    predictions, targets = sample(space, KEY, 64, 2)
    assert space.check(predictions, targets) is None
    for leaf in jax.tree.leaves(reads(space, predictions, targets)):
        assert np.isfinite(leaf).all()
    if space.alike is not None:
        exact = targets if predictions.ndim == 1 else jnp.stack([targets, targets], axis=1)
        one, other = space.alike(exact, targets)
        assert one.tolist() == other.tolist()


LEARNED = {
    "within_tolerance": (NUMBERS, TARGETS, 0.8),
    "interval_score": (ENDS, TARGETS, 0.8),
    "concordance_index": (NUMBERS, TIMES, 0.7),
    "r2": (NUMBERS, TARGETS, 0.8),
}
UNITS = jnp.array([[1.0, 0.2, 3.0]])
SEVERAL = (NUMBERS[:, None] * UNITS, jnp.stack([TARGETS, NUMBERS[::-1], TARGETS[::-1]], axis=1) * UNITS)


@pytest.mark.parametrize(
    ("name", "of"), [*LEARNED.items(), ("r2", (*SEVERAL, 0.7)), ("within_tolerance", (*SEVERAL, 0.7))]
)
def test_a_surrogate_learns_the_gradient_of_the_metric(name, of):
    predictions, targets, least = of
    repeated = jax.tree.map(lambda leaf: jnp.tile(leaf, (4,) + (1,) * (leaf.ndim - 1)), (predictions, targets))
    surrogate = jaxsurr.correlated_gradients(metrics.get(name), relative_scale=0.5)

    @jax.jit
    def learned(predictions, targets):
        state = surrogate.init(KEY, predictions, targets)
        keys = jax.random.split(KEY, 150)
        return jax.lax.scan(lambda state, key: surrogate.update(state, key, predictions, targets), state, keys)[1]

    info = learned(*repeated)
    assert float(jnp.mean(info.gradient_correlation[-20:] / info.ceiling[-20:])) > least
