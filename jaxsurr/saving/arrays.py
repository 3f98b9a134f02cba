"""The state of a surrogate as named arrays: its template, and conversion to and from stored arrays."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks, keys, renamed
from jaxsurr.core.types import Array, PyTree, Surrogate
from jaxsurr.saving.header import DTYPES
from jaxsurr.spaces import SPACES
from jaxsurr.spaces.sampling import sample

__all__ = ["SINCE", "named", "restored", "stored", "template"]


def template(surrogate: Surrogate, example: tuple[Any, Any] | None, *, functions: bool = True) -> PyTree:
    """The structure, dtypes and shapes of a surrogate's state.

    Args:
      surrogate: that `init` is asked of.
      example: predictions and targets for it, or None where any will do.
      functions: whether the state has `functions`, where such surrogates have some. Files of older versions have none,
        nor has one of a metric that depends on the order of the examples.

    Raises:
      ValueError: they depend on the shape of predictions, which is not known.
    """

    def of(*example: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"):  # what is sampled has the precision of the mode, a state another
            state: Any = jax.eval_shape(surrogate.init, jax.random.key(0), *example)
        return state if functions or not hasattr(state, "functions") else state._replace(functions=None)

    if example is not None:
        return of(*example)
    ask = (
        "pass example=(predictions, targets), a batch with the shapes of the one for `init`: the shapes of this "
        "surrogate's state depend on them, or it works for one shape only."
    )
    settings = surrogate.settings or {}
    if settings.get("method") == "conventional":
        return ()
    space = SPACES.get(settings["space"])
    if space is None or space.sample is None:
        raise ValueError(f"the shape of this surrogate's predictions is not known; {ask}")
    made = []
    for size in (5, 7):
        try:
            z, y = jax.eval_shape(lambda key, size=size: sample(space, key, 4, size), jax.random.key(0))
            made.append(of(z, y))
        except Exception as error:  # a metric of the user's own, which may ask for anything
            raise ValueError(f"it cannot learn from sampled predictions ({error}); {ask}") from error
    if jax.tree.leaves(made[0]) != jax.tree.leaves(made[1]):
        raise ValueError(f"the number of classes, levels or points that it was learned for is not known; {ask}")
    return made[0]


def named(state: PyTree) -> tuple[dict[str, Any], Any]:
    """Leaves by the names of their paths, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}, structure


_PRECISIONS = {"float32", "float64"}
"""Dtypes of which an array has one or the other, as `jax_enable_x64` was set when its state began."""


def stored(leaves: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of a state in the form in which they are stored, typed keys as integers.

    Args:
      leaves: of the state, by name.
      wanted: of its template, by the same names.

    Raises:
      ValueError: a shape or dtype is not that of the template, is none that a file can hold, or a number is not finite.
    """
    arrays = {}
    for name, leaf in leaves.items():
        like = wanted[name]
        dtype = leaf.dtype if {leaf.dtype.name, like.dtype.name} == _PRECISIONS else like.dtype
        if (leaf.dtype, leaf.shape) != (dtype, like.shape):
            raise ValueError(
                f"the state is not of this surrogate: state{name} is {leaf.dtype}{list(leaf.shape)}, and should be "
                f"{like.dtype}{list(like.shape)}. Take a state without an axis of devices, of the same settings, or "
                "pass example=(predictions, targets), of the shapes that it was made for."
            )
        array = np.asarray(keys.to_data(leaf), order="C")  # safetensors writes the memory of an array as it lies
        checks.one_of(array.dtype.name, f"dtype of state{name}", DTYPES)
        _check_finite(name, array)
        arrays[name] = array
    return arrays


SINCE = {".power": 1.0}
"""Arrays of states that older files do not hold, and the number that each stood for."""


def _as_stored(value: float, leaf: Any) -> dict[str, Any]:
    array = np.full(leaf.shape, value, leaf.dtype)
    return {"dtype": array.dtype.name, "shape": array.shape, "data": array.tobytes()}


def restored(found: Iterable[tuple[str, Mapping[str, Any]]], wanted: Mapping[str, Any]) -> list[Array]:
    """The arrays of a state in the order of a template's leaves.

    Args:
      found: names with `dtype`, `shape` and `data`, as `safetensors.deserialize` gives them.
      wanted: leaves of the template, by name.

    Raises:
      ValueError: names, shapes, dtypes or lengths differ, or a number is not finite.
    """
    held = [(renamed.word("array", name, warn=False), array) for name, array in found]
    kept = {name: _as_stored(SINCE[name], leaf) for name, leaf in wanted.items() if name in SINCE} | dict(held)
    if kept.keys() != wanted.keys() or len(dict(held)) != len(held):
        differ = ", ".join(sorted(kept.keys() ^ wanted.keys())) or "old and new names"
        raise ValueError(f"the state does not have the arrays of such a surrogate: {differ[:200]} differ.")
    leaves = []
    for name, leaf in wanted.items():
        like = jax.eval_shape(keys.to_data, leaf)
        dtype, shape, data = (kept[name][field] for field in ("dtype", "shape", "data"))
        dtype = next((known for known, code in DTYPES.items() if code == dtype), dtype)
        if {dtype, like.dtype.name} == _PRECISIONS:
            like = jax.ShapeDtypeStruct(like.shape, dtype)
        if (dtype, tuple(shape)) != (like.dtype.name, like.shape):
            raise ValueError(f"state{name} should be {like.dtype.name}{list(like.shape)}, and is {dtype}{list(shape)}.")
        if len(data) != like.dtype.itemsize * like.size:
            raise ValueError(f"state{name} does not have the number of bytes of its shape.")
        array = np.frombuffer(data, like.dtype).reshape(like.shape)
        _check_finite(name, array)
        leaves.append(keys.from_data(jnp.asarray(array), leaf))
    return leaves


def _check_finite(name: str, array: np.ndarray) -> None:
    if jnp.issubdtype(array.dtype, jnp.floating) and not np.all(np.isfinite(array.astype(np.float32))):
        raise ValueError(f"state{name} holds NaN or infinity: the surrogate has diverged.")
