"""Losses of steps against loops over steps, finite differences and each other; what does not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax.test_util import check_grads

from jaxsurr import Sequences, losses

LOGITS = jax.random.normal(jax.random.key(0), (6, 4, 3))
TARGETS = Sequences(
    jnp.array([[0, 1, 2, 0], [2, -1, 1, 1], [0, 0, 0, 0], [1, 2, 9, 9], [-1, -7, 0, 0], [2, 2, 2, 1]]),
    jnp.array([4, 3, 0, 2, 2, 4]),
)
COUNTS = [[0, 1, 2, 3], [0, 2], [], [0, 1], [], [0, 1, 2, 3]]


def probabilities():
    """Of the true label of each step that counts, and of all labels there."""
    every = scipy.special.softmax(np.asarray(LOGITS, np.float64), axis=-1)
    for row, tokens, counts in zip(every, TARGETS.tokens.tolist(), COUNTS, strict=True):
        yield np.array([row[t, tokens[t]] for t in counts]), row[counts]


def mean(of_step):
    return [np.mean(of_step(p, every)) if len(p) else 0.0 for p, every in probabilities()]


EXPECTED = {
    "token_cross_entropy": mean(lambda p, every: -np.log(p)),
    "token_label_smoothing": mean(lambda p, every: -0.9 * np.log(p) - 0.1 * np.log(every).mean(axis=1)),
    "token_focal": mean(lambda p, every: -((1 - p) ** 2) * np.log(p)),
    "token_expected_error": mean(lambda p, every: 1 - p),
    "sequence_cross_entropy": [-np.log(p).sum() for p, _ in probabilities()],
    "sequence_expected_error": [1 - p.prod() for p, _ in probabilities()],
}


def test_every_loss_of_tokens_is_tested_here():
    assert set(EXPECTED) == {name for name, kind in losses.KIND.items() if kind == "tokens"}


@pytest.mark.parametrize("name", EXPECTED)
def test_values_gradients_and_what_does_not_count(name):
    loss = jax.jit(losses.get(name))
    np.testing.assert_allclose(loss(LOGITS, TARGETS), EXPECTED[name], rtol=1e-5, atol=1e-6)
    check_grads(lambda z: jnp.sum(loss(z, TARGETS)), (LOGITS,), order=1, modes=["rev"], eps=1e-2, rtol=1e-2)
    counts = np.zeros((6, 4), bool)
    for row, places in enumerate(COUNTS):
        counts[row, places] = row != 5
    where = jnp.arange(6) < 5
    spoilt = jnp.where(counts[..., None], LOGITS, jnp.nan)
    values, gradient = jax.value_and_grad(lambda z: jnp.sum(loss(z, TARGETS, where=where)))(spoilt)
    np.testing.assert_allclose(values, sum(EXPECTED[name][:5]), rtol=1e-5)
    assert np.isfinite(gradient).all() and not np.any(np.asarray(gradient)[~counts])
    assert np.all(np.any(np.asarray(gradient)[counts] != 0, axis=-1))


def test_options_reach_the_loss_of_a_step():
    smoothed = losses.token_label_smoothing(LOGITS, TARGETS, smoothing=0.0)
    np.testing.assert_allclose(smoothed, EXPECTED["token_cross_entropy"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(losses.token_focal(LOGITS, TARGETS, gamma=0.0), smoothed, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="smoothing must be"):
        losses.token_label_smoothing(LOGITS, TARGETS, smoothing=2.0)
