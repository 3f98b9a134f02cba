"""Arrays sharded on a mesh with explicit axes give what one device gives, in every kind of surrogate and in a step."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxsurr.core.meshes import automatic, explicit_mesh
from tests.started import simulated

WORKER = Path(__file__).with_name("mesh_worker.py")
ON = [("network", 2), ("network", 8), ("kernel", 2), ("relational", 2), ("ready", 2), ("step", 8)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("meshes") / "results.npz"
    command = [sys.executable, str(WORKER), str(out)]
    done = subprocess.run(command, env=simulated(8), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = {}
    with np.load(out, allow_pickle=False) as arrays:
        for key, array in arrays.items():
            name, devices, path = key.split(" ", 2)
            found.setdefault((name, int(devices)), {})[path] = array
    return found


@pytest.mark.parametrize(("name", "devices"), ON)
def test_a_mesh_gives_what_one_device_gives(found, name, devices):
    on_one, on_many = found[name, 1], found[name, devices]
    assert on_one.keys() == on_many.keys()
    for path, expected in on_one.items():
        # Sums in another order; what is solved from them (the kernel's coefficients) by its condition.
        share = 1e-3 if name == "kernel" else 1e-4
        size = np.max(np.abs(np.nan_to_num(expected.astype(np.float64))), initial=0)
        np.testing.assert_allclose(
            on_many[path].astype(np.float64), expected, rtol=share, atol=share * max(size, 1e-3), err_msg=path
        )


@pytest.mark.parametrize(("keeps_first", "axis"), [(True, "rows"), (False, None)])
def test_the_first_result_is_sharded_like_the_first_argument_where_that_is_asked_for(keeps_first, axis):
    mesh = jax.make_mesh((1,), ("rows",), axis_types=(AxisType.Explicit,))
    state = {"a": jax.device_put(jnp.ones((2, 3)), NamedSharding(mesh, PartitionSpec("rows")))}

    def step(state, number):
        return {"a": state["a"].reshape(-1).reshape(2, 3) + number}, jnp.sum(state["a"])

    after, total = jax.jit(automatic(step, keeps_first=keeps_first))(state, 1.0)
    assert jax.typeof(after["a"]).sharding.spec == PartitionSpec(axis, None)
    assert jax.typeof(total).sharding.spec == PartitionSpec()
    assert float(after["a"][0, 0]) == 2 and float(total) == 6


def test_without_a_mesh_a_function_is_called_as_it_is():
    given = []
    automatic(lambda *args, **options: given.append((args, options)))(1, jnp.ones(2), name="as it is")
    (first, array), options = given[0]
    assert (first, array.shape, options) == (1, (2,), {"name": "as it is"})
    assert explicit_mesh((jnp.ones(2), np.ones(2), jax.random.key(0), "text")) is None
