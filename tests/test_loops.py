"""The learned loss in loops of others: optax alone, flax's `TrainState`, `flax.nnx`, `jax.jit` on sharded arrays.

Each loop is written as its users write it, once alternating (the surrogate learns on the model's predictions, then the
model takes a step on it) and once with a frozen surrogate, and must end at the weights where `bilevel.make_step` ends.
Run as a program, this file trains on eight simulated devices and leaves what it found in a file.
"""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training import train_state
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import jaxsurr
from jaxsurr import bilevel
from jaxsurr.surrogates.families.mlp import mlp
from tests.started import simulated

STEPS, ROWS, FEATURES, CLASSES = 4, 48, 8, 3
KEY = jax.random.key(5)
# At a scale of half the spread the rounding of a prediction stays far below the tolerance.
SURROGATE = jaxsurr.correlated_gradients(
    jaxsurr.metrics.error_rate, num_pairs=4, relative_scale=0.5, network=lambda outputs: mlp(outputs, hidden=(8,))
)


def optimizer():
    return optax.sgd(0.5, momentum=0.9)


def apply(params, inputs):
    return inputs @ params["kernel"] + params["bias"][None]


def first_params():
    return {"kernel": jax.random.normal(jax.random.key(1), (FEATURES, CLASSES)), "bias": jnp.zeros(CLASSES)}


def batch(number):
    inputs = jax.random.normal(jax.random.key(10 + number), (ROWS, FEATURES))
    return inputs, jnp.argmax(inputs[:, :CLASSES] + 0.3, axis=-1)


def step_key(step):
    """What `bilevel.make_step` draws from in a step, so that all loops see the same noise."""
    return jax.random.fold_in(jax.random.fold_in(KEY, step), 0)


@jax.jit
def learned():
    """A surrogate that has been learned for a while on the predictions of the first model."""
    inputs, labels = batch(0)
    predictions = apply(first_params(), inputs)

    def update(state, key):
        return SURROGATE.update(state, key, predictions, labels)[0], None

    start = SURROGATE.init(jax.random.key(3), predictions, labels)
    return jax.lax.scan(update, start, jax.random.split(jax.random.key(4), 20))[0]


# --- the loops --------------------------------------------------------------------------------------------------------


def with_bilevel(surrogate_state, frozen):
    tx = optimizer()
    step = jax.jit(bilevel.make_step(apply, tx, SURROGATE, learn=not frozen))
    params = first_params()
    state = bilevel.TrainState(params, tx.init(params), surrogate_state, KEY, jnp.int32(0))
    for number in range(STEPS):
        state, _ = step(state, jaxsurr.Batch(*batch(number)))
    return state.params


def with_optax(surrogate_state, frozen, place=lambda tree: tree, place_batch=lambda tree: tree):
    tx = optimizer()

    @jax.jit
    def step(params, tx_state, surrogate_state, key, inputs, labels):
        if not frozen:
            predictions = apply(params, inputs)
            surrogate_state, _ = SURROGATE.update(surrogate_state, key, predictions, labels)

        def mean_loss(params):
            return jnp.mean(SURROGATE.loss(surrogate_state, apply(params, inputs), labels))

        updates, tx_state = tx.update(jax.grad(mean_loss)(params), tx_state, params)
        return optax.apply_updates(params, updates), tx_state, surrogate_state

    params = place(first_params())
    state = params, place(tx.init(params)), place(surrogate_state)
    for number in range(STEPS):
        state = step(*state, step_key(number), *place_batch(batch(number)))
    return state[0]


class TrainState(train_state.TrainState):
    surrogate: Any
    key: jax.Array


def with_train_state(surrogate_state, frozen):
    @jax.jit
    def step(state, inputs, labels):
        if not frozen:
            key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), 0)
            predictions = state.apply_fn(state.params, inputs)
            state = state.replace(surrogate=SURROGATE.update(state.surrogate, key, predictions, labels)[0])

        def mean_loss(params):
            return jnp.mean(SURROGATE.loss(state.surrogate, state.apply_fn(params, inputs), labels))

        return state.apply_gradients(grads=jax.grad(mean_loss)(state.params))

    state = TrainState.create(apply_fn=apply, params=first_params(), tx=optimizer(), surrogate=surrogate_state, key=KEY)
    for number in range(STEPS):
        state = step(state, *batch(number))
    return state.params


class Model(nnx.Module):
    def __init__(self, rngs):
        self.head = nnx.Linear(FEATURES, CLASSES, rngs=rngs)

    def __call__(self, inputs):
        return self.head(inputs)


def with_nnx(surrogate_state, frozen):
    model = Model(nnx.Rngs(0))
    model.head.kernel[...] = first_params()["kernel"]
    tx = nnx.Optimizer(model, optimizer(), wrt=nnx.Param)

    @nnx.jit
    def step(model, tx, surrogate_state, key, inputs, labels):
        if not frozen:
            surrogate_state, _ = SURROGATE.update(surrogate_state, key, model(inputs), labels)

        def mean_loss(model):
            return jnp.mean(SURROGATE.loss(surrogate_state, model(inputs), labels))

        _, gradient = nnx.value_and_grad(mean_loss)(model)
        tx.update(model, gradient)
        return surrogate_state

    for number in range(STEPS):
        surrogate_state = step(model, tx, surrogate_state, step_key(number), *batch(number))
    return {"kernel": model.head.kernel[...], "bias": model.head.bias[...]}


SHARDED = [(False, "on each"), (False, "in parts"), (True, "on each")]  # frozen or not, and where the weights lie


def with_shardings(surrogate_state, frozen, split_weights):
    """`with_optax` as it is, on arrays that lie on all devices: rows of a batch are shared out, the rest is on each."""
    mesh = Mesh(np.array(jax.devices()), ("data",))
    on_each, in_parts = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))

    def place(tree):
        def one(leaf):
            return jax.device_put(leaf, in_parts if split_weights and leaf.shape == (FEATURES, CLASSES) else on_each)

        return jax.tree.map(one, tree)

    return with_optax(surrogate_state, frozen, place, lambda rows: jax.device_put(rows, in_parts))


# --- the tests --------------------------------------------------------------------------------------------------------


def assert_same(found, expected):
    """Equal but for the order of sums in single precision, over `STEPS` steps on `ROWS` rows."""
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def expected():
    """Where `bilevel.make_step` ends: alternating, and frozen."""
    return {frozen: with_bilevel(learned(), frozen) for frozen in (False, True)}


def test_the_loops_do_something_and_learning_matters(expected):
    start = first_params()
    moved = [jnp.abs(end["kernel"] - start["kernel"]).max() for end in expected.values()]
    assert min(moved) > 1e-2
    assert jnp.abs(expected[False]["kernel"] - expected[True]["kernel"]).max() > 1e-3


@pytest.mark.parametrize("frozen", [False, True], ids=["alternating", "frozen"])
@pytest.mark.parametrize("loop", [with_optax, with_train_state, with_nnx])
def test_a_loop_ends_where_the_library_ends(loop, frozen, expected):
    assert_same(loop(learned(), frozen), expected[frozen])


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """What this file finds on eight simulated devices, in a process of its own."""
    out = tmp_path_factory.mktemp("eight") / "found.npz"
    done = subprocess.run([sys.executable, __file__, str(out)], env=simulated(8), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(out, allow_pickle=False)


@pytest.mark.parametrize(("frozen", "weights"), SHARDED)
def test_sharded_arrays_end_where_one_device_ends(eight, frozen, weights, expected):
    found = {name: eight[f"{frozen} {weights} {name}"] for name in ("kernel", "bias")}
    assert_same(found, expected[frozen])
    devices, rows_of_one = eight[f"{frozen} {weights} devices"]
    assert devices == 8
    assert rows_of_one == (FEATURES // 8 if weights == "in parts" else FEATURES)


def on_eight_devices(out):
    found = {}
    for frozen, weights in SHARDED:
        end = with_shardings(learned(), frozen, split_weights=weights == "in parts")
        shards = end["kernel"].addressable_shards
        found |= {f"{frozen} {weights} {name}": np.asarray(leaf) for name, leaf in end.items()}
        found[f"{frozen} {weights} devices"] = np.array([len(shards), shards[0].data.shape[0]])
    np.savez(out, **found)


if __name__ == "__main__":
    on_eight_devices(sys.argv[1])
