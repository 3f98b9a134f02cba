"""Metrics of sets against scikit-learn and plain loops, and what holds for all of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import metrics, spaces

METRICS = {
    name: metric
    for name, metric in metrics.METRICS.items()
    if not metric.per_example and metric.space in (spaces.class_logits, spaces.level_logits)
}
BINARY = ("average_precision", "partial_roc_auc", "precision_at_recall", "recall_at_precision", "roc_auc")


def data(seed=0, batch=40, classes=3, ties=True):
    """Logits of a model that is often right, on a coarse grid for ties, labels, weights and a mask."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, batch, p=np.arange(1, classes + 1) / (classes * (classes + 1) / 2))
    logits = rng.normal(size=(batch, classes)) + 1.5 * np.eye(classes)[labels]
    logits = np.round(logits * 2) / 2 if ties else logits
    return logits.astype(np.float32), labels, rng.uniform(0.1, 2, batch).astype(np.float32), rng.random(batch) < 0.7


def classes_of(name):
    return 2 if name in BINARY else 3


def sklearn_of(name, logits, labels, weights):
    predicted = np.argmax(logits, axis=-1)
    shared = dict(sample_weight=weights)
    scores = logits[:, 1] - logits[:, 0]
    if name == "roc_auc":
        return sklearn.metrics.roc_auc_score(labels, scores, **shared)
    if name == "partial_roc_auc":
        return sklearn.metrics.roc_auc_score(labels, scores, max_fpr=0.1, **shared)
    if name == "average_precision":
        return sklearn.metrics.average_precision_score(labels, scores, **shared)
    if name in ("precision_at_recall", "recall_at_precision"):
        precision, recall, _ = sklearn.metrics.precision_recall_curve(labels, scores, **shared)
        reached, best = (recall, precision) if name == "precision_at_recall" else (precision, recall)
        return np.max(best[reached >= 0.8])
    if name == "f_beta":
        return sklearn.metrics.f1_score(labels, predicted, average="macro", zero_division=0, **shared)
    if name == "jaccard":
        return sklearn.metrics.jaccard_score(labels, predicted, average="macro", zero_division=0, **shared)
    if name == "balanced_error":
        return 1 - sklearn.metrics.balanced_accuracy_score(labels, predicted, **shared)
    if name == "matthews_correlation":
        return sklearn.metrics.matthews_corrcoef(labels, predicted, **shared)
    if name == "cohen_kappa":
        return sklearn.metrics.cohen_kappa_score(labels, predicted, **shared)
    if name == "quadratic_weighted_kappa":
        return sklearn.metrics.cohen_kappa_score(labels, predicted, weights="quadratic", **shared)
    if name == "g_mean":
        recall = sklearn.metrics.recall_score(labels, predicted, average=None, zero_division=0, **shared)
        present = np.bincount(labels, minlength=len(recall)) > 0 if len(recall) == logits.shape[1] else slice(None)
        return np.prod(recall[present]) ** (1 / len(recall[present]))
    assert name == "expected_calibration_error"
    return calibration_by_loop(logits, labels, weights)


def calibration_by_loop(logits, labels, weights, bins=15):
    logits = logits.astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence, total = (odds / odds.sum(axis=1, keepdims=True)).max(axis=1), 0.0
    for low in range(bins):
        within = (confidence > low / bins) & (confidence <= (low + 1) / bins)
        right = np.argmax(logits, axis=1) == labels
        total += abs(np.sum(weights[within] * (confidence[within] - right[within])))
    return total / np.sum(weights)


@functools.cache
def compiled(name):
    """The metric, and the metric with replacements, of predictions, targets, mask and weights."""
    metric = METRICS[name]
    value = jax.jit(lambda z, y, where, weights: metric(z, y, where=where, weights=weights))
    replaced = jax.jit(lambda z, y, where, other: metric(z, y, where=where, replacements=other))
    return value, replaced


@pytest.mark.parametrize("name", METRICS)
def test_agrees_with_scikit_learn_whole_masked_and_weighted(name):
    for seed in range(8):
        logits, labels, weights, where = data(seed, classes=classes_of(name))
        ones, everyone = np.ones_like(weights), np.ones_like(where)
        for w, rows in ((ones, everyone), (weights, everyone), (weights, where)):
            spoilt = np.where(rows[:, None], logits, np.nan)
            got = compiled(name)[0](spoilt, labels, rows, w)
            wanted = sklearn_of(name, logits[rows], labels[rows], w[rows])
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6, err_msg=f"seed {seed}")


@pytest.mark.parametrize("name", METRICS)
def test_replacements_are_the_values_of_sets_with_one_example_replaced(name):
    for seed in range(3):
        logits, labels, _, where = data(seed, batch=12, classes=classes_of(name))
        other = data(seed + 100, batch=12, classes=classes_of(name))[0]
        ones = np.ones(12, np.float32)
        value, replaced = compiled(name)
        got = replaced(logits, labels, where, other)
        for row in range(12):
            moved = logits.copy()
            moved[row] = other[row]
            wanted = value(moved, labels, where, ones)
            np.testing.assert_allclose(got[row], wanted, rtol=1e-5, atol=1e-6, err_msg=f"seed {seed}, row {row}")


@pytest.mark.parametrize("average", ["binary", "macro", "micro", "weighted"])
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_averages_of_f_beta_and_jaccard(average, beta):
    for seed in range(5):
        logits, labels, weights, _ = data(seed, classes=2 if average == "binary" else 4)
        predicted = np.argmax(logits, axis=1)
        options = dict(average=average, sample_weight=weights, zero_division=0)
        got = metrics.f_beta(logits, jnp.asarray(labels), weights=weights, beta=beta, average=average)
        wanted = sklearn.metrics.fbeta_score(labels, predicted, beta=beta, **options)
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
        got = metrics.jaccard(logits, jnp.asarray(labels), weights=weights, average=average)
        np.testing.assert_allclose(got, sklearn.metrics.jaccard_score(labels, predicted, **options), rtol=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_one_logit_is_worth_the_logits_of_two_classes(name):
    logits, labels, weights, where = data(3, classes=2)
    if name == "quadratic_weighted_kappa":
        with pytest.raises(ValueError, match=r"\[B, K\]"):
            METRICS[name](logits[:, 1], labels)
        return
    column, ones = logits[:, 1:] - logits[:, :1], np.ones_like(weights)
    value, replaced = compiled(name)
    for w, rows in ((ones, np.ones_like(where)), (weights, where)):
        of_logits = value(np.concatenate([0 * column, column], axis=1), labels, rows, w)
        for z, y in ((column[:, 0], labels), (column, labels), (column, labels[:, None] > 0)):
            assert float(value(z, y, rows, w)) == float(of_logits)
            assert float(value(np.where(rows.reshape(-1, *z.shape[1:]), z, np.nan), y, rows, w)) == float(of_logits)
    wanted = replaced(logits, labels, where, logits[::-1])
    for z, y in ((column[:, 0], labels), (column, labels)):
        np.testing.assert_allclose(replaced(z, y, where, z[::-1]), wanted, rtol=1e-5, atol=1e-6)


def test_levels_decoded_by_the_mean_and_by_thresholds():
    logits, labels, _, _ = data(1, classes=5, ties=False)
    cumulative = -np.sort(-logits[:, 1:], axis=1)
    counted = metrics.quadratic_weighted_kappa(cumulative, jnp.asarray(labels), decode="thresholds")
    wanted = sklearn.metrics.cohen_kappa_score(labels, np.sum(cumulative > 0, axis=1), weights="quadratic")
    np.testing.assert_allclose(counted, wanted, rtol=1e-5)
    mean = jax.nn.softmax(jnp.asarray(logits)) @ jnp.arange(5.0)
    apart, chance = np.mean((mean - labels) ** 2), np.mean((np.asarray(mean)[:, None] - labels[None]) ** 2)
    got = metrics.quadratic_weighted_kappa(logits, jnp.asarray(labels), decode="expected")
    np.testing.assert_allclose(got, 1 - apart / chance, rtol=1e-5)
    assert metrics.get("quadratic_weighted_kappa?decode=thresholds").space is spaces.cumulative_logits


# --- one class, constant score, empty mask ----------------------------------------------------------------------------

ONE_CLASS = {  # all labels and predictions are class 1, or a constant score
    "average_precision": 1,
    "balanced_error": 0,
    "cohen_kappa": 0,
    "expected_calibration_error": 1 - 1 / (1 + np.exp(-2)),
    "f_beta": 1,
    "g_mean": 1,
    "jaccard": 1,
    "matthews_correlation": 0,
    "partial_roc_auc": 0.5,
    "precision_at_recall": 1,
    "quadratic_weighted_kappa": 0,
    "recall_at_precision": 1,
    "roc_auc": 0.5,
}
EMPTY = dict.fromkeys(ONE_CLASS, 0) | {"partial_roc_auc": 0.5, "roc_auc": 0.5}
NEVER_PREDICTED = dict.fromkeys(ONE_CLASS, 0) | {  # labels half 0 and half 1, class 0 always predicted, score constant
    "average_precision": 0.5,
    "balanced_error": 0.5,
    "expected_calibration_error": 1 / (1 + np.exp(-2)) - 0.5,
    "partial_roc_auc": 0.5,
    "precision_at_recall": 0.5,
    "roc_auc": 0.5,
}


@pytest.mark.parametrize("name", METRICS)
def test_one_class_one_example_empty_and_constant_score(name):
    def value(logits, labels, where):
        return compiled(name)[0](logits, labels, where, np.ones(8, np.float32))

    everyone, nobody, first = np.ones(8, bool), np.zeros(8, bool), np.arange(8) < 1
    ones, mixed = np.ones(8, np.int32), np.arange(8, dtype=np.int32) % 2
    towards = {c: np.tile(np.where(np.arange(2) == c, 1.0, -1.0).astype(np.float32), (8, 1)) for c in (0, 1)}
    assert float(value(towards[1], ones, everyone)) == pytest.approx(ONE_CLASS[name], abs=1e-6)
    assert float(value(towards[1], ones, first)) == pytest.approx(ONE_CLASS[name], abs=1e-6)
    assert float(value(np.full((8, 2), np.nan, np.float32), ones, nobody)) == EMPTY[name]
    assert float(value(towards[0], mixed, everyone)) == pytest.approx(NEVER_PREDICTED[name], abs=1e-6)
    assert float(value(np.zeros((8, 2), np.float32), np.zeros(8, np.int32), everyone)) in (0, 0.5, 1)


@pytest.mark.parametrize("name", METRICS)
def test_nan_extremes_and_half_precision(name):
    logits, labels, _, where = data(5, classes=classes_of(name))
    ones = np.ones(len(labels), np.float32)
    value, replaced = compiled(name)
    broken = logits.copy()
    broken[np.argmax(where)] = np.nan
    assert np.isnan(value(broken, labels, where, ones))
    mended = replaced(broken, labels, where, logits)  # only the set in which the NaN itself is replaced is sound
    assert np.isnan(mended).sum() == len(labels) - 1
    assert np.isnan(replaced(logits, labels, where, broken)).sum() == 1
    for extreme in (1e30, -1e30, 3e38):
        assert 0 <= float(value(np.where(logits > 0, extreme, logits).astype(np.float32), labels, where, ones)) + 1 <= 2
    halves = jnp.asarray(logits, jnp.bfloat16)  # the grid of halves is exact in 8 bits
    assert METRICS[name](halves, jnp.asarray(labels)).dtype == jnp.float32
    if name != "expected_calibration_error":  # whose softmax is of the same numbers, but rounded otherwise
        assert float(METRICS[name](halves, jnp.asarray(labels))) == float(METRICS[name](logits, jnp.asarray(labels)))


def test_under_vmap_and_the_same_for_any_order():
    logits, labels, _, where = data(2, classes=2)
    order = np.random.default_rng(0).permutation(len(labels))
    for metric in METRICS.values():
        one = jax.jit(lambda z, y, w, metric=metric: metric(z, y, where=w))
        stacked = jax.jit(jax.vmap(one))(
            jnp.stack([logits, logits[order]]), jnp.stack([labels, labels[order]]), jnp.stack([where, where[order]])
        )
        np.testing.assert_allclose(stacked[0], stacked[1], rtol=1e-5, err_msg=metric.name)
        np.testing.assert_allclose(stacked[0], one(logits, jnp.asarray(labels), where), rtol=1e-5)


def test_large_ranks_are_exact():
    rng = np.random.default_rng(0)
    labels = rng.random(20000) < 0.02
    scores = (rng.normal(size=20000) + labels).astype(np.float16).astype(np.float32)  # many ties
    for metric, reference in (
        (metrics.roc_auc, sklearn.metrics.roc_auc_score),
        (metrics.average_precision, sklearn.metrics.average_precision_score),
    ):
        got = metric(jnp.asarray(scores), jnp.asarray(labels, jnp.int32))
        np.testing.assert_allclose(got, reference(labels, scores), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda z, y: metrics.f_beta(z, y, beta=0), ValueError, "beta must be positive"),
        (lambda z, y: metrics.f_beta(z, y, average="binary"), ValueError, "two classes, predictions have 3"),
        (lambda z, y: metrics.f_beta(z, y, average="makro"), ValueError, "did you mean 'macro'"),
        (lambda z, y: metrics.f_beta(z, y, weights=-jnp.ones(4)), ValueError, "at least 0"),
        (lambda z, y: metrics.f_beta(z, y, weights=jnp.ones(3)), ValueError, r"weights must have shape \[4\]"),
        (lambda z, y: metrics.roc_auc(z, y), ValueError, "must be of two classes"),
        (lambda z, y: metrics.roc_auc(z[:, 0], y), ValueError, "from 0 to 1"),
        (lambda z, y: metrics.cohen_kappa(z, y, where=jnp.ones(4, int)), TypeError, "where must be booleans"),
        (lambda z, y: metrics.cohen_kappa(z, y + 1), ValueError, "from 0 to 2"),
        (lambda z, y: metrics.cohen_kappa(z, y.astype(float)), TypeError, "targets must be integers"),
        (lambda z, y: metrics.expected_calibration_error(z, y, bins=0), ValueError, "bins must be an integer"),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call(jnp.zeros((4, 3)), jnp.array([0, 1, 2, 2]))


def test_arrays_are_no_options_that_can_be_bound():
    assert metrics.f_beta.known_options == ["beta", "average"]
    assert metrics.f_beta.replaces and not metrics.error_rate.replaces
    with pytest.raises(
        TypeError, match="weights is an array with a row for each example, and cannot be bound to f_beta"
    ):
        metrics.f_beta.bind(weights=1)
