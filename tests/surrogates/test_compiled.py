"""Surrogates compile themselves where nobody else does, once for each form of a batch, and still look at its values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import losses, metrics, spaces, surrogates
from jaxsurr.surrogates.compiled import compiled
from jaxsurr.surrogates.families.mlp import mlp

KEY = jax.random.key(0)
LOGITS, LABELS = jax.random.normal(KEY, (6, 3)), jnp.arange(6) % 3
WHERE = jnp.arange(6) < 5
SMALL = dict(num_pairs=2, network=functools.partial(mlp, hidden=(4,)))


def counted(function):
    """A function, and the list that is one longer each time Python runs it."""
    calls = []

    def run(predictions, targets, *, where=None):
        calls.append(1)
        return function(predictions, targets, where=where)

    return run, calls


def of_metric(method, **options):
    def make(seen):
        return method(jaxsurr.metric(seen, higher_is_better=False, space=spaces.class_logits), **options)

    return make


def following(seen):
    return jaxsurr.follow_scale(of_metric(surrogates.correlated_gradients, **SMALL)(seen))


MAKE = {
    "correlated_gradients": of_metric(surrogates.correlated_gradients, **SMALL),
    "basis": of_metric(surrogates.correlated_gradients, family="basis", num_pairs=2),
    "value_fit": of_metric(surrogates.value_fit, **SMALL),
    "smoothed": of_metric(surrogates.smoothed, num_pairs=2),
    "embedding": of_metric(surrogates.embedding, hidden=(4,)),
    "relational": of_metric(surrogates.relational, groups=2, group_size=2),
    "set_value_fit": of_metric(surrogates.set_value_fit, sets=2, hidden=(4,)),
    "conventional": surrogates.conventional,
    "follow_scale": following,
}


def everything(surrogate, key):
    """All that a loop which is not compiled does with a surrogate."""
    state = surrogate.init(key, LOGITS, LABELS, WHERE)
    state, info = surrogate.update(state, key, LOGITS, LABELS, where=WHERE)
    slope = jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, LABELS, WHERE)))(LOGITS)
    return state, info, surrogate.loss(state, LOGITS, LABELS, WHERE, axis_name=None), slope


@pytest.mark.parametrize(
    "make",
    [
        lambda: surrogates.correlated_gradients("error_rate", num_pairs=2),
        lambda: surrogates.correlated_gradients(metrics.pck.bind(threshold=0.2), estimation=surrogates.Estimation()),
        lambda: surrogates.value_fit(metrics.ndcg, network=mlp),
        lambda: surrogates.smoothed(metrics.mean_absolute_error),
        lambda: surrogates.embedding(metrics.error_rate, hidden=(4,)),
        lambda: surrogates.conventional(losses.cross_entropy),
    ],
)
def test_what_plain_data_describe_is_made_once(make):
    first = make()
    assert all(one is other for one, other in zip(first[:3], make()[:3], strict=True))
    told = dict(first.settings)
    first.settings.clear()
    assert make().settings == told


def test_what_differs_or_is_the_users_own_is_made_again(monkeypatch):
    def own(predictions, targets, *, where=None):
        return jnp.abs(predictions[:, 0] - targets)

    made = [
        surrogates.correlated_gradients("error_rate", num_pairs=3),
        surrogates.correlated_gradients("error_rate", num_pairs=3, value_weight=1),
        surrogates.correlated_gradients("error_rate", num_pairs=3, value_weight=1.0),
        surrogates.correlated_gradients("error_rate", num_pairs=3, calibrate=False),
        surrogates.correlated_gradients(metrics.error_rate.bind(space=spaces.level_logits), num_pairs=3),
        surrogates.value_fit("error_rate", num_pairs=3),
        *[surrogates.correlated_gradients("error_rate", **SMALL) for _ in range(2)],
        *[surrogates.correlated_gradients("error_rate", optimizer=optax.adam(0.1)) for _ in range(2)],
        *[of_metric(surrogates.correlated_gradients)(own) for _ in range(2)],
    ]
    assert len({surrogate.update for surrogate in made}) == len(made)
    another = jaxsurr.metric(own, higher_is_better=False, name="error_rate")
    monkeypatch.setitem(metrics.METRICS, "error_rate", another)  # a name may come to mean another
    assert surrogates.correlated_gradients("error_rate", num_pairs=3).update is not made[0].update


def test_the_last_surrogates_of_a_method_are_kept():
    def make(number):
        return surrogates.smoothed("error_rate", relative_scale=1 + number / 8)

    first = make(0)
    for number in range(40):
        make(number)
    assert make(0).update is not first.update and make(39).update is make(39).update


@pytest.mark.parametrize("name", MAKE)
def test_nothing_is_traced_again_for_a_batch_of_the_same_form(name):
    seen, calls = counted(losses.cross_entropy)
    surrogate = MAKE[name](seen)
    everything(surrogate, KEY)
    first = len(calls)
    everything(surrogate, jax.random.key(1))
    assert first > 0 and len(calls) == first
    with pytest.raises(ValueError, match="targets"):  # values are looked at all the same
        surrogate.loss(surrogate.init(KEY, LOGITS, LABELS), LOGITS, LABELS + 1)


@pytest.mark.parametrize("name", ["correlated_gradients", "relational"])
def test_results_are_those_of_a_caller_who_compiles(name):
    surrogate = MAKE[name](losses.cross_entropy)
    whole = jax.jit(surrogate.update)
    state = surrogate.init(KEY, LOGITS, LABELS, WHERE)
    alone, inside = surrogate.update(state, KEY, LOGITS, LABELS, WHERE), whole(state, KEY, LOGITS, LABELS, WHERE)
    for mine, theirs in zip(jax.tree.leaves(alone), jax.tree.leaves(inside), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_values_are_looked_at_within_a_gradient_that_nobody_compiles():
    surrogate = MAKE["correlated_gradients"](losses.cross_entropy)
    state = surrogate.init(KEY, LOGITS, LABELS)
    slope = jax.grad(lambda z, y: surrogate.loss(state, z, y).sum())
    for bad, sentence in ((LOGITS.at[1, 1].set(jnp.nan), "predictions hold 1 values"), (jnp.zeros((6, 3)), "targets")):
        with pytest.raises(ValueError, match=sentence):
            slope(bad, LABELS if sentence != "targets" else LABELS + 1)


@pytest.mark.parametrize("call", ["update", "loss"])
def test_errors_of_a_black_box_pass_as_themselves(call):
    def broken(targets, predictions):
        raise KeyError("no such column")

    box = metrics.black_box(broken, higher_is_better=True, decode="argmax")
    surrogate = (surrogates.smoothed if call == "loss" else surrogates.set_value_fit)(box)
    state = jax.jit(surrogate.init)(KEY, LOGITS, LABELS)  # compiled, since smoothed asks the box whether order matters
    with pytest.raises(KeyError, match="no such column"):
        surrogate.loss(state, LOGITS, LABELS) if call == "loss" else surrogate.update(state, KEY, LOGITS, LABELS)


def test_a_fixed_loss_that_reads_values_is_called_as_it_is():
    def median_error(predictions, targets, *, where=None):
        return jnp.asarray(np.abs(np.asarray(predictions)[:, 0] - np.median(targets)))

    surrogate = surrogates.conventional(median_error)
    wanted = np.abs(np.asarray(LOGITS)[:, 0] - 1)
    np.testing.assert_allclose(surrogate.loss((), LOGITS, LABELS), wanted, rtol=1e-6)


def test_functions_among_the_arguments_are_for_callers_who_compile():
    seen = []

    def update(state, pullback=None, *, axis_name=None):
        seen.append(isinstance(state, jax.core.Tracer))
        return state if pullback is None else pullback(state)

    call = compiled(update, lambda *arguments: None, lambda result: True)
    assert float(call(jnp.ones(()), lambda state: 2 * state)) == 2 and seen == [False]
    assert float(call(jnp.ones(()), axis_name="devices")) == 1 and seen == [False, False]
    assert float(call(jnp.ones(()))) == 1 and seen == [False, False, True]


def test_a_loop_of_optax_trains_without_a_jit_in_it():
    inputs = jax.random.normal(KEY, (32, 3))
    labels, params, optimizer = jnp.argmax(inputs, axis=1), jnp.zeros((3, 3)), optax.sgd(10.0)
    surrogate = surrogates.correlated_gradients(metrics.error_rate, family="basis")
    state, optimizer_state = surrogate.init(KEY, inputs @ params, labels), optimizer.init(params)
    for step in range(30):
        state, _ = surrogate.update(state, jax.random.key(step), inputs @ params, labels)
        gradient = jax.grad(lambda p, state=state: surrogate.loss(state, inputs @ p, labels).mean())(params)
        updates, optimizer_state = optimizer.update(gradient, optimizer_state)
        params = optax.apply_updates(params, updates)
    assert float(metrics.error_rate.mean(inputs @ params, labels)) < 0.1


@pytest.mark.parametrize("name", MAKE)
def test_constants_of_a_function_that_is_traced(name):
    surrogate = MAKE[name](losses.cross_entropy)
    state = surrogate.init(KEY, LOGITS, LABELS, WHERE)
    values = surrogate.loss(state, LOGITS, LABELS, WHERE)
    np.testing.assert_allclose(jax.jit(lambda: surrogate.loss(state, LOGITS, LABELS, WHERE))(), values, rtol=1e-6)
    made = jax.eval_shape(lambda: surrogate.init(KEY, LOGITS, LABELS, WHERE))
    learned, _ = jax.jit(lambda: surrogate.update(state, KEY, LOGITS, LABELS, where=WHERE))()
    assert len({tuple(leaf.shape for leaf in jax.tree.leaves(tree)) for tree in (made, state, learned)}) == 1
