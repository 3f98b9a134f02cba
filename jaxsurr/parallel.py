"""Execution on one device or many, with one interface.

An `Executor` compiles a training step, places its state, shards its batches, and fetches results. With one device it
uses `jax.jit`; with several, of one process or more, `jax.pmap`: every device holds the whole state and an equal part
of each batch, and devices are in the order of the rows of the batch. This is the only module that uses `jax.pmap`,
looked up when it compiles, so that `chex.fake_pmap` can replace it. `flax.jax_utils` has some of these functions for
several devices of one process; here one interface covers one device and several processes too.

`executor(mesh=...)` is the other engine, `jax.jit` on a mesh of devices (`jaxsurr.sharded`): for a model that is
sharded itself, and for a metric of sets (F1, AUC) that is to see the whole batch, where under `jax.pmap` each device's
part of it is a set.

Random numbers: a key in the state is the same on every device. Noise for each example is sampled with the example's
index in the global batch folded into that key (`first_example` of `jaxsurr.smoothed_metric`), and so is the same on one
device and on eight. `device_key` is for random numbers of a whole batch, such as dropout.

With several processes each runs the same program, calls `initialise_distributed` first, and then reads its own slice of
every batch; `place` and `predict_all` must be called by all of them at the same time.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from jaxsurr import sharded
from jaxsurr.core import checks, keys
from jaxsurr.core.compiling import quick
from jaxsurr.core.executors import Executor, indivisible, map_data, of_processes, rows_of, without_queue
from jaxsurr.core.types import Array, Batch, PyTree
from jaxsurr.processes import HEARTBEAT

__all__ = ["AXIS", "Executor", "data_mesh", "device_key", "executor", "initialise_distributed", "predict_all"]

AXIS = "devices"


def initialise_distributed(coordinator_address: str, num_processes: int, process_id: int) -> None:
    """Joins the processes of a run; call it in each of them, before a device is used.

    On CPU the processes communicate by Gloo, the default of JAX.

    Args:
      coordinator_address: "host:port" of process 0, the same in all processes.
      num_processes: number of processes.
      process_id: index of this process, in [0, num_processes).

    Raises:
      ValueError: an argument is out of its range.
      RuntimeError: (from JAX) a device has been used before, or the coordinator was not reached.
    """
    host, _, port = coordinator_address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 2**16:
        raise ValueError(
            f"coordinator_address must be 'host:port' with a port from 1 to 65535, got {coordinator_address!r}. "
            "Name the machine of process 0 and a port that is free there, such as '10.0.0.1:1234'."
        )
    checks.positive_integer(num_processes, "num_processes")
    checks.integer(process_id, "process_id")
    if process_id >= num_processes:
        raise ValueError(
            f"process_id must be below num_processes={num_processes}, got {process_id}: processes are counted from 0, "
            f"so the last one is {num_processes - 1}."
        )
    # By default JAX would handle SIGTERM, so that the process would not end.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        coordinator_address, int(num_processes), int(process_id), heartbeat_timeout_seconds=HEARTBEAT
    )


def device_key(key: Array, axis_name: str | None = None) -> Array:
    """A key that differs between devices, for random numbers of a whole batch, such as dropout in the model.

    With the key of the state every device would drop the same units of its part of the batch. The random numbers differ
    between one device and many; where they should not, fold each example's global index into the key, as
    `jaxsurr.smoothed_metric` does.

    Args:
      key: typed, the same on every device.
      axis_name: of the `jax.pmap` axis that this is called in, or None: the key is returned unchanged.

    >>> import jax
    >>> key = jax.random.key(0)
    >>> device_key(key) is key
    True
    """
    return key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))


def executor(num_devices: int | None = None, *, mesh: Mesh | None = None, axis: str = sharded.AXIS) -> Executor:
    """The executor for the devices of this process, and of the other processes if there are any.

    Args:
      num_devices: number of this process's devices to use (the first ones), or None for all of them.
      mesh: of devices, with automatic or explicit axes: `jax.jit` compiles the program that one device runs for it
        (`jaxsurr.sharded`). None: `jax.pmap`, or `jax.jit` on a single device.
      axis: of the mesh, along which the rows of a batch are shared out. Along other axes a model may be sharded.

    Returns:
      `Executor`.

    Raises:
      ValueError: there are not that many devices, or processes have different numbers of them; the mesh has no such
        axis, or its devices are not in the order of the processes along it.

    >>> import jax, jax.numpy as jnp
    >>> on = executor(1)
    >>> step = on.compile(lambda state, batch: (state + jnp.sum(batch), state))
    >>> start = jnp.zeros(())
    >>> state, before = step(on.place(start), on.shard(np.arange(4.0)))
    >>> float(on.fetch(state)), float(start)
    (6.0, 0.0)
    >>> executor(mesh=data_mesh(1)).axis_name is None
    True
    """
    if mesh is not None:
        if num_devices is not None:
            raise ValueError(f"num_devices is {num_devices}, but the mesh says which devices are used: leave it out.")
        return sharded.executor(mesh, axis)
    everywhere, here = _devices(num_devices)
    return _one_device() if len(everywhere) == 1 else _many_devices(everywhere, here)


def data_mesh(num_devices: int | None = None) -> Mesh:
    """The mesh of one axis, "data", over the devices that `executor(num_devices)` uses.

    >>> dict(data_mesh(1).shape)
    {'data': 1}
    """
    return Mesh(np.array(_devices(num_devices)[0]), (sharded.AXIS,))


def _devices(num_devices: int | None) -> tuple[list[Any], list[Any]]:
    """So many devices of each process, in order, and those of this one."""
    processes = [jax.local_devices(process_index=process) for process in range(jax.process_count())]
    mine = processes[jax.process_index()]
    if num_devices is None:
        num_devices = len(mine)
        if any(len(devices) != num_devices for devices in processes):
            raise ValueError(
                "all processes must use the same number of devices, but they have "
                f"{', '.join(str(len(devices)) for devices in processes)}; pass num_devices={min(map(len, processes))}."
            )
    checks.positive_integer(num_devices, "num_devices")
    if num_devices > min(map(len, processes)):
        raise ValueError(
            f"num_devices is {num_devices}, but a process has only {min(map(len, processes))} of kind "
            f"{mine[0].platform!r}: pass at most that many, or None for all. A CPU stands for {num_devices} devices "
            f"with the environment variable XLA_FLAGS=--xla_force_host_platform_device_count={num_devices}."
        )
    return [device for devices in processes for device in devices[:num_devices]], mine[:num_devices]


def predict_all(
    executor: Executor,
    predict: Callable[[PyTree, Array], PyTree],
    params: PyTree,
    batches: Iterable[Batch],
) -> tuple[PyTree, PyTree]:
    """Predictions and targets of all valid rows, for an exact metric with a partial last batch.

    With several processes each reads its slice of every batch (`jaxsurr.data.batches` with `process_index` and
    `process_count`, all slices of one length), and every process gets the rows of all, in the order of the data.

    Args:
      executor: of `executor(...)`.
      predict: of `executor.compile_predict(apply)`; compile it once and use it for every evaluation.
      params: of the model, not placed: from `executor.fetch` or the model's init; on a mesh also those of a state,
        sharded as they are.
      batches: of `[B, ...]` arrays, B a multiple of the number of devices; rows where `where` is False, or 0 as a
        weight, are left out.

    Returns:
      `(predictions, targets)`, NumPy arrays (or pytrees of them) `[N, ...]` of the N valid rows.

    Raises:
      ValueError: there are no batches, B is not divisible by the number of devices, or the model returns another number
        of rows than it gets.

    >>> from jaxsurr.data import Split, batches
    >>> split = Split(np.arange(5, dtype=np.float32), np.arange(5, dtype=np.int32))
    >>> on = executor(1)
    >>> predict = on.compile_predict(lambda params, inputs: params * inputs)
    >>> predictions, targets = predict_all(on, predict, np.float32(2), batches(split, 4, partial=True))
    >>> predictions.tolist(), targets.tolist()
    ([0.0, 2.0, 4.0, 6.0, 8.0], [0, 1, 2, 3, 4])
    """
    placed, parts = executor.place(params), []
    for batch in batches:
        rows = rows_of(batch)
        predictions = executor.gather(predict(placed, executor.shard(batch.inputs)))
        if rows_of(predictions) != rows:
            raise ValueError(
                f"the model must give one prediction for each of {rows} inputs, got {rows_of(predictions)}."
            )
        where = np.ones(rows, bool) if batch.where is None else np.asarray(batch.where) > 0
        predictions, targets, where = jax.tree.map(_of_all_processes, (predictions, batch.targets, where))
        parts.append(jax.tree.map(lambda leaf, where=where: leaf[where], (predictions, targets)))
    if not parts:
        raise ValueError("batches is empty, so there is nothing to predict. An iterator can be read only once.")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _one_device() -> Executor:
    def shard(batch: PyTree) -> PyTree:
        rows_of(batch)
        return jax.device_put(batch)

    return Executor(
        axis_name=None,
        num_devices=1,
        compile=lambda step: quick(step, donate_argnums=0),
        compile_predict=quick,
        # A new NumPy array each, since device_put may take over the memory of its argument.
        place=lambda state: map_data(lambda leaf: jax.device_put(np.array(leaf)), state),
        fetch=lambda state: map_data(np.array, state),
        shard=shard,
        gather=lambda batch: jax.tree.map(np.array, batch),
    )


def _many_devices(everywhere: list[Any], here: list[Any]) -> Executor:
    number = len(here)
    sharding = jax.sharding.NamedSharding(jax.sharding.Mesh(np.array(here), (AXIS,)), jax.sharding.PartitionSpec(AXIS))

    def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        return without_queue(jax.pmap(function, axis_name=AXIS, devices=everywhere, **options), here[0])

    def replicate(leaf: np.ndarray) -> Array:
        copies = [jax.device_put(np.array(leaf)[None], device) for device in here]
        return jax.make_array_from_single_device_arrays((number, *leaf.shape), sharding, copies)

    def place(state: PyTree) -> PyTree:
        host = jax.tree.map(lambda leaf: np.asarray(keys.to_data(leaf)), state)
        host = multihost_utils.broadcast_one_to_all(host)
        return jax.tree.map(lambda like, leaf: keys.from_data(replicate(leaf), like), state, host)

    def first(leaf: Array) -> np.ndarray:
        shard = leaf.addressable_data(0)  # one device's copy; `leaf[0]` would be a computation on all of them
        return np.array((shard if shard.shape[1:] == leaf.shape[1:] else leaf)[0])

    def shard(batch: PyTree) -> PyTree:
        rows = rows_of(batch)
        if rows % number:
            processes = len(everywhere) // number
            among = f"{len(everywhere)} devices{of_processes(processes)}"
            raise ValueError(indivisible(rows * processes, len(everywhere), among))
        return jax.tree.map(
            lambda leaf: jax.device_put(leaf.reshape(number, rows // number, *leaf.shape[1:]), sharding),
            jax.tree.map(lambda leaf: leaf if isinstance(leaf, jax.Array) else np.asarray(leaf), batch),
        )

    def gather(batch: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: np.array(leaf).reshape(-1, *leaf.shape[2:]), batch)

    return Executor(
        axis_name=AXIS,
        num_devices=len(everywhere),
        compile=lambda step: compiled(step, donate_argnums=0),
        compile_predict=compiled,
        place=place,
        fetch=lambda state: map_data(first, state),
        shard=shard,
        gather=gather,
    )


def _of_all_processes(rows: Any) -> np.ndarray:
    """The rows of all processes, in order; sent as bytes, since a device would truncate 64-bit numbers to 32."""
    rows = np.asarray(rows)
    if jax.process_count() == 1:
        return rows
    raw = np.frombuffer(rows.tobytes(), np.uint8).reshape(len(rows), -1)
    raw = multihost_utils.process_allgather(raw, tiled=True)
    return np.frombuffer(raw.tobytes(), rows.dtype).reshape(-1, *rows.shape[1:])
