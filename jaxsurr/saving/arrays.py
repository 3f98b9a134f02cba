"""The state of a surrogate as named arrays: which it must have, and how they become bytes and come back."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import msgpack
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Array, PyTree, Surrogate
from jaxsurr.saving.header import DTYPES
from jaxsurr.spaces import SPACES
from jaxsurr.spaces.sampling import sample


def template(surrogate: Surrogate, example: tuple[Any, Any] | None) -> PyTree:
    """The structure, dtypes and shapes of the state that a surrogate makes.

    Raises:
      ValueError: they depend on predictions that are not known.
    """
    if example is not None:
        return jax.eval_shape(surrogate.init, jax.random.key(0), *example)
    ask = (
        "pass example=(predictions, targets), a batch as `init` saw it: the shapes of this surrogate's state depend on "
        "theirs, or it is made for one shape only."
    )
    settings = surrogate.settings
    if settings["method"] == "conventional":
        return ()
    space = SPACES.get(settings["space"])
    if space is None or space.sample is None:
        raise ValueError(f"of this surrogate's predictions nothing is known; {ask}")
    made = []
    for size in (5, 7):
        try:
            z, y = jax.eval_shape(lambda key, size=size: sample(space, key, 4, size), jax.random.key(0))
            made.append(jax.eval_shape(surrogate.init, jax.random.key(0), z, y))
        except Exception as error:  # a metric of the user's own, which may ask for anything
            raise ValueError(f"it cannot learn from made-up predictions ({error}); {ask}") from error
    if jax.tree.leaves(made[0]) != jax.tree.leaves(made[1]):
        raise ValueError(f"how many classes, levels or points it was learned for is not known; {ask}")
    return made[0]


def named(state: PyTree) -> tuple[dict[str, Any], Any]:
    """Leaves by the text of their path, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}, structure


def pack(leaves: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[list[dict[str, Any]], bytes]:
    """What the header says of the arrays of a state, and the body that holds them.

    Args:
      leaves: of the state, by name.
      wanted: of its template, by the same names.

    Raises:
      ValueError: a shape or dtype is not that of the template, is none that a file can hold, or a number is not finite.
    """
    arrays, contents = [], {}
    for name, leaf in leaves.items():
        like = wanted[name]
        if (leaf.dtype, leaf.shape) != (like.dtype, like.shape):
            raise ValueError(
                f"the state is not of this surrogate: state{name} is {leaf.dtype}{list(leaf.shape)}, and should be "
                f"{like.dtype}{list(like.shape)}. Take a state without an axis of devices, of the same settings."
            )
        array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        checks.one_of(array.dtype.name, f"dtype of state{name}", DTYPES)
        _check_finite(name, array)
        arrays.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape)})
        contents[name] = array.tobytes()
    return arrays, msgpack.packb(contents)


def unpack(arrays: Sequence[Mapping[str, Any]], body: bytes, wanted: Mapping[str, Any]) -> list[Array]:
    """The arrays of a state in the order of a template's leaves.

    Args:
      arrays: what the header says of them.
      body: that holds them.
      wanted: leaves of the template, by name.

    Raises:
      ValueError: names, shapes, dtypes or lengths differ, or a number is not finite.
    """
    found = {array["name"]: array for array in arrays}
    if list(found) != list(wanted) or len(found) != len(arrays):
        differ = sorted(set(found) ^ set(wanted)) or ["their order"]
        raise ValueError(f"the state has not the arrays of such a surrogate: {', '.join(differ)[:200]} differ.")
    stored = {name: _stored(leaf) for name, leaf in wanted.items()}
    for name, like in stored.items():
        array = found[name]
        if (array["dtype"], tuple(array["shape"])) != (like.dtype.name, like.shape):
            raise ValueError(
                f"state{name} should be {like.dtype.name}{list(like.shape)}, and is {array['dtype']}{array['shape']}."
            )
    try:
        limits = dict(max_array_len=0, max_ext_len=0, max_map_len=len(wanted), max_bin_len=len(body))
        contents = msgpack.unpackb(body, max_str_len=1000, **limits)
    except Exception as error:  # msgpack has a dozen of its own
        raise ValueError(f"the body is not msgpack of arrays ({type(error).__name__}).") from error
    if not isinstance(contents, dict) or list(contents) != list(wanted):
        raise ValueError("the body holds other arrays than the header says.")
    leaves = []
    for name, like in stored.items():
        data = contents[name]
        if not isinstance(data, bytes) or len(data) != like.dtype.itemsize * int(np.prod(like.shape)):
            raise ValueError(f"state{name} has not as many bytes as its shape says.")
        array = np.frombuffer(data, like.dtype).reshape(like.shape)
        _check_finite(name, array)
        array = jnp.asarray(array)
        leaves.append(jax.random.wrap_key_data(array) if _is_key(wanted[name]) else array)  # of the template's kind
    return leaves


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _stored(leaf: Any) -> Any:
    """Shape and dtype of a leaf as it is stored: a key as its data."""
    return jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf


def _check_finite(name: str, array: np.ndarray) -> None:
    if jnp.issubdtype(array.dtype, jnp.floating) and not np.all(np.isfinite(array.astype(np.float32))):
        raise ValueError(f"state{name} holds NaN or infinity: the surrogate has diverged, and is of no use.")
