"""Training on meshes of devices, in a process of its own; started by test_sharded.py.

`sharded_worker.py OUT`: what was found on one device and on meshes of eight is written to OUT.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxsurr
from jaxsurr import bilevel, parallel
from jaxsurr.data import Split, batches
from jaxsurr.surrogates.families.mlp import mlp
from tests.process_worker import leaves, message, train, write

ROWS = 32
SHAPES = ((2, 1), (4, 2))
MESHES = [("Auto", shape) for shape in SHAPES] + [("Explicit", (4, 2))]
WHERE = {"in": PartitionSpec(None, "model"), "out": PartitionSpec("model")}
OPTIMIZER = optax.sgd(0.5, momentum=0.9)
# At a scale of half the spread the rounding of a prediction stays far below the tolerance.
ERROR_RATE = jaxsurr.correlated_gradients(
    jaxsurr.metrics.error_rate, num_pairs=4, relative_scale=0.5, network=lambda outputs: mlp(outputs, hidden=(8,))
)
F1 = jaxsurr.correlated_gradients(jaxsurr.metrics.f_beta, num_pairs=4, relative_scale=0.5)
SCENARIOS = ("network in parameters", "batch statistics")


def split():
    inputs = np.random.default_rng(0).normal(size=(ROWS, 8)).astype(np.float32)
    return Split(inputs, np.argmax(inputs[:, :4], axis=1))


def apply(params, inputs):
    return jnp.tanh(inputs @ params["in"]) @ params["out"]


def first_params(mesh=None, outputs=4):
    params = {"in": 0.3 * jax.random.normal(jax.random.key(1), (8, 16))}
    params["out"] = 0.3 * jax.random.normal(jax.random.key(2), (16, outputs))
    if mesh is None:
        return params
    return {name: jax.device_put(leaf, NamedSharding(mesh, WHERE[name])) for name, leaf in params.items()}


def mesh_of(kind, shape):
    types = (getattr(AxisType, kind),) * 2
    return jax.make_mesh(shape, ("data", "model"), axis_types=types, devices=jax.devices()[: shape[0] * shape[1]])


def start(surrogate, params):
    """The first state and the batch, the same in every step."""
    data = split()
    batch = jaxsurr.Batch(data.inputs, data.targets % params["out"].shape[1])
    return bilevel.init_state(jax.random.key(0), params, OPTIMIZER, surrogate, apply, batch), batch


def ends(on, surrogate, state, batch):
    """Three steps: the last state, that which was placed, and the last on the host with the info of the last step."""
    step = on.compile(bilevel.make_step(apply, OPTIMIZER, surrogate, axis_name=on.axis_name))
    placed = state = on.place(state)
    for _ in range(3):
        state, info = step(state, on.shard(batch))
    return state, placed, leaves((on.fetch(state), on.fetch(info)))


def on_processes(number, index):
    """The same in several processes, each with its share of the rows and of all of the model."""
    on = parallel.executor(mesh=(mesh := mesh_of("Auto", (number, jax.local_device_count()))))
    state, batch = start(ERROR_RATE, first_params())

    def sharded(path, leaf):
        spec = WHERE.get(getattr(path[-1], "key", ""))
        return leaf if spec is None else jax.device_put(leaf, NamedSharding(mesh, spec))

    rows = slice(index * ROWS // number, (index + 1) * ROWS // number)
    mine = jax.tree.map(lambda leaf: leaf[rows], batch)
    return ends(on, ERROR_RATE, jax.tree_util.tree_map_with_path(sharded, state), mine)[2]


def trained_on_meshes():
    found, kept = {"one": ends(parallel.executor(1), ERROR_RATE, *start(ERROR_RATE, first_params()))[2]}, {}
    for kind, shape in MESHES:
        name, mesh = f"{kind} {shape[0]}x{shape[1]}", mesh_of(kind, shape)
        params = first_params(mesh)
        state, placed, found[name] = ends(parallel.executor(mesh=mesh), ERROR_RATE, *start(ERROR_RATE, params))
        of_state = [state.params, state.optimizer[0].trace]
        same = [leaf.sharding.is_equivalent_to(params[n].sharding, 2) for tree in of_state for n, leaf in tree.items()]
        shares = [leaf.addressable_data(0).size * shape[1] == leaf.size for tree in of_state for leaf in tree.values()]
        kept[name] = {
            "shardings": all(same),
            "shares": all(shares),
            "axes": jax.typeof(state.params["in"]).sharding.mesh.axis_types[0].name,
            "donated": all(leaf.is_deleted() for leaf in placed.params.values()),
            "alive": not any(leaf.is_deleted() for leaf in params.values()),
        }
    return {"trained": found, "kept": kept}


def sets():
    """F1 of the whole batch, as one device and a mesh see it, and of each device's share."""
    on = {"one": parallel.executor(1), "mesh": parallel.executor(mesh=parallel.data_mesh(4))}
    on["pmap"] = parallel.executor(4)
    begun = start(F1, first_params(outputs=2))
    return {name: ends(executor, F1, *begun)[2] for name, executor in on.items()}


def predictions():
    mesh = mesh_of("Explicit", (4, 2))
    told = []
    for on, params in (
        (parallel.executor(1), first_params()),
        (parallel.executor(mesh=mesh), first_params(mesh)),
        (parallel.executor(mesh=mesh_of("Auto", (4, 2))), first_params()),
    ):
        compiled = on.compile_predict(apply)
        told.append(parallel.predict_all(on, compiled, params, batches(split(), 12, partial=True)))
    return told


def rows():
    on = parallel.executor(mesh=mesh_of("Auto", (4, 2)))
    whole = np.arange(24.0).reshape(12, 2)
    placed = on.shard(whole)
    return [on.gather(placed), placed.addressable_data(0), leaves(on.fetch(on.place({"key": jax.random.key(3)})))]


def ends_before_it_returns():
    """Whether each of many steps, long ones on several devices, has ended when it returns."""
    on = parallel.executor(mesh=parallel.data_mesh())

    def step(state, batch):
        for _ in range(8):
            state = jnp.tanh(state + batch.T @ (batch @ state))
        return state, jnp.sum(state)

    step, state = on.compile(step), on.place(np.ones((256, 256), np.float32))
    batch, ready = on.shard(np.ones((2048, 256), np.float32)), []
    for _ in range(10):
        state, total = step(state, batch)
        ready.append(state.is_ready() and total.is_ready())
    return all(ready)


def errors():
    mesh, mixed = mesh_of("Auto", (4, 2)), (AxisType.Auto, AxisType.Explicit)
    others = jax.device_put(np.zeros(8), NamedSharding(mesh_of("Auto", (8, 1)), PartitionSpec("data")))
    return {
        "rows": message(parallel.executor(mesh=mesh).shard, np.zeros((9, 2))),
        "axis": message(lambda: parallel.executor(mesh=mesh, axis="dat")),
        "mixed": message(lambda: parallel.executor(mesh=jax.make_mesh((4, 2), ("data", "model"), axis_types=mixed))),
        "both": message(lambda: parallel.executor(4, mesh=mesh)),
        "devices": message(parallel.data_mesh, 9),
        "another mesh": message(parallel.executor(mesh=mesh).place, others),
    }


def scenarios():
    on = parallel.executor(1), parallel.executor(mesh=parallel.data_mesh())
    return {name: [leaves(train(one, name)[:2]) for one in on] for name in SCENARIOS}


if __name__ == "__main__":
    found = trained_on_meshes() | {"sets": sets(), "predictions": predictions(), "rows": rows(), "errors": errors()}
    write(sys.argv[1], found | {"scenarios": scenarios(), "ended": ends_before_it_returns()})
