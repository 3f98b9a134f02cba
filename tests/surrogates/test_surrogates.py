"""Learned surrogates have the gradient, the value and the size of the smoothed metric; masks, several metrics, sets."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import Info, Keypoints, metrics, smoothed_metric, spaces, surrogates
from jaxsurr.smoothing.smoothed_metric import table_directions

KEY = jax.random.key(0)


def quick_directions(key, example_ids, first_pair, pairs, num_pairs, size):
    """Independent noise, drawn at once for a chunk: for references of many pairs."""
    return jax.random.normal(jax.random.fold_in(key, first_pair), (pairs, len(example_ids), size))


@functools.partial(jax.jit, static_argnames=("batch", "classes"))
def class_data(key, batch=128, classes=10):
    """Logits of a model that is sure of some examples, guesses at others, and is wrong on about half."""
    keys = jax.random.split(key, 3)
    labels = jax.random.randint(keys[0], (batch,), 0, classes)
    confidence = 5 * jax.random.uniform(keys[1], (batch, 1))
    return confidence * jax.nn.one_hot(labels, classes) + 1.2 * jax.random.normal(keys[2], (batch, classes)), labels


@functools.partial(jax.jit, static_argnames=("batch", "levels"))
def level_data(key, batch=128, levels=8):
    """Logits with a rounded peak 1.5 levels (standard deviation) off the true one."""
    keys = jax.random.split(key, 3)
    labels = jax.random.randint(keys[0], (batch,), 0, levels)
    centre = labels + 1.5 * jax.random.normal(keys[1], (batch,))
    peak = -((jnp.arange(levels)[None] - centre[:, None]) ** 2) / 4
    return peak + 0.5 * jax.random.normal(keys[2], (batch, levels)), labels


@functools.partial(jax.jit, static_argnames=("batch", "joints"))
def point_data(key, batch=128, joints=14):
    """Fourteen joints, a fifth of them hidden, predicted 0.4 torsos (standard deviation) off in x and in y."""
    keys = jax.random.split(key, 4)
    points = 100 * jax.random.uniform(keys[0], (batch, joints, 2))
    scale = 20 + 20 * jax.random.uniform(keys[1], (batch,))
    visible = (jax.random.uniform(keys[2], (batch, joints)) < 0.8).astype(jnp.float32)
    noise = 0.4 * scale[:, None, None] * jax.random.normal(keys[3], points.shape)
    return points + noise, Keypoints(points, visible, scale)


def learn(surrogate, data, updates, **options):
    """The surrogate after a number of updates, each on other predictions, and the last `Info`."""

    def update(state, key):
        data_key, update_key = jax.random.split(key)
        return surrogate.update(state, update_key, *data(data_key, **options))

    state = jax.jit(surrogate.init)(jax.random.key(1), *data(jax.random.key(2), **options))
    state, infos = jax.jit(lambda state, keys: jax.lax.scan(update, state, keys))(
        state, jax.random.split(jax.random.key(3), updates)
    )
    return state, jax.tree.map(lambda leaf: leaf[-1], infos), infos


def reference(metric, predictions, targets, scale, num_pairs=2048):
    """The smoothed metric of many pairs, lower is better: value and gradient."""
    estimate = jax.jit(
        lambda z: smoothed_metric(
            metric,
            z,
            targets,
            key=jax.random.key(9),
            scale=scale,
            num_pairs=num_pairs,
            chunk_size=64,
            directions=quick_directions,
        )
    )(predictions)
    return metric.sign * estimate.value, metric.sign * estimate.gradient


@functools.partial(jax.jit, static_argnums=0)
def losses_and_slope(surrogate, state, predictions, targets):
    losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, targets), predictions)
    return losses, pullback(jnp.ones_like(losses))[0]


def compiled(surrogate):
    """The surrogate with its functions compiled: operation by operation they are slow."""
    return surrogate._replace(
        init=jax.jit(surrogate.init), loss=jax.jit(surrogate.loss), update=jax.jit(surrogate.update)
    )


def cosine(x, y):
    return float(jnp.vdot(x, y) / jnp.sqrt(jnp.vdot(x, x) * jnp.vdot(y, y)))


# --- what the library promises ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "data", "family"),
    [
        ("error_rate", class_data, "network"),
        ("error_rate", class_data, "basis"),
        ("mean_absolute_error", level_data, "network"),
        ("mean_absolute_error?decode=argmax", level_data, "network"),
        ("pck?threshold=0.5", point_data, "network"),
        ("pck?threshold=0.5", point_data, "kernel"),
    ],
)
def test_learns_the_gradient_the_value_and_the_size(spec, data, family):
    metric = metrics.get(spec)
    surrogate = jaxsurr.correlated_gradients(metric, family=family)
    state, info, infos = learn(surrogate, data, updates=250 if family == "network" else 100)
    predictions, targets = data(jax.random.key(4), batch=64)  # held out: no update saw them
    value, gradient = reference(metric, predictions, targets, info.scale)
    losses, slope = losses_and_slope(surrogate, state, predictions, targets)

    correlation = cosine(slope, gradient)
    assert correlation >= 0.95  # the bar of the project
    assert float(jnp.mean((losses - value) ** 2) / jnp.var(value)) < 0.1  # a constant has at least 1
    # A step on the surrogate is as long as one on the metric; 64 other examples say so within about 10 %.
    assert float(jnp.vdot(slope, gradient) / jnp.vdot(slope, slope)) == pytest.approx(1, abs=0.15)
    # Correlation over ceiling estimates the correlation with the true gradient, without the reference.
    last = jax.tree.map(lambda leaf: jnp.mean(leaf[-50:]), infos)
    assert 0.2 < float(last.ceiling) < 0.9  # 16 pairs tell something and not all
    assert float(last.gradient_correlation / last.ceiling) == pytest.approx(correlation, abs=0.05)
    assert float(last.value_error) < 0.5  # against single estimates of 32 evaluations, which are noisy themselves


def test_surrogate_learned_with_ten_classes_serves_a_hundred():
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate)
    state, info, _ = learn(surrogate, class_data, updates=200)
    logits, labels = class_data(jax.random.key(4), batch=32, classes=100)
    _, slope = losses_and_slope(surrogate, state, logits, labels)
    _, gradient = reference(metrics.error_rate, logits, labels, info.scale, num_pairs=2048)
    # 2048 pairs in 99 dimensions: the reference itself has a cosine of about sqrt(2048 / 2146) = 0.98.
    assert cosine(slope, gradient) > 0.85


def test_more_pairs_raise_the_ceiling():
    ceilings = []
    for num_pairs in (4, 16, 64):
        surrogate = jaxsurr.correlated_gradients(metrics.error_rate, num_pairs=num_pairs, family="basis")
        logits, labels = class_data(jax.random.key(5), batch=256)
        state = jax.jit(surrogate.init)(KEY, logits, labels)
        ceilings.append(float(jax.jit(surrogate.update)(state, KEY, logits, labels)[1].ceiling))
    # sqrt(P / (P + d - 1)) with d = 9 where the metric is smooth; a step has the variance of about one direction more.
    expected = [np.sqrt(p / (p + 8)) for p in (4, 16, 64)]
    assert ceilings == sorted(ceilings)
    np.testing.assert_allclose(ceilings, expected, rtol=0.35)


def test_update_reports_the_metric_and_the_scale():
    here = surrogates.Estimation(spread=0.0)
    surrogate = jaxsurr.correlated_gradients(metrics.pck, relative_scale=0.25, family="basis", estimation=here)
    predictions, targets = point_data(KEY)
    state = surrogate.init(KEY, predictions, targets)
    _, info = surrogate.update(state, KEY, predictions, targets)
    size = spaces.keypoint_coordinates.squared_size(predictions, targets)
    assert float(info.scale) == pytest.approx(0.25 * float(jnp.mean(size)) ** 0.5, rel=1e-5)
    # Little noise: the smoothed metric is about the metric, in the metric's own direction.
    assert float(info.metric) == pytest.approx(float(metrics.pck.mean(predictions, targets)), abs=0.05)
    assert float(info.calibration) == 1


def test_loss_of_pck_follows_its_negative():
    surrogate = compiled(jaxsurr.correlated_gradients(metrics.pck, family="basis"))
    state, _, _ = learn(surrogate, point_data, updates=60)
    predictions, targets = point_data(jax.random.key(4))
    losses = surrogate.loss(state, predictions, targets)
    assert float(jnp.mean(losses)) == pytest.approx(-float(metrics.pck.mean(predictions, targets)), abs=0.15)
    better = targets.points + 0.5 * (predictions - targets.points)
    assert float(jnp.mean(surrogate.loss(state, better, targets))) < float(jnp.mean(losses)) - 0.1


def test_without_calibration_the_values_are_the_family_s():
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, calibrate=False, family="basis")
    state, info, _ = learn(surrogate, class_data, updates=5)
    assert float(info.calibration) == 1
    assert state.offset.tolist() == [0.0]


# --- invariances and masks --------------------------------------------------------------------------------------------


def test_scale_of_the_logits_does_not_matter():
    losses = []
    for factor in (1.0, 8.0):  # a power of two, so that rounding is the same too

        def data(key, factor=factor):
            logits, labels = class_data(key)
            return factor * logits, labels

        surrogate = jaxsurr.correlated_gradients(metrics.error_rate)
        state, _, _ = learn(surrogate, data, updates=20)
        losses.append(jax.jit(surrogate.loss)(state, *data(jax.random.key(4))))
    np.testing.assert_allclose(*losses, rtol=1e-4, atol=1e-5)
    assert float(jnp.std(losses[0])) > 0.01


@pytest.mark.parametrize("method", [jaxsurr.correlated_gradients, jaxsurr.surrogates.smoothed])
def test_scale_settles_and_then_stays_though_the_logits_grow(method, monkeypatch):
    monkeypatch.setattr(jaxsurr.surrogates.state, "SETTLED", 2)
    surrogate = method(dataclasses.replace(metrics.error_rate, name="own"))  # no other test has its programs
    logits, labels = class_data(KEY, batch=16)
    state = surrogate.init(KEY, 3 * logits, labels)
    spreads = []
    for factor in (1, 2, 8):
        state, _ = surrogate.update(state, KEY, factor * logits, labels)
        spreads.append(float(state.squared_size))
    once = float(jnp.mean(spaces.class_logits.squared_size(logits, labels)))
    np.testing.assert_allclose(spreads, [once, once * (1 + 4) / 2, once * (1 + 4) / 2], rtol=1e-5)


def after_two_updates(surrogate):
    """A compiled function of a batch: state, info, losses and gradient after two updates on it."""

    @jax.jit
    def run(predictions, targets, where=None):
        def update(state, key):  # in a loop, which is compiled once for both updates
            return surrogate.update(state, key, predictions, targets, where)

        state = surrogate.init(KEY, predictions, targets, where)
        state, infos = jax.lax.scan(update, state, jax.vmap(jax.random.key)(jnp.arange(2)))
        info = jax.tree.map(lambda leaf: leaf[-1], infos)
        losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, targets, where), predictions)
        return state, info, losses, pullback(jnp.ones_like(losses))[0]

    return run


def assert_close(got, wanted, **tolerance):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


@pytest.mark.parametrize("family", ["network", "basis"])
def test_masked_predictions_do_not_matter_whatever_they_hold(family):
    logits, labels = class_data(KEY, batch=24)
    where = jnp.arange(24) < 16
    run = after_two_updates(jaxsurr.correlated_gradients(metrics.error_rate, family=family))
    wanted = run(logits, labels, where)
    assert wanted[2][16:].tolist() == [0.0] * 8
    assert float(jnp.max(jnp.abs(wanted[3][16:]))) == 0
    assert float(jnp.max(jnp.abs(wanted[3][:16]))) > 0
    for value in (jnp.nan, jnp.inf, -jnp.inf, 1e30):
        got = run(jnp.where(where[:, None], logits, value), labels, where)
        assert_close(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", ["network", "basis"])
def test_masked_targets_do_not_matter_whatever_they_hold(family):
    predictions, targets = point_data(KEY, batch=24)
    where = jnp.arange(24) < 16
    run = after_two_updates(jaxsurr.correlated_gradients(metrics.pck, family=family))
    points = jnp.where(where[:, None, None], targets.points, jnp.nan)
    spoilt = targets._replace(points=points, scale=jnp.where(where, targets.scale, 0))
    assert_close(run(predictions, spoilt, where), run(predictions, targets, where), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", ["network", "basis", "kernel"])
def test_masked_rows_are_as_good_as_absent(family):
    logits, labels = class_data(KEY, batch=24)
    where = jnp.arange(24) < 16
    run = after_two_updates(jaxsurr.correlated_gradients(metrics.error_rate, family=family))
    full, cut = run(logits, labels, where), run(logits[:16], labels[:16])
    assert_close(full[1], cut[1], rtol=1e-4, atol=1e-5)
    # An Adam step, and a least-squares solution, from gradients that differ by rounding.
    assert_close(full[2][:16], cut[2], rtol=1e-3, atol=1e-4)


# --- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["network", "basis", "kernel"])
def test_several_metrics(family):
    metric = metrics.pck.bind(threshold=(0.2, 0.5))
    surrogate = jaxsurr.correlated_gradients(metric, family=family)
    state, info, _ = learn(surrogate, point_data, updates=200 if family == "network" else 50)
    predictions, targets = point_data(jax.random.key(4), batch=32)
    assert {name: getattr(info, name).shape for name in Info._fields} == {
        **dict.fromkeys(Info._fields, (2,)),
        "scale": (),
    }
    assert surrogate.loss(state, predictions, targets).shape == (32, 2)
    _, gradient = reference(metric, predictions, targets, info.scale)
    slopes = jax.jit(jax.jacrev(lambda z: jnp.sum(surrogate.loss(state, z, targets), axis=0)))(predictions)
    for slope, wanted in zip(slopes, gradient, strict=True):
        assert cosine(slope, wanted) > 0.9  # the network is shared between the two, which costs it something


def test_metric_of_a_set():
    @jaxsurr.metric(higher_is_better=True, per_example=False, space=spaces.class_logits)
    def balanced_accuracy(predictions, targets, *, where=None):
        right = (predictions[:, 1] > predictions[:, 0]) == (targets == 1)
        rates = [
            jnp.sum(right * members) / jnp.maximum(jnp.sum(members), 1)
            for members in ((targets == c) * (1.0 if where is None else where) for c in (0, 1))
        ]
        return sum(rates) / 2

    surrogate = jaxsurr.correlated_gradients(
        balanced_accuracy, num_pairs=64, estimation=surrogates.Estimation(chunk_size=64)
    )

    def data(key, batch=32):
        return class_data(key, batch, classes=2)

    state, info, _ = learn(surrogate, data, updates=150)
    logits, labels = data(jax.random.key(4))
    assert all(leaf.shape == () for leaf in info)
    assert surrogate.loss(state, logits, labels).shape == ()
    _, gradient = reference(balanced_accuracy, logits, labels, info.scale, num_pairs=4096)
    _, slope = losses_and_slope(surrogate, state, logits, labels)
    assert cosine(slope, gradient) > 0.7  # features of one example at a time; no more than the right direction is asked
    # The mean over the set divides by its 32 examples; without the counterweight the ratio would be 32.
    assert 0.5 < float(jnp.vdot(slope, gradient) / jnp.vdot(slope, slope)) < 2


# --- the other triples ------------------------------------------------------------------------------------------------


def test_conventional():
    surrogate = surrogates.conventional(jaxsurr.losses.cross_entropy)
    logits, labels = class_data(KEY, batch=8)
    where = jnp.arange(8) < 5
    state = surrogate.init(KEY, logits, labels)
    again, info = surrogate.update(state, KEY, logits, labels, where, pullback=None, heldout=None, axis_name=None)
    assert again == state
    assert all(np.isnan(leaf) for leaf in info[:-1]) and float(info.skipped) == 0
    wanted = jaxsurr.losses.cross_entropy(logits, labels, where=where)
    assert surrogate.loss(state, logits, labels, where).tolist() == wanted.tolist()


def test_value_fit_learns_the_value():
    surrogate = surrogates.value_fit(metrics.error_rate)
    state, info, _ = learn(surrogate, class_data, updates=200)
    logits, labels = class_data(jax.random.key(4), batch=64)
    value, _ = reference(metrics.error_rate, logits, labels, info.scale, num_pairs=512)
    losses = surrogate.loss(state, logits, labels)
    assert float(jnp.mean((losses - value) ** 2) / jnp.var(value)) < 0.2
    assert surrogate.init(KEY, logits, labels).step == 0


@pytest.mark.parametrize("spec", ["error_rate", "pck?threshold=0.5", "pck?threshold=0.2,0.5"])
def test_smoothed_has_the_value_and_the_gradient_of_the_smoothed_metric(spec):
    metric = metrics.get(spec)
    predictions, targets = class_data(KEY, 12) if spec == "error_rate" else point_data(KEY, 12)
    surrogate = compiled(surrogates.smoothed(metric, num_pairs=8, relative_scale=0.5))
    state = surrogate.init(KEY, predictions, targets)
    state, info = surrogate.update(state, jax.random.key(7), predictions, targets)
    assert all(np.isnan(leaf) for leaf in info[:-1]) and float(info.skipped) == 0
    space = metric.space
    scale = 0.5 * jnp.sqrt(jnp.mean(space.squared_size(predictions, targets)))
    out = smoothed_metric(
        metric, predictions, targets, key=jax.random.key(7), scale=scale, num_pairs=8, directions=table_directions()
    )
    losses = surrogate.loss(state, predictions, targets)
    np.testing.assert_allclose(losses, metric.sign * out.value, atol=1e-6)
    slope = jax.jacrev(lambda z: jnp.sum(surrogate.loss(state, z, targets), axis=0))(predictions)
    np.testing.assert_allclose(slope, metric.sign * out.gradient, atol=1e-5)
    assert float(jnp.max(jnp.abs(slope))) > 0


def test_smoothed_draws_other_noise_after_an_update():
    logits, labels = class_data(KEY, 12)
    surrogate = compiled(surrogates.smoothed(metrics.error_rate, num_pairs=4))
    first = surrogate.init(KEY, logits, labels)
    second, _ = surrogate.update(first, jax.random.key(1), logits, labels)
    slopes = [jax.grad(lambda z, s=s: jnp.sum(surrogate.loss(s, z, labels)))(logits) for s in (first, first, second)]
    assert slopes[0].tolist() == slopes[1].tolist()
    assert slopes[0].tolist() != slopes[2].tolist()


def test_smoothed_leaves_masked_rows_out_whatever_they_hold():
    logits, labels = class_data(KEY, 12)
    where = jnp.arange(12) < 8
    spoilt = jnp.where(where[:, None], logits, jnp.nan)
    surrogate = compiled(surrogates.smoothed(metrics.error_rate, num_pairs=4))
    state = surrogate.init(KEY, spoilt, labels, where)
    state, _ = surrogate.update(state, jax.random.key(1), spoilt, labels, where)
    losses, slope = jax.value_and_grad(lambda z: jnp.sum(surrogate.loss(state, z, labels, where)))(spoilt)
    assert bool(jnp.isfinite(losses))
    assert surrogate.loss(state, spoilt, labels, where)[8:].tolist() == [0.0] * 4
    assert float(jnp.max(jnp.abs(slope[8:]))) == 0
    assert float(jnp.max(jnp.abs(slope[:8]))) > 0


def test_half_precision_predictions():
    logits, labels = class_data(KEY, 32)
    logits = logits.astype(jnp.bfloat16)
    for surrogate in (jaxsurr.correlated_gradients(metrics.error_rate), surrogates.smoothed(metrics.error_rate)):
        state = jax.jit(surrogate.init)(KEY, logits, labels)
        state, _ = jax.jit(surrogate.update)(state, KEY, logits, labels)
        _, slope = losses_and_slope(surrogate, state, logits, labels)
        assert slope.dtype == jnp.bfloat16
        assert bool(jnp.all(jnp.isfinite(slope)))
        assert float(jnp.max(jnp.abs(slope))) > 0


@pytest.mark.parametrize("method", [surrogates.smoothed, surrogates.value_fit, surrogates.correlated_gradients])
@pytest.mark.parametrize("size", [0.0, 1e-7])
def test_gradients_of_tiny_half_precision_predictions_are_finite(method, size):
    _, labels = class_data(KEY, 8)
    logits = (size * jax.random.normal(KEY, (8, 10))).astype(jnp.float16)
    surrogate = compiled(method(metrics.error_rate))
    state, _ = surrogate.update(surrogate.init(KEY, logits, labels), KEY, logits, labels)
    gradient = jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, labels).astype(jnp.float32)))(logits)
    assert gradient.dtype == jnp.float16
    assert np.isfinite(gradient).all() and 0 < np.abs(gradient).max() < 1e3


def test_a_surrogate_can_be_a_key():
    first, second = (jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate, num_pairs=n) for n in (2, 3))
    assert {first: "first", second: "second"}[first] == "first"
