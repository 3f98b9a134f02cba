"""Losses between likelihood and metric: their ends, tails, amplitudes, and losses that they coincide with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxsurr
from jaxsurr import Keypoints, Sequences, losses, metrics, spaces, surrogates
from jaxsurr.surrogates.families import decides
from jaxsurr.surrogates.families.decisions import box_cox
from jaxsurr.surrogates.state import scale_of

KEY = jax.random.key(0)
FAR = 60.0


@pytest.mark.parametrize("q", [0.0, 0.3, 0.7, 1.0])
def test_box_cox_is_the_formula_and_its_slope_in_the_log_probability_is_bounded(q):
    a = jnp.array([1e-3, 0.2, 0.9, 1.0])
    expected = -np.log(a) if q == 0 else (1 - np.asarray(a) ** q) / q
    np.testing.assert_allclose(box_cox(jnp.log(a), q), expected, rtol=1e-4, atol=1e-6)
    slope = jax.vmap(jax.grad(functools.partial(box_cox, power=q)))
    np.testing.assert_allclose(slope(jnp.log(a)), -(a**q), rtol=1e-4)
    assert np.isfinite(slope(jnp.array([-1e30, -200.0]))).all()
    assert np.isfinite(box_cox(jnp.array([-1e30, -200.0]), q)).all()


@pytest.mark.parametrize("q", [-0.1, 1.5, jnp.nan])
def test_a_power_out_of_its_range_is_no_number(q):
    assert np.isnan(box_cox(jnp.log(0.5), q))
    z, y = jaxsurr.sample(spaces.class_logits, KEY, 8, 3)
    for method in (surrogates.correlated_gradients, surrogates.smoothed):
        surrogate = method(metrics.error_rate)
        state = surrogate.init(KEY, z, y)._replace(power=jnp.float32(q))
        assert np.isnan(jax.jit(surrogate.loss)(state, z, y)).all()


def _wrong_classes(t):
    return t * jax.nn.one_hot(jnp.array([1, 2, 3]), 4), jnp.array([0, 1, 2])


def _wrong_levels(t):
    return t * jax.nn.one_hot(jnp.array([3, 0, 0]), 4), jnp.array([0, 3, 2])


def _wrong_thresholds(t):
    y = jnp.array([0, 3, 1])
    return t * jnp.where(y[:, None] > jnp.arange(3)[None], -1.0, 1.0), y


def _wrong_points(t):
    points = jnp.zeros((3, 2, 2))
    return points + t * jnp.array([[[0.6, 0.8]]]), Keypoints(points, jnp.ones((3, 2)), jnp.ones(3))


_SEVERAL = jnp.array([[0, 1, 1], [0, 0, 0], [1, 0, 1]])


def _wrong_steps(t):
    return t * jax.nn.one_hot(jnp.array([[1, 2], [0, 1], [2, 2]]), 3), Sequences(
        jnp.array([[0, 1], [1, 2], [0, 1]]), jnp.array([2, 1, 2])
    )


def _own(z, y):
    return (jnp.abs(z - y) > 0.5).astype(z.dtype)[:, 0]


WRONG = {
    "classes": (metrics.error_rate, _wrong_classes),
    "levels": (metrics.mean_absolute_error, _wrong_levels),
    "thresholds": (
        metrics.mean_absolute_error.bind(decode="thresholds", space=spaces.cumulative_logits),
        _wrong_thresholds,
    ),
    "one score": (
        metrics.mean_absolute_error.bind(decode="rounded", levels=4, space=spaces.level_scores),
        lambda t: (jnp.array([[0.0], [1.0], [3.0]]) + t, jnp.array([0, 1, 3])),
    ),
    "scores": (
        metrics.error_rate.bind(space=spaces.binary_scores),
        lambda t: (t * jnp.array([1.0, -1.0, 1.0]), jnp.array([0, 1, 0])),
    ),
    "labels": (metrics.hamming_error, lambda t: (t * (1 - 2.0 * _SEVERAL), _SEVERAL)),
    "named labels": (
        metrics.hamming_error.bind(space=spaces.named_label_logits),
        lambda t: (t * (1 - 2.0 * _SEVERAL), _SEVERAL),
    ),
    "keypoints": (metrics.pck, _wrong_points),
    "tokens together": (metrics.exact_match, _wrong_steps),
    "generic": (jaxsurr.metric(_own, higher_is_better=False), lambda t: (jnp.full((3, 1), t), jnp.zeros((3, 1)))),
}


@functools.cache
def _learned(kind):
    """A surrogate that was learned near the boundary, and its state."""
    metric, wrong = WRONG[kind]
    surrogate = surrogates.correlated_gradients(metric)
    z, y = wrong(1.0)
    state = surrogate.init(KEY, z, y)

    def update(state, key):
        t = 2 * jax.random.normal(key, ())
        return surrogate.update(state, key, wrong(t)[0] + 0.3 * jax.random.normal(key, z.shape), y)[0], None

    return surrogate, jax.jit(lambda s: jax.lax.scan(update, s, jax.random.split(KEY, 100))[0])(state)


@pytest.mark.parametrize("kind", WRONG)
def test_far_on_the_wrong_side_the_likelihood_keeps_its_slope_and_the_metric_loses_it(kind):
    surrogate, state = _learned(kind)
    z, y = WRONG[kind][1](FAR)

    @jax.jit
    def slopes(q, z):
        gradient = jax.grad(lambda z: jnp.sum(surrogate.loss(state._replace(power=q), z, y)))(z)
        return jnp.linalg.norm(gradient.reshape(3, -1), axis=-1)

    near = slopes(jnp.float32(0), WRONG[kind][1](1.0)[0])
    likelihood, metric = slopes(jnp.float32(0), z), slopes(jnp.float32(1), z)
    assert (likelihood > 0.1 * near).all(), (likelihood, near)
    assert (metric < 0.01 * likelihood).all(), (metric, likelihood)
    for q in (0.0, 0.5, 1.0):
        assert np.isfinite(slopes(jnp.float32(q), 1e6 * z)).all()


def _cosine(a, b):
    return float(jnp.vdot(a, b) / jnp.linalg.norm(a) / jnp.linalg.norm(b))


@pytest.mark.parametrize(
    ("metric", "size", "pairs"),
    [
        (
            metrics.error_rate,
            10,
            {
                0.0: losses.cross_entropy,
                0.7: functools.partial(losses.generalised_cross_entropy, q=0.7),
                1.0: losses.expected_error,
            },
        ),
        (WRONG["thresholds"][0], 8, {0.0: losses.or_cnn}),
        (metrics.exact_match, 4, {0.0: losses.sequence_cross_entropy, 1.0: losses.sequence_expected_error}),
        (metrics.error_rate.bind(space=spaces.binary_scores), 2, {0.0: losses.binary_cross_entropy}),
        (metrics.hamming_error, 5, {0.0: losses.label_cross_entropy}),
    ],
    ids=["classes", "thresholds", "tokens together", "scores", "labels"],
)
def test_at_the_natural_scale_the_loss_has_the_gradient_of_the_likelihood_that_is_known(metric, size, pairs):
    surrogate = surrogates.correlated_gradients(metric, relative_scale=None)
    rows = 32 if metric.space.joint else 128  # of six steps each
    draw = functools.partial(jaxsurr.sample, metric.space, rows=rows, size=size)

    def update(state, key):
        return surrogate.update(state, key, *draw(key))[0], None

    state = jax.jit(surrogate.init)(KEY, *draw(KEY))
    state = jax.jit(lambda s: jax.lax.scan(update, s, jax.random.split(KEY, 300))[0])(state)
    z, y = draw(jax.random.key(7))
    for q, known in pairs.items():
        at = state._replace(power=jnp.float32(q))
        gradient, wanted = (
            jax.jit(jax.grad(lambda z, loss=loss: jnp.sum(loss(z))))(z)
            for loss in (lambda z, at=at: surrogate.loss(at, z, y), lambda z, known=known: known(z, y))
        )
        assert _cosine(gradient, wanted) > 0.97, q


@pytest.mark.parametrize("relative_scale", [None, 0.15])  # the spread of the predictions, as points have no other; less
def test_near_the_boundary_pck_at_power_0_is_the_likelihood_of_a_hit(relative_scale):
    """A point with normal noise of the smoothing scale s hits where a non-central chi-squared variable is low.

    `P(|d + s e| <= t) = F(t^2 / s^2; 2, d^2 / s^2)`, with the slope `-f(t^2 / s^2; 4, d^2 / s^2) 2 d / s^2` in the
    distance d. Far away that of its logarithm grows with d, and that of the loss is level.
    """
    threshold, draw = 0.5, functools.partial(jaxsurr.sample, spaces.keypoint_coordinates, rows=128, size=6)
    surrogate = surrogates.correlated_gradients(metrics.pck.bind(threshold=threshold), relative_scale=relative_scale)

    def update(state, key):
        return surrogate.update(state, key, *draw(key))[0], None

    state = jax.jit(surrogate.init)(KEY, *draw(KEY))
    state = jax.jit(lambda s: jax.lax.scan(update, s, jax.random.split(KEY, 300))[0])(state)
    scale = float(scale_of(state, spaces.keypoint_coordinates))
    z, y = draw(jax.random.key(7))
    size = y.scale[:, None]
    distance = jnp.linalg.norm(z - y.points, axis=-1) / size
    near = (jnp.abs(distance - threshold) < 2 * scale) & (y.visible > 0)
    assert jnp.mean(near) > 0.25

    level, noncentral = (threshold / scale) ** 2, (np.asarray(distance, np.float64) / scale) ** 2
    slope = 2 * distance / scale**2 * stats.ncx2.pdf(level, 4, noncentral) / stats.ncx2.cdf(level, 2, noncentral)
    weights = y.visible / jnp.maximum(jnp.sum(y.visible, axis=1, keepdims=True), 1)
    wanted = (weights * slope / size)[..., None] * (z - y.points) / (distance * size)[..., None]
    at = state._replace(power=jnp.float32(0))
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(surrogate.loss(at, z, y))))(z)
    assert _cosine(gradient[near], wanted[near]) > 0.97


def test_amplitudes_are_what_wrong_decisions_cost():
    costs = jnp.array([4.0, 1.0, 2.0])

    @functools.partial(jaxsurr.metric, higher_is_better=False, space=spaces.named_class_logits)
    def cost(z, y):
        return costs[y] * (jnp.argmax(z, axis=-1) != y)

    surrogate = surrogates.correlated_gradients(cost)

    def data(key):
        keys = jax.random.split(key)
        y = jax.random.randint(keys[0], (128,), 0, 3)
        return jax.nn.one_hot(y, 3) + jax.random.normal(keys[1], (128, 3)), y

    def update(state, key):
        return surrogate.update(state, key, *data(key))[0], None

    state = jax.jit(surrogate.init)(KEY, *data(KEY))
    state = jax.jit(lambda s: jax.lax.scan(update, s, jax.random.split(KEY, 600))[0])(state)
    amplitudes = jnp.exp(state.family.params["amplitude"][1:, 0])
    np.testing.assert_allclose(amplitudes / amplitudes[1], costs, rtol=0.25)


def test_amplitudes_of_named_labels_are_what_each_costs():
    costs = jnp.array([3.0, 1.0, 2.0])

    @functools.partial(jaxsurr.metric, higher_is_better=False, space=spaces.named_label_logits)
    def cost(z, y):
        return jnp.sum(costs[None] * ((z > 0) != (y == 1)), axis=1)

    surrogate = surrogates.correlated_gradients(cost)

    def data(key):
        keys = jax.random.split(key)
        y = jax.random.bernoulli(keys[0], 0.5, (128, 3)).astype(jnp.int32)
        return 2.0 * y - 1 + jax.random.normal(keys[1], (128, 3)), y

    def update(state, key):
        return surrogate.update(state, key, *data(key))[0], None

    state = jax.jit(surrogate.init)(KEY, *data(KEY))
    state = jax.jit(lambda s: jax.lax.scan(update, s, jax.random.split(KEY, 600))[0])(state)
    amplitudes = jnp.exp(state.family.params["amplitude"][1:4, 0])
    np.testing.assert_allclose(amplitudes / amplitudes[1], costs, rtol=0.25)


@pytest.mark.parametrize("family", ["basis", "kernel"])
def test_the_ramps_of_the_closed_form_are_misses_whose_likelihood_has_a_slope(family):
    """At q = 1 the loss is the mixture that was solved for; at q = 0 what is far wrong is not given up."""
    z, y = jaxsurr.sample(spaces.class_logits, KEY, 64, 5)
    surrogate = surrogates.correlated_gradients(metrics.error_rate, family=family)
    state = surrogate.init(KEY, z, y)
    for i in range(3):
        state, _ = surrogate.update(state, jax.random.key(i), z, y)
    only_ramps = state.family.coefficients.at[-3:].set(0)
    state = state._replace(family=state.family._replace(coefficients=only_ramps))
    far, label = _wrong_classes(FAR)
    slopes = [
        float(jnp.linalg.norm(jax.grad(lambda z, q=q: jnp.sum(surrogate.loss(state._replace(power=q), z, label)))(far)))
        for q in (jnp.float32(0), jnp.float32(1))
    ]
    assert slopes[0] > 0.1
    assert slopes[1] < 1e-3 * slopes[0]


def test_the_smoothed_metric_has_the_slope_of_the_likelihood_of_right_decisions():
    z, y = jaxsurr.sample(spaces.class_logits, KEY, 64, 4)
    surrogate = surrogates.smoothed(metrics.error_rate, num_pairs=64)
    state = surrogate.init(KEY, z, y)
    at = {q: state._replace(power=jnp.float32(q)) for q in (0.0, 0.5, 1.0)}
    values = {q: surrogate.loss(one, z, y) for q, one in at.items()}
    slopes = {q: jax.grad(lambda z, one=one: jnp.sum(surrogate.loss(one, z, y)))(z) for q, one in at.items()}
    right = 1 - values[1.0]
    sure = right > 0.1
    for q in (0.0, 0.5):
        np.testing.assert_allclose(
            slopes[q][sure], (right[sure] ** (q - 1))[:, None] * slopes[1.0][sure], rtol=1e-3, atol=1e-5
        )
    np.testing.assert_allclose(values[0.0][sure], -np.log(right[sure]), rtol=1e-3, atol=1e-5)
    assert np.isfinite(slopes[0.0]).all()


@pytest.mark.parametrize(
    ("metric", "family"),
    [
        (metrics.average_precision, "decisions"),
        (metrics.normalised_mean_error, "decisions"),
        (metrics.ndcg, "decisions"),
        (metrics.error_rate, "network"),
    ],
)
def test_a_power_without_decisions_is_refused_and_full_power_is_the_network(metric, family):
    assert not decides(family, metric, metric.space)
    surrogates.correlated_gradients(metric, family=family)
    with pytest.raises(ValueError, match="has no effect"):
        surrogates.correlated_gradients(metric, family=family, power=0.5)


@pytest.mark.parametrize("power", [-0.1, 1.5, float("nan"), "x"])
@pytest.mark.parametrize("method", [surrogates.correlated_gradients, surrogates.smoothed, surrogates.value_fit])
def test_a_power_out_of_its_range_is_refused(method, power):
    with pytest.raises(ValueError, match="power must be a finite number of at least 0 and at most 1"):
        method(metrics.error_rate, power=power)


def test_a_power_is_kept_in_a_file_and_a_file_without_one_has_the_metric(tmp_path):
    z, y = jaxsurr.sample(spaces.class_logits, KEY, 16, 3)
    surrogate = surrogates.correlated_gradients(metrics.error_rate, power=0.3)
    state = surrogate.init(KEY, z, y)._replace(power=jnp.float32(0.625))
    loaded, again = jaxsurr.load(jaxsurr.save(tmp_path / "it", surrogate, state))
    assert float(again.power) == 0.625
    np.testing.assert_array_equal(loaded.loss(again, z, y), surrogate.loss(state, z, y))
    _, old, _ = jaxsurr.pretraining.shipped("error_rate")  # a network, for which a power has no effect
    assert old.power is None
