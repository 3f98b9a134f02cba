"""One device and eight train, predict and fetch the same; what cannot be shared among devices is refused in words."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import bilevel, parallel
from jaxsurr.data import Split, batches
from tests import process_worker
from tests.started import simulated

WORKER = Path(__file__).with_name("process_worker.py")


class State(NamedTuple):
    params: jax.Array
    average: jax.Array
    key: jax.Array
    step: jax.Array


def first_state():
    params = jnp.array([1.0, 2.0])
    return State(params, params, jax.random.key(3), jnp.int32(0))  # one array in two places, as after an init


def step(state, batch):
    params = state.params - jnp.mean(batch)
    return state._replace(params=params, average=(state.average + params) / 2, step=state.step + 1), params


# --- one device -------------------------------------------------------------------------------------------------------


def test_what_is_placed_is_a_copy_that_may_be_donated():
    on = parallel.executor(1)
    start = first_state()
    run = on.compile(step)
    placed = on.place(start)
    state, _ = run(placed, on.shard(np.full(4, 0.5, np.float32)))
    assert placed.params.is_deleted()
    assert not any(leaf.is_deleted() for leaf in start)
    assert start.params.tolist() == [1.0, 2.0]
    end = on.fetch(state)
    assert end.params.tolist() == [0.5, 1.5]
    assert end.average.tolist() == [(1.0 + 0.5) / 2, (2.0 + 1.5) / 2]
    assert int(end.step) == 1


def test_numpy_arrays_of_the_caller_stay_as_they_are():
    on = parallel.executor(1)
    mine = np.ones((64, 64), np.float32)  # large enough for jax to share its memory
    state = on.place(mine)
    run = on.compile(lambda state, batch: (state + batch, None))
    for _ in range(3):
        state, _ = run(state, np.float32(1))
    assert (mine == 1).all()
    assert (on.fetch(state) == 4).all()


def test_what_was_fetched_stays_when_training_goes_on():
    on = parallel.executor(1)
    run = on.compile(lambda state, batch: (state + batch, None))
    state = on.place(jnp.ones((64, 64)))
    before = on.fetch(state)
    for _ in range(3):
        state, _ = run(state, np.float32(1))
    assert (before == 1).all()


def test_fetch_gives_numpy_and_typed_keys_and_place_takes_them_back():
    on = parallel.executor(1)
    state = first_state()._replace(key=jax.random.split(jax.random.key(3, impl="rbg"), 2))
    host = on.fetch(on.place(state))
    assert all(isinstance(leaf, np.ndarray) for leaf in (host.params, host.average, host.step))
    assert jnp.issubdtype(host.key.dtype, jax.dtypes.prng_key)
    assert host.key.dtype == state.key.dtype
    again = on.fetch(on.place(host))
    assert (jax.random.key_data(again.key) == jax.random.key_data(state.key)).all()
    assert again.params.tolist() == [1.0, 2.0]


def test_one_device_needs_no_axis():
    on = parallel.executor(1)
    assert (on.axis_name, on.num_devices) == (None, 1)
    assert on.gather(on.shard(np.arange(3))).tolist() == [0, 1, 2]
    assert parallel.device_key(jax.random.key(0), None) == jax.random.key(0)


@pytest.mark.parametrize("count", [7, 6, 2])
def test_evaluation_is_exact_in_a_partial_last_batch(count):
    on = parallel.executor(1)
    labels = np.arange(count, dtype=np.int32) % 2
    split = Split(np.eye(2, dtype=np.float32)[np.zeros(count, int)], labels)  # the model always answers 0
    predict = on.compile_predict(lambda params, inputs: inputs @ params)
    predictions, targets = parallel.predict_all(on, predict, np.eye(2), batches(split, 3, partial=True))
    assert predictions.shape == (count, 2)
    assert targets.tolist() == labels.tolist()
    wrong = count // 2  # every second label is 1
    assert np.mean(np.argmax(predictions, axis=1) != targets) == wrong / count


def test_evaluation_without_a_mask_counts_every_row_and_keeps_the_structure_of_targets():
    on = parallel.executor(1)
    batch = jaxsurr.Batch(np.arange(2.0), {"a": np.arange(2), "b": np.arange(2.0) / 3})
    predictions, targets = parallel.predict_all(on, on.compile_predict(jnp.add), 1.0, [batch, batch])
    assert predictions.tolist() == [1, 2, 1, 2]
    assert targets["a"].tolist() == [0, 1, 0, 1]
    assert targets["b"].dtype == np.float64
    assert targets["b"].tolist() == [0, 1 / 3, 0, 1 / 3]


def test_evaluation_refuses_what_it_cannot_count():
    on = parallel.executor(1)
    batch = jaxsurr.Batch(np.arange(2.0), np.arange(2))
    with pytest.raises(ValueError, match="batches is empty"):
        parallel.predict_all(on, on.compile_predict(jnp.add), 1.0, [])
    with pytest.raises(ValueError, match="one prediction for each of 2 inputs, got 1"):
        parallel.predict_all(on, on.compile_predict(lambda params, inputs: inputs[:1]), 1.0, [batch])
    with pytest.raises(ValueError, match=r"one leading axis of the same length.*\[2\], \[3\]"):
        parallel.predict_all(on, on.compile_predict(jnp.add), 1.0, [batch._replace(targets=np.arange(3))])
    with pytest.raises(ValueError, match="one leading axis"):
        on.shard({"rows": np.arange(2), "temperature": 1.0})


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("localhost", 2, 0), "coordinator_address must be 'host:port'"),
        ((":1234", 2, 0), "coordinator_address must be 'host:port'"),
        (("localhost:port", 2, 0), "coordinator_address must be 'host:port'"),
        (("localhost:65536", 2, 0), "a port from 1 to 65535"),
        (("localhost:1234", 0, 0), "num_processes must be an integer of at least 1"),
        (("localhost:1234", 2, 2), "process_id must be below num_processes=2, got 2.*the last one is 1"),
        (("localhost:1234", 2, -1), "process_id must be an integer of at least 0"),
        (("localhost:1234", 2, 0.5), "process_id must be an integer of at least 0"),
    ],
)
def test_initialise_distributed_checks_its_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        parallel.initialise_distributed(*arguments)


def test_executor_checks_the_number_of_devices(monkeypatch):
    with pytest.raises(ValueError, match="num_devices must be an integer of at least 1"):
        parallel.executor(0)
    device = jax.devices()[0]
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "local_devices", lambda process_index: [device] * (2 - process_index))
    with pytest.raises(ValueError, match="the same number of devices, but they have 2, 1; pass num_devices=1"):
        parallel.executor()
    with pytest.raises(ValueError, match="num_devices is 2, but a process has only 1"):
        parallel.executor(2)


# --- eight devices, in a process of their own -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """What `process_worker.py devices` found."""
    out = tmp_path_factory.mktemp("eight") / "results"
    command = [sys.executable, str(WORKER), "devices", str(out)]
    done = subprocess.run(command, env=simulated(8), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return process_worker.read(out)


BASIS_COEFFICIENTS = "[0].surrogate.family.coefficients"
SOLVED = (BASIS_COEFFICIENTS, ".offset", ".value_error")  # the last two are of values that the coefficients make


def assert_same(found, expected):
    """Equal but for the order of sums in single precision.

    A sum over 64 rows in another order changes by some 1e-7 of its terms' size; six steps and Adam's division by the
    root of a mean square make at most 1e-5 of it, relative to the largest entry of an array. A different draw of noise,
    a mean of the devices' own means or a gradient that is added twice makes more than 1e-1.

    Coefficients of a basis solve a system of such sums, whose atoms overlap: what the sums differ by, here 1e-7, is
    multiplied by its condition, some 8e4 at most. So the sums (`gram`, `cross`) are held to 1e-5, and what is solved
    from them to 1e-3. An amplitude is kept as its logarithm, whose unit is 1 however near to 0 it is: steps of Adam of
    0.01 lead there and back.
    """
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        size = np.max(np.abs(np.nan_to_num(array.astype(np.float64))), initial=0)
        size = max(size, 1) if name.endswith("['amplitude']") else size
        solved = BASIS_COEFFICIENTS in expected and name.endswith(SOLVED)
        share = 1e-3 if solved else 1e-5
        np.testing.assert_allclose(
            found[name].astype(np.float64), array, rtol=share, atol=share * size, equal_nan=True, err_msg=name
        )


SCENARIOS = (*("network", "basis", "network in parameters", "smoothed", "batch statistics", "a loss of the batch"),)


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_and_eight_devices_train_the_same(eight, name):
    on_one, on_eight = eight[name]
    assert_same(on_eight, on_one)
    for layer in ("Dense_0", "head"):  # and not because nothing happened: biases start at 0
        assert np.abs(on_eight[f"[0].params['params']['{layer}']['bias']"]).max() > 1e-3


def test_replicas_stay_together(eight):
    assert all(eight["replicas agree"].values())


def test_donation_on_eight_devices(eight):
    assert all(eight["start is alive"])
    assert all(eight["placed is donated"])
    state, again = eight["fetched"]
    assert_same(again, state)
    assert eight["key"] == (True, ())


def test_evaluation_on_eight_devices(eight):
    (on_one, targets, _), (on_eight, same_targets, traced) = eight["predictions"]
    rows = 2 * 64 + 21
    assert on_eight.shape == on_one.shape == (rows, 10)
    np.testing.assert_allclose(on_eight, on_one, atol=1e-6)
    assert targets.tolist() == same_targets.tolist()
    assert traced == [(64 // 8, 8)]  # once in all, though evaluated twice


def test_shards_are_contiguous_rows(eight):
    sharded, gathered, of_one = eight["shards"]
    assert sharded.tolist() == np.arange(24.0).reshape(8, 3, 1).tolist()
    assert gathered.tolist() == of_one.tolist() == np.arange(24.0).reshape(24, 1).tolist()


def test_what_does_not_divide_is_refused_in_words(eight):
    assert eight["errors"] == {
        "19 rows": "ValueError: a batch of 19 rows cannot be shared equally among 8 devices: use a batch size of 16 or "
        "24.",
        "3 rows": "ValueError: a batch of 3 rows cannot be shared equally among 8 devices: use a batch size of 8.",
        "9 devices": "ValueError: num_devices is 9, but a process has only 8 of kind 'cpu': pass at most that many, or "
        "None for all. A CPU stands for 9 devices with the environment variable "
        "XLA_FLAGS=--xla_force_host_platform_device_count=9.",
    }


def test_devices_of_one_cpu_have_no_queue_of_steps(eight):
    # With one, a device that waits for another within a step could keep it from getting a place in it, for ever.
    assert eight["ended"]


def test_axis_of_the_executor(eight):
    assert eight["executors"] == [(None, 1), ("devices", 8), ("devices", 2)]


def test_device_keys_are_the_devices_own(eight):
    expected = [jax.random.key_data(jax.random.fold_in(jax.random.key(7), i)).tolist() for i in range(8)]
    assert eight["keys"].tolist() == expected
    assert len(np.unique(eight["keys"], axis=0)) == 8


def test_chex_can_fake_pmap(eight):
    assert_same(eight["fake"], eight["smoothed"][0])
    np.testing.assert_allclose(eight["fake predictions"][0], eight["predictions"][0][0], atol=1e-6)


def test_pmap_is_used_in_one_module_only():
    package = Path(jaxsurr.__file__).parent
    users = [path.name for path in package.rglob("*.py") if "jax.pmap(" in path.read_text(encoding="utf-8")]
    assert users == ["parallel.py"]


def test_a_training_step_on_one_device():
    on = parallel.executor(1)
    apply, optimizer = (lambda params, inputs: inputs @ params), optax.sgd(0.1)
    surrogate = jaxsurr.surrogates.conventional(jaxsurr.losses.cross_entropy)
    batch = jaxsurr.Batch(np.eye(3, dtype=np.float32), np.arange(3))
    start = bilevel.init_state(jax.random.key(0), jnp.zeros((3, 3)), optimizer, surrogate, apply, batch)
    run = on.compile(bilevel.make_step(apply, optimizer, surrogate, axis_name=on.axis_name))
    state, info = run(on.place(start), on.shard(batch))
    assert float(on.fetch(info).loss) == pytest.approx(np.log(3))
    expected = -0.1 * (1 / 3 - np.eye(3)) / 3  # softmax minus one-hot, mean over three rows
    np.testing.assert_allclose(on.fetch(state).params, expected, rtol=1e-5)
