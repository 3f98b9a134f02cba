"""The header of a surrogate's file: JSON with fixed fields and bounded values.

Names of methods and spaces are checked here, other names where they are looked up.
"""

import json
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr.core import checks, renamed
from jaxsurr.core.types import Array, Durations, Keypoints, PyTree, RankedLists, Sequences
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates import METHODS

__all__ = [
    "DEEPEST", "DTYPES", "ENDLESS", "FIELDS", "LARGEST_COUNT", "LARGEST_NUMBER", "LOSS", "METRIC", "SETTINGS",
    "check_header", "exactly", "example_of_shapes", "parse_json", "shapes_of_example",
]  # fmt: skip

DTYPES = {
    "bool": "BOOL", "int8": "I8", "int16": "I16", "int32": "I32", "uint8": "U8", "uint32": "U32", "float16": "F16",
    "bfloat16": "BF16", "float32": "F32", "float64": "F64",
}  # fmt: skip
"""Dtypes of arrays in files, and their names in safetensors."""
FIELDS = {"settings": dict, "example": dict | None, "card": dict, "saved": dict}
SETTINGS = {
    "method": str, "metric": dict | None, "loss": dict | None, "space": str | None, "options": dict, "given": list,
}  # fmt: skip
METRIC = {
    "name": str, "registered": str | None, "options": dict, "space": str | None, "higher_is_better": bool,
    "per_example": bool,
}  # fmt: skip
LOSS = {"name": str, "options": dict}
LARGEST_NUMBER, DEEPEST = 2**24, 8
_MOST_VALUES = 1024  # of an option, such as the rows of a cost matrix
LARGEST_COUNT, ENDLESS = 2**14, ("scale_updates",)  # of pairs, sets, units, each of which takes memory


def exactly(found: Any, fields: Mapping[str, Any], what: str) -> None:
    """Refuses a JSON object with other fields than these, or of other types."""
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
    """Refuses JSON that is nested too deeply, or holds strings or numbers that are too large."""
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep.")
    if isinstance(value, dict | list):
        if len(value) > 10_000:
            raise ValueError(f"a part of it has {len(value)} entries.")
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            _reasonable(inner, depth + 1)
    elif isinstance(value, str) and len(value) > 10_000:
        raise ValueError(f"a string in it has {len(value)} characters.")


def _reasonable_numbers(options: Any) -> None:
    if len(options) > _MOST_VALUES:
        raise ValueError(f"an option has {len(options)} values.")
    for value in options:
        if isinstance(value, list):
            _reasonable_numbers(value)
        elif isinstance(value, int | float) and abs(value) > LARGEST_NUMBER:
            raise ValueError(f"an option is {value!r:.50}, which is out of range.")


def _reasonable_counts(options: dict[str, Any]) -> None:
    for name, value in options.items():
        counts = [one for one in (value if isinstance(value, list) else [value]) if type(one) is int]
        if name not in ENDLESS and any(count > LARGEST_COUNT for count in counts):
            raise ValueError(f"the option {name} is {value!r:.50}, and more than {LARGEST_COUNT} is out of range.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a field twice.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is not a JSON number.")


def parse_json(data: bytes | str) -> Any:
    """The value of bytes or a string of JSON.

    Raises:
      ValueError: it is not JSON, nested too deeply, or holds NaN, infinity, or a field twice.
    """
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply.") from None


def check_header(header: Any) -> None:
    """Checks that JSON has the form of `FIELDS`.

    Raises:
      ValueError: it does not have the form of a header of `jaxsurr.save`.
    """
    _reasonable(header)
    exactly(header, FIELDS, "it")
    settings = header["settings"]
    exactly(settings, SETTINGS, "settings")
    for name, fields in (("metric", METRIC), ("loss", LOSS)):
        if settings[name] is not None:
            exactly(settings[name], fields, name)
            _reasonable_numbers(settings[name]["options"].values())
    _reasonable_numbers(settings["options"].values())
    _reasonable_counts(settings["options"])
    checks.one_of(settings["method"], "method", METHODS)
    for part in filter(None, (settings, settings["metric"])):
        part["space"] = renamed.word("space", part["space"], warn=False)
        if part["space"] is not None:
            checks.one_of(part["space"], "space", SPACES)
    if not all(isinstance(name, str) for name in settings["given"]):
        raise ValueError("the objects that are given have no names.")
    if "metric" in settings["given"] and settings["metric"] is None:
        raise ValueError("a metric is given that has no name.")


# --- the example ------------------------------------------------------------------------------------------------------


_NAMED = {"durations": Durations, "keypoints": Keypoints, "lists": RankedLists, "sequences": Sequences}


def shapes_of_example(example: tuple[Array, PyTree] | None) -> dict[str, Any] | None:
    """Dtypes and shapes of predictions and targets as JSON; targets are an array, one of `_NAMED`, or a dict."""
    if example is None:
        return None
    predictions, targets = example

    def one(array):
        array = jnp.asarray(array)
        return {"dtype": array.dtype.name, "shape": list(array.shape)}

    kind = next((kind for kind, made in _NAMED.items() if isinstance(targets, made)), "")
    if kind:
        named = {kind: {name: one(leaf) for name, leaf in targets._asdict().items()}}
    elif isinstance(targets, dict):
        named = {"dict": {name: one(leaf) for name, leaf in targets.items()}}
    elif hasattr(targets, "shape"):
        named = {"array": one(targets)}
    else:
        raise TypeError(
            f"targets of an example must be an array, {', '.join(made.__name__ for made in _NAMED.values())}, or a "
            f"dict of arrays, got {type(targets).__name__}: others cannot be described in a file."
        )
    return {"predictions": one(predictions), "targets": named}


def example_of_shapes(shapes: Mapping[str, Any] | None) -> tuple[Any, Any] | None:
    """Predictions and targets as `jax.ShapeDtypeStruct`; the inverse of `shapes_of_example`.

    Raises:
      ValueError: the header describes something else.
    """
    if shapes is None:
        return None

    def one(found):
        exactly(found, {"dtype": str, "shape": list}, "an array of the example")
        return jax.ShapeDtypeStruct(_shape(found["shape"]), _dtype(found["dtype"]))

    exactly(shapes, {"predictions": dict, "targets": dict}, "the example")
    ((kind, found),) = shapes["targets"].items()
    if kind in _NAMED:
        exactly(found, dict.fromkeys(_NAMED[kind]._fields, dict), "targets of the example")
        targets = _NAMED[kind](**{name: one(leaf) for name, leaf in found.items()})
    elif kind == "dict":
        targets = {name: one(leaf) for name, leaf in found.items()}
    elif kind == "array":
        targets = one(found)
    else:
        raise ValueError(f"targets are of an unknown kind {kind!r}.")
    return one(shapes["predictions"]), targets
