"""Weights of examples: 0 is masked, 2 is two examples, and the unit does not matter; in losses, metrics, surrogates."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as reference

import jaxsurr
from jaxsurr import losses, metrics
from jaxsurr.core.moments import moments
from jaxsurr.core.reductions import masked_mean, mean_one, num_valid, weighted
from tests.long import properties
from tests.long.inputs import Recipe, make

CASES = list(properties.cases())
VALUE_CASES = [case for case in CASES if case.name not in properties.SURROGATES]
SET_METRICS = [metric for metric in metrics.METRICS.values() if not metric.per_example]
COUNTS = np.array([0, 1, 3, 2, 1, 2, 0, 1])


def example(space, shape, seed=3):
    return make(space, Recipe(shape, "float32", "tied", "mixed", "some", seed), 4.0)


def shape_of(case):
    return properties.shapes_of(case)[3]  # of eight examples


@pytest.mark.parametrize("case", VALUE_CASES, ids=lambda case: case.name)
def test_weights_of_zero_and_one_are_a_mask(case):
    predictions, targets, where = example(case.space, shape_of(case))
    exercise = jax.jit(case.exercise)
    of_mask, of_weights = (exercise(predictions, targets, w)[1] for w in (where, where.astype(np.float32)))
    last_bit = 0 if jax.default_backend() == "cpu" else 1e-6  # two programs need not sum in one order elsewhere
    for one, other in zip(jax.tree.leaves(of_mask), jax.tree.leaves(of_weights), strict=True):
        np.testing.assert_allclose(one, other, last_bit, last_bit)


def repeated(tree):
    return jax.tree.map(lambda leaf: leaf[np.repeat(np.arange(len(COUNTS)), COUNTS)], tree)


@pytest.mark.parametrize("case", VALUE_CASES, ids=lambda case: case.name)
def test_a_weight_of_two_is_two_examples(case):
    predictions, targets, _ = example(case.space, shape_of(case))
    function = metrics.get(case.name).mean if case.metric in metrics.METRICS else None
    if case.name.startswith("losses."):
        loss = losses.LOSSES[case.name.removeprefix("losses.")]
        function = lambda z, y, where=None: masked_mean(loss(z, y, where=where), where)  # noqa: E731
        if loss is losses.smooth_average_precision:
            pytest.skip("a score ties with its copies, and not with itself: two examples are not one of weight two")
    if function is None:
        pytest.skip("a bound metric, whose function is one of the others")

    @jax.jit
    def both(predictions, targets, weights):
        return function(predictions, targets, where=weights), function(*repeated((predictions, targets)))

    np.testing.assert_allclose(*both(predictions, targets, COUNTS.astype(np.float32)), 1e-5, 1e-6)


@pytest.mark.parametrize("metric", SET_METRICS, ids=lambda metric: metric.name)
def test_a_weighted_set_with_one_example_replaced(metric):
    case = next(case for case in VALUE_CASES if case.name == metric.name)
    predictions, targets, _ = example(case.space, shape_of(case))
    other = example(case.space, shape_of(case), seed=4)[0]
    if not metric.replaces:
        pytest.skip(f"{metric.name} takes no replacements")
    weights = np.linspace(0.0, 2.0, len(COUNTS)).astype(np.float32)
    found = metric(predictions, targets, where=weights, replacements=other)
    for row in range(len(COUNTS)):
        moved = predictions.copy()
        moved[row] = other[row]
        np.testing.assert_allclose(found[row], metric(moved, targets, where=weights), 2e-5, 1e-6)


def case_of(name, metric="error_rate"):
    return next(case for case in CASES if (case.name, case.metric) == (name, metric))


OF_SETS = ("quadratic_weighted_kappa", "average_precision")
EACH_HOW = ("relational", "set_value_fit", "correlated_gradients(decisions, predictions)")
SURROGATES = [case_of(name) for name in EACH_HOW]  # by draws, by sums, by moments; the basis is below
SURROGATES += [case_of("correlated_gradients(network, predictions)", metric) for metric in OF_SETS]


@pytest.mark.parametrize("case", SURROGATES, ids=lambda case: f"{case.name} {case.metric}")
def test_what_a_surrogate_learns_does_not_depend_on_the_unit_of_weights(case):
    predictions, targets, where = example(case.space, shape_of(case))
    exercise = jax.jit(case.exercise)
    weights = np.where(where, np.linspace(0.5, 2.0, len(where)), 0).astype(np.float32)
    results = [exercise(predictions, targets, factor * weights)[1] for factor in (1, 4)]
    for one, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-6)
    garbage = np.where(where.reshape(-1, *(1,) * (predictions.ndim - 1)), predictions, np.nan).astype(np.float32)
    for one, other in zip(*map(jax.tree.leaves, (exercise(garbage, targets, weights)[1], results[0])), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("family", ["network", "basis"])
@pytest.mark.parametrize("objective", ["predictions", "parameters"])
def test_what_is_learned_from_equal_weights_is_what_is_learned_from_a_mask(family, objective):
    case = case_of(f"correlated_gradients({family}, {objective})")
    predictions, targets, where = example(case.space, shape_of(case))
    of_mask = jax.jit(case.exercise)(predictions, targets, where)[1]
    of_weights = jax.jit(case.exercise)(predictions, targets, np.float32(3) * where)[1]
    for one, other in zip(*map(jax.tree.leaves, (of_mask, of_weights)), strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-6)


def test_a_surrogate_follows_the_examples_that_have_weight():
    """Half of the labels are wrong, and weigh nothing or nearly nothing: the loss is that of the other half."""
    key = jax.random.key(0)
    logits = jax.random.normal(key, (256, 2))
    right = jnp.argmax(logits, axis=1)
    labels = jnp.where(jnp.arange(256) % 2 == 0, right, 1 - right)
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate, num_pairs=8)

    def mean(weights):
        state = surrogate.init(key, logits, labels, weights)
        info = None
        for number in range(3):
            state, info = surrogate.update(state, jax.random.key(number), logits, labels, weights)
        return float(info.metric)

    even = (jnp.arange(256) % 2 == 0).astype(jnp.float32)
    assert mean(even) < 0.35 < 0.65 < mean(1 - even)
    assert abs(mean(even + 1e-3) - mean(even)) < 0.01
    assert abs(mean(jnp.ones(256)) - 0.5) < 0.05


def test_sums_and_means():
    values, weights = jnp.array([1.0, 3.0, jnp.nan]), jnp.array([3.0, 1.0, 0.0])
    assert float(masked_mean(values, weights)) == 1.5
    assert float(masked_mean(values, weights / 1000)) == pytest.approx(1.5)  # the sum of weights may be below 1
    assert float(num_valid(weights, 3)) == 4.0
    assert weighted(values, weights).tolist() == [3.0, 3.0, 0.0]
    assert mean_one(weights).tolist() == [1.5, 0.5, 0.0]
    assert mean_one(jnp.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    assert float(masked_mean(values, jnp.zeros(3))) == 0.0
    x, y = jnp.array([[1.0, 2.0], [3.0, -1.0]]), jnp.array([[0.5, 1.0], [2.0, 2.0]])
    twice = moments(jnp.concatenate([x, x[:1]]), jnp.concatenate([y, y[:1]]))
    for one, other in zip(moments(x, y, jnp.array([2.0, 1.0])), twice, strict=True):
        np.testing.assert_allclose(one, other, 1e-6)


def _hits(labels, decided):
    return np.mean(labels == decided)


def test_a_black_box_gets_sample_weights():
    logits = jax.random.normal(jax.random.key(0), (32, 2))
    labels = (jnp.arange(32) % 3 == 0).astype(jnp.int32)
    weights = jnp.linspace(0.0, 2.0, 32)
    for function in (reference.f1_score, reference.matthews_corrcoef):
        metric = metrics.black_box(function, higher_is_better=True, decode="argmax")
        expected = function(labels, jnp.argmax(logits, axis=1), sample_weight=weights)
        for ask in (metric, jax.jit(metric)):
            np.testing.assert_allclose(ask(logits, labels, where=weights), expected, 1e-6)
    unweighted = metrics.black_box(_hits, higher_is_better=True, decode="argmax")
    with pytest.raises(TypeError, match=r"_hits belongs to a set of examples and takes no weights: .*sample_weight="):
        unweighted(logits, labels, where=weights)


@functools.partial(metrics.metric, higher_is_better=False, per_example=False)
def of_a_set(predictions, targets, *, where=None):
    return jnp.mean(predictions)


@pytest.mark.parametrize(
    "where, message",
    [
        (np.array([1.0, -1.0]), "weights in where must be finite numbers of at least 0, got -1.0"),
        (np.array([1.0, np.nan]), "weights in where must be finite numbers of at least 0, got nan"),
        (np.array([1.0, np.inf]), "weights in where must be finite numbers of at least 0, got inf"),
        (np.ones(3), r"float weights, of shape \[2\], one for each example, got \[3\]"),
        (np.array([1, 0]), r"float weights, got dtype int32: cast 0 and 1 with .astype\(bool\)"),
        ([1.0, 2.0], "float weights, an array, got list"),
    ],
)
def test_weights_that_are_none(where, message):
    z, y = jnp.zeros((2, 3)), jnp.array([0, 1])
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate)
    for ask in (metrics.error_rate, metrics.f_beta, losses.cross_entropy, losses.soft_f_beta):
        with pytest.raises((TypeError, ValueError), match=message):
            ask(z, y, where=where)
    with pytest.raises((TypeError, ValueError), match=message):
        surrogate.init(jax.random.key(0), z, y, where)


def of_loss(z, y, where):
    return masked_mean(losses.cross_entropy(z, y), where)


def test_weights_that_are_none_in_compiled_code():
    z, y = jnp.eye(2, 3), jnp.array([0, 1])
    for bad in (-1.0, jnp.nan, jnp.inf):
        where = jnp.array([1.0, bad])
        for mean in (metrics.error_rate.mean, metrics.f_beta, of_loss):
            assert np.isnan(jax.jit(mean)(z, y, where=where))
        surrogate = jaxsurr.correlated_gradients(metrics.error_rate, num_pairs=2)
        state = surrogate.init(jax.random.key(0), z, y)
        _, info = jax.jit(surrogate.update)(state, jax.random.key(0), z, y, where)
        assert float(info.skipped) == 1


def test_a_metric_of_sets_without_weights_says_so():
    with pytest.raises(TypeError, match="of_a_set belongs to a set of examples and takes no weights: let its function"):
        of_a_set(jnp.zeros((2, 3)), jnp.zeros(2), where=jnp.ones(2))
