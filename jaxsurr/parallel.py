"""Execution on one device or many, with one interface.

An `Executor` compiles a training step, places its state, shards its batches, and fetches results. With one device it
uses `jax.jit`; with several, of one process or more, `jax.pmap`: every device holds the whole state and an equal part
of each batch, and devices are in the order of the rows of the batch. This is the only module that uses `jax.pmap`,
looked up when it compiles, so that `chex.fake_pmap` can replace it. `flax.jax_utils` has some of these functions for
several devices of one process; here one interface covers one device and several processes too.

Random numbers: a key in the state is the same on every device. Noise for each example is sampled with the example's
index in the global batch folded into that key (`first_example` of `jaxsurr.smoothed_metric`), and so is the same on one
device and on eight. `device_key` is for random numbers of a whole batch, such as dropout.

With several processes each runs the same program, calls `initialise_distributed` first, and then reads its own slice of
every batch; `place` and `predict_all` must be called by all of them at the same time.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxsurr.core import checks, keys
from jaxsurr.core.types import Array, Batch, PyTree
from jaxsurr.processes import HEARTBEAT

AXIS = "devices"


class Executor(NamedTuple):
    """Functions that run a program on its devices, see `executor`.

    Attributes:
      axis_name: for `jaxsurr.bilevel.make_step`: None for one device of one process, else "devices".
      num_devices: of all processes together; the batch size, over all processes, is a multiple of it.
      compile: `step -> step`, compiled. Its first argument, the state, is donated: use the state that it returns, and
        `place` the first one. All arguments are placed or sharded ones, and so are all results.
      compile_predict: `apply -> predict`, compiled: `(placed params, sharded inputs) -> sharded predictions`.
      place: `state -> state` on the devices, a copy: the caller's arrays stay alive when a step donates it. With
        several processes all get the state of process 0.
      fetch: `placed -> one copy on the host`, NumPy arrays except for typed keys, which stay typed keys. Also for the
        info of a step.
      shard: this process's rows of a batch, any pytree of arrays `[B, ...]` -> the same on its n devices, `[n, B / n,
        ...]` (`[B, ...]` where `axis_name` is None). Raises a `ValueError` where B is not divisible by n.
      gather: the inverse of `shard`: this process's rows `[B, ...]`, as NumPy arrays.
    """

    axis_name: str | None
    num_devices: int
    compile: Callable[[Callable[..., Any]], Callable[..., Any]]
    compile_predict: Callable[[Callable[[PyTree, Array], PyTree]], Callable[[PyTree, Array], PyTree]]
    place: Callable[[PyTree], PyTree]
    fetch: Callable[[PyTree], PyTree]
    shard: Callable[[PyTree], PyTree]
    gather: Callable[[PyTree], PyTree]


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
    if not isinstance(process_id, (int, np.integer)) or isinstance(process_id, bool) or process_id < 0:
        raise ValueError(f"process_id must be an integer of at least 0, got {process_id!r}.")
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


def executor(num_devices: int | None = None) -> Executor:
    """The executor for the devices of this process, and of the other processes if there are any.

    Args:
      num_devices: number of this process's devices to use (the first ones), or None for all of them.

    Returns:
      `Executor`.

    Raises:
      ValueError: there are not that many devices, or processes have different numbers of them.

    >>> import jax, jax.numpy as jnp
    >>> on = executor(1)
    >>> step = on.compile(lambda state, batch: (state + jnp.sum(batch), state))
    >>> start = jnp.zeros(())
    >>> state, before = step(on.place(start), on.shard(np.arange(4.0)))
    >>> float(on.fetch(state)), float(start)
    (6.0, 0.0)
    """
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
    if num_devices == 1 and len(processes) == 1:
        return _one_device()
    return _many_devices([device for devices in processes for device in devices[:num_devices]], mine[:num_devices])


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
      params: of the model, not placed: from `executor.fetch` or the model's init.
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
        rows = _rows(batch)
        predictions = executor.gather(predict(placed, executor.shard(batch.inputs)))
        if _rows(predictions) != rows:
            raise ValueError(f"the model must give one prediction for each of {rows} inputs, got {_rows(predictions)}.")
        where = np.ones(rows, bool) if batch.where is None else np.asarray(batch.where) > 0
        predictions, targets, where = jax.tree.map(_of_all_processes, (predictions, batch.targets, where))
        parts.append(jax.tree.map(lambda leaf, where=where: leaf[where], (predictions, targets)))
    if not parts:
        raise ValueError("batches is empty, so there is nothing to predict. An iterator can be read only once.")
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def _one_device() -> Executor:
    def shard(batch: PyTree) -> PyTree:
        _rows(batch)
        return jax.device_put(batch)

    return Executor(
        axis_name=None,
        num_devices=1,
        compile=lambda step: jax.jit(step, donate_argnums=0),
        compile_predict=jax.jit,
        # A new NumPy array each, since device_put may take over the memory of its argument.
        place=lambda state: _map_data(lambda leaf: jax.device_put(np.array(leaf)), state),
        fetch=lambda state: _map_data(np.array, state),
        shard=shard,
        gather=lambda batch: jax.tree.map(np.array, batch),
    )


def _many_devices(everywhere: list[Any], here: list[Any]) -> Executor:
    number = len(here)
    sharding = jax.sharding.NamedSharding(jax.sharding.Mesh(np.array(here), (AXIS,)), jax.sharding.PartitionSpec(AXIS))

    def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        program = jax.pmap(function, axis_name=AXIS, devices=everywhere, **options)
        if here[0].platform != "cpu":
            return program
        # Devices of one CPU share its threads. Where the queue of one is full while another waits for it within a
        # program, they wait for ever, and XLA ends the process; so there is no queue.
        return functools.wraps(function)(lambda *arguments: jax.block_until_ready(program(*arguments)))

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
        rows = _rows(batch)
        if rows % number:
            raise ValueError(_indivisible(rows, len(everywhere), len(everywhere) // number))
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
        fetch=lambda state: _map_data(first, state),
        shard=shard,
        gather=gather,
    )


def _indivisible(rows: int, devices: int, processes: int) -> str:
    """The error for a batch size that is not divisible, with the nearest sizes that are."""
    size = rows * processes
    below, above = size // devices * devices, -(-size // devices) * devices
    among = f"{devices} devices" + (f" of {processes} processes" if processes > 1 else "")
    nearest = f"{below} or {above}" if below else f"{above}"
    return f"a batch of {size} rows cannot be shared equally among {among}: use a batch size of {nearest}."


def _rows(batch: PyTree) -> int:
    """The number of rows of a batch, equal in all its arrays."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(batch)]
    if not shapes or () in shapes or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(
            "all arrays of a batch must have one leading axis of the same length, its rows; got shapes "
            f"{', '.join(str(list(shape)) for shape in shapes) or 'of no array at all'}."
        )
    return shapes[0][0]


def _map_data(function: Callable[[Any], Any], tree: PyTree) -> PyTree:
    """The tree with a function applied to each array, and to the integers of each typed key."""
    return jax.tree.map(lambda leaf: keys.from_data(function(keys.to_data(leaf)), leaf), tree)


def _of_all_processes(rows: Any) -> np.ndarray:
    """The rows of all processes, in order; sent as bytes, since a device would truncate 64-bit numbers to 32."""
    rows = np.asarray(rows)
    if jax.process_count() == 1:
        return rows
    raw = np.frombuffer(rows.tobytes(), np.uint8).reshape(len(rows), -1)
    raw = multihost_utils.process_allgather(raw, tiled=True)
    return np.frombuffer(raw.tobytes(), rows.dtype).reshape(-1, *rows.shape[1:])
