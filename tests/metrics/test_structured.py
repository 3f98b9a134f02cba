"""Metrics of ranked lists, segmentation masks and sequences against scikit-learn and plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import RankedLists, Sequences, metrics

# --- ranked lists -----------------------------------------------------------------------------------------------------


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


# --- masks ------------------------------------------------------------------------------------------------------------


def masks(seed=0, batch=4, classes=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, classes, (batch, 3, 5))
    return rng.normal(size=(batch, 3, 5, classes)).astype(np.float32), labels


def test_mean_iou_against_scikit_learn_masked_and_replaced():
    value = jax.jit(lambda z, y, where: metrics.mean_iou(z, y, where=where))
    replaced = jax.jit(lambda z, y, where, other: metrics.mean_iou(z, y, where=where, replacements=other))
    for seed in range(5):
        logits, labels = masks(seed)
        where = np.arange(4) != seed % 4
        counted = where[:, None, None] & (labels >= 0)
        wanted = sklearn.metrics.jaccard_score(labels[counted], np.argmax(logits, -1)[counted], average="macro")
        spoilt = np.where(where[:, None, None, None], logits, np.nan)
        np.testing.assert_allclose(value(spoilt, labels, where), wanted, rtol=1e-5)
        other = masks(seed + 50)[0]
        got = replaced(logits, labels, where, other)
        for row in range(4):
            moved = np.where((np.arange(4) == row)[:, None, None, None], other, logits)
            np.testing.assert_allclose(got[row], value(moved, labels, where), rtol=1e-5)
    assert float(value(logits, labels, np.zeros(4, bool))) == 0
    assert float(value(logits, np.full_like(labels, -1), np.ones(4, bool))) == 0
    assert np.isnan(value(np.full_like(logits, np.nan), labels, where))


# --- sequences --------------------------------------------------------------------------------------------------------


def edits(first, second):
    table = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, table = table, [i]
        for j, b in enumerate(second, 1):
            table.append(min(before[j] + 1, table[-1] + 1, before[j - 1] + (a != b)))
    return table[-1]


def collapse(tokens, blank):
    return [t for i, t in enumerate(tokens) if t != blank and (i == 0 or t != tokens[i - 1])]


@pytest.mark.parametrize("decode", ["all", "blank", "end"])
def test_edit_distance_against_a_loop(decode):
    options = {} if decode == "all" else {decode: 0}
    distance = jax.jit(lambda z, y: metrics.edit_distance(z, y, relative=False, **options))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        logits, tokens = rng.normal(size=(8, 7, 4)).astype(np.float32), rng.integers(0, 4, (8, 5))
        lengths = rng.integers(0, 6, 8)
        got = distance(logits, Sequences(jnp.asarray(tokens), jnp.asarray(lengths)))
        for value, row, wanted, length in zip(got, np.argmax(logits, -1).tolist(), tokens, lengths, strict=True):
            decoded = {"all": row, "blank": collapse(row, 0), "end": row[: row.index(0)] if 0 in row else row}[decode]
            assert float(value) == edits(decoded, wanted[:length].tolist())


def test_edit_distance_relative_masked_and_nan():
    logits = 9 * jnp.eye(4)[jnp.array([[1, 2, 3], [1, 2, 3], [0, 0, 0]])]
    targets = Sequences(jnp.array([[1, 3], [2, 2], [1, 1]]), jnp.array([2, 0, 1]))
    assert metrics.edit_distance(logits, targets).tolist() == [1 / 2, 3 / 1, 3 / 1]
    assert metrics.edit_distance(logits, targets, where=jnp.array([True, False, True])).tolist() == [1 / 2, 0, 3]
    broken = logits.at[0, 0, 0].set(jnp.nan)
    assert np.isnan(metrics.edit_distance(broken, targets)).tolist() == [True, False, False]


LISTS, SEQUENCES = lists()[1], Sequences(jnp.zeros((6, 2), int), jnp.ones(6, int))


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
        (lambda: metrics.mean_iou(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 3), int)), ValueError, "for each pixel"),
        (lambda: metrics.mean_iou(jnp.zeros((1, 2, 2, 3)), jnp.full((1, 2, 2), 3)), ValueError, "from 0 to 2"),
        (lambda: metrics.mean_iou(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 2))), TypeError, "must be integers"),
        (lambda: metrics.edit_distance(jnp.zeros((6, 3, 2)), jnp.zeros(6)), TypeError, "must be jaxsurr.Sequences"),
        (
            lambda: metrics.edit_distance(jnp.zeros((6, 3, 2)), SEQUENCES._replace(lengths=jnp.full(6, 3))),
            ValueError,
            "between 0 and 2",
        ),
        (lambda: metrics.edit_distance(jnp.zeros((6, 3, 2)), SEQUENCES, blank=0, end=1), ValueError, "one of them"),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()
