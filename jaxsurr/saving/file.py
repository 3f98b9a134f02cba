"""Saving and loading of surrogates, with atomic writes and without trust in the content of files.

Nothing in a file is imported or executed. Names are looked up in the registries of this library, and the surrogate made
from them must need exactly the arrays that the file holds.
"""

import datetime
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr.core import files
from jaxsurr.core.ravelled import ravelled_as, unravelled
from jaxsurr.core.types import Array, PyTree, Surrogate
from jaxsurr.core.versions import versions
from jaxsurr.saving import container
from jaxsurr.saving.arrays import named, restored, stored, template
from jaxsurr.saving.header import example_of_shapes, shapes_of_example
from jaxsurr.surrogates import METHODS
from jaxsurr.surrogates.description import remade

__all__ = ["load", "read_card", "save"]


def save(
    path: str | os.PathLike,
    surrogate: Surrogate,
    state: PyTree,
    *,
    card: Mapping[str, Any] | None = None,
    example: tuple[Array, PyTree] | None = None,
) -> pathlib.Path:
    """Writes a surrogate and its state to a file, atomically.

    The file holds the names and settings of metric and method, the arrays of the state, a card, the date and versions.
    Objects without a name in this library (your own metric, an optimizer) are not stored and must be passed to `load`.

    Args:
      path: of the file; an existing file is replaced when the new one is complete.
      surrogate: made by a method of `jaxsurr.surrogates`.
      state: of the surrogate; fetched from the devices, without an axis of devices.
      card: plain data about training and fidelity, such as that of `jaxsurr.fit`.
      example: predictions and targets with the shapes of those for `init`, where the state's shapes depend on them: in
        the generic space, in your own space, and for `embedding`. Only dtypes and shapes are kept.

    Returns:
      The path.

    Raises:
      ValueError: the surrogate has no settings, the state is that of another or holds NaN, an example is needed, or an
        option or the card is not plain data.
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
            "this surrogate has no settings that name a method, so it cannot be saved. Pass one made by a method of "
            f"jaxsurr.surrogates ({', '.join(METHODS)})."
        )
    shapes = shapes_of_example(example)
    functions = getattr(state, "functions", None) is not None
    like = template(surrogate, example_of_shapes(shapes), functions=functions)
    wanted, structure = named(jax.eval_shape(unravelled, like))
    leaves, found = named(unravelled(jax.tree.map(jnp.asarray, state)))
    if structure != found:
        raise ValueError(
            f"the state is not of this surrogate ({settings['method']}): its parts are {', '.join(leaves) or 'none'}, "
            f"and should be {', '.join(wanted) or 'none'}."
        )
    header = {
        "settings": dict(settings),
        "example": shapes,
        "card": dict(card or {}),
        "saved": {"date": datetime.datetime.now(datetime.UTC).date().isoformat(), "versions": versions()},
    }
    arrays = stored(leaves, wanted)
    try:
        data = container.pack(header, arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"settings and card must be plain data that JSON holds, without NaN: {error}") from error
    with files.writing(path):
        files.replace(path, data)
    return path


def load(path: str | os.PathLike, **given: Any) -> tuple[Surrogate, PyTree]:
    """Reads a surrogate and its state, to use it or to go on learning.

    `jaxsurr.frozen(surrogate, state)` is a fixed loss of the two.

    Args:
      path: of a file of `save`.
      **given: objects that a file cannot hold: `metric=` where it is not one of the library's, `optimizer=`, `network=`
        and others with which the surrogate was made.

    Returns:
      `(surrogate, state)`.

    Raises:
      ValueError: the file is damaged, cut short, of another format version, or not written by `save`; an object that it
        needs is not passed; or a metric is passed that is not the one it was learned for.
      OSError: it cannot be read.
    """
    path = pathlib.Path(path)
    header, arrays = container.unpack(path)
    try:
        surrogate = remade(METHODS, header["settings"], given)
    except Exception as error:  # a header can ask for anything, and each method refuses it in its own way
        raise ValueError(f"{path} cannot be used: {error}") from error
    try:
        held = list(arrays())
        functions = any(name.startswith(".functions") for name, _ in held)
        like = template(surrogate, example_of_shapes(header["example"]), functions=functions)
        wanted, structure = named(jax.eval_shape(unravelled, like))
        with jax.ensure_compile_time_eval():  # a file may be read while a function is traced
            state = ravelled_as(like, jax.tree.unflatten(structure, restored(held, wanted)))
    except Exception as error:  # a header can ask for a state that no method makes, each method says so in its own way
        metric = given.get("metric")
        whose = f" with the metric {getattr(metric, '__name__', metric)!r}" if metric else ""
        raise ValueError(f"{path} does not hold the state of its surrogate{whose}: {error}") from error
    return surrogate, state


def read_card(path: str | os.PathLike) -> dict[str, Any]:
    """The header of a surrogate's file: settings, card, date and versions; metrics are not needed.

    Args:
      path: of a file of `save`.

    Returns:
      A dict with `settings`, `card`, `saved` (date and versions) and `example`.

    Raises:
      ValueError: the file is damaged, cut short, of another format version, or not written by `save`.
      OSError: it cannot be read.
    """
    return container.unpack(pathlib.Path(path))[0]
