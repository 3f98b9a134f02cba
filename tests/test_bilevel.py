"""The bilevel step against one written by hand, in predictions and in parameters; masks and mixtures."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import Batch, bilevel, losses, metrics, surrogates

KEY = jax.random.key(0)
RATE = 0.1


def apply(params, inputs):
    hidden = jnp.tanh(inputs @ params["params"]["body"]["kernel"])
    return hidden @ params["params"]["head"]["kernel"] + params["params"]["head"]["bias"][None]


def model(features=4, width=8, classes=3):
    keys = jax.random.split(jax.random.key(1), 2)
    return {
        "params": {
            "body": {"kernel": jax.random.normal(keys[0], (features, width))},
            "head": {"kernel": jax.random.normal(keys[1], (width, classes)), "bias": jnp.zeros(classes)},
        }
    }


def make_batch(seed=2, size=16, where=None):
    inputs = jax.random.normal(jax.random.key(seed), (size, 4))
    return Batch(inputs, jnp.argmax(inputs[:, :3] + 0.3, axis=-1), where)


def start(surrogate, batch, optimizer=None):
    optimizer = optimizer or optax.sgd(RATE)
    return jax.jit(lambda params: bilevel.init_state(KEY, params, optimizer, surrogate, apply, batch))(model())


def by_hand(batch, loss, params):
    """Value and gradient of the mean loss of the examples that count."""

    def mean_loss(params):
        values = loss(apply(params, batch.inputs), batch.targets)
        return jnp.mean(values if batch.where is None else values[batch.where])

    return jax.jit(jax.value_and_grad(mean_loss))(params)


def assert_trees_close(got, wanted, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=1e-6)


def assert_trees_equal(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)


def descend(params, gradient):
    return jax.tree.map(lambda p, g: p - RATE * g, params, gradient)


# --- one step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [None, jnp.arange(16) < 11], ids=["all", "masked"])
@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.expected_error, losses.squared_emd])
def test_step_on_a_conventional_loss_is_the_hand_written_one(loss, where):
    surrogate, batch = surrogates.conventional(loss), make_batch(where=where)
    state = start(surrogate, batch)
    after, info = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate))(state, batch)
    value, gradient = by_hand(batch, loss, state.params)
    np.testing.assert_allclose(info.loss, value, rtol=1e-5)
    assert_trees_close(after.params, descend(state.params, gradient))
    assert int(after.step) == 1


def test_step_on_a_learned_surrogate_is_the_hand_written_one():
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, family="basis")
    batch = make_batch()
    state = start(surrogate, batch)
    after, info = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate))(state, batch)
    value, gradient = by_hand(batch, lambda z, y: surrogate.loss(after.surrogate, z, y), state.params)
    np.testing.assert_allclose(info.loss, value, rtol=1e-5)
    assert_trees_close(after.params, descend(state.params, gradient))
    assert np.isfinite(info.surrogate.gradient_correlation)


def test_mixture_is_linear():
    batch = make_batch()
    surrogate = surrogates.conventional(losses.expected_error)
    state = start(surrogate, batch)
    moves, values = [], []
    for mixture in (0.0, 0.25, 1.0):
        step = bilevel.make_step(apply, optax.sgd(RATE), surrogate, conventional=losses.cross_entropy, mixture=mixture)
        after, info = jax.jit(step)(state, batch)
        moves.append(after.params)
        values.append(float(info.loss))
    assert values[1] == pytest.approx(0.75 * values[0] + 0.25 * values[2], rel=1e-5)
    assert values[0] != pytest.approx(values[2], rel=0.1)
    assert_trees_close(moves[1], jax.tree.map(lambda a, b: 0.75 * a + 0.25 * b, moves[0], moves[2]))


def test_outer_steps_are_so_many_updates():
    surrogate, batch = jaxsurr.correlated_gradients(metrics.error_rate, family="basis"), make_batch()
    state = start(surrogate, batch)
    after, _ = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate, outer_steps=2))(state, batch)
    assert int(after.surrogate.step) == 2
    learned, predictions = state.surrogate, apply(state.params, batch.inputs)
    key = jax.random.fold_in(state.key, 0)
    for i in range(2):
        learned, _ = jax.jit(surrogate.update)(learned, jax.random.fold_in(key, i), predictions, batch.targets)
    # 1e-3: coefficients of neighbouring, nearly collinear ramps are sensitive to rounding.
    assert_trees_close(
        surrogate.loss(after.surrogate, predictions, batch.targets),
        surrogate.loss(learned, predictions, batch.targets),
        tolerance=1e-3,
    )


def test_steps_draw_different_noise():
    surrogate, batch = jaxsurr.correlated_gradients(metrics.error_rate, family="basis"), make_batch()
    step = jax.jit(bilevel.make_step(apply, optax.sgd(0.0), surrogate))
    state = start(surrogate, batch)
    state, first = step(state, batch)
    state, second = step(state, batch)
    assert float(first.surrogate.metric) != float(second.surrogate.metric)


def test_learn_false_leaves_the_surrogate_as_it_is():
    surrogate, batch = jaxsurr.correlated_gradients(metrics.error_rate, family="basis"), make_batch()
    state = start(surrogate, batch)
    after, info = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate, learn=False))(state, batch)
    assert_trees_equal(after.surrogate, state.surrogate)
    assert np.isnan(info.surrogate.gradient_correlation)
    assert not np.array_equal(after.params["params"]["head"]["kernel"], state.params["params"]["head"]["kernel"])


def test_train_false_leaves_the_model_as_it_is():
    surrogate, batch = jaxsurr.correlated_gradients(metrics.error_rate, family="basis"), make_batch()
    optimizer = optax.adam(RATE)
    state = start(surrogate, batch, optimizer)
    after, _ = jax.jit(bilevel.make_step(apply, optimizer, surrogate, train=False))(state, batch)
    assert_trees_equal((after.params, after.optimizer), (state.params, state.optimizer))
    assert int(after.surrogate.step) == 1


def test_metric_weights():
    @jaxsurr.metric(higher_is_better=False, space=jaxsurr.spaces.class_logits)
    def top_one_and_two(predictions, targets):
        values = [metrics.top_k_error(predictions, targets, k=k) for k in (1, 2)]
        return jnp.stack(values, axis=-1)

    surrogate, batch = jaxsurr.correlated_gradients(top_one_and_two, family="basis"), make_batch()
    state = start(surrogate, batch)
    step = bilevel.make_step(apply, optax.sgd(RATE), surrogate, metric_weights=(1.0, 0.5), learn=False)
    after, info = jax.jit(step)(state, batch)

    def weighted(z, y):
        return surrogate.loss(state.surrogate, z, y) @ jnp.array([1.0, 0.5])

    value, gradient = by_hand(batch, weighted, state.params)
    np.testing.assert_allclose(info.loss, value, rtol=1e-5)
    assert_trees_close(after.params, descend(state.params, gradient))


def test_several_metrics_without_weights_cannot_be_mixed_with_a_loss():
    metric = jaxsurr.metric(
        lambda z, y: jnp.stack([z[:, 0], z[:, 1]], axis=-1), higher_is_better=False, space=jaxsurr.spaces.class_logits
    )
    surrogate, batch = jaxsurr.correlated_gradients(metric, family="basis"), make_batch(size=2)
    step = bilevel.make_step(
        apply, optax.sgd(RATE), surrogate, conventional=losses.cross_entropy, mixture=0.5, learn=False
    )
    with pytest.raises(ValueError, match="metric_weights"):  # [2] and [2, 2] would broadcast
        step(start(surrogate, batch), batch)


# --- gradients in parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [bilevel.everything, bilevel.last_layer()], ids=["everything", "last_layer"])
@pytest.mark.parametrize("family", ["network", "basis"])
def test_objective_in_parameters(family, part):
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, family=family, objective="parameters")
    batch, heldout = make_batch(size=32), make_batch(seed=5, size=24)
    step = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate, in_parameters=True, part=part))
    state = start(surrogate, batch)
    for _ in range(3):
        state, info = step(state, batch, heldout)
    assert all(bool(jnp.isfinite(leaf)) for leaf in info.surrogate)
    assert -1 <= float(info.surrogate.gradient_correlation) <= 1
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(state.params))


@pytest.mark.parametrize("family", ["network", "basis"])
def test_masked_training_rows_have_no_gradient_in_parameters(family):
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, family=family, objective="parameters")
    batch, heldout = make_batch(size=32, where=jnp.arange(32) < 20), make_batch(seed=5, size=24)
    other = batch._replace(inputs=jnp.where(batch.where[:, None], batch.inputs, 7 - 3 * batch.inputs))
    step = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate, in_parameters=True))
    state = start(surrogate, batch)
    (after, info), (other_after, other_info) = (step(state, filling, heldout) for filling in (batch, other))
    assert_trees_close(other_info, info, tolerance=1e-4)
    assert_trees_close(other_after.params, after.params, tolerance=1e-4)


def test_part_is_put_back():
    params = model()
    layer, rebuild = bilevel.last_layer("body")(params)
    assert layer is params["params"]["body"]
    changed = rebuild({"kernel": jnp.zeros((4, 8))})
    assert float(jnp.max(jnp.abs(changed["params"]["body"]["kernel"]))) == 0
    assert changed["params"]["head"] is params["params"]["head"]
    assert bilevel.everything(params)[0] is params


def test_parameters_need_a_heldout_batch():
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, objective="parameters")
    batch = make_batch()
    step = bilevel.make_step(apply, optax.sgd(RATE), surrogate, in_parameters=True)
    with pytest.raises(ValueError, match=r"needs a held-out batch: step\(state, batch, heldout\)"):
        step(start(surrogate, batch), batch)
    plain = bilevel.make_step(apply, optax.sgd(RATE), surrogate)
    with pytest.raises(ValueError, match="pass pullback= of the training predictions"):
        plain(start(surrogate, batch), batch)


def test_bad_input():
    surrogate = surrogates.conventional(losses.cross_entropy)
    with pytest.raises(ValueError, match="no module 'haed'; did you mean 'head'"):
        bilevel.last_layer("haed")(model())
    for mixture in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"mixture must be a finite number of at least 0 and at most 1, got"):
            bilevel.make_step(apply, optax.sgd(RATE), surrogate, mixture=mixture, conventional=losses.cross_entropy)
    with pytest.raises(ValueError, match="pass conventional="):
        bilevel.make_step(apply, optax.sgd(RATE), surrogate, mixture=0.5)
    with pytest.raises(ValueError, match="outer_steps must be an integer"):
        bilevel.make_step(apply, optax.sgd(RATE), surrogate, outer_steps=0)


# --- many steps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["network", "basis"])
def test_training_on_the_learned_error_rate_lowers_the_error(family):
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, family=family)
    batch, optimizer = make_batch(size=128), optax.adam(0.02)
    state = start(surrogate, batch, optimizer)
    step = bilevel.make_step(apply, optimizer, surrogate)
    after, _ = jax.jit(lambda s: jax.lax.scan(lambda s, _: (step(s, batch)[0], None), s, length=150))(state)
    errors = [
        float(metrics.error_rate.mean(apply(params, batch.inputs), batch.targets))
        for params in (state.params, after.params)
    ]
    assert errors[0] > 0.4
    assert errors[1] < 0.1


# --- the power of a surrogate -----------------------------------------------------------------------------------------


def test_a_schedule_sets_the_power_of_each_step_and_the_state_keeps_it():
    surrogate, batch, optimizer = surrogates.correlated_gradients(metrics.error_rate), make_batch(), optax.sgd(RATE)
    step = jax.jit(bilevel.make_step(apply, optimizer, surrogate, power=optax.linear_schedule(0.0, 0.6, 3)))
    state = start(surrogate, batch)
    for wanted in (0.0, 0.2, 0.4, 0.6, 0.6):
        before = state
        state, info = step(state, batch)
        assert float(state.surrogate.power) == pytest.approx(wanted, abs=1e-6)
        value, gradient = by_hand(batch, lambda z, y, now=state: surrogate.loss(now.surrogate, z, y), before.params)
        assert float(info.loss) == pytest.approx(float(value), rel=1e-4)
        assert_trees_close(state.params, descend(before.params, gradient), 1e-4)


def test_a_step_with_a_schedule_can_be_made_within_a_traced_function():
    surrogate, batch = surrogates.correlated_gradients(metrics.error_rate), make_batch()
    power = optax.linear_schedule(0.25, 1.0, 3)

    @jax.jit
    def once(state):
        return bilevel.make_step(apply, optax.sgd(RATE), surrogate, power=power)(state, batch)

    assert float(once(start(surrogate, batch))[0].surrogate.power) == 0.25


def test_without_a_schedule_the_power_of_the_state_stays():
    surrogate, batch = surrogates.correlated_gradients(metrics.error_rate, power=0.3), make_batch()
    state, _ = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate))(start(surrogate, batch), batch)
    assert float(state.surrogate.power) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("power", "came"),
    [
        (-0.1, ".* got -0.1"),
        (1.5, ".* got 1.5"),
        (float("nan"), ".* got nan"),
        ("x", ".* got 'x'"),
        (1j, ".* got 1j"),
        (lambda step: step / 100.0, "at step 1000.* got 10.0"),
        (lambda step: jnp.nan * step, "at step 0.* got nan"),
        (lambda step: jnp.ones(2), r"at step 0.* got \[1.0, 1.0\]"),
        (lambda step: "late", "at step 0.* got 'late'"),
        (lambda step: None, "at step 0.* got None"),
    ],
)
def test_a_power_that_is_no_number_between_0_and_1_is_refused(power, came):
    with pytest.raises(ValueError, match=rf"^power.*{came}\.$"):
        bilevel.make_step(apply, optax.sgd(RATE), surrogates.correlated_gradients(metrics.error_rate), power=power)


def test_where_a_schedule_gives_no_power_the_step_keeps_that_of_the_step_before_and_says_so():
    surrogate, batch = surrogates.correlated_gradients(metrics.error_rate), make_batch()
    wrong = jnp.array([0, 0, jnp.nan, 2.0, -0.5, jnp.inf])  # at steps that are not looked at beforehand

    def states(power):
        step = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate, power=power))
        state = start(surrogate, batch)
        for _ in wrong:
            state, info = step(state, batch)
            yield state, info

    def rising(step):
        return jnp.minimum(0.25 * (step + 1), 0.5)

    found = list(states(lambda step: jnp.where((step < 2) | (step >= len(wrong)), rising(step), wrong[step])))
    assert [float(info.power_kept) for _, info in found] == [0, 0, 1, 1, 1, 1]
    assert [float(state.surrogate.power) for state, _ in found] == [0.25, 0.5, 0.5, 0.5, 0.5, 0.5]
    for (state, info), (other, meant) in zip(found, states(rising), strict=True):
        assert float(info.loss) == pytest.approx(float(meant.loss), rel=1e-5)
        assert_trees_close(state.params, other.params)


def test_a_step_without_a_schedule_keeps_no_power():
    surrogate, batch = surrogates.correlated_gradients(metrics.error_rate), make_batch()
    _, info = jax.jit(bilevel.make_step(apply, optax.sgd(RATE), surrogate))(start(surrogate, batch), batch)
    assert info.power_kept is None


@pytest.mark.parametrize(
    "surrogate",
    [
        surrogates.conventional(losses.cross_entropy),
        surrogates.correlated_gradients(metrics.error_rate, family="network"),
        surrogates.correlated_gradients(metrics.balanced_error),
    ],
    ids=["fixed", "network", "sets"],
)
def test_a_power_for_a_surrogate_that_has_none_is_refused(surrogate):
    batch = make_batch()
    step = bilevel.make_step(apply, optax.sgd(RATE), surrogate, power=0.5)
    with pytest.raises(ValueError, match="the state of this surrogate has none"):
        step(start(surrogate, batch), batch)
