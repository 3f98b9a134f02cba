"""Arrays on a mesh of devices, with automatic axes or explicit ones, the default of `jax.make_mesh`."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.core
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxsurr.core.types import PyTree

__all__ = ["automatic", "explicit_mesh", "is_set", "replicated"]


def explicit_mesh(tree: PyTree) -> Any:
    """The mesh with explicit axes that an array of a tree is sharded on, or None."""
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, jax.Array):
            mesh = jax.typeof(leaf).sharding.mesh
            if not mesh.empty and AxisType.Explicit in mesh.axis_types:
                return mesh if isinstance(leaf, jax.core.Tracer) else getattr(leaf.sharding, "mesh", mesh)
    return None


def automatic(
    function: Callable[..., PyTree], *, of_rows: bool = False, keeps_first: bool = False
) -> Callable[..., PyTree]:
    """A wrapper of a function in which explicit axes of a mesh are automatic.

    On explicit axes JAX refuses a reshape, a gather or a contraction whose sharding is not written out; on automatic
    ones XLA finds it. Without such a mesh the function is called unchanged.

    Args:
      function: of arrays and other arguments, to a pytree of arrays.
      of_rows: whether results with as many rows as the second argument are sharded like it.
      keeps_first: whether the first of two results has the structure of the first argument, and is sharded like it.
        Other results are replicated.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> PyTree:
        mesh = explicit_mesh((args, options))
        if mesh is None:
            return function(*args, **options)
        leaves, form = jax.tree.flatten((args, options))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array | np.ndarray)]

        def inside(*arrays: jax.Array) -> PyTree:
            filled = list(leaves)
            for place, array in zip(places, arrays, strict=True):
                filled[place] = array
            again, named = jax.tree.unflatten(form, filled)
            results = function(*again, **named)
            # jit leaves out arguments that no result depends on, and would not find the devices of the mesh.
            return results if of_rows else jax.lax.optimization_barrier((results, arrays))[0]

        out: Any = NamedSharding(mesh, PartitionSpec())
        if keeps_first:
            out = jax.tree.map(lambda leaf: NamedSharding(mesh, jax.typeof(leaf).sharding.spec), args[0]), out
        results = jax.sharding.auto_axes(inside, out_sharding=out)(*(jax.numpy.asarray(leaves[i]) for i in places))
        if not of_rows:
            return results
        spec = jax.typeof(args[1]).sharding.spec
        rows = NamedSharding(mesh, PartitionSpec(*spec[:1]))
        return jax.tree.map(
            lambda leaf: jax.sharding.reshard(leaf, rows) if leaf.shape[:1] == args[1].shape[:1] else leaf, results
        )

    return wrapped


def is_set() -> bool:
    """Whether the program that is traced is one for a mesh with automatic axes (`jax.set_mesh`)."""
    return set(jax.sharding.get_abstract_mesh().axis_types) == {AxisType.Auto}


def replicated(tree: PyTree) -> PyTree:
    """Arrays of a program for a mesh that is set, gathered on every device of it."""
    return jax.lax.with_sharding_constraint(tree, PartitionSpec())
