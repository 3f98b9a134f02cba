"""Pytrees of many small arrays as one vector, so that an update is a few operations in all and not for each array."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import meshes
from jaxsurr.core.types import Array, PyTree

__all__ = ["Ravelled", "ravelled", "ravelled_as", "unravelled"]


@jax.tree_util.register_pytree_with_keys_class
class Ravelled:
    """A pytree of arrays of one dtype, kept as one vector; `["name"]` is that part of the tree.

    Attributes:
      vector: `[N]`, all entries, in the order of the tree's leaves. Axes in front of it are in front of each leaf.
      structure: of the tree.
      shapes: of its leaves.
    """

    def __init__(self, vector: Array, structure: Any, shapes: tuple[tuple[int, ...], ...]):
        self.vector, self.structure, self.shapes = vector, structure, shapes

    @property
    def tree(self) -> PyTree:
        """The pytree."""
        vector = _whole(self.vector)
        parts = _parts if isinstance(vector, np.ndarray) else _parts_in_jax
        return jax.tree.unflatten(self.structure, parts(vector, self.shapes))

    def __getitem__(self, name: Any) -> PyTree:
        return self.tree[name]

    def __repr__(self) -> str:
        return f"Ravelled({self.tree!r})"

    def tree_flatten_with_keys(self) -> tuple[tuple, tuple]:
        """Children and static parts, for JAX."""
        return ((jax.tree_util.GetAttrKey("vector"), self.vector),), (self.structure, self.shapes)

    @classmethod
    def tree_unflatten(cls, static: tuple, children: tuple) -> "Ravelled":
        """The inverse, for JAX."""
        return cls(*children, *static)


def _parts(vector: Any, shapes: tuple[tuple[int, ...], ...]) -> list:
    """Arrays of these shapes, one behind the other in a vector."""
    ends = np.cumsum([0, *(np.prod(shape, dtype=int) for shape in shapes)])
    return [
        vector[..., start:end].reshape((*vector.shape[:-1], *shape))
        for start, end, shape in zip(ends, ends[1:], shapes, strict=False)
    ]


_parts_in_jax = jax.jit(_parts, static_argnums=1)  # outside of compiled code one program for all of them


def _is_ravelled(node: Any) -> bool:
    return isinstance(node, Ravelled)


def ravelled(tree: PyTree) -> PyTree:
    """A pytree as `Ravelled`; one whose leaves are of several dtypes, or none, as it is.

    >>> import jax.numpy as jnp
    >>> both = ravelled({"a": jnp.ones((2, 2)), "b": jnp.zeros(1)})
    >>> both.vector.tolist(), both["a"].shape
    ([1.0, 1.0, 1.0, 1.0, 0.0], (2, 2))
    """
    leaves, structure = jax.tree.flatten(tree)
    if len({leaf.dtype for leaf in leaves}) != 1:
        return tree
    return Ravelled(_joined(leaves, ()), structure, tuple(map(jnp.shape, leaves)))


def unravelled(tree: PyTree) -> PyTree:
    """A pytree with the trees of all that is `Ravelled` in it."""
    return jax.tree.map(lambda node: node.tree if _is_ravelled(node) else node, tree, is_leaf=_is_ravelled)


def ravelled_as(like: PyTree, tree: PyTree) -> PyTree:
    """The inverse of `unravelled`: what is `Ravelled` in `like` is so in the result."""

    def one(node: Any, part: PyTree) -> PyTree:
        if not _is_ravelled(node):
            return part
        return Ravelled(_joined(jax.tree.leaves(part), node.vector.shape[:-1]), node.structure, node.shapes)

    return jax.tree.map(one, like, tree, is_leaf=_is_ravelled)


def _joined(leaves: list, lead: tuple[int, ...]) -> Any:
    """One vector of all entries, behind the axes `lead`; of arrays of NumPy one of NumPy."""
    numpy = np if all(isinstance(leaf, np.ndarray) for leaf in leaves) else jnp
    return _whole(numpy.concatenate([leaf.reshape((*lead, -1)) for leaf in _whole(leaves)], axis=-1))


def _whole(tree: PyTree) -> PyTree:
    """The same, on every device of a mesh that is set: XLA would share out the vector in pieces that are no leaves."""
    return meshes.replicated(tree) if meshes.is_set() else tree
