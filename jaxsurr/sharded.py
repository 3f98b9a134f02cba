"""Execution under `jax.jit` on a mesh of devices: the program of one device, on arrays that lie on many.

The rows of a batch are shared out along one axis of the mesh, and XLA adds the communication. So there is no
`axis_name`: random numbers are those of one device, and whatever looks at a batch, a metric of sets or a batch
normalisation, sees all rows of it. For a metric of sets, predictions and targets of all rows are gathered on every
device, which then learns the surrogate by itself. Parameters stay sharded as they were placed, along any axes of the
mesh; what is not sharded is on every device. The averages of an optimizer are sharded like the parameters where
`jaxsurr.bilevel.init_state` is called on those, outside of `jax.jit`. With several processes, call it on parameters of
one device, and shard the state.

Axes may be automatic, or explicit, the default of `jax.make_mesh`. Steps and predictions run with automatic ones either
way (`jaxsurr.core.meshes`). A model that is written for explicit axes is wrapped in `jax.sharding.explicit_axes`, and
its `init_state` compiled by `jax.jit`, which keeps explicit shardings.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxsurr.core import keys
from jaxsurr.core.checks import nearest
from jaxsurr.core.compiling import quick
from jaxsurr.core.executors import Executor, indivisible, map_data, of_processes, rows_of, without_queue
from jaxsurr.core.meshes import automatic
from jaxsurr.core.types import Array, PyTree

__all__ = ["AXIS", "executor"]

AXIS = "data"


def executor(mesh: Mesh, axis: str = AXIS) -> Executor:
    """The executor of a mesh, see `jaxsurr.parallel.executor`.

    Raises:
      ValueError: the mesh has no such axis, its axes are not all automatic or all explicit, or processes do not hold
        equal parts of the axis in their order.
    """
    _check(mesh, axis)
    parts, processes = mesh.shape[axis], jax.process_count()
    here = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
    whole, by_rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(axis))

    def compile(step: Callable[..., Any]) -> Callable[..., Any]:
        step = automatic(step, keeps_first=True)

        @functools.cache
        def kept(form: Any, shardings: tuple[NamedSharding, ...]) -> Any:
            return quick(step, donate_argnums=0, out_shardings=(jax.tree.unflatten(form, shardings), whole))

        def program(state: PyTree) -> Any:
            leaves, form = jax.tree.flatten(state)
            return kept(form, tuple(leaf.sharding for leaf in leaves))

        def run(state: PyTree, *batches: PyTree) -> Any:
            with jax.set_mesh(mesh):
                return program(state)(state, *batches)

        def lower(state: PyTree, *batches: PyTree) -> Any:
            with jax.set_mesh(mesh):
                return program(state).lower(state, *batches)

        compiled: Any = without_queue(run, here[0])
        compiled.lower = lower
        return compiled

    def compile_predict(apply: Callable[[PyTree, Array], PyTree]) -> Callable[[PyTree, Array], PyTree]:
        return without_queue(quick(automatic(apply, of_rows=True), out_shardings=by_rows), here[0])

    def place(state: PyTree) -> PyTree:
        leaves, form = jax.tree.flatten(jax.tree.map(keys.to_data, state))
        on_mesh = [_is_sharded_on(mesh, leaf) for leaf in leaves]
        others = [np.asarray(leaf) for leaf, is_on_mesh in zip(leaves, on_mesh, strict=True) if not is_on_mesh]
        others = iter(others if processes == 1 else multihost_utils.broadcast_one_to_all(others))
        placed = [
            jnp.copy(leaf) if there else replicate(next(others)) for leaf, there in zip(leaves, on_mesh, strict=True)
        ]
        return jax.tree.map(keys.from_data, jax.tree.unflatten(form, placed), state)

    def replicate(leaf: np.ndarray) -> Array:
        copies = [jax.device_put(np.array(leaf), device) for device in here]
        return jax.make_array_from_single_device_arrays(leaf.shape, whole, copies)

    def fetch(leaf: Array) -> np.ndarray:
        if leaf.is_fully_replicated:
            return np.array(leaf.addressable_data(0))
        return np.array(leaf if leaf.is_fully_addressable else multihost_utils.process_allgather(leaf, tiled=True))

    def shard(batch: PyTree) -> PyTree:
        rows = rows_of(batch) * processes
        if rows % parts:
            among = f"{parts} parts of the axis {axis!r}{of_processes(processes)}"
            raise ValueError(indivisible(rows, parts, among))
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(by_rows, np.asarray(leaf)), batch)

    def gather(leaf: Array) -> np.ndarray:
        return np.array(multihost_utils.global_array_to_host_local_array(leaf, mesh, by_rows.spec))

    return Executor(
        axis_name=None,
        num_devices=parts,
        compile=compile,
        compile_predict=compile_predict,
        place=place,
        fetch=lambda state: map_data(fetch, state),
        shard=shard,
        gather=lambda batch: jax.tree.map(gather, batch),
    )


def _check(mesh: Mesh, axis: str) -> None:
    if axis not in mesh.shape:
        raise ValueError(f"the mesh has no axis {axis!r} for the rows of a batch; {nearest(axis, mesh.axis_names)}")
    if set(mesh.axis_types) not in ({AxisType.Auto}, {AxisType.Explicit}):
        raise ValueError(
            f"the axes of the mesh must be all automatic or all explicit, got {', '.join(map(str, mesh.axis_types))}: "
            "pass axis_types= to jax.make_mesh."
        )
    parts, processes = mesh.shape[axis], jax.process_count()
    along = np.moveaxis(mesh.devices, mesh.axis_names.index(axis), 0).reshape(parts, -1)
    owners = [{device.process_index for device in part} for part in along]
    if parts % processes or owners != [{part * processes // parts} for part in range(parts)]:
        raise ValueError(
            f"each of {processes} processes reads one slice of every batch, so the axis {axis!r} must consist of equal "
            f"stretches of the devices of process 0, 1, ...; its {parts} parts belong to the processes "
            f"{', '.join(' and '.join(map(str, sorted(owner))) for owner in owners)}. Put the axis first in the mesh, "
            "and use as many devices of each process."
        )


def _is_sharded_on(mesh: Mesh, leaf: Any) -> bool:
    """Whether an array lies on the mesh already.

    Raises:
      ValueError: it is sharded on another one.
    """
    if not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) == 1:
        return False
    if isinstance(leaf.sharding, NamedSharding) and leaf.sharding.mesh == mesh:
        return True
    if leaf.is_fully_replicated:
        return False
    raise ValueError(
        f"an array of shape {list(leaf.shape)} is sharded on another mesh than the executor's: {leaf.sharding}. Use "
        f"one mesh, {mesh}."
    )
