"""Losses of one logit: its shapes, what they share with losses of two classes, gradients, extremes, refusals."""

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
