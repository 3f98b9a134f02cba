"""Metrics of ranked lists against scikit-learn and plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import RankedLists, metrics


def lists(seed=0, batch=6, length=8):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(batch, length)), 1).astype(np.float32)
    relevance = rng.integers(0, 4, (batch, length)).astype(np.float32)
    items = rng.random((batch, length)) < 0.8
    items[:, 0] = True
    return scores, RankedLists(jnp.asarray(relevance), jnp.asarray(items))


def ndcg_by_loop(scores, relevance, k):
    order = sorted(range(len(scores)), key=lambda item: -scores[item])
    gains = [2 ** relevance[item] - 1 for item in order]
    best = sum(g / np.log2(r + 2) for r, g in enumerate(sorted(gains, reverse=True)[:k]))
    return sum(g / np.log2(r + 2) for r, g in enumerate(gains[:k])) / best if best else 0.0


@pytest.mark.parametrize("k", [1, 3, 20])
def test_lists_against_loops_and_scikit_learn(k):
    ndcg = jax.jit(lambda z, y: metrics.ndcg(z, y, k=k))
    shared = jax.jit(lambda z, y: metrics.ndcg(z, y, k=k, exponential=False, average_ties=True))
    recall = jax.jit(lambda z, y: metrics.recall_at_k(z, y, k=k, relevant=2))
    for seed in range(10):
        scores, targets = lists(seed)
        spoilt = np.where(targets.items, scores, np.nan)
        for got, of_ties, found, row, relevance, items in zip(
            ndcg(spoilt, targets), shared(spoilt, targets), recall(spoilt, targets), scores, *targets, strict=True
        ):
            row, relevance = row[np.asarray(items)], np.asarray(relevance)[np.asarray(items)]
            np.testing.assert_allclose(got, ndcg_by_loop(row, relevance, k), rtol=1e-5)
            if len(row) > 1:
                np.testing.assert_allclose(of_ties, sklearn.metrics.ndcg_score([relevance], [row], k=k), rtol=1e-5)
            first = sorted(range(len(row)), key=lambda item, row=row: -row[item])[:k]
            wanted = sum(relevance[item] >= 2 for item in first) / max(sum(relevance >= 2), 1)
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["ndcg", "recall_at_k"])
def test_lists_masked_without_relevant_items_nan_and_half_precision(name):
    metric, (scores, targets) = jax.jit(metrics.get(name)), lists()
    where = jnp.arange(6) < 3
    assert metric(scores, targets, where=where).tolist() == [*metric(scores, targets)[:3].tolist(), 0, 0, 0]
    assert metric(scores, targets._replace(relevance=0 * targets.relevance)).tolist() == [0] * 6
    assert metric(scores, targets._replace(items=0 * targets.items)).tolist() == [0] * 6
    assert np.isnan(metric(jnp.asarray(scores).at[1, 0].set(jnp.nan), targets)).tolist() == [False, True] + [False] * 4
    halves = jnp.asarray(np.round(scores * 2) / 2)
    assert metric(halves.astype(jnp.bfloat16), targets).tolist() == metric(halves, targets).tolist()
    assert np.isfinite(metric(1e30 * jnp.sign(scores), targets)).all()


LISTS = lists()[1]


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: metrics.ndcg(jnp.zeros((6, 8)), LISTS, k=0), ValueError, "k must be an integer"),
        (lambda: metrics.ndcg(jnp.zeros((6, 7)), LISTS), ValueError, r"targets.relevance must have shape \[6, 7\]"),
        (lambda: metrics.ndcg(jnp.zeros((6, 8)), LISTS.relevance), TypeError, "must be jaxsurr.RankedLists"),
        (
            lambda: metrics.ndcg(jnp.zeros((6, 8)), LISTS._replace(relevance=LISTS.relevance - 9)),
            ValueError,
            "relevance must be at least 0",
        ),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()
