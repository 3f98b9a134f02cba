"""Ready losses: files that are shipped, the scale that they follow, numbers of classes that they never saw."""

import functools
import importlib.resources

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import metrics, spaces, surrogates
from jaxsurr.pretraining.ready import PRETRAINED, file_name, shipped

KEY = jax.random.key(0)
LOGITS, LABELS = jaxsurr.sample(spaces.class_logits, jax.random.key(1), 16, 5)
POSES = jaxsurr.sample(spaces.keypoint_coordinates, jax.random.key(2), 16, 3)
WHERE = jnp.arange(16) < 9


def total_gradient(loss, predictions, targets):
    return jax.jit(jax.grad(lambda z: jnp.sum(loss(z, targets))))(predictions)


@functools.partial(jax.jit, static_argnums=0)
def losses_and_gradient(loss, predictions, targets, where):
    losses, back = jax.vjp(lambda z: loss(z, targets, where=where), predictions)
    return losses, back(jnp.ones_like(losses))[0]


def test_a_frozen_loss_is_that_of_the_surrogate():
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate)
    state = jax.jit(surrogate.init)(KEY, LOGITS, LABELS)
    for follow in (False, True):  # of the batch that init saw, the spread is the same
        loss = jaxsurr.frozen(surrogate, state, follow=follow)
        np.testing.assert_allclose(loss(LOGITS, LABELS), surrogate.loss(state, LOGITS, LABELS), rtol=1e-5, atol=1e-6)


def test_the_scale_follows_logits_and_not_points():
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate)
    loss = jax.jit(jaxsurr.frozen(surrogate, jax.jit(surrogate.init)(KEY, LOGITS, LABELS)))
    np.testing.assert_allclose(loss(10 * LOGITS, LABELS), loss(LOGITS, LABELS), rtol=1e-4, atol=1e-5)
    small, large = (total_gradient(loss, factor * LOGITS, LABELS) for factor in (1, 10))
    np.testing.assert_allclose(10 * large, small, rtol=1e-3, atol=1e-5)
    surrogate = jaxsurr.correlated_gradients(metrics.pck)
    state = jax.jit(surrogate.init)(KEY, *POSES)
    z, y = POSES
    far = y.points + 10 * (z - y.points)
    np.testing.assert_array_equal(jaxsurr.frozen(surrogate, state)(far, y), surrogate.loss(state, far, y))


def test_the_scale_is_learned_at_that_of_the_batch():
    surrogate = surrogates.smoothed(metrics.error_rate)
    state = surrogate.init(KEY, LOGITS, LABELS)
    state, _ = jaxsurr.follow_scale(surrogate).update(state, KEY, 10 * LOGITS, LABELS, WHERE)
    expected = jnp.mean(spaces.class_logits.squared_size(10 * LOGITS[:9], LABELS[:9]))
    np.testing.assert_allclose(state.squared_size, expected, rtol=1e-5)
    nothing, _ = jaxsurr.follow_scale(surrogate).update(state, KEY, LOGITS, LABELS, jnp.zeros(16, bool))
    np.testing.assert_array_equal(jnp.isfinite(nothing.spread), True)
    none = jnp.zeros(16, bool)
    assert jaxsurr.frozen(surrogate, state)(LOGITS, LABELS, where=none).tolist() == [0.0] * 16


def test_a_surrogate_without_a_scale_is_as_it_was():
    surrogate = surrogates.conventional(jaxsurr.losses.cross_entropy)
    np.testing.assert_array_equal(
        jaxsurr.frozen(surrogate, ())(LOGITS, LABELS), jaxsurr.losses.cross_entropy(LOGITS, LABELS)
    )
    with pytest.raises(ValueError, match=r"does not name one\. Pass follow=False"):
        jaxsurr.frozen(surrogate, (), follow=True)


# --- the ready ones ---------------------------------------------------------------------------------------------------


def test_all_ready_losses_together_are_small():
    folder = importlib.resources.files("jaxsurr") / "pretraining"
    files = {file.name: len(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".jaxsurr")}
    assert set(files) == {file_name(name) for name in PRETRAINED}
    assert sum(files.values()) < 1_000_000


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_card_says_how_it_was_learned_and_what_it_is_worth(name):
    surrogate, _, said = shipped(name)
    card = said["card"]
    assert surrogate.settings["metric"]["name"] == metrics.get(name).name
    assert card["updates"] >= 1000 and card["sizes"] and said["saved"]["date"] and said["saved"]["versions"]["jax"]
    for found in card["fidelity"]:
        assert found["gradient"] / found["ceiling"] > (0.85 if "top_k" in name else 0.95)
        assert found["value"] > 0.95


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_ready_loss_serves_any_number(name):
    space, loss = metrics.get(name).space, jaxsurr.pretrained(name)
    for size in (2, 100):
        predictions, targets = jaxsurr.sample(space, KEY, 6, size)
        where = jnp.arange(6) < 4
        losses, gradient = losses_and_gradient(loss, predictions, targets, where)
        assert losses.shape == (6,) and losses[4:].tolist() == [0.0, 0.0]
        assert jnp.all(jnp.isfinite(losses)) and jnp.all(jnp.isfinite(gradient)) and jnp.all(gradient[4:] == 0)


def test_a_file_can_be_read_while_tracing():
    shipped.cache_clear()
    losses = jax.jit(lambda z: jaxsurr.pretrained("error_rate")(z, LABELS))(LOGITS)
    np.testing.assert_allclose(losses, jaxsurr.pretrained("error_rate")(LOGITS, LABELS), rtol=1e-4, atol=1e-5)


def test_a_ready_loss_descends_the_metric():
    """Gradient descent on it turns wrong predictions into right ones, where the error rate alone has no gradient."""
    loss, descent = jaxsurr.pretrained("error_rate"), optax.sgd(5.0)
    labels = jnp.arange(64) % 10
    start = jax.random.normal(KEY, (64, 10)) + 1.5 * jax.nn.one_hot(labels, 10)

    @jax.jit
    def run(logits):
        def step(carry, _):
            logits, state = carry
            updates, state = descent.update(jax.grad(lambda z: jnp.mean(loss(z, labels)))(logits), state)
            return (optax.apply_updates(logits, updates), state), None

        return jax.lax.scan(step, (logits, descent.init(logits)), length=100)[0][0]

    before, after = (float(metrics.error_rate.mean(z, labels)) for z in (start, run(start)))
    assert before > 0.4
    assert after < 0.6 * before


def test_a_ready_loss_on_degenerate_batches():
    loss = jax.jit(jaxsurr.pretrained("error_rate"))
    for logits in (jnp.zeros((1, 4)), 1e4 * jax.nn.one_hot(jnp.array([1]), 4), jnp.full((1, 4), 1e-12)):
        for dtype in (jnp.float32, jnp.bfloat16):
            z = logits.astype(dtype)
            gradient = total_gradient(loss, z, jnp.array([2]))
            assert gradient.dtype == dtype
            assert jnp.all(jnp.isfinite(loss(z, jnp.array([2])))) and jnp.all(jnp.isfinite(gradient))


def test_ready_losses_refuse_in_words():
    with pytest.raises(ValueError, match=r"pretrained loss is 'eror_rate', .* did you mean 'error_rate'"):
        jaxsurr.pretrained("eror_rate")
    with pytest.raises(ValueError, match=r"predictions must have shape \[B, K\]"):
        jaxsurr.pretrained("error_rate")(POSES[0], LABELS)
    with pytest.raises(TypeError, match=r"targets must be jaxsurr\.Keypoints"):
        jaxsurr.pretrained("pck?threshold=0.5")(POSES[0], LABELS)
    with pytest.raises(ValueError, match="predictions hold 1 values that are NaN"):
        jaxsurr.pretrained("error_rate")(LOGITS.at[0, 0].set(jnp.nan), LABELS)
