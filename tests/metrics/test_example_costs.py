"""Metrics of the costs that examples bring: against loops, scikit-learn and the matrix; what is learned of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import metrics, spaces

KEY = jax.random.key(0)
NAMES = ("example_cost", "example_regret")


def problem(seed, batch=40, decisions=3):
    """Logits with ties, costs of any sign with ties, weights and a mask."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(size=(batch, decisions)), seed % 2).astype(np.float32)
    costs = np.round(rng.normal(1, 3, (batch, decisions)), 1).astype(np.float32)
    costs[0] = costs[0, 0]
    return logits, costs, rng.uniform(0.1, 2, batch).astype(np.float32), rng.random(batch) < 0.7


@pytest.mark.parametrize("name", NAMES)
def test_values_and_means_against_a_loop(name):
    metric = metrics.get(name)
    values, mean = jax.jit(lambda z, y, w: metric(z, y, where=w)), jax.jit(lambda z, y, w: metric.mean(z, y, where=w))
    for seed in range(6):
        logits, costs, weights, where = problem(seed)
        pairs = zip(logits, costs, strict=True)
        wanted = [c[np.argmax(z)] - (min(c) if name == "example_regret" else 0) for z, c in pairs]
        np.testing.assert_allclose(values(logits, costs, where), np.where(where, wanted, 0), rtol=1e-6)
        spoilt, odd = np.where(where[:, None], logits, np.nan), np.where(where[:, None], costs, np.inf)
        np.testing.assert_allclose(mean(spoilt, odd, where), np.mean(np.array(wanted)[where]), rtol=1e-5)
        weighted = np.where(where, weights, 0).astype(np.float32)
        np.testing.assert_allclose(mean(spoilt, odd, weighted), np.average(wanted, weights=weighted), rtol=1e-5)
    assert float(mean(logits, costs, np.zeros(40, bool))) == 0


def test_two_decisions_that_cost_an_amount_are_the_weighted_error_of_scikit_learn():
    logits, _, amounts, _ = problem(1, decisions=2)
    labels = np.arange(40) % 2
    costs = amounts[:, None] * (np.arange(2)[None] != labels[:, None])
    wanted = sklearn.metrics.zero_one_loss(labels, np.argmax(logits, axis=1), sample_weight=amounts)
    for name in NAMES:
        mean = metrics.get(name).mean(logits, costs.astype(np.float32))
        np.testing.assert_allclose(mean, wanted * np.mean(amounts), rtol=1e-5)


def test_costs_by_the_true_class_are_those_of_the_matrix():
    logits, matrix = problem(2)[0], np.array([[0, 1, 4], [2, 0, 2], [9, 3, 0]], np.float32)
    labels = np.arange(40) % 3
    got = metrics.example_cost(logits, matrix[labels])
    np.testing.assert_array_equal(got, metrics.cost.bind(matrix=matrix)(logits, labels))
    np.testing.assert_array_equal(metrics.example_regret(logits, matrix[labels]), got)


def test_ties_nan_halves_integers_and_large_costs():
    tied, costs = jnp.zeros((2, 3)), jnp.array([[4.0, 1.0, 2.0], [-1.0, 0.0, -3.0]])
    assert metrics.example_cost(tied, costs).tolist() == [4, -1]
    assert metrics.example_regret(tied, costs).tolist() == [3, 2]
    assert np.isnan(metrics.example_cost(tied.at[0, 1].set(jnp.nan), costs)).tolist() == [True, False]
    assert metrics.example_cost(jnp.array([[-jnp.inf, 0.0, -1.0]] * 2), costs).tolist() == [1, 0]
    halves = metrics.example_cost(tied.astype(jnp.float16), jnp.array([[1e6, 0, 0], [3e38, 0, 0]], jnp.float32))
    assert halves.dtype == jnp.float32 and halves.tolist() == np.float32([1e6, 3e38]).tolist()
    assert metrics.example_cost(tied, costs.astype(int)).tolist() == [4, -1]


LOGITS, COSTS = (jnp.asarray(array) for array in problem(0, batch=4)[:2])


@pytest.mark.parametrize(
    ("predictions", "targets", "kind", "sentence"),
    [
        (LOGITS, COSTS.at[1, 2].set(jnp.nan), ValueError, r"targets hold 1 costs .* first at index \(1, 2\)\. Leave"),
        (LOGITS, COSTS.at[3].set(-jnp.inf), ValueError, r"3 costs that are NaN or infinite, .* \(3, 0\)"),
        (LOGITS, COSTS[:, :2], ValueError, r"shape \[4, 3\], got \[4, 2\]\.$"),
        (LOGITS, jnp.arange(4), ValueError, r"got \[4\]\. Costs of pairs .* are a matrix of the metric cost"),
        (LOGITS, COSTS > 0, TypeError, "must be numbers, floats or integers, got dtype bool"),
        (LOGITS, COSTS.tolist(), TypeError, "cost of each decision, got list"),
        (LOGITS[:, 0], COSTS[:, 0], ValueError, r"\[B, K\], a logit of each of K decisions"),
        (LOGITS[:, :1], COSTS[:, :1], ValueError, r"at least 2 decisions, got shape \[4, 1\]\. For one logit z"),
        (LOGITS.astype(int), COSTS, TypeError, "floating dtype"),
    ],
)
def test_bad_input_is_named(predictions, targets, kind, sentence):
    for call in (metrics.example_cost, metrics.example_regret, jaxsurr.losses.expected_example_cost):
        with pytest.raises(kind, match=sentence):
            call(predictions, targets)


def test_a_cost_that_is_not_finite_is_nan_inside_jit_and_does_not_count_where_masked():
    spoilt, where = COSTS.at[1, 2].set(jnp.inf), jnp.array([True, False, True, True])
    assert np.isnan(jax.jit(metrics.example_cost)(LOGITS, spoilt)).tolist() == [False, True, False, False]
    np.testing.assert_array_equal(
        metrics.example_cost(LOGITS, spoilt, where=where), metrics.example_cost(LOGITS, COSTS, where=where)
    )


def test_shifts_of_decisions_are_tuned():
    logits, costs = jaxsurr.sample(spaces.example_cost_logits, jax.random.key(3), 60, 2)
    tuned = jaxsurr.decoding.tune("example_cost", logits, costs.at[:, 1].add(1.0))
    assert tuned.after < tuned.before and tuned.shifts[1] < 0
    got = metrics.example_cost.mean(tuned.apply(logits), costs.at[:, 1].add(1.0))
    np.testing.assert_allclose(got, tuned.after, rtol=1e-5)


@pytest.mark.parametrize("word", ["cost_loss", "example_dependent_cost", "regret", "savings_score"])
def test_names_of_other_libraries_are_known(word):
    with pytest.raises(ValueError, match="example_"):
        metrics.get(word)


def test_what_is_learned_serves_any_number_of_decisions_and_any_unit_and_is_kept_in_a_file(tmp_path):
    surrogate = jaxsurr.correlated_gradients(metrics.example_cost)

    def data(key, decisions=3, rows=96):
        return jaxsurr.sample(spaces.example_cost_logits, key, rows, decisions)

    def step(state, key):
        return surrogate.update(state, key, *data(key))

    state = jax.jit(surrogate.init)(KEY, *data(KEY))
    state, infos = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(KEY, 150)))(state)
    last = jax.tree.map(lambda leaf: jnp.mean(leaf[-20:]), infos)
    assert last.gradient_correlation > 0.95 * last.ceiling
    assert last.value_error < 0.1  # also where the cheapest decisions cost something
    logits, costs = data(jax.random.key(7), 5)
    gradient = jax.jit(jax.grad(lambda z, y: jnp.sum(surrogate.loss(state, z, y))))
    slope = gradient(logits, costs)
    np.testing.assert_allclose(gradient(logits, 1000 * costs), 1000 * slope, rtol=1e-3, atol=0.2)
    np.testing.assert_allclose(gradient(logits, costs + 7), slope, rtol=1e-3, atol=2e-4)
    assert not np.any(gradient(logits, jnp.ones_like(costs)))  # nothing to learn where all decisions cost the same
    pair = logits[:, :3], costs[:, :3]
    loaded, again = jaxsurr.load(jaxsurr.save(tmp_path / "it", surrogate, state, example=pair))
    np.testing.assert_array_equal(loaded.loss(again, *pair), surrogate.loss(state, *pair))
    logits, costs = data(jax.random.key(8))
    found = jaxsurr.diagnose(loaded, again, logits, costs.at[:5].set(2.0), key=KEY)
    assert found.gradient[0] > 0.85 and np.isfinite(found.value).all()
    assert "example_cost: correlation of the gradient" in str(found)
