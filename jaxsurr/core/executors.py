"""The interface of a program on its devices, and what its implementations share."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsurr.core import keys
from jaxsurr.core.types import Array, PyTree

__all__ = ["Executor", "indivisible", "map_data", "of_processes", "rows_of", "without_queue"]


class Executor(NamedTuple):
    """Functions that run a program on its devices, see `executor`.

    Attributes:
      axis_name: for `jaxsurr.bilevel.make_step`: "devices" under `jax.pmap`; None under `jax.jit`, on one device and
        on a mesh.
      num_devices: that share the rows of a batch, of all processes together; the batch size is a multiple of it.
      compile: `step -> step`, compiled. Its first argument, the state, is donated: use the state that it returns, and
        `place` the first one. All arguments are placed or sharded ones, and so are all results, of which the first is
        the next state.
      compile_predict: `apply -> predict`, compiled: `(placed params, sharded inputs) -> sharded predictions`.
      place: `state -> state` on the devices, a copy: the caller's arrays stay alive when a step donates it. With
        several processes all get the state of process 0. On a mesh, an array that is sharded on it stays so.
      fetch: `placed -> one copy on the host`, NumPy arrays except for typed keys, which stay typed keys. Also for the
        info of a step. Where a mesh of several processes shards an array, all of them call it at the same time.
      shard: this process's rows of a batch, any pytree of arrays `[B, ...]` -> the same on its n devices, `[n, B / n,
        ...]`; where `axis_name` is None, `[B, ...]`, the rows of all processes. Raises a `ValueError` where B is not
        divisible by n.
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


def indivisible(rows: int, parts: int, among: str) -> str:
    """The error for a batch size that is not divisible, with the nearest sizes that are."""
    below, above = rows // parts * parts, -(-rows // parts) * parts
    nearest = f"{below} or {above}" if below else f"{above}"
    return f"a batch of {rows} rows cannot be shared equally among {among}: use a batch size of {nearest}."


def of_processes(number: int) -> str:
    """Words that follow the number of devices, where they belong to several processes."""
    return f" of {number} processes" if number > 1 else ""


def rows_of(batch: PyTree) -> int:
    """The number of rows of a batch, equal in all its arrays."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(batch)]
    if not shapes or () in shapes or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(
            "all arrays of a batch must have one leading axis of the same length, its rows; got shapes "
            f"{', '.join(str(list(shape)) for shape in shapes) or 'of no array at all'}."
        )
    return shapes[0][0]


def without_queue(program: Callable[..., Any], device: Any) -> Callable[..., Any]:
    """A program on several devices that has ended when it returns, where they are devices of one CPU.

    Those share its threads. Where the queue of one is full while another waits for it within a program, they wait for
    ever, and XLA ends the process; so there is no queue.
    """
    if device.platform != "cpu":
        return program
    return functools.wraps(program)(lambda *arguments: jax.block_until_ready(program(*arguments)))


def map_data(function: Callable[[Any], Any], tree: PyTree) -> PyTree:
    """The tree with a function applied to each array, and to the integers of each typed key."""
    return jax.tree.map(lambda leaf: keys.from_data(function(keys.to_data(leaf)), leaf), tree)
