"""Losses of one logit, and of sets of two classes: shapes, values of plain loops, gradients, extremes, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsurr import losses

RNG = np.random.default_rng(0)
LOGIT = RNG.normal(0, 3, 24).astype(np.float32)
LABELS = np.arange(24) % 2
NAMES = ("binary_cross_entropy", "binary_focal")
SHAPES = {
    "[B]": (LOGIT, LABELS),
    "[B, 1]": (LOGIT[:, None], LABELS),
    "targets [B, 1]": (LOGIT[:, None], LABELS[:, None]),
    "targets bool": (LOGIT, LABELS > 0),
    "[B, 2]": (np.stack([0 * LOGIT, LOGIT], axis=1), LABELS),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*NAMES, "auc_margin", "pairwise_auc", "smooth_average_precision", "soft_f_beta"])
def test_every_shape_has_the_same_values(name, shape):
    where = np.arange(24) < 20
    wanted = losses.get(name)(LOGIT, LABELS, where=where)
    got = jax.jit(losses.get(name))(*SHAPES[shape], where=where)
    assert got.shape == (24,) and not np.any(got[20:])
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_they_are_the_losses_of_the_logits_of_two_classes():
    pair = jnp.stack([jnp.zeros(24), LOGIT], axis=1)
    cross_entropy = losses.binary_cross_entropy(LOGIT, LABELS)
    # The log-sum-exp of a logit of a few units is rounded at its own size, also where the loss is small.
    np.testing.assert_allclose(cross_entropy, losses.cross_entropy(pair, LABELS), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cross_entropy, optax.sigmoid_binary_cross_entropy(LOGIT, LABELS), rtol=1e-5)
    halves = losses.binary_focal(LOGIT, LABELS, gamma=1.5, alpha=0.5)
    np.testing.assert_allclose(2 * halves, losses.focal(pair, LABELS, gamma=1.5), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(2 * losses.binary_focal(LOGIT, LABELS, gamma=0, alpha=0.5), cross_entropy, rtol=1e-6)
    quarter, most = (losses.binary_focal(LOGIT, LABELS, alpha=alpha) for alpha in (0.25, 1.0))
    np.testing.assert_allclose(quarter[LABELS == 1], most[LABELS == 1] / 4, rtol=1e-6)
    assert not np.any(most[LABELS == 0])


@pytest.mark.parametrize("name", NAMES)
def test_gradient_against_finite_differences(name):
    with jax.enable_x64(True):
        z, y = jnp.asarray(LOGIT, jnp.float64), jnp.asarray(LABELS)
        slope = jax.grad(lambda z: jnp.sum(losses.get(name)(z, y)))(z)
        step = 1e-5
        differences = (losses.get(name)(z + step, y) - losses.get(name)(z - step, y)) / (2 * step)
        np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_extremes_and_half_precision_are_finite(name, gamma):
    loss = losses.get(name)
    loss = loss if name == "binary_cross_entropy" else lambda z, y: losses.binary_focal(z, y, gamma=gamma)
    run = jax.jit(jax.grad(lambda z, y: (jnp.sum(loss(z, y)), loss(z, y)), has_aux=True))
    for dtype in (jnp.float32, jnp.float16, jnp.bfloat16):
        z = jnp.array([0.0, 6e4, -6e4, 1e-7, 20.0], dtype)
        for label in (0, 1):
            gradient, values = run(z, jnp.full(5, label))
            assert values.dtype == jnp.float32 and gradient.dtype == dtype
            assert np.isfinite(values).all() and np.isfinite(gradient.astype(jnp.float32)).all()
            if name == "binary_cross_entropy":
                assert float(values[1 + label]) == float(jnp.abs(z[1 + label].astype(jnp.float32)))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda z: losses.binary_cross_entropy(z, np.full(24, 2)), ValueError, "classes from 0 to 1"),
        (lambda z: losses.binary_cross_entropy(z, np.full(24, 0.3)), TypeError, "targets must be integers"),
        (lambda z: losses.binary_cross_entropy(z, np.ones(24)), TypeError, r"pass targets\.astype\(int\)"),
        (lambda z: losses.binary_cross_entropy(z.reshape(8, 3), np.ones(8, int)), ValueError, r"or logits \[B, 2\]"),
        (lambda z: losses.binary_focal(z, LABELS, gamma=-1), ValueError, "gamma must be a finite number of at least 0"),
        (lambda z: losses.binary_focal(z, LABELS, alpha=1.5), ValueError, "alpha must be .* at most 1"),
        (lambda z: losses.cross_entropy(z[:, None], LABELS), ValueError, "Its loss is binary_cross_entropy"),
        (lambda z: losses.cross_entropy(z, LABELS), ValueError, "Its loss is binary_cross_entropy"),
        (lambda z: losses.get("bce"), ValueError, "of one logit for two classes it is binary_cross_entropy"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call(LOGIT)


@pytest.mark.parametrize("name", NAMES)
def test_traced_targets_out_of_range_are_no_number(name):
    values = jax.jit(losses.get(name))(LOGIT[:3], jnp.array([0, 2, 1]))
    assert np.isnan(values).tolist() == [False, True, False]


# --- losses of a set --------------------------------------------------------------------------------------------------

LOGITS = RNG.normal(size=(12, 2)).astype(np.float32)
CLASSES = np.arange(12) % 3 // 2
WHERE = np.arange(12) < 9
OF_SETS = ("auc_margin", "pairwise_auc", "smooth_average_precision", "soft_f_beta")


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


@pytest.mark.parametrize("name", OF_SETS)
def test_value_mask_and_gradient(name):
    loss = jax.jit(losses.get(name))
    scores = LOGITS[:, 1] - LOGITS[:, 0]
    wanted = by_loop(name, scores, CLASSES)
    for predictions in (LOGITS, scores):
        np.testing.assert_allclose(loss(predictions, CLASSES), np.full(12, wanted), rtol=1e-5)
    spoilt = np.where(WHERE, scores, np.nan).astype(np.float32)
    values, gradient = jax.jit(jax.value_and_grad(lambda z: jnp.sum(losses.get(name)(z, CLASSES, where=WHERE)) / 9))(
        spoilt
    )
    assert float(values) == pytest.approx(by_loop(name, scores[:9], CLASSES[:9]), rel=1e-5)
    assert np.isfinite(gradient).all() and not np.any(gradient[9:])
    step = 1e-3  # a step up the gradient raises the loss of the set by its squared length
    raised = loss(scores + step * np.asarray(gradient), CLASSES, where=WHERE)[0]
    assert float(raised - values) == pytest.approx(step * float(jnp.sum(gradient**2)), rel=0.1)


@pytest.mark.parametrize("name", OF_SETS)
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
def test_bad_input_of_a_set_is_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
