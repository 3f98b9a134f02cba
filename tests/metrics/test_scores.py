"""Metrics of one logit: error rate; parts of the ROC curve and points on the precision-recall curve."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import metrics, spaces

POINTS = {"precision_at_recall": "recall", "recall_at_precision": "precision"}
BOUNDS = (0.05, 0.3, 0.5, 0.9, 1.0)


def data(seed, batch=60, positive=0.3):
    """Scores with many ties, labels, weights and a mask."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(batch) < positive).astype(np.int32)
    scores = np.round(rng.normal(size=batch) + labels, 1 if seed % 2 else 0).astype(np.float32)
    return scores, labels, rng.uniform(0.1, 2, batch).astype(np.float32), rng.random(batch) < 0.8


def reference(name, bound, scores, labels, weights):
    if name == "partial_roc_auc":
        return sklearn.metrics.roc_auc_score(labels, scores, max_fpr=bound, sample_weight=weights)
    precision, recall, _ = sklearn.metrics.precision_recall_curve(labels, scores, sample_weight=weights)
    reached, best = (recall, precision) if name == "precision_at_recall" else (precision, recall)
    return np.max(best[reached >= bound], initial=0)


@functools.cache
def compiled(name):
    """The metric with its bound traced, so that one program serves all; and the same with replacements."""
    option = POINTS.get(name, "max_fpr")

    def value(z, y, where, weights, bound, replacements=None):
        options = {option: bound, "weights": weights, "replacements": replacements}
        return metrics.METRICS[name](z, y, where=where, **options)

    return jax.jit(value)


@pytest.mark.parametrize("name", ["partial_roc_auc", *POINTS])
def test_against_scikit_learn_at_many_bounds(name):
    for seed in range(6):
        scores, labels, weights, where = data(seed)
        for bound in BOUNDS:
            for w, rows in ((np.ones_like(weights), np.ones_like(where)), (weights, where)):
                got = compiled(name)(np.where(rows, scores, np.nan), labels, rows, w, bound)
                wanted = reference(name, bound, scores[rows], labels[rows], w[rows])
                np.testing.assert_allclose(got, wanted, rtol=3e-5, atol=1e-5, err_msg=f"seed {seed}, bound {bound}")


@pytest.mark.parametrize("name", ["partial_roc_auc", *POINTS])
def test_weighted_replacements_are_the_values_of_sets_with_one_example_replaced(name):
    for seed in range(3):
        scores, labels, weights, where = data(seed, batch=12, positive=0.5)
        other = data(seed + 50, batch=12)[0]
        for w in (np.ones_like(weights), weights):
            got = compiled(name)(scores, labels, where, w, 0.5, other)
            for row in range(12):
                moved = scores.copy()
                moved[row] = other[row]
                wanted = compiled(name)(moved, labels, where, w, 0.5)
                np.testing.assert_allclose(got[row], wanted, rtol=1e-5, atol=2e-6, err_msg=f"seed {seed}, row {row}")


def test_partial_area_itself_and_the_whole_of_it():
    scores, labels, weights, where = data(1)
    shared = dict(where=where, weights=weights)
    whole = metrics.roc_auc(scores, labels, **shared)
    for standardised in (True, False):
        got = metrics.partial_roc_auc(scores, labels, max_fpr=1, standardised=standardised, **shared)
        np.testing.assert_allclose(got, whole, rtol=1e-5)
    rates = sklearn.metrics.roc_curve(labels[where], scores[where], sample_weight=weights[where])[:2]
    grid = np.linspace(0, 0.3, 300_001)
    area = np.trapezoid(np.interp(grid, *rates), grid)
    got = metrics.partial_roc_auc(scores, labels, max_fpr=0.3, standardised=False, **shared)
    np.testing.assert_allclose(got, area, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "empty", "positives", "negatives", "constant"),
    [
        ("partial_roc_auc", 0.5, 0.5, 0.5, 0.5),
        ("precision_at_recall", 0, 1, 0, 0.25),
        ("recall_at_precision", 0, 1, 0, 0),
    ],
)
def test_one_class_nobody_and_a_constant_score(name, empty, positives, negatives, constant):
    scores, nobody, ones = np.arange(8, dtype=np.float32), np.zeros(8, bool), np.ones(8, np.float32)
    run = functools.partial(compiled(name), weights=ones, bound=0.5)
    assert float(run(np.full(8, np.nan, np.float32), np.ones(8, int), nobody)) == empty
    assert float(run(scores, np.ones(8, int), ~nobody)) == positives
    assert float(run(scores, np.zeros(8, int), ~nobody)) == negatives
    assert float(run(0 * scores, np.arange(8) // 6, ~nobody)) == pytest.approx(constant)
    assert np.isnan(run(np.where(scores == 3, np.nan, scores), np.arange(8) % 2, ~nobody))
    chance = metrics.partial_roc_auc(scores, np.ones(8, int), max_fpr=0.5, standardised=False)
    assert float(chance) == 0.125


def test_a_bound_that_is_met_exactly_counts():
    labels = jnp.array([1] * 9 + [0] + [1])
    scores = jnp.arange(11.0)[::-1]
    assert float(metrics.precision_at_recall(scores, labels, recall=0.9)) == 1
    assert float(metrics.recall_at_precision(scores, labels, precision=10 / 11)) == 1
    for tenth in range(1, 11):
        found = metrics.recall_at_precision(jnp.arange(10.0)[::-1], jnp.arange(10) < tenth, precision=tenth / 10)
        assert float(found) == 1


def test_error_rate_of_one_logit_is_that_of_two():
    rng = np.random.default_rng(0)
    scores, labels, where = np.round(rng.normal(size=40)).astype(np.float32), rng.integers(0, 2, 40), np.arange(40) < 30
    scores[3] = np.nan
    pair = np.stack([np.zeros_like(scores), scores], axis=1)
    wanted = metrics.error_rate(pair, labels, where=where)
    for z, y in ((scores, labels), (scores[:, None], labels[:, None]), (scores[:, None], labels > 0)):
        assert jax.jit(metrics.error_rate)(z, y, where=where).tolist() == wanted.tolist()
    assert float(wanted[3]) == 1
    sure = where & ~np.isnan(scores)
    zero_one = sklearn.metrics.zero_one_loss(labels[sure], scores[sure] > 0)
    assert float(metrics.error_rate.mean(scores, labels, where=sure)) == pytest.approx(zero_one)


@pytest.mark.parametrize("shape", [(64,), (64, 1)])
@pytest.mark.parametrize("name", ["error_rate", "f_beta", "partial_roc_auc"])
def test_surrogates_learn_on_one_logit_of_either_shape(name, shape):
    metric = metrics.METRICS[name].bind(space=spaces.binary_scores)
    z, y = jaxsurr.sample(spaces.binary_scores, jax.random.key(0), 64, 2)
    surrogate = jaxsurr.correlated_gradients(metric, num_pairs=4)
    state = surrogate.init(jax.random.key(1), z.reshape(shape), y)
    state, info = surrogate.update(state, jax.random.key(2), z.reshape(shape), y > 0)
    gradient = jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, y)))(z.reshape(shape))
    assert gradient.shape == shape and np.isfinite(gradient).all() and np.isfinite(info.gradient_correlation)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: metrics.partial_roc_auc(jnp.zeros(3), jnp.array([0, 1, 1]), max_fpr=0), "max_fpr must be"),
        (lambda: metrics.partial_roc_auc(jnp.zeros(3), jnp.array([0, 1, 1]), max_fpr=1.5), "max_fpr must be"),
        (lambda: metrics.partial_roc_auc(jnp.zeros(3), jnp.array([0, 1, 1]), standardised=2), "True or False"),
        (lambda: metrics.precision_at_recall(jnp.zeros(3), jnp.array([0, 1, 1]), recall=0), "recall must be"),
        (lambda: metrics.recall_at_precision(jnp.zeros(3), jnp.array([0, 1, 1]), precision=2), "precision must be"),
        (lambda: metrics.recall_at_precision(jnp.zeros((3, 3)), jnp.array([0, 1, 1])), "must be of two classes"),
        (lambda: spaces.binary_scores.check(jnp.zeros((3, 2)), jnp.zeros(3, int)), r"\[B\] or \[B, 1\], one logit"),
        (lambda: metrics.get("pauc"), "that is partial_roc_auc"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
