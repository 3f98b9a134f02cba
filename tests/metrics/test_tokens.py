"""Metrics of the labels of steps against plain loops and scikit-learn; masks, ties, empty sequences, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import Sequences, metrics

BATCH, STEPS, LABELS = 12, 6, 4


def problem(seed=0):
    """Logits with ties, labels of which some are ignored, lengths from 0 to all steps."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(0, 1, (BATCH, STEPS, LABELS)) * 2).astype(np.float32) / 2
    tokens = rng.integers(-1, LABELS, (BATCH, STEPS))
    lengths = rng.integers(0, STEPS + 1, BATCH)
    lengths[:2] = 0, STEPS
    right = rng.random((BATCH, STEPS)) < 0.7
    logits[right, np.maximum(tokens, 0)[right]] += 4
    return logits, Sequences(tokens, lengths)


def steps(logits, targets):
    """Predicted and true labels of the steps that count, of each example."""
    for row, tokens, length in zip(logits, *targets, strict=True):
        counts = [t for t in range(length) if tokens[t] >= 0]
        yield [int(np.argmax(row[t])) for t in counts], [int(tokens[t]) for t in counts]


def spoilt(logits, targets, where):
    """The same with rubbish in what does not count."""
    counts = (np.arange(STEPS) < targets.lengths[:, None]) & (targets.tokens >= 0) & where[:, None]
    tokens = np.where(np.arange(STEPS) < targets.lengths[:, None], targets.tokens, 99)
    return np.where(counts[..., None], logits, np.nan), Sequences(tokens, targets.lengths)


@pytest.mark.parametrize("seed", range(5))
def test_values_against_loops(seed):
    logits, targets = problem(seed)
    where = np.random.default_rng(seed).random(BATCH) < 0.8
    error, exact = (jax.jit(metrics.get(name)) for name in ("token_error", "exact_match"))
    inputs = spoilt(logits, targets, where)
    pairs = list(steps(logits, targets))
    wrong = [np.mean(np.not_equal(*pair)) if pair[0] else 0 for pair in pairs]
    np.testing.assert_allclose(error(*inputs, where=where), np.where(where, wrong, 0), rtol=1e-6)
    same = [float(predicted == true) for predicted, true in pairs]
    assert exact(*inputs, where=where).tolist() == np.where(where, same, 0).tolist()
    assert 0 < np.mean(same) < 1


@pytest.mark.parametrize("seed", range(5))
def test_pooled_error_against_scikit_learn_with_weights_and_replacements(seed):
    rng = np.random.default_rng(seed)
    logits, targets = problem(seed)
    where, weights = rng.random(BATCH) < 0.8, rng.random(BATCH).astype(np.float32)
    weights[1] = 0
    inputs = spoilt(logits, targets, where)

    def wanted(logits, weights):
        rows = [(*pair, w) for pair, w, there in zip(steps(logits, targets), weights, where, strict=True) if there]
        predicted, true = (np.concatenate([row[side] for row in rows]) for side in (0, 1))
        return sklearn.metrics.zero_one_loss(
            true, predicted, sample_weight=np.repeat([w for *_, w in rows], [len(p) for p, *_ in rows])
        )

    pooled = jax.jit(lambda z, y, **options: metrics.pooled_token_error(z, y, where=where, **options))
    np.testing.assert_allclose(pooled(*inputs), wanted(logits, np.ones(BATCH)), rtol=1e-5)
    np.testing.assert_allclose(pooled(*inputs, weights=weights), wanted(logits, weights), rtol=1e-5)
    other = problem(seed + 50)[0]
    each = pooled(*inputs, weights=weights, replacements=spoilt(other, targets, where)[0])
    for row in range(BATCH):
        moved = np.where((np.arange(BATCH) == row)[:, None, None], other, logits)
        np.testing.assert_allclose(each[row], wanted(moved, weights), rtol=1e-5)
    assert float(pooled(inputs[0], targets._replace(lengths=np.zeros(BATCH, int)))) == 0


def test_an_example_without_a_label_has_no_error_and_is_matched():
    logits = jnp.full((3, 2, 3), jnp.nan)
    nothing = Sequences(jnp.array([[0, 1], [-1, -1], [1, 1]]), jnp.array([0, 2, 0]))
    assert metrics.token_error(logits, nothing).tolist() == [0, 0, 0]
    assert metrics.exact_match(logits, nothing).tolist() == [1, 1, 1]
    assert float(metrics.pooled_token_error(logits, nothing)) == 0
    one = nothing._replace(lengths=jnp.array([0, 2, 1]))
    for name in ("token_error", "exact_match"):
        assert np.isnan(metrics.get(name)(logits, one)).tolist() == [False, False, True]
    assert np.isnan(metrics.pooled_token_error(logits, one))


def test_half_precision_and_labels_of_few_bits():
    logits, targets = problem()
    small = Sequences(targets.tokens.astype(np.int8), targets.lengths.astype(np.uint8))
    for name in ("token_error", "exact_match", "pooled_token_error"):
        metric = jax.jit(metrics.get(name))
        np.testing.assert_array_equal(metric(jnp.asarray(logits, jnp.bfloat16), small), metric(logits, targets))
    many = jnp.zeros((1, 1, 300)).at[0, 0, 299].set(1.0)  # 299 as an 8-bit number is 43
    assert metrics.token_error(many, Sequences(jnp.array([[43]], jnp.uint8), jnp.array([1]))).tolist() == [1]


def test_a_surrogate_learns_the_pooled_error():
    surrogate = jaxsurr.correlated_gradients(metrics.pooled_token_error, num_pairs=32, calibrate=False)
    logits, targets = jax.tree.map(jnp.asarray, problem())

    @jax.jit
    def two(state):
        def update(state, key):
            return surrogate.update(state, key, logits, targets)

        state, infos = jax.lax.scan(update, state, jax.vmap(jax.random.key)(jnp.arange(2)))
        return infos, jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, targets)))(logits)

    infos, slope = two(surrogate.init(jax.random.key(0), logits, targets))
    assert np.isfinite(infos.gradient_correlation[-1])
    assert np.isfinite(slope).all() and np.any(slope)


Z = jnp.zeros((2, 3, 4))
Y = Sequences(jnp.zeros((2, 3), int), jnp.array([3, 1]))
REFUSED = {
    "a mask for lengths": (
        Z, Y._replace(lengths=jnp.ones((2, 3), bool)), ValueError,
        r"got a mask \[2, 3\]: pass mask\.sum\(axis=1\), and -1 as label",
    ),
    "a mask of numbers": (Z, Y._replace(lengths=jnp.ones((2, 3))), ValueError, r"got a mask \[2, 3\]"),
    "float lengths": (Z, Y._replace(lengths=jnp.ones(2)), TypeError, "targets.lengths must be integers, got float32"),
    "lengths beyond the steps": (
        Z, Y._replace(lengths=jnp.array([3, 4])), ValueError, "lie between 0 and 3, the number of steps, got 4",
    ),
    "negative lengths": (Z, Y._replace(lengths=jnp.array([3, -1])), ValueError, "between 0 and 3, .*, got -1"),
    "labels beyond K": (
        Z, Y._replace(tokens=Y.tokens + 4), ValueError,
        "labels from 0 to 3, as predictions have room for 4, or negative where a step is to be ignored, got 4",
    ),
    "float labels": (Z, Y._replace(tokens=Y.tokens * 1.0), TypeError, "targets.tokens must be integers, got float32"),
    "another number of steps": (
        Z, Y._replace(tokens=jnp.zeros((2, 5), int)), ValueError,
        r"a label for each of the 3 steps, shape \[2, 3\], got \[2, 5\].* are for edit_distance",
    ),
    "too few lengths": (Z, Y._replace(lengths=jnp.array([3])), ValueError, r"targets.lengths must have shape \[2\]"),
    "labels alone": (Z, Y.tokens, TypeError, r"targets must be jaxsurr.Sequences\(tokens, lengths\)"),
    "logits of classes": (Z[:, 0], Y, ValueError, r"\[B, T, K\], logits of K labels for each of T steps"),
    "one label": (Z[..., :1], Y, ValueError, "a step and at least two labels"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_everything(case):
    predictions, targets, kind, sentence = REFUSED[case]
    for call in (
        lambda: metrics.token_error(predictions, targets),
        lambda: metrics.exact_match(predictions, targets),
        lambda: metrics.pooled_token_error(predictions, targets),
        lambda: jaxsurr.losses.token_cross_entropy(predictions, targets),
        lambda: jaxsurr.correlated_gradients(metrics.exact_match).init(jax.random.key(0), predictions, targets),
    ):
        with pytest.raises(kind, match=sentence):
            call()


def test_lengths_beyond_the_end_do_not_reach_labels_in_jit():
    values = jax.jit(metrics.token_error)(Z, Y._replace(lengths=jnp.array([3, 9])))
    assert np.isnan(values).tolist() == [False, True]
