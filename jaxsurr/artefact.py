"""A surrogate as a file: written whole or not at all, read with distrust.

    bytes   0-7    "jaxsurr\\n"
    bytes   8-11   format version, little-endian
    bytes  12-43   SHA-256 of all other bytes
    bytes  44-47   length of the header, little-endian
    header         JSON: what the surrogate is, names, dtypes and shapes of the arrays of its state, a card
    body           msgpack: the arrays' bytes by name

Nothing in a file is imported or executed. Names are looked up in the registries of this library, and the surrogate made
from them must ask for just the arrays that the file holds.
"""

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import stat
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import checks
from jaxsurr.sampling import SAMPLERS, sample
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates import METHODS
from jaxsurr.surrogates.described import remade
from jaxsurr.types import Array, Keypoints, PyTree, Surrogate
from jaxsurr.versions import versions

MAGIC = b"jaxsurr\n"
VERSION = 1
DTYPES = ("bool", "int8", "int16", "int32", "uint8", "uint32", "float16", "bfloat16", "float32", "float64")
FIELDS = {"settings": dict, "example": dict | None, "arrays": list, "card": dict, "saved": dict}
SETTINGS = {
    "method": str, "metric": dict | None, "loss": dict | None, "space": str | None, "options": dict, "given": list,
}  # fmt: skip
METRIC = {
    "name": str, "registered": str | None, "options": dict, "space": str | None, "higher_is_better": bool,
    "per_example": bool,
}  # fmt: skip
LOSS = {"name": str, "options": dict}
LARGEST_FILE, LARGEST_HEADER, LARGEST_NUMBER, DEEPEST = 2**28, 2**20, 2**24, 8
_PREFIX = len(MAGIC) + 4 + 32


# --- what the state of a surrogate looks like -------------------------------------------------------------------------


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _shapes_of_example(example: tuple[Array, PyTree]) -> dict[str, Any]:
    """Dtypes and shapes of predictions and targets as JSON; targets are an array, `Keypoints` or a dict of arrays."""
    predictions, targets = example

    def one(array):
        array = jnp.asarray(array)
        return {"dtype": array.dtype.name, "shape": list(array.shape)}

    if isinstance(targets, Keypoints):
        named = {"keypoints": {name: one(leaf) for name, leaf in targets._asdict().items()}}
    elif isinstance(targets, dict):
        named = {"dict": {name: one(leaf) for name, leaf in targets.items()}}
    elif hasattr(targets, "shape"):
        named = {"array": one(targets)}
    else:
        raise TypeError(
            f"targets of an example must be an array, jaxsurr.Keypoints or a dict of arrays, got "
            f"{type(targets).__name__}: a file describes no others."
        )
    return {"predictions": one(predictions), "targets": named}


def _example_of_shapes(shapes: Mapping[str, Any]) -> tuple[Any, Any]:
    def one(found):
        _exactly(found, {"dtype": str, "shape": list}, "an array of the example")
        return jax.ShapeDtypeStruct(_shape(found["shape"]), _dtype(found["dtype"]))

    _exactly(shapes, {"predictions": dict, "targets": dict}, "the example")
    ((kind, found),) = shapes["targets"].items()
    if kind == "keypoints":
        targets = Keypoints(**{name: one(leaf) for name, leaf in found.items()})
    elif kind == "dict":
        targets = {name: one(leaf) for name, leaf in found.items()}
    elif kind == "array":
        targets = one(found)
    else:
        raise ValueError(f"targets are of an unknown kind {kind!r}.")
    return one(shapes["predictions"]), targets


def _template(surrogate: Surrogate, example: tuple[Any, Any] | None) -> PyTree:
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
    if settings["space"] not in SAMPLERS:
        raise ValueError(f"of this surrogate's predictions nothing is known; {ask}")
    space = SPACES[settings["space"]]
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


def _flat(state: PyTree) -> tuple[dict[str, Any], Any]:
    """Leaves by the text of their path, and the tree's structure."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}, structure


def _plain(leaf: Any) -> Any:
    """Shape and dtype of a leaf as it is stored: a key as its data."""
    return jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf


# --- reading with distrust --------------------------------------------------------------------------------------------


def _exactly(found: Any, fields: Mapping[str, Any], what: str) -> None:
    """Refuses a JSON object that has not just these fields, each of its type."""
    if not isinstance(found, dict) or set(found) != set(fields):
        names = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{what} should have the fields {', '.join(fields)}, and has {names!r:.200}.")
    for name, kind in fields.items():
        if not isinstance(found[name], kind):
            raise ValueError(f"{what} has a {name} of the wrong type, {type(found[name]).__name__}.")


def _dtype(name: str) -> Any:
    checks.one_of(name, "dtype", DTYPES)
    return jnp.dtype(name)


def _shape(sizes: list) -> tuple[int, ...]:
    if len(sizes) > 8 or not all(type(size) is int and 0 <= size <= LARGEST_NUMBER for size in sizes):
        raise ValueError(f"a shape is {sizes!r:.100}.")
    return tuple(sizes)


def _reasonable(value: Any, depth: int = 0) -> None:
    """Refuses JSON that is nested deeply, and text or numbers beyond any use."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep.")
    if isinstance(value, dict | list):
        if len(value) > 10_000:
            raise ValueError(f"a part of it has {len(value)} entries.")
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            _reasonable(inner, depth + 1)
    elif isinstance(value, str) and len(value) > 10_000:
        raise ValueError(f"a text in it has {len(value)} characters.")


def _reasonable_numbers(options: Any) -> None:
    if len(options) > 64:
        raise ValueError(f"an option has {len(options)} values.")
    for value in options:
        if isinstance(value, list):
            _reasonable_numbers(value)
        elif isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
            raise ValueError(f"an option is {value!r:.50}, which is beyond any use.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands in it twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is not a JSON number.")


def _header(data: bytes) -> dict[str, Any]:
    """The header, of the right form; what its names mean has not been looked at."""
    try:
        header = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None
    _reasonable(header)
    _exactly(header, FIELDS, "it")
    settings = header["settings"]
    _exactly(settings, SETTINGS, "settings")
    for name, fields in (("metric", METRIC), ("loss", LOSS)):
        if settings[name] is not None:
            _exactly(settings[name], fields, name)
            _reasonable_numbers(settings[name]["options"].values())
    _reasonable_numbers(settings["options"].values())
    checks.one_of(settings["method"], "method", METHODS)
    for space in (settings["space"], (settings["metric"] or {}).get("space")):
        if space is not None:
            checks.one_of(space, "space", SPACES)
    if not all(isinstance(name, str) for name in settings["given"]):
        raise ValueError("what is given is not named.")
    if "metric" in settings["given"] and settings["metric"] is None:
        raise ValueError("a metric is given that is not named.")
    for array in header["arrays"]:
        _exactly(array, {"name": str, "dtype": str, "shape": list}, "an array")
        _dtype(array["dtype"]), _shape(array["shape"])
    return header


def _read(path: pathlib.Path) -> tuple[dict[str, Any], bytes]:
    """Header and body of a file that is whole."""
    status = os.stat(path)  # before it is opened: a pipe would wait for its writer
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
        raise ValueError(f"{path} is no file of a surrogate: it is no ordinary file, or larger than any.")
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise ValueError(f"{path} is no file of a surrogate: it does not begin as jaxsurr.save begins one.")
    if len(data) < _PREFIX + 4:
        raise ValueError(f"{path} is cut short: it has {len(data)} bytes. Get a whole copy of it.")
    version = int.from_bytes(data[8:12], "little")
    if version != VERSION:
        newer = "Install a newer jaxsurr to read it." if version > VERSION else "There is no such version."
        raise ValueError(f"{path} has format version {version}, and this jaxsurr reads version {VERSION}. {newer}")
    if hashlib.sha256(data[:12] + data[_PREFIX:]).digest() != data[12:_PREFIX]:
        raise ValueError(f"{path} is damaged or cut short: its checksum does not fit. Get a whole copy of it.")
    length = int.from_bytes(data[_PREFIX : _PREFIX + 4], "little")
    body = data[_PREFIX + 4 + length :]
    if length > min(LARGEST_HEADER, len(data) - _PREFIX - 4):
        raise ValueError(f"{path} says that its header has {length} bytes, which it cannot have.")
    try:
        return _header(data[_PREFIX + 4 : _PREFIX + 4 + length]), body
    except ValueError as error:
        raise ValueError(f"the header of {path} is not one that jaxsurr.save writes: {error}") from error


def _arrays(header: Mapping[str, Any], body: bytes, wanted: Mapping[str, Any]) -> list[Array]:
    """The arrays of a state in the order of a template's leaves.

    Raises:
      ValueError: names, shapes, dtypes or lengths differ.
    """
    import msgpack

    found = {array["name"]: array for array in header["arrays"]}
    if list(found) != list(wanted) or len(found) != len(header["arrays"]):
        differ = sorted(set(found) ^ set(wanted)) or ["their order"]
        raise ValueError(f"the state has not the arrays of such a surrogate: {', '.join(differ)[:200]} differ.")
    for name, leaf in wanted.items():
        plain, array = _plain(leaf), found[name]
        if (array["dtype"], tuple(array["shape"])) != (plain.dtype.name, plain.shape):
            raise ValueError(
                f"state{name} should be {plain.dtype.name}{list(plain.shape)}, and is {array['dtype']}{array['shape']}."
            )
    try:
        limits = dict(max_array_len=0, max_ext_len=0, max_map_len=len(wanted), max_bin_len=len(body))
        contents = msgpack.unpackb(body, max_str_len=1000, **limits)
    except Exception as error:  # msgpack has a dozen of its own
        raise ValueError(f"the body is not msgpack of arrays ({type(error).__name__}).") from error
    if not isinstance(contents, dict) or list(contents) != list(wanted):
        raise ValueError("the body holds other arrays than the header says.")
    leaves = []
    for name, leaf in wanted.items():
        plain, data = _plain(leaf), contents[name]
        if not isinstance(data, bytes) or len(data) != plain.dtype.itemsize * int(np.prod(plain.shape)):
            raise ValueError(f"state{name} has not as many bytes as its shape says.")
        array = np.frombuffer(data, plain.dtype).reshape(plain.shape)
        _check_finite(name, array)
        array = jnp.asarray(array)
        leaves.append(jax.random.wrap_key_data(array) if _is_key(leaf) else array)  # of the kind that _template makes
    return leaves


def _check_finite(name: str, array: np.ndarray) -> None:
    if jnp.issubdtype(array.dtype, jnp.floating) and not np.all(np.isfinite(array.astype(np.float32))):
        raise ValueError(f"state{name} holds NaN or infinity: the surrogate has diverged, and is of no use.")


# --- public -----------------------------------------------------------------------------------------------------------


def save(
    path: str | os.PathLike,
    surrogate: Surrogate,
    state: PyTree,
    *,
    card: Mapping[str, Any] | None = None,
    example: tuple[Array, PyTree] | None = None,
) -> pathlib.Path:
    """Writes a surrogate and its state to a file, whole or not at all.

    The file holds the names and settings of metric and method, the arrays of the state, a card, the date and versions.
    What has no name in this library (a metric of one's own, an optimizer) is not in it and has to be handed to `load`.

    Args:
      path: of the file; a file that is there is replaced when the new one is complete.
      surrogate: of `jaxsurr.surrogates`, as its function made it.
      state: of the surrogate; fetched from the devices, without an axis of devices.
      card: plain data about how it was learned and what it is worth, as `jaxsurr.fit` returns it.
      example: predictions and targets as `init` saw them, where the state's shapes depend on theirs: in the generic
        space, in one of your own, and for `embedding`. Only dtypes and shapes are kept.

    Returns:
      The path.

    Raises:
      ValueError: the surrogate does not say what it is, the state is that of another or holds NaN, an example is
        needed, or an option or the card is no plain data.
      OSError: it cannot be written.

    >>> import jax, jax.numpy as jnp, jaxsurr, pathlib, tempfile
    >>> surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate)
    >>> state = surrogate.init(jax.random.key(0), jnp.zeros((4, 3)), jnp.arange(4) % 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = jaxsurr.save(pathlib.Path(folder) / "error_rate.jaxsurr", surrogate, state, card={"rows": 4})
    ...     again, same = jaxsurr.load(path)
    ...     jaxsurr.read_card(path)["card"]
    {'rows': 4}
    >>> again.settings == surrogate.settings
    True
    """
    import msgpack

    path, settings = pathlib.Path(path), surrogate.settings
    if settings is None or settings["method"] not in METHODS:
        raise ValueError(
            "this surrogate does not say what it is, so a file could not say it either. Pass one as a method of "
            f"jaxsurr.surrogates makes it ({', '.join(METHODS)})."
        )
    shapes = None if example is None else _shapes_of_example(example)
    known = None if example is None else _example_of_shapes(shapes)
    wanted, structure = _flat(_template(surrogate, known))
    leaves, found = _flat(jax.tree.map(jnp.asarray, state))
    if structure != found:
        raise ValueError(
            f"the state is not of this surrogate ({settings['method']}): its parts are {', '.join(leaves) or 'none'}, "
            f"and should be {', '.join(wanted) or 'none'}."
        )
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
    now = datetime.datetime.now(datetime.UTC).date().isoformat()
    header = {
        "settings": dict(settings),
        "example": shapes,
        "arrays": arrays,
        "card": dict(card or {}),
        "saved": {"date": now, "versions": versions()},
    }
    try:
        text = json.dumps(header, allow_nan=False).encode()
        _header(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"settings and card must be plain data that JSON holds, without NaN: {error}") from error
    start = MAGIC + VERSION.to_bytes(4, "little")
    rest = len(text).to_bytes(4, "little") + text + msgpack.packb(contents)
    _replace(path, start + hashlib.sha256(start + rest).digest() + rest)
    return path


def _replace(path: pathlib.Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise type(error)(
            f"{path} could not be written: {error.strerror or error}. What was there before is untouched."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def load(path: str | os.PathLike, **given: Any) -> tuple[Surrogate, PyTree]:
    """Reads a surrogate and its state, ready to be used or learned on.

    `jaxsurr.frozen(surrogate, state)` makes a plain loss of the two.

    Args:
      path: of a file that `save` wrote.
      **given: what the file names and cannot hold: `metric=` where it is not one of the library's, `optimizer=`,
        `network=` and others where the surrogate was made with them.

    Returns:
      `(surrogate, state)`.

    Raises:
      ValueError: the file is damaged, cut short, of another format version or none that `save` writes; something that
        it needs is not handed in; or a metric is handed in that is not the one it was learned for.
      OSError: it cannot be read.
    """
    path = pathlib.Path(path)
    header, body = _read(path)
    settings = header["settings"]
    given_metric = given.get("metric")
    try:
        surrogate = remade(METHODS, settings, given)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
    try:
        example = header["example"]
        template = _template(surrogate, None if example is None else _example_of_shapes(example))
        wanted, structure = _flat(template)
        with jax.ensure_compile_time_eval():  # a file may be read while a function is traced
            leaves = _arrays(header, body, wanted)
    except Exception as error:  # a header can ask for a state that no method makes, each method says so in its own way
        whose = f" with the metric {getattr(given_metric, '__name__', given_metric)!r}" if given_metric else ""
        raise ValueError(f"{path} does not hold the state of its surrogate{whose}: {error}") from error
    return surrogate, jax.tree.unflatten(structure, leaves)


def read_card(path: str | os.PathLike) -> dict[str, Any]:
    """What a file says of its surrogate: settings, card, date and versions; no metric need be at hand.

    Args:
      path: of a file that `save` wrote.

    Returns:
      A dict with `settings`, `card`, `saved` (date and versions), `example` and `arrays`.

    Raises:
      ValueError: the file is damaged, cut short, of another format version or none that `save` writes.
      OSError: it cannot be read.
    """
    return _read(pathlib.Path(path))[0]
