"""Losses on the costs that examples bring: against their definitions and finite differences; extremes; refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from jaxsurr import losses

NAMES = tuple(name for name, kind in losses.KIND.items() if kind == "example_costs")
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (12, 4)).astype(np.float32)
COSTS = np.round(RNG.normal(1, 3, (12, 4)), 1).astype(np.float32)
COSTS[0, :2] = COSTS[0].min()  # two are cheapest
COSTS[1] = 5.0  # all cost the same


def by_definition(name, logits, costs, scale=1.0):
    values = []
    for z, c in zip(np.asarray(logits, np.float64), np.asarray(costs, np.float64), strict=True):
        share = scipy.special.softmax(z)
        if name == "expected_example_cost":
            values.append(sum(share * c))
        elif name == "cost_proportionate_cross_entropy":
            values.append(-sum((max(c) - c) * np.log(share)))
        else:
            sides = [1 if cost == min(c) else -1 for cost in c]
            terms = (np.log1p(np.exp(a * (-r - cost) / scale)) for a, r, cost in zip(sides, z, c, strict=True))
            values.append(scale * sum(terms))
    return values


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in NAMES), ("one_sided_regression", {"scale": 2.5})]
)
def test_value_and_gradient_against_the_definition(name, options):
    def loss(z, y):
        return losses.get(name)(z, y, **options)

    assert len(NAMES) == 3
    np.testing.assert_allclose(jax.jit(loss)(LOGITS, COSTS), by_definition(name, LOGITS, COSTS, **options), rtol=2e-5)
    slope = jax.jit(jax.grad(lambda z: jnp.sum(loss(z, COSTS))))(LOGITS)
    step = 1e-4
    for decision in range(4):
        moved = [LOGITS.astype(np.float64) + sign * step * np.eye(4)[decision] for sign in (1, -1)]
        up, down = (np.array(by_definition(name, z, COSTS, **options)) for z in moved)
        np.testing.assert_allclose(slope[:, decision], (up - down) / (2 * step), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_masked_rows_may_hold_anything_and_wrong_ones_are_nan_inside_jit(name):
    where = np.arange(12) % 3 > 0
    spoilt = np.where(where[:, None], COSTS, np.nan).astype(np.float32)
    loss = jax.jit(lambda z, y, w: losses.get(name)(z, y, where=w))
    wanted = np.where(where, by_definition(name, LOGITS, COSTS), 0)
    np.testing.assert_allclose(loss(np.where(where[:, None], LOGITS, np.inf), spoilt, where), wanted, rtol=2e-5)
    np.testing.assert_allclose(loss(LOGITS, spoilt, where.astype(np.float32) / 2), wanted, rtol=2e-5)
    assert np.isnan(loss(LOGITS, spoilt, np.ones(12, bool))).tolist() == (~where).tolist()
    with pytest.raises(ValueError, match=r"16 costs that are NaN or infinite, the first at index \(0, 0\)"):
        losses.get(name)(LOGITS, spoilt)


@pytest.mark.parametrize("name", NAMES)
def test_extremes_and_equal_costs_are_finite_and_so_are_their_gradients(name):
    slope = jax.jit(jax.value_and_grad(lambda z, y: jnp.sum(losses.get(name)(z, y))))
    for costs in (COSTS, 1e6 * COSTS, np.full_like(COSTS, -7.0), np.zeros_like(COSTS), 1e-30 * COSTS):
        for logits in (LOGITS, np.zeros_like(LOGITS), 1e4 * np.sign(LOGITS)):
            value, gradient = slope(logits, costs)
            assert np.isfinite(value) and np.isfinite(gradient).all()
    if name != "one_sided_regression":  # which estimates costs, also where nothing is to be decided
        assert not np.any(slope(LOGITS, np.full_like(COSTS, -7.0))[1])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_counted_in_single(name, dtype):
    halves = jnp.asarray(LOGITS).astype(dtype)
    values = losses.get(name)(halves, COSTS)
    assert values.dtype == jnp.float32
    np.testing.assert_allclose(values, by_definition(name, halves.astype(jnp.float32), COSTS), rtol=2e-5)
    whole = np.round(COSTS)
    assert losses.get(name)(LOGITS, whole.astype(int)).tolist() == losses.get(name)(LOGITS, whole).tolist()


def test_of_two_decisions_it_is_cross_entropy_weighted_by_what_is_at_stake():
    logits, amounts, labels = LOGITS[:, :2], np.abs(COSTS[:, 0]), np.arange(12) % 2
    costs = amounts[:, None] * (np.arange(2)[None] != labels[:, None])
    weighted = amounts * losses.cross_entropy(logits, labels)
    np.testing.assert_allclose(losses.cost_proportionate_cross_entropy(logits, costs), weighted, rtol=1e-5)
    matrix = np.array([[0, 1, 4, 1], [2, 0, 2, 5], [9, 3, 0, 0], [1, 1, 1, 0]], np.float32)
    known = np.arange(12) % 4
    got = losses.expected_example_cost(LOGITS, matrix[known])
    np.testing.assert_allclose(got, losses.expected_cost(LOGITS, known, matrix=matrix), rtol=1e-5)


@pytest.mark.parametrize("name", ["cost_proportionate_cross_entropy", "one_sided_regression"])
def test_convex_losses_lie_below_their_chords(name):
    one, other = LOGITS, LOGITS[::-1]
    for share in (0.2, 0.5, 0.7):
        between = by_definition(name, share * one + (1 - share) * other, COSTS)
        ends = [np.array(by_definition(name, z, COSTS)) for z in (one, other)]
        assert np.all(between <= share * ends[0] + (1 - share) * ends[1] + 1e-6)


def test_the_weighted_cross_entropy_is_least_where_the_largest_logit_has_the_least_expected_cost():
    """Of three examples that no model can tell apart; the decision that is cheapest most often is not the best one."""
    costs = np.array([[0, 1, 5], [0, 1, 5], [9, 4, 0]], np.float32)  # on average 3, 2, 10 / 3
    mean = jax.grad(lambda z: jnp.mean(losses.cost_proportionate_cross_entropy(jnp.tile(z, (3, 1)), costs)))
    z = jax.lax.fori_loop(0, 2000, lambda _, z: z - 0.2 * mean(z), jnp.zeros((1, 3)))
    saved = np.mean(costs.max(axis=1, keepdims=True) - costs, axis=0)
    np.testing.assert_allclose(jax.nn.softmax(z)[0], saved / saved.sum(), rtol=1e-3)
    assert int(jnp.argmax(z)) == 1


def test_with_a_small_scale_it_is_the_one_sided_regression_of_hinges():
    sides = np.where(COSTS.min(axis=1, keepdims=True) == COSTS, 1, -1)
    hinges = np.maximum(sides * (-LOGITS - COSTS), 0).sum(axis=1)
    np.testing.assert_allclose(losses.one_sided_regression(LOGITS, COSTS, scale=1e-4), hinges, rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match="scale must be positive"):
        losses.one_sided_regression(LOGITS, COSTS, scale=0.0)


def test_a_decision_that_is_ruled_out_has_no_part_in_the_expected_cost():
    ruled = LOGITS.copy()
    ruled[:, 3] = -np.inf
    got = losses.expected_example_cost(ruled, COSTS)
    np.testing.assert_allclose(got, losses.expected_example_cost(LOGITS[:, :3], COSTS[:, :3]), rtol=1e-5)
    with pytest.raises(ValueError, match="rule a class out"):
        losses.cost_proportionate_cross_entropy(ruled, COSTS)


def test_one_sided_regression_leaves_out_decisions_that_are_ruled_out():
    z = jnp.array([[1.0, -jnp.inf, 0.5], [2.0, 1.0, -jnp.inf]])  # one of two cheapest, and the cheapest
    costs = jnp.array([[0.0, 0.0, 2.0], [1.0, 3.0, 0.0]])
    left = losses.one_sided_regression(jnp.array([[1.0, 0.5], [2.0, 1.0]]), jnp.array([[0.0, 2.0], [1.0, 3.0]]))
    np.testing.assert_allclose(losses.one_sided_regression(z, costs), left, rtol=1e-6)
    gradient = jax.grad(lambda z: jnp.sum(losses.one_sided_regression(z, costs)))(z)
    assert jnp.all(jnp.isfinite(gradient)) and not gradient[jnp.isneginf(z)].any()
