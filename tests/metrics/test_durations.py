"""The concordance index against lifelines and plain loops; ties, weights, masks, no events, many examples."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import Durations, metrics


def data(seed, batch=40, ties=True):
    rng = np.random.default_rng(seed)
    time, scores = rng.exponential(4, batch), rng.normal(size=batch)
    if ties:
        time, scores = np.round(time), np.round(scores * 2) / 2
    event, weights, where = rng.random(batch) < 0.6, rng.uniform(0.1, 2, batch), rng.random(batch) < 0.7
    return scores.astype(np.float32), Durations(time.astype(np.float32), event), weights.astype(np.float32), where


def by_loop(scores, time, event, weights):
    right = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[i] < time[j] or (time[i] == time[j] and not event[j]):
                pairs += weights[i] * weights[j]
                right += weights[i] * weights[j] * ((scores[i] < scores[j]) + (scores[i] == scores[j]) / 2)
    return right / pairs if pairs else 0.5


@functools.cache
def compiled():
    metric = metrics.concordance_index
    value = jax.jit(lambda z, y, where, weights: metric(z, y, where=where, weights=weights))
    return value, jax.jit(lambda z, y, where, other: metric(z, y, where=where, replacements=other))


def rows_of(targets, where):
    return Durations(*(leaf[where] for leaf in targets))


def test_agrees_with_loops_whole_masked_and_weighted():
    value, _ = compiled()
    for seed in range(4):
        scores, targets, weights, where = data(seed)
        ones, everyone = np.ones_like(weights), np.ones_like(where)
        for w, rows in ((ones, everyone), (weights, everyone), (weights, where)):
            spoilt = np.where(rows, scores, np.nan).astype(np.float32)
            broken = Durations(np.where(rows, targets.time, -1).astype(np.float32), targets.event)
            wanted = by_loop(scores[rows], *rows_of(targets, rows), w[rows])
            np.testing.assert_allclose(value(spoilt, broken, rows, w), wanted, rtol=1e-5)
        np.testing.assert_allclose(
            value(scores[:, None], targets, everyone, ones), by_loop(scores, *targets, ones), rtol=1e-5
        )


def test_agrees_with_lifelines_with_ties_and_without_censored_times():
    utils = pytest.importorskip("lifelines.utils", reason="needs lifelines, an independent reference")
    for seed in range(6):
        scores, targets, _, _ = data(seed, 60, ties=seed % 2 == 0)
        wanted = utils.concordance_index(targets.time, scores, targets.event)
        np.testing.assert_allclose(metrics.concordance_index(scores, targets), wanted, rtol=1e-5)
        wanted = utils.concordance_index(targets.time, scores)
        np.testing.assert_allclose(metrics.concordance_index(scores, targets.time), wanted, rtol=1e-5)


def test_replacements_are_the_values_of_sets_with_one_example_replaced():
    value, replaced = compiled()
    for seed in range(3):
        scores, targets, weights, where = data(seed)
        other = scores[::-1].copy()
        got = replaced(scores, targets, where, other)
        for row in range(0, 40, 3):
            moved = np.where(np.arange(40) == row, other, scores)
            np.testing.assert_allclose(got[row], value(moved, targets, where, np.ones_like(weights)), rtol=1e-5)


def test_no_order_known_constant_nobody_and_nan():
    value, replaced = compiled()
    scores, targets, _, where = data(0)
    ones, everyone = np.ones(40, np.float32), np.ones(40, bool)
    censored = targets._replace(event=np.zeros(40, bool))
    together = Durations(np.ones(40, np.float32), np.ones(40, bool))
    for z, y, w in ((scores, censored, everyone), (scores, together, everyone), (0 * scores, targets, everyone)):
        assert float(value(z, y, w, ones)) == 0.5
    assert (
        float(value(scores, targets, ~everyone, ones)) == float(value(scores, targets, np.arange(40) < 1, ones)) == 0.5
    )
    broken = scores.copy()
    broken[np.argmax(where)] = np.nan
    assert np.isnan(value(broken, targets, where, ones))
    assert np.isnan(replaced(broken, targets, where, scores)).sum() == 39  # the set without the NaN is sound
    assert np.isnan(replaced(scores, targets, where, broken)).sum() == 1
    assert np.isnan(value(scores, targets._replace(time=-targets.time), everyone, ones))


def test_infinite_and_half_precision_scores():
    scores, targets, _, _ = data(1)
    halves = jnp.asarray(scores, jnp.bfloat16)
    assert float(metrics.concordance_index(halves, targets)) == float(metrics.concordance_index(scores, targets))
    extreme = np.where(scores > 0, np.float32(3e38), scores)
    np.testing.assert_allclose(
        metrics.concordance_index(extreme, targets), by_loop(extreme, *targets, np.ones(40)), rtol=1e-5
    )


def test_many_examples_are_counted_exactly_some_rows_at_a_time():
    rng = np.random.default_rng(0)
    time = rng.permutation(5000).astype(np.float32)
    noisy = time + rng.normal(0, 1000, 5000).astype(np.float32)
    # Of uncensored distinct times and scores it is (1 + Kendall's tau) / 2.
    stats = pytest.importorskip("scipy.stats")
    wanted = (1 + stats.kendalltau(time, noisy).statistic) / 2
    np.testing.assert_allclose(metrics.concordance_index(noisy, time), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        (lambda y: y._replace(time=-y.time), ValueError, "targets.time must be at least 0 and finite"),
        (lambda y: y._replace(time=y.time * np.nan), ValueError, "targets.time must be at least 0 and finite"),
        (lambda y: y._replace(event=y.time + 2), ValueError, "targets.event must be 1 .* and 0 where not"),
        (lambda y: y._replace(event=y.event[:3]), ValueError, r"targets.event must have shape \[40\]"),
        (lambda y: tuple(y), TypeError, "targets must be an array of numbers, got tuple"),
    ],
)
def test_bad_input_is_named(change, kind, sentence):
    scores, targets, _, _ = data(0)
    with pytest.raises(kind, match=sentence):
        metrics.concordance_index(scores, change(targets))
