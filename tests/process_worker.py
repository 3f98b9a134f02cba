"""Runs in processes of its own, with its own number of devices; started by test_parallel.py and test_processes.py.

`process_worker.py devices OUT`: everything on one and on eight devices of one process.
`process_worker.py processes OUT ADDRESS NUMBER ID`: the same training as one of several processes.
The results, NumPy arrays and messages, are written to OUT, an npz file: `read` reads it.
"""

import functools
import json
import sys
import warnings

import chex
import flax.linen as nn
import jax
import numpy as np
import optax

import jaxsurr
from jaxsurr import bilevel, parallel, surrogates
from jaxsurr.core import keys
from jaxsurr.data import Split, batches
from jaxsurr.models.bodies import batch_norm
from jaxsurr.surrogates.families.mlp import mlp

BATCH = 64
ROWS = 2 * BATCH + 21  # of the third batch 8 devices get 8, 8, 5, 0, ... rows that count, and 2 processes 21 and 0


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10, name="head")(nn.tanh(nn.Dense(16)(x)))


class Normalised(nn.Module):
    """A model whose layers look at the whole batch."""

    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(10, name="head")(batch_norm(self.axis_name)(train)()(nn.tanh(nn.Dense(16)(x))))


def functions(name, axis_name=None):
    """The model of a scenario: `init`, `apply` and what it gives in training."""
    if name != "batch statistics":
        return Model().init, Model().apply, None
    model = Normalised(axis_name)
    return model.init, model.apply, lambda params, inputs: model.apply(params, inputs, True, mutable=["batch_stats"])


def split(seed):
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(ROWS, 8)).astype(np.float32)
    labels = np.argmax(inputs @ np.random.default_rng(0).normal(size=(8, 10)), axis=1).astype(np.int32)
    return Split(inputs, labels)


def leaves(tree):
    """A flat dictionary of NumPy arrays."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.array(keys.to_data(leaf)) for path, leaf in paths}


METRIC = jaxsurr.metrics.error_rate
IN_PARAMETERS = {"in_parameters": True, "part": bilevel.last_layer()}
MIXED = {"conventional": jaxsurr.losses.cross_entropy, "mixture": 0.5}


def learned(**options):
    # A rounding of 6e-8 in a prediction is divided by the smoothing scale before it reaches a gradient: at a scale of
    # half the spread that keeps the sums below the tolerance.
    options = dict(relative_scale=0.5) | options
    return jaxsurr.correlated_gradients(METRIC, network=lambda outputs: mlp(outputs, hidden=(8,)), **options)


SCENARIOS = {
    "network": lambda: (learned(), {}),
    # Ramps that overlap are told apart by little, and rounding moves their coefficients the more: a wider scale.
    "basis": lambda: (learned(family="basis", relative_scale=1.0), {}),
    "network in parameters": lambda: (
        learned(objective="parameters", correlation="pearson"),
        IN_PARAMETERS | MIXED,
    ),
    "smoothed": lambda: (surrogates.smoothed(METRIC), {}),
    "batch statistics": lambda: (learned(family="basis", objective="parameters"), {"in_parameters": True}),
    "a loss of the batch": lambda: (surrogates.conventional(jaxsurr.losses.quadratic_weighted_kappa), {}),
}


@functools.cache
def begin(name):
    """Surrogate, options of the step, optimizer, and the first state, which no step may donate."""
    surrogate, options = SCENARIOS[name]()
    optimizer = optax.sgd(0.5, momentum=0.9)
    init, apply, _ = functions(name)

    def start(key, sample):
        params = init(key, sample.inputs)
        return bilevel.init_state(key, params, optimizer, surrogate, apply, sample)

    sample = jaxsurr.Batch(*(rows[:BATCH] for rows in split(1)[:2]))
    return surrogate, options, optimizer, jax.jit(start)(jax.random.key(2), sample)


def train(on, name, process=(0, 1)):
    """Two epochs: 6 steps, of which two are on a partial batch. Returns the end on the host, and what it came from."""
    surrogate, options, optimizer, start = begin(name)
    _, apply, train_apply = functions(name, on.axis_name)
    options = options | dict(axis_name=on.axis_name, train_apply=train_apply)
    step = on.compile(bilevel.make_step(apply, optimizer, surrogate, **options))
    placed = on.place(start)
    state = placed
    shared = dict(process_index=process[0], process_count=process[1], partial=True)
    for epoch in range(2):
        pairs = zip(
            batches(split(1), BATCH, seed=3, epoch=epoch, **shared),
            batches(split(2), BATCH, seed=4, epoch=epoch, **shared),
            strict=True,
        )
        for batch, heldout in pairs:
            heldout = (on.shard(heldout),) if options.get("in_parameters") else ()
            state, info = step(state, on.shard(batch), *heldout)
    return on.fetch(state), on.fetch(info), start, placed, state


def predict(on, params, process=(0, 1)):
    """Predictions on a split with a partial last batch, and how often the model was traced for two evaluations."""
    traced = []

    def apply(params, inputs):
        traced.append(inputs.shape)
        return Model().apply(params, inputs)

    def parts():
        return batches(split(5), BATCH, partial=True, process_index=process[0], process_count=process[1])

    compiled = on.compile_predict(apply)
    parallel.predict_all(on, compiled, params, parts())
    return *parallel.predict_all(on, compiled, params, parts()), traced


def message(function, *args):
    try:
        function(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


def ends_before_it_returns(on):
    """Whether each of many steps, long ones on several devices, has ended when it returns."""

    def step(state, batch):
        for _ in range(8):
            state = jax.numpy.tanh(state + jax.lax.pmean(batch @ state, parallel.AXIS))
        return state, jax.numpy.sum(state)

    step, state = on.compile(step), on.place(np.ones((256, 256), np.float32))
    batch, ready = on.shard(np.ones((256 * on.num_devices, 256), np.float32)), []
    for _ in range(10):
        state, total = step(state, batch)
        ready.append(state.is_ready() and total.is_ready())
    return all(ready)


def on_devices():
    one, eight = parallel.executor(1), parallel.executor()
    results = {"executors": [(on.axis_name, on.num_devices) for on in (one, eight, parallel.executor(2))]}
    results["ended"] = ends_before_it_returns(eight)
    ends = {}
    for name in SCENARIOS:
        ends[name] = [train(on, name) for on in (one, eight)]
        results[name] = [leaves(end[:2]) for end in ends[name]]
    state, _, start, placed, last = ends["network"][1]
    results["start is alive"] = [not leaf.is_deleted() for leaf in jax.tree.leaves(start)]
    results["placed is donated"] = [leaf.is_deleted() for leaf in jax.tree.leaves(placed.params)]
    results["fetched"] = (leaves(state), leaves(eight.fetch(eight.place(state))))
    replicas = jax.tree.map(lambda leaf: leaf == leaf[:1], leaves(last))
    results["replicas agree"] = {path: bool(np.all(same)) for path, same in replicas.items()}
    results["key"] = (jax.dtypes.issubdtype(state.key.dtype, jax.dtypes.prng_key), state.key.shape)
    results["predictions"] = [predict(on, state.params) for on in (one, eight)]
    rows = np.arange(24.0).reshape(24, 1)
    results["shards"] = [np.asarray(eight.shard(rows)), eight.gather(eight.shard(rows)), one.gather(one.shard(rows))]
    results["errors"] = {
        "19 rows": message(eight.shard, np.zeros((19, 3))),
        "3 rows": message(eight.shard, np.zeros((3, 3))),
        "9 devices": message(parallel.executor, 9),
    }
    results["keys"] = own_keys(eight)
    with chex.fake_pmap(jit_result=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        faked = parallel.executor()
        results["fake"] = leaves(train(faked, "smoothed")[:2])
        results["fake predictions"] = predict(faked, state.params)
    return results


def write(out, found):
    """Arrays of a tree of dicts, lists, tuples and plain values, each under its number; what holds them, as JSON."""
    arrays = []

    def described(node):
        if isinstance(node, (np.ndarray, jax.Array)):
            arrays.append(node)
            return {"array": len(arrays) - 1}
        if isinstance(node, dict):
            return {"dict": {name: described(one) for name, one in node.items()}}
        if isinstance(node, (list, tuple)):
            return {type(node).__name__: [described(one) for one in node]}
        return {"plain": node}

    text = json.dumps(described(found))
    with open(out, "wb") as file:
        np.savez(file, text, *arrays)


def read(out):
    """What `write` wrote."""
    with np.load(out, allow_pickle=False) as file:
        text, *arrays = (file[f"arr_{number}"] for number in range(len(file.files)))

    def made(node):
        ((kind, content),) = node.items()
        if kind == "array":
            return arrays[content]
        if kind == "dict":
            return {name: made(one) for name, one in content.items()}
        return content if kind == "plain" else {"list": list, "tuple": tuple}[kind](map(made, content))

    return made(json.loads(str(text)))


# Of values of a metric, or a logarithm: their unit is 1, however near to 0 they are.
IN_UNITS = (".surrogate.offset", ".family.params['amplitude']", ".surrogate.value_error")


def largest_difference(found, expected):
    """Between entries of arrays of the same names, relative to the largest entry of each, or to its unit."""
    assert found.keys() == expected.keys()
    differences = []
    for name, array in expected.items():
        array, other = array.astype(np.float64), found[name].astype(np.float64)
        assert (np.isnan(array) == np.isnan(other)).all(), name
        size = np.max(np.abs(np.nan_to_num(array)), initial=1 if name.endswith(IN_UNITS) else 1e-30)
        differences.append(np.max(np.abs(np.nan_to_num(array - other)), initial=0) / size)
    return max(differences)


def own_keys(on):
    draw = on.compile(lambda key: parallel.device_key(key, on.axis_name))
    return np.asarray(jax.random.key_data(draw(on.place(jax.random.key(7)))))


def on_processes(address, number, index):
    if number > 1:
        parallel.initialise_distributed(address, number, index)
    from tests import sharded_worker  # which imports this module

    on, meshed = parallel.executor(), parallel.executor(mesh=parallel.data_mesh())
    state, info, *_ = train(on, "network in parameters", (index, number))
    mine = {"of": np.full(2, index), "true": np.array([True, False]), "key": jax.random.key(index)}
    return {
        "devices": (on.num_devices, jax.local_device_count()),
        "trained": leaves((state, info)),
        "predictions": predict(on, state.params, (index, number)),
        "placed": leaves(on.fetch(on.place(mine))),
        "doubles": parallel._of_all_processes(np.array([index + 1e-12])),
        "error": message(on.shard, np.zeros((7, 3))),
        "meshed": leaves(train(meshed, "network in parameters", (index, number))[:2]),
        "predictions on a mesh": predict(meshed, state.params, (index, number)),
        "sharded": sharded_worker.on_processes(number, index),
    }


Batch = jaxsurr.Batch

if __name__ == "__main__":
    kind, out, *arguments = sys.argv[1:]
    found = on_devices() if kind == "devices" else on_processes(arguments[0], *map(int, arguments[1:]))
    write(out, found)
