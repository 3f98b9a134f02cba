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

from jaxsurr.core import files
from jaxsurr.core.types import Array, PyTree, Surrogate
from jaxsurr.core.versions import versions
from jaxsurr.saving.arrays import named, pack, template, unpack
from jaxsurr.saving.header import example_of_shapes, parse_header, shapes_of_example
from jaxsurr.surrogates import METHODS
from jaxsurr.surrogates.description import remade

MAGIC = b"jaxsurr\n"
VERSION = 2
LARGEST_FILE, LARGEST_HEADER = 2**28, 2**20
_PREFIX = len(MAGIC) + 4 + 32
_HEADER = _PREFIX + 4  # where it starts


def _read(path: pathlib.Path) -> tuple[dict[str, Any], bytes]:
    """Header and body of a file that is whole."""
    status = os.stat(path)  # before it is opened: a pipe would wait for its writer
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
        raise ValueError(f"{path} is no file of a surrogate: it is no ordinary file, or larger than any.")
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise ValueError(f"{path} is no file of a surrogate: it does not begin as jaxsurr.save begins one.")
    if len(data) < _HEADER:
        raise ValueError(f"{path} is cut short: it has {len(data)} bytes. Get a whole copy of it.")
    version = int.from_bytes(data[8:12], "little")
    if version != VERSION:
        hint = "Install a newer jaxsurr to read it." if version > VERSION else "Learn and save the surrogate anew."
        raise ValueError(f"{path} has format version {version}, and this jaxsurr reads version {VERSION}. {hint}")
    if hashlib.sha256(data[:12] + data[_PREFIX:]).digest() != data[12:_PREFIX]:
        raise ValueError(f"{path} is damaged or cut short: its checksum does not fit. Get a whole copy of it.")
    length = int.from_bytes(data[_PREFIX:_HEADER], "little")
    if length > min(LARGEST_HEADER, len(data) - _HEADER):
        raise ValueError(f"{path} says that its header has {length} bytes, which it cannot have.")
    try:
        return parse_header(data[_HEADER : _HEADER + length]), data[_HEADER + length :]
    except ValueError as error:
        raise ValueError(f"the header of {path} is not one that jaxsurr.save writes: {error}") from error


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
    path, settings = pathlib.Path(path), surrogate.settings
    if settings is None or settings["method"] not in METHODS:
        raise ValueError(
            "this surrogate does not say what it is, so a file could not say it either. Pass one as a method of "
            f"jaxsurr.surrogates makes it ({', '.join(METHODS)})."
        )
    shapes = shapes_of_example(example)
    wanted, structure = named(template(surrogate, example_of_shapes(shapes)))
    leaves, found = named(jax.tree.map(jnp.asarray, state))
    if structure != found:
        raise ValueError(
            f"the state is not of this surrogate ({settings['method']}): its parts are {', '.join(leaves) or 'none'}, "
            f"and should be {', '.join(wanted) or 'none'}."
        )
    arrays, body = pack(leaves, wanted)
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
        parse_header(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"settings and card must be plain data that JSON holds, without NaN: {error}") from error
    start = MAGIC + VERSION.to_bytes(4, "little")
    rest = len(text).to_bytes(4, "little") + text + body
    with files.writing(path):
        files.replace(path, start + hashlib.sha256(start + rest).digest() + rest)
    return path


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
    try:
        surrogate = remade(METHODS, header["settings"], given)
    except Exception as error:  # a header can ask for anything, and each method refuses it in its own way
        raise ValueError(f"{path} cannot be used: {error}") from error
    try:
        wanted, structure = named(template(surrogate, example_of_shapes(header["example"])))
        with jax.ensure_compile_time_eval():  # a file may be read while a function is traced
            leaves = unpack(header["arrays"], body, wanted)
    except Exception as error:  # a header can ask for a state that no method makes, each method says so in its own way
        metric = given.get("metric")
        whose = f" with the metric {getattr(metric, '__name__', metric)!r}" if metric else ""
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
