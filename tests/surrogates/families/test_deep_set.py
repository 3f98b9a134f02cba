"""Deep sets as surrogates of set metrics."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import metrics, spaces
from jaxsurr.core.reductions import masked
from jaxsurr.core.types import View
from jaxsurr.smoothing.goal import Goal, goal_of_each
from jaxsurr.smoothing.smoothed_metric import smoothed_metric
from jaxsurr.surrogates.families import deep_set, set_network_family
from jaxsurr.surrogates.families.base import Problem
from jaxsurr.surrogates.families.network import trained_family


@functools.partial(jax.jit, static_argnums=(1, 2))
def draw(key, size, classes=2):
    of_labels, of_noise = jax.random.split(key)
    labels = jax.random.categorical(of_labels, jnp.log(jnp.arange(1.0, classes + 1)), shape=(size,))
    return jax.random.normal(of_noise, (size, classes)) + jax.nn.one_hot(labels, classes), labels


def learned(metric, updates, size=64, classes=2, **options):
    surrogate = jaxsurr.correlated_gradients(metric, **options)

    def step(state, key):
        return surrogate.update(state, key, *draw(jax.random.fold_in(key, 0), size, classes))

    state = jax.jit(surrogate.init)(jax.random.key(0), *draw(jax.random.key(1), size, classes))
    state, infos = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(jax.random.key(2), updates)))(state)
    return surrogate, state, infos


def compare(metric, surrogate, state, scale, size, classes=2):
    """Cosine, ratio of sizes and difference of values between surrogate and smoothed metric, on an unseen set."""
    logits, labels = draw(jax.random.key(77), size, classes)

    @jax.jit
    def compared(state, scale):
        goal = smoothed_metric(metric, logits, labels, key=jax.random.key(5), scale=scale, num_pairs=256)
        value, slope = jax.value_and_grad(lambda z: surrogate.loss(state, z, labels))(logits)
        wanted = metric.sign * goal.gradient
        along = jnp.vdot(slope, wanted)
        cosine = along / jnp.linalg.norm(slope) / jnp.linalg.norm(wanted)
        return cosine, along / jnp.vdot(slope, slope), jnp.abs(value - metric.sign * goal.value)

    return map(float, compared(state, scale))


@pytest.fixture(scope="module")
def f_beta():
    return learned(metrics.f_beta, 300)


def test_gradient_value_and_size_on_sets_of_other_sizes(f_beta):
    surrogate, state, infos = f_beta
    for size in (64, 256):
        cosine, ratio, error = compare(metrics.f_beta, surrogate, state, infos.scale[-1], size)
        assert cosine > 0.85, size
        assert 0.5 < ratio < 2, size
        assert error < 0.25, size  # 300 updates give the gradient; the value of a set follows more slowly


def test_order_does_not_matter_and_masked_rows_count_nowhere(f_beta):
    surrogate, state, _ = f_beta
    logits, labels = draw(jax.random.key(3), 24)
    where = jnp.arange(24) < 16
    slope = jax.jit(jax.value_and_grad(lambda z, y, w: surrogate.loss(state, z, y, w)))
    value, gradient = slope(logits.at[16:].set(jnp.nan), labels, where)
    kept, there = slope(logits[:16], labels[:16], None)
    np.testing.assert_allclose(value, kept, rtol=1e-5)
    np.testing.assert_allclose(gradient[:16], there, rtol=1e-4, atol=1e-7)
    assert not np.any(gradient[16:])
    order = jax.random.permutation(jax.random.key(0), 24)
    turned, moved = slope(logits[order], labels[order], where[order])
    np.testing.assert_allclose(turned, value, rtol=1e-5)
    np.testing.assert_allclose(moved, gradient[order], rtol=1e-3, atol=1e-7)
    empty, nothing = slope(logits, labels, jnp.zeros(24, bool))
    assert float(empty) == 0 and not np.any(nothing)


def test_extremes_half_precision_and_one_example_are_finite(f_beta):
    surrogate, state, _ = f_beta
    logits, labels = draw(jax.random.key(3), 24)
    slope = jax.jit(jax.value_and_grad(lambda z, y: surrogate.loss(state, z, y)))
    update = jax.jit(surrogate.update)
    for moved in (1e4 * logits, 0 * logits, logits.astype(jnp.bfloat16), logits[:1]):
        there = labels[: len(moved)]
        value, gradient = slope(moved, there)
        assert np.isfinite(value) and np.isfinite(gradient.astype(jnp.float32)).all()
        after, info = update(state, jax.random.key(0), moved, there)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
        assert np.isfinite(info.gradient_correlation)


def test_two_devices_learn_the_same_surrogate_from_a_set_each():
    surrogate = jaxsurr.correlated_gradients(metrics.f_beta, num_pairs=4)
    logits, labels = draw(jax.random.key(3), 16)
    state = jax.jit(surrogate.init)(jax.random.key(0), logits, labels)
    halves = logits.reshape(2, 8, 2), labels.reshape(2, 8)

    def on_device(z, y):
        return surrogate.update(state, jax.random.key(1), z, y, axis_name="devices")

    after, info = jax.jit(jax.vmap(on_device, axis_name="devices"))(*halves)
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf[0], leaf[1]), after)
    assert info.metric.shape == (2,)


@pytest.mark.parametrize(
    ("name", "space", "to_predictions"),
    [
        ("roc_auc", spaces.binary_scores, lambda z: z[:, 1] - z[:, 0]),
        ("matthews_correlation", spaces.class_logits, lambda z: z),
        ("quadratic_weighted_kappa", spaces.level_logits, lambda z: z),
        ("f_beta", spaces.generic, lambda z: z),
    ],
)
def test_every_space_gives_finite_losses(name, space, to_predictions):
    classes = 2 if name == "roc_auc" else 4
    metric = metrics.get(name).bind(space=space)
    surrogate = jaxsurr.correlated_gradients(metric, num_pairs=4, calibrate=False)
    logits, labels = draw(jax.random.key(3), 24, classes)
    predictions = to_predictions(logits)

    @jax.jit
    def slope(predictions):
        state = surrogate.init(jax.random.key(0), predictions, labels)
        state, info = surrogate.update(state, jax.random.key(1), predictions, labels)
        return info.gradient_correlation, jax.grad(lambda z: surrogate.loss(state, z, labels))(predictions)

    correlation, gradient = slope(predictions)
    assert np.isfinite(correlation) and gradient.shape == predictions.shape
    assert np.isfinite(gradient).all() and float(jnp.sum(gradient**2)) > 0


def test_one_against_all_is_exact_for_the_first_class_too():
    logits = jnp.array([[40.0, 0.0, -3.0], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    got = spaces.class_logits.pooled(logits, jnp.array([0, 1, 2]), jnp.float32(1), None).features[:, 0, :, 0]
    for row, margins in zip(np.asarray(logits, np.float64), got, strict=True):
        wanted = [row[k] - np.log(np.sum(np.exp(np.delete(row, k)))) for k in range(3)]
        np.testing.assert_allclose(margins, wanted, rtol=1e-5)


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_equal_logits_have_finite_margins_however_large(size):
    logits = size * jnp.array([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
    for space in (spaces.class_logits, spaces.decision_logits):
        margins = space.margins(logits, jnp.array([2, 0]), jnp.float32(0.3))[0]
        assert np.isfinite(margins).all()
        gradient = jax.grad(lambda z, s=space: jnp.sum(s.margins(z, jnp.array([2, 0]), jnp.float32(0.3))[0]))(logits)
        assert np.isfinite(gradient).all()


def test_a_hundred_classes_do_not_saturate_it():
    _, _, infos = learned(metrics.f_beta, 60, size=128, classes=100)
    assert jnp.mean(infos.gradient_correlation[-20:]) > 0.5 * jnp.mean(infos.ceiling[-20:]) > 0.1


@pytest.mark.parametrize("in_parameters", [False, True])
def test_a_surrogate_that_is_its_metric_correlates_fully_whatever_the_weights(in_parameters):
    random = np.random.default_rng(0)
    z, y = jnp.asarray(random.normal(size=20), jnp.float32), jnp.arange(20) % 2
    weights = jnp.asarray(random.exponential(size=20), jnp.float32).at[3].set(0)
    weights = weights * 19 / weights.sum()  # mean 1 of those that count, as surrogates make them

    def share(z):
        return jnp.sum(weights * jnp.tanh(z - y)) / jnp.sum(weights)

    def apply(params, z, y, scale, metrics, where, power=None):
        return masked(jnp.broadcast_to(params * share(z), (20, 1)), where)

    options = dict(optimizer=optax.sgd(0.0), value_weight=0.0, correlation_weight=1.0, correlation="cosine")
    family = trained_family(lambda *args: jnp.ones(()), apply, of_sets=True, **options)
    view = View(z, y, weights, (lambda cotangent: cotangent) if in_parameters else None)
    exact = jax.grad(share)(z)[None]
    goal = goal_of_each(Goal(share(z)[None, None], exact, exact), weights)
    compared = 19 * exact if in_parameters else goal.gradient
    problem = Problem(view, compared, view, goal.values, share(z)[None], jnp.ones(()), None)
    _, _, gradient_sums = family.learn(family.init(jax.random.key(0), view, jnp.ones(()), 1), problem)
    np.testing.assert_allclose(gradient_sums.xy**2, gradient_sums.xx * gradient_sums.yy, rtol=1e-5)
    np.testing.assert_allclose(gradient_sums.xx, gradient_sums.yy, rtol=1e-5)


ROWS, CLASSES = 24, 7
LOGITS = jax.random.normal(jax.random.key(0), (ROWS, CLASSES))
LABELS = jnp.arange(ROWS) % CLASSES


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_groups_some_at_a_time_are_all_at_once(monkeypatch, groups):
    surrogate = jaxsurr.correlated_gradients(metrics.f_beta, num_pairs=4)
    state = surrogate.init(jax.random.key(1), LOGITS, LABELS)

    def results():
        after, info = jax.jit(lambda s, k: surrogate.update(s, k, LOGITS, LABELS))(state, jax.random.key(2))
        slope = jax.jit(jax.grad(lambda z: surrogate.loss(after, z, LABELS)))(LOGITS)
        return after, info, slope

    whole = results()
    monkeypatch.setattr(deep_set, "_MOST_EVENTS", groups * ROWS * 12)
    chex.assert_trees_all_close(results(), whole, rtol=2e-4, atol=1e-6)


def test_some_at_a_time_needs_less_memory(monkeypatch):
    options = dict(optimizer=optax.adam(1e-2), value_weight=1.0, correlation_weight=1.0, correlation="cosine")
    family = set_network_family(metrics.f_beta.space, **options)
    logits, labels = jnp.zeros((128, 100)), jnp.zeros(128, jnp.int32)
    state = jax.eval_shape(lambda key: family.init(key, View(logits, labels), jnp.float32(1), 1), jax.random.key(0))

    def planned():
        def slope(state, z):
            return jax.grad(lambda z: family.values(state, z, labels, jnp.float32(1), 1).sum())(z)

        return jax.jit(slope).lower(state, logits).compile().memory_analysis().temp_size_in_bytes

    whole = planned()
    monkeypatch.setattr(deep_set, "_MOST_EVENTS", 5 * 128 * 12)
    assert planned() < whole / 2
