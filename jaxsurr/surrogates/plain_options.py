"""Options that are plain data: whether each is of the kind that its function asks for, and of use to it."""

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxsurr.core import checks
from jaxsurr.spaces import SPACES
from jaxsurr.spaces.sampling import sample

__all__ = ["check_kinds", "check_values", "only_plain"]

_WORDS = {
    int: "an integer", float: "a finite number", bool: "True or False", str: "a string", type(None): "None",
    tuple: "a tuple",
}  # fmt: skip
# Of methods, whatever else they ask of their options.
_NOT_NEGATIVE = ("spread", "value_weight", "correlation_weight", "penalty_weight")
_MOST = 10_000  # classes of made-up predictions


def _parts(annotation: Any) -> tuple[Any, ...]:
    """The kinds that an annotation allows; a function is none, as it is no plain data."""
    whole = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if whole else (annotation,)


def _fits(value: Any, annotation: Any) -> bool:
    for kind in _parts(annotation):
        if typing.get_origin(kind) is tuple:
            inner = typing.get_args(kind)[0]
            fits = isinstance(value, list | tuple) and all(_fits(one, inner) for one in value)
        elif kind is float:
            fits = isinstance(value, int | float) and type(value) in (int, float) and math.isfinite(value)
        else:
            fits = type(value) is kind
        if fits:
            return True
    return False


def _asked(annotation: Any) -> str:
    kinds = [typing.get_origin(kind) or kind for kind in _parts(annotation)]
    return " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)


def only_plain(annotation: Any) -> bool:
    """Whether an annotation asks for plain data and nothing else."""
    return all((typing.get_origin(kind) or kind) in _WORDS for kind in _parts(annotation))


def check_kinds(function: Callable, options: Mapping[str, Any], of: str) -> None:
    """Refuses options of another kind than the function's annotations ask for.

    Args:
      function: with keyword arguments of these names.
      options: as JSON gives them back; those that the function does not know, or asks no plain data for, are passed
        over.
      of: whose options they are, for the error.

    Raises:
      ValueError: an option is of another kind, not finite, or negative where it must not be.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        asked = _asked(parameter.annotation)
        if name in options and asked and not _fits(options[name], parameter.annotation):
            raise ValueError(f"{name} of {of} must be {asked}, got {options[name]!r:.60}.")
    for name, value in options.items():
        if value is not None and name in _NOT_NEGATIVE:
            checks.number(value, f"{name} of {of}", least=0)
        if value is not None and name == "relative_scale":
            checks.number(value, f"{name} of {of}", above=0)


def check_values(function: Callable, options: Mapping[str, Any], of: str) -> None:
    """Refuses options that a metric or a conventional loss itself refuses when it is called.

    It is traced on made-up predictions of each prediction space, until one is found in which it takes these options.
    Where there is none, those spaces count that it can read without them; one that reads none is passed over.

    Args:
      function: `(predictions, targets, **options)`.
      options: of the function.
      of: its name, for the error.

    Raises:
      ValueError: with its sentence.
    """
    refused = None
    for space in SPACES.values() if options else ():
        if space.sample is None:
            continue
        draw = functools.partial(sample, space, rows=4, size=_size(options))
        try:
            jax.eval_shape(lambda key, draw=draw: function(*draw(key), **options), jax.random.key(0))
            return
        except Exception as error:  # it does not read this space, or refuses the options, each in its own way
            if refused is None and _reads(function, draw):
                refused = error
    if refused is not None:
        raise ValueError(f"{of} refuses its options {dict(options)!r:.100}: {refused}") from refused


def _size(options: Mapping[str, Any]) -> int:
    """Number of classes of made-up predictions: that of a matrix among the options, else five."""
    several = (list, tuple)
    lists = (value for value in options.values() if isinstance(value, several) and value)
    matrices = (value for value in lists if isinstance(value[0], several))
    return next((len(matrix) for matrix in matrices if 2 <= len(matrix) <= _MOST), 5)


def _reads(function: Callable, draw: Callable[[Any], tuple[Any, Any]]) -> bool:
    """Whether a function can be traced on made-up predictions without options."""
    try:
        jax.eval_shape(lambda key: function(*draw(key)), jax.random.key(0))
    except Exception:
        return False
    return True
