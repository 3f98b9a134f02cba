"""Checks of arguments and options. Each raises an error that says what was expected.

Checks of shapes and dtypes work while tracing. Values of traced arrays are not known: `refuse` returns a mask `[B]` of
the examples with a value out of range, so that results computed from them can be NaN (`jaxsurr.core.reading`), and
options that are traced pass. Checks of targets are in `jaxsurr.core.targets`.
"""

import difflib
import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import keys

__all__ = [
    "all_here", "boolean", "either", "finite", "floating", "in_numpy", "integer", "is_concrete", "mask", "nearest",
    "not_finite", "number", "one_of", "positive_integer", "refuse", "similar", "typed_key", "weights",
]  # fmt: skip


def is_concrete(tree: Any) -> bool:
    """Whether no leaf of `tree` is traced, so that values can be read."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def all_here(tree: Any) -> bool:
    """Whether this process holds all rows of all arrays."""
    return all(leaf.is_fully_addressable for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array))


# --- options ----------------------------------------------------------------------------------------------------------


def similar(name: str, known: Iterable[str], *, least: float = 0.6) -> str | None:
    """The known word closest in spelling to `name`, or None where none has a similarity of at least `least` in [0, 1].

    >>> similar("respons", ["age", "response"]), similar("ID", ["age", "id"])
    ('response', 'id')
    """
    lowered = {word.lower(): word for word in known}  # upper case is no other spelling
    return next((lowered[word] for word in difflib.get_close_matches(name[:80].lower(), lowered, 1, least)), None)


def nearest(name: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> str:
    """A hint for an error message: the known word closest to `name`, by `meant` or by spelling, and all known words."""
    known = sorted(known)
    close = similar(name, known, least=0.5)
    hint = f"did you mean {close!r}? " if close else ""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    if meant and plain in meant:
        hint = f"{meant[plain]}. "
    return f"{hint}Known: {', '.join(known)}."


def one_of(value: Any, name: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> None:
    """Refuses a word that is not known; the error suggests a known one, by `meant` or by spelling."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {value!r}, which is unknown; {nearest(str(value), known, meant)}")


def number(
    value: Any,
    name: str,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    integer: bool = False,
    traced: bool = True,
    meaning: str = "",
) -> None:
    """Refuses anything but a finite number in its range.

    Args:
      value: the option.
      name: of the option.
      above: a number that it must exceed.
      least: the lowest number allowed.
      below: a number that must exceed it.
      most: the highest number allowed.
      integer: only integers are allowed.
      traced: a traced one, whose value is not known, passes.
      meaning: of the number, for the error message.

    Raises:
      ValueError: it is no number, not finite, or out of range.

    >>> number(2, "q", above=0, most=1)
    Traceback (most recent call last):
    ValueError: q must be a finite number above 0 and at most 1, got 2.
    """
    if traced and isinstance(value, jax.core.Tracer):
        return
    value = _in_python(value)
    wanted = int | np.integer if integer else int | float | np.integer | np.floating
    fits = isinstance(value, wanted) and not isinstance(value, bool) and abs(value) < 2**127 and math.isfinite(value)
    limits = []
    for word, limit, compared in (
        ("above", above, operator.gt),
        ("of at least", least, operator.ge),
        ("below", below, operator.lt),
        ("at most", most, operator.le),
    ):
        if limit is not None:
            fits = fits and compared(value, limit)
            limits.append(f"{word} {limit if isinstance(limit, int) else format(limit, 'g')}")
    if not fits:
        expected = f"{'an integer' if integer else 'a finite number'} {' and '.join(limits)}"
        if limits == ["above 0"]:
            expected = "positive and finite"
        raise ValueError(f"{name} must be {expected}{f' ({meaning})' if meaning else ''}, got {value!r}.")


def _in_python(value: Any) -> Any:
    """An array of one number without axes as a float; anything else as it is."""
    if not isinstance(value, np.ndarray | jax.Array) or isinstance(value, jax.core.Tracer) or value.ndim:
        return value
    numeric = jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)
    return float(value) if numeric else value


def integer(value: Any, name: str, *, least: int = 0, most: int | None = None, meaning: str = "") -> None:
    """Refuses anything but an integer in its range, and a traced one too: it decides on shapes or loops.

    >>> integer(True, "seed")
    Traceback (most recent call last):
    ValueError: seed must be an integer of at least 0, got True.
    """
    number(value, name, least=least, most=most, integer=True, traced=False, meaning=meaning)


def positive_integer(value: Any, name: str) -> None:
    """Refuses anything but an integer of at least one."""
    integer(value, name, least=1)


def boolean(value: Any, name: str) -> None:
    """Refuses anything but True and False.

    >>> boolean("no", "relative")
    Traceback (most recent call last):
    ValueError: relative must be True or False, got 'no'.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}.")


def typed_key(key: Any, name: str = "key") -> None:
    """Refuses anything but one typed key, such as `jax.random.key(0)`."""
    if not keys.is_key(key):
        dtype = getattr(key, "dtype", None)
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            got = f"the number {key}: pass jax.random.key({key})"
        elif dtype is not None and np.issubdtype(dtype, np.integer):
            got = (
                f"an array of {dtype} of shape {list(np.shape(key))}: make it by jax.random.key(0) in place of "
                "jax.random.PRNGKey(0), or pass jax.random.wrap_key_data(key)"
            )
        else:
            got = f"{type(key).__name__}: pass jax.random.key(0)"
        raise TypeError(f"{name} must be a typed random key, got {got}.")
    if jnp.shape(key) != ():
        raise ValueError(f"{name} must be one key, got an array of keys of shape {list(jnp.shape(key))}: pass key[0].")


# --- arrays -----------------------------------------------------------------------------------------------------------


def floating(
    predictions: Any, ndim: int | None = None, axes: str = "", advice: str = "", last: int | None = None
) -> None:
    """Refuses predictions that are not a floating-point array with at least one example.

    If given, they must have `ndim` axes, which `axes` names, of which the last has the length `last`.
    """
    if not hasattr(predictions, "dtype"):
        raise TypeError(f"predictions must be an array, got {type(predictions).__name__}.")
    if not jnp.issubdtype(predictions.dtype, jnp.floating):
        raise TypeError(
            f"predictions must have a floating dtype (they are perturbed and differentiated), got {predictions.dtype}."
        )
    shape = predictions.shape
    if not shape or (ndim is not None and len(shape) != ndim) or (last is not None and shape[-1] != last):
        raise ValueError(f"predictions must have shape {axes or '[B, ...]'}, got {list(shape)}.{advice}")
    if shape[0] == 0:
        raise ValueError("predictions hold no example: the batch is empty. Pass at least one.")


def in_numpy(leaf: Any) -> Any:
    """A concrete array as one of NumPy, so that reading its values compiles nothing; a traced one as one of JAX."""
    return np.asarray(leaf) if is_concrete(leaf) else jnp.asarray(leaf)


def not_finite(values: Any) -> Any:
    """A mask of the values that are NaN, or infinite in single precision; of NumPy where they are concrete."""
    if not is_concrete(values):
        return ~jnp.isfinite(values.astype(jnp.float32))
    with np.errstate(over="ignore"):
        return ~np.isfinite(np.asarray(values, np.float32))


def refuse(wrong: Any, says: Callable[[Any], str]) -> Array | None:
    """Refuses what a concrete mask marks.

    Args:
      wrong: mask `[B, ...]` of values that are wrong.
      says: the error message, given the first index that the mask marks, a tuple.

    Returns:
      None, or for a traced mask the examples `[B]` in which it marks a value.

    Raises:
      ValueError: a concrete mask marks a value.

    >>> refuse(np.array([False, True]), lambda index: f"row {index[0]} is wrong.")
    Traceback (most recent call last):
    ValueError: row 1 is wrong.
    """
    if not is_concrete(wrong):
        return wrong if wrong.ndim == 1 else jnp.any(wrong, axis=tuple(range(1, wrong.ndim)))
    if np.any(wrong):
        raise ValueError(says(tuple(int(i) for i in np.argwhere(wrong)[0])))
    return None


def either(*masks: Array | None) -> Array | None:
    """The examples that any of several masks `[B]` marks; None where all are None."""
    return functools.reduce(operator.or_, given) if (given := [one for one in masks if one is not None]) else None


def finite(predictions: Any, name: str = "predictions") -> None:
    """Refuses NaN and infinities; traced arrays, whose values are not known, pass."""
    if not is_concrete(predictions):
        return
    wrong = not_finite(predictions)
    refuse(
        wrong,
        lambda index: (
            f"{name} hold {int(wrong.sum())} values that are NaN or infinite, the first at index {index}. "
            "The model has probably diverged: lower its learning rate, or clip its gradients."
        ),
    )


def weights(values: Any, batch: int, name: str = "weights") -> Array | None:
    """Refuses weights of examples that are not `[B]` finite numbers of at least 0; for traced ones returns a mask."""
    if values is None:
        return None
    if jnp.shape(values) != (batch,):
        raise ValueError(f"{name} must have shape [{batch}], one for each example, got {list(jnp.shape(values))}.")
    values = in_numpy(values)
    wrong = ~((values >= 0) & (values < np.inf))
    return refuse(wrong, lambda index: f"{name} must be finite numbers of at least 0, got {values[index]}.")


def mask(where: Any, batch: int) -> None:
    """Refuses what is neither a mask `[B]` of booleans nor weights `[B]` of floats of at least 0."""
    if where is None:
        return
    meant = "where must be booleans (True: the example counts) or float weights"
    if not hasattr(where, "dtype"):
        raise TypeError(f"{meant}, an array, got {type(where).__name__}.")
    if jnp.shape(where) != (batch,):
        raise ValueError(f"{meant}, of shape [{batch}], one for each example, got {list(jnp.shape(where))}.")
    dtype = jnp.asarray(where).dtype
    if jnp.issubdtype(dtype, jnp.floating):
        weights(where, batch, "weights in where")
    elif dtype != jnp.bool_:
        raise TypeError(f"{meant}, got dtype {dtype}: cast 0 and 1 with .astype(bool), weights with .astype(float).")
