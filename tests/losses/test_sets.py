"""Hand-made losses of sets and lists against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import RankedLists, losses

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(12, 2)).astype(np.float32)
LABELS = np.arange(12) % 3 // 2
WHERE = np.arange(12) < 9
OF_TWO_CLASSES = ("auc_margin", "pairwise_auc", "smooth_average_precision", "soft_f_beta")
OF_LISTS = ("list_logistic", "list_softmax")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_loop(name, scores, labels):
    """The value of a set, in double precision."""
    scores = scores.astype(np.float64)
    positive, negative = scores[labels == 1], scores[labels == 0]
    if name == "pairwise_auc":
        return np.mean([max(0, 1 - (p - n)) ** 2 for p in positive for n in negative])
    if name == "auc_margin":
        high, low = sigmoid(positive), sigmoid(negative)
        return np.var(high) + np.var(low) + max(0, 1 - (np.mean(high) - np.mean(low))) ** 2
    if name == "smooth_average_precision":
        total = 0.0
        for i in np.flatnonzero(labels == 1):
            ahead = {j: sigmoid((scores[j] - scores[i]) / 0.1) for j in range(len(scores)) if j != i}
            hits = 1 + sum(share for j, share in ahead.items() if labels[j] == 1)
            total += hits / (1 + sum(ahead.values()))
        return 1 - total / len(positive)
    chance = sigmoid(scores)
    return 1 - 2 * np.sum(chance * labels) / (np.sum(labels) + np.sum(chance))


@pytest.mark.parametrize("name", OF_TWO_CLASSES)
def test_value_mask_and_gradient(name):
    loss = jax.jit(losses.get(name))
    scores = LOGITS[:, 1] - LOGITS[:, 0]
    wanted = by_loop(name, scores, LABELS)
    for predictions in (LOGITS, scores):
        np.testing.assert_allclose(loss(predictions, LABELS), np.full(12, wanted), rtol=1e-5)
    spoilt = np.where(WHERE, scores, np.nan).astype(np.float32)
    values, gradient = jax.jit(jax.value_and_grad(lambda z: jnp.sum(losses.get(name)(z, LABELS, where=WHERE)) / 9))(
        spoilt
    )
    assert float(values) == pytest.approx(by_loop(name, scores[:9], LABELS[:9]), rel=1e-5)
    assert np.isfinite(gradient).all() and not np.any(gradient[9:])
    step = 1e-3  # a step up the gradient raises the loss of the set by its squared length
    raised = loss(scores + step * np.asarray(gradient), LABELS, where=WHERE)[0]
    assert float(raised - values) == pytest.approx(step * float(jnp.sum(gradient**2)), rel=0.1)


@pytest.mark.parametrize("name", OF_TWO_CLASSES)
@pytest.mark.parametrize("labels", [0, 1])
def test_one_class_extremes_and_nobody_are_finite(name, labels):
    loss = jax.jit(jax.value_and_grad(lambda z, y, w: jnp.sum(losses.get(name)(z, y, where=w))))
    for scores, where in ((LOGITS[:, 0], WHERE), (1e6 * LOGITS[:, 0], WHERE), (LOGITS[:, 0], np.zeros(12, bool))):
        value, gradient = loss(scores, np.full(12, labels), where)
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_soft_f_beta_of_many_classes_is_the_mean_over_those_in_the_set():
    logits, labels = RNG.normal(size=(9, 4)).astype(np.float32), np.arange(9) % 3
    chance = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)
    scores = [5 * np.sum(chance[labels == k, k]) / (4 * np.sum(labels == k) + np.sum(chance[:, k])) for k in range(3)]
    np.testing.assert_allclose(losses.soft_f_beta(logits, labels, beta=2.0)[0], 1 - np.mean(scores), rtol=1e-5)


@pytest.mark.parametrize("name", OF_LISTS)
def test_lists_against_a_loop(name):
    scores, items = RNG.normal(size=(5, 6)), RNG.random((5, 6)) < 0.7
    items[:, :2], items[4] = True, False
    relevance = RNG.integers(0, 3, (5, 6)).astype(float)
    relevance[3] = 0
    targets = RankedLists(jnp.asarray(relevance), jnp.asarray(items))
    wanted = []
    for row, grades, present in zip(scores, relevance, items, strict=True):
        z, r = row[present], grades[present]
        if name == "list_softmax":
            gains = 2**r - 1
            wanted.append(np.sum(gains * (np.log(np.sum(np.exp(z))) - z)) / max(np.sum(gains), 1e-9) if len(z) else 0)
        else:
            places = range(len(z))
            pairs = [np.log1p(np.exp(z[j] - z[i])) for i in places for j in places if r[i] > r[j]]
            wanted.append(np.mean(pairs) if pairs else 0)
    spoilt = jnp.where(items, scores, jnp.nan)
    loss = jax.jit(losses.get(name))
    np.testing.assert_allclose(loss(spoilt, targets), wanted, rtol=1e-4, atol=1e-6)
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(loss(z, targets))))(spoilt)
    assert np.isfinite(gradient).all() and not np.any(gradient[~items])
    where = jnp.arange(5) < 2
    assert loss(spoilt, targets, where=where)[2:].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: losses.pairwise_auc(jnp.zeros((3, 3)), jnp.zeros(3, int)), "two classes"),
        (lambda: losses.soft_f_beta(jnp.zeros(3), jnp.zeros(3, int), beta=0), "beta must be positive"),
        (lambda: losses.soft_f_beta(jnp.zeros((3, 3)), jnp.zeros(3, int), average="binary"), "needs two classes"),
        (lambda: losses.smooth_average_precision(jnp.zeros(3), jnp.zeros(3, int), temperature=0), "temperature"),
        (lambda: losses.auc_margin(jnp.zeros(3), jnp.full(3, 2)), "from 0 to 1"),
    ],
)
def test_bad_input_is_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
