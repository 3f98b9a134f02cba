"""Surrogates and steps on arrays that are sharded on meshes with explicit axes; started by test_meshes.py.

`mesh_worker.py OUT`: the results on one device, and on two and eight of them, are written to OUT, an npz file.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxsurr
from jaxsurr import bilevel, metrics, surrogates
from jaxsurr.pretraining import shipped
from jaxsurr.surrogates.families.mlp import mlp

ROWS = 16
KEY = jax.random.key(0)
WHERE = np.arange(ROWS) % 5 != 2
# A scale of half the spread: a sum in another order moves a gradient by its rounding over the scale.
OPTIONS = dict(num_pairs=2, relative_scale=0.5, network=functools.partial(mlp, hidden=(4,)))
learned = functools.partial(jaxsurr.correlated_gradients, **OPTIONS)


def classes():
    return jax.random.normal(KEY, (ROWS, 4)), jnp.arange(ROWS) % 4


def points():
    here = jax.random.normal(KEY, (ROWS, 3, 2))
    visible = (jax.random.uniform(KEY, (ROWS, 3)) < 0.8).astype(jnp.float32)
    return here, jaxsurr.Keypoints(
        here + 0.3 * jax.random.normal(jax.random.key(1), here.shape), visible, jnp.ones(ROWS)
    )


CASES = {
    "network": (learned(metrics.error_rate), classes),
    "kernel": (learned(metrics.mean_absolute_error, family="kernel", relative_scale=1.0), classes),
    # Adam would make a step of its whole size of a gradient that is 0 but for rounding.
    "relational": (surrogates.relational(metrics.pck, groups=4, group_size=4, optimizer=optax.sgd(0.1)), points),
    "ready": (jaxsurr.follow_scale(shipped("error_rate")[0]), classes),
}


DEVICES = {"network": (2, 8), "kernel": (2,), "relational": (2,), "ready": (2,), "step": (8,)}


def of_surrogate(name, place):
    surrogate, batch = CASES[name]
    batch = place((*batch(), jnp.asarray(WHERE)))

    def value(state, predictions, targets, where):
        return jnp.sum(surrogate.loss(state, predictions, targets, where)[..., None] ** 2)

    state = jax.jit(surrogate.init)(KEY, *batch)
    state, info = jax.jit(surrogate.update)(state, jax.random.key(1), *batch)
    return state, info, jax.jit(jax.value_and_grad(value, argnums=1))(state, *batch)


def of_step(place):
    """Two steps in parameter space, with a held-out batch."""
    surrogate = learned(metrics.error_rate, objective="parameters")
    inputs = jax.random.normal(KEY, (ROWS, 3))
    batch = place(jaxsurr.Batch(inputs, jnp.arange(ROWS) % 4, jnp.asarray(WHERE)))

    def apply(params, inputs):
        return inputs @ params

    optimizer = optax.sgd(0.1, momentum=0.9)
    state = bilevel.init_state(KEY, 0.1 * jax.random.normal(KEY, (3, 4)), optimizer, surrogate, apply, batch)
    step = jax.jit(bilevel.make_step(apply, optimizer, surrogate, in_parameters=True))
    for _ in range(2):
        state, info = step(state, batch, batch)
    return state, info


def leaves(tree):
    paths = jax.tree_util.tree_leaves_with_path(tree)
    data = [(path, jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for path, x in paths]
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in data}


def placing(devices):
    if devices == 1:
        return lambda tree: tree
    mesh = jax.make_mesh((devices,), ("rows",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:devices])
    return lambda tree: jax.device_put(tree, NamedSharding(mesh, PartitionSpec("rows")))


if __name__ == "__main__":
    found = {}  # arrays by surrogate, number of devices, and place in its state, info and gradient
    for name in DEVICES:
        for devices in (1, *DEVICES[name]):
            place = placing(devices)
            told = leaves(of_step(place) if name == "step" else of_surrogate(name, place))
            found |= {f"{name} {devices} {path}": leaf for path, leaf in told.items()}
    np.savez(sys.argv[1], **found)
