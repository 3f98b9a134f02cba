"""Losses of several labels: gradients, relations, the loss of a set, targets of several forms, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsurr import losses

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (12, 4)).astype(np.float32)
LABELS = (RNG.random((12, 4)) < 0.4).astype(np.int32)
WHERE = np.arange(12) < 9
NAMES = ("asymmetric", "label_cross_entropy", "soft_label_f_beta")


@pytest.mark.parametrize("name", NAMES)
def test_gradient_against_finite_differences(name):
    with jax.enable_x64(True):
        z, y = jnp.asarray(LOGITS, jnp.float64), jnp.asarray(LABELS)
        total = jax.jit(lambda z: jnp.sum(losses.get(name)(z, y, where=WHERE)))
        slope = jax.grad(total)(z)
        step, steps = 1e-5, jnp.eye(48).reshape(48, 12, 4)
        differences = jax.vmap(lambda e: (total(z + step * e) - total(z - step * e)) / (2 * step))(steps)
        np.testing.assert_allclose(slope.ravel(), differences, rtol=1e-6, atol=1e-8)
        assert not np.any(slope[9:])


def test_they_are_means_of_what_they_are_made_of():
    each = optax.sigmoid_binary_cross_entropy(LOGITS, LABELS)
    np.testing.assert_allclose(losses.label_cross_entropy(LOGITS, LABELS), jnp.mean(each, axis=1), rtol=1e-5)
    binary = losses.binary_cross_entropy(LOGITS.ravel(), LABELS.ravel()).reshape(12, 4)
    np.testing.assert_allclose(losses.label_cross_entropy(LOGITS, LABELS), jnp.mean(binary, axis=1), rtol=1e-6)
    plain = losses.asymmetric(LOGITS, LABELS, gamma_positive=0, gamma_negative=0, clip=0)
    np.testing.assert_allclose(plain, jnp.mean(each, axis=1), rtol=1e-5)
    focal = losses.asymmetric(LOGITS, LABELS, gamma_positive=2, gamma_negative=2, clip=0)
    halves = losses.binary_focal(LOGITS.ravel(), LABELS.ravel(), alpha=0.5).reshape(12, 4)
    np.testing.assert_allclose(focal, 2 * jnp.mean(halves, axis=1), rtol=1e-5)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_soft_f_beta_by_a_loop(average):
    chance, beta = 1 / (1 + np.exp(-LOGITS[WHERE].astype(np.float64))), 2.0
    labels = LABELS[WHERE] * (np.arange(4) != 2)  # a label that nobody has
    if average == "micro":
        columns = [(chance.ravel(), labels.ravel())]
    else:
        columns = [(chance[:, k], labels[:, k]) for k in (0, 1, 3)]
    scores = [5 * np.sum(p * y) / (4 * np.sum(y) + np.sum(p)) for p, y in columns]
    got = losses.soft_label_f_beta(LOGITS, LABELS * (np.arange(4) != 2), where=WHERE, beta=beta, average=average)
    np.testing.assert_allclose(got, np.where(WHERE, 1 - np.mean(scores), 0), rtol=1e-5)
    assert losses.soft_label_f_beta(LOGITS, 0 * LABELS, average=average).tolist() == [1.0] * 12


@pytest.mark.parametrize("name", NAMES)
def test_labels_may_be_integers_bool_or_floats_and_extremes_are_finite(name):
    loss = jax.jit(losses.get(name))
    wanted = loss(LOGITS, LABELS)
    for dtype in (bool, np.uint8, np.float32, np.float16):
        np.testing.assert_array_equal(loss(LOGITS, LABELS.astype(dtype)), wanted)
    run = jax.jit(jax.grad(lambda z, y: jnp.sum(losses.get(name)(z, y))))
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        for size in (0, 1e-6, 6e4):
            z = jnp.asarray(size * np.sign(LOGITS), dtype)
            for labels in (LABELS, 0 * LABELS, 1 + 0 * LABELS):
                assert np.isfinite(loss(z, labels)).all()
                assert np.isfinite(run(z, labels).astype(jnp.float32)).all()
    assert not loss(np.full_like(LOGITS, np.nan), LABELS, where=np.zeros(12, bool)).any()


def test_a_power_below_one_has_a_finite_gradient_where_clipping_ends():
    z = jnp.log(jnp.array([[0.05 / 0.95, 0.01, 1e-9]]))
    gradient = jax.grad(lambda z: jnp.sum(losses.asymmetric(z, jnp.zeros((1, 3), int), gamma_negative=0.5)))(z)
    assert np.isfinite(gradient).all() and not np.any(gradient[0, 1:])


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda loss: loss(LOGITS, LABELS[:, 0]), ValueError, r"shape \[12, 4\], got \[12\]\. With one class"),
        (lambda loss: loss(LOGITS, LABELS[:, :2]), ValueError, r"shape \[12, 4\], got \[12, 2\]\.$"),
        (lambda loss: loss(LOGITS[:, 0], LABELS[:, 0]), ValueError, r"predictions must have shape \[B, K\]"),
        (lambda loss: loss(LOGITS, LABELS + 1), ValueError, r"got 2 at index .* Leave examples .* by where="),
        (lambda loss: loss(LOGITS, 2 * LABELS - 1), ValueError, r"If -1 stands for absent, pass \(targets > 0\)"),
        (lambda loss: loss(LOGITS, 0.3 * LABELS), ValueError, r"got 0.3 .* Soft labels are not read: cut them"),
        (lambda loss: loss(LOGITS, np.full((12, 4), np.nan)), ValueError, "got nan at index"),
        (lambda loss: loss(LOGITS, LABELS.tolist()), TypeError, "targets must be an array of 0 and 1"),
        (lambda loss: loss(LOGITS[:, :0], LABELS[:, :0]), ValueError, "at least one label"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_fit_is_refused_in_words(name, call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call(losses.get(name))
