"""Losses and metrics that are compiled whole where they are called outside of compiled code."""

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax
import jax.core
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.compiling import few_times
from jaxsurr.core.meshes import explicit_mesh
from jaxsurr.core.reductions import are_weights
from jaxsurr.core.types import PyTree

__all__ = ["ARRAYS", "all_finite", "outside", "values_of", "whole"]

Function = TypeVar("Function", bound=Callable[..., Any])

ARRAYS = ("predictions", "targets", "where", "weights", "replacements")
"""Arguments that hold arrays; the others are options, fixed when a program is compiled."""

_MOST = 8
"""Programs of different options that are kept of a function: a search among many calls it as it is."""


def whole(function: Function) -> Function:
    """A pure function of arrays and options that is one program wherever it is called.

    Inside `jax.jit` it is part of what is compiled there. Outside, also within a `jax.grad` that nobody compiles, JAX
    would compile and run each operation alone, which takes several times longer (`jaxsurr.benchmarks.outside`). There
    values can be seen, too: where the program's result is not finite, or arguments are refused, the function is called
    as it is, so that it says in words what is wrong; with arguments of other kinds it is called so at once.

    Args:
      function: of `ARRAYS`, by position or name, and options by name. What it refuses where values are known makes its
        result NaN where they are not.

    >>> import jax.numpy as jnp
    >>> @whole
    ... def squares(predictions, *, power=2):
    ...     return predictions**power
    >>> squares(jnp.array([3.0])).tolist()
    [9.0]
    """
    programs: dict[tuple, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        arrays = {name: value for name, value in named.items() if name in ARRAYS}
        options = {name: value for name, value in named.items() if name not in ARRAYS}
        known = values_of(jax.tree.leaves((args, arrays)))
        if known is None or not all(map(_is_array, known)) or not all(map(_is_plain, options.values())):
            return function(*args, **named)
        form = tuple((name, type(value), value) for name, value in sorted(options.items()))
        too_many = len(programs) == _MOST and form not in programs
        if too_many or explicit_mesh(known) is not None:
            return function(*args, **named)
        if form not in programs:
            fixed = functools.partial(function, **options)
            programs[form] = few_times(fixed), jax.jit(fixed)
        where = arrays.get("where")
        with contextlib.suppress(TypeError, ValueError):  # which are raised again, by the function itself
            if are_weights(where):  # values of examples, which are not weighted, would not tell of a wrong one
                checks.weights(values_of(where), len(where))
            result = outside(*programs[form], *args, **arrays)
            if all_finite(values_of(result)):
                return result
        return function(*args, **named)

    return cast(Function, call)


def outside(program: Callable[..., PyTree], traced: Callable[..., PyTree], *args: Any, **named: Any) -> PyTree:
    """What a program gives, or where a `jax.grad` traces its arguments, what another gives that JAX differentiates.

    Where nothing is traced the result has values, also inside of a function that is traced and closes over arguments.
    """
    if not checks.is_concrete((args, named)):
        return traced(*args, **named)
    with jax.core.eval_context():
        return jax.block_until_ready(program(*args, **named))


def values_of(tree: PyTree) -> Any:
    """The same arrays where their values are known, also those that a `jax.grad` traces outside of `jit`, else None.

    In compiled code the first that is traced tells, so that little is added to it.
    """
    traced = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.core.Tracer)]
    if not traced:
        return tree
    if not checks.is_concrete(jax.lax.stop_gradient(traced[0])):
        return None
    known = jax.lax.stop_gradient(tree)
    return known if checks.is_concrete(known) else None


def all_finite(values: PyTree) -> bool:
    """Whether all numbers are finite."""
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.device_get(values)))


def _is_array(leaf: Any) -> bool:
    """Whether it means the same to a program; an integer beyond 32 bits would be another one there."""
    if isinstance(leaf, jax.Array):
        return True
    if type(leaf) is not np.ndarray or leaf.dtype.kind not in "biufV":  # V: bfloat16 and other extensions
        return False
    held = jax.dtypes.canonicalize_dtype(leaf.dtype)
    if leaf.dtype.kind not in "iu" or held == leaf.dtype or leaf.size == 0:
        return True
    return bool(np.iinfo(held).min <= leaf.min() and leaf.max() <= np.iinfo(held).max)


def _is_plain(option: Any) -> bool:
    """Whether it is a number, a word, or several in a tuple, which a program can be known by."""
    if isinstance(option, tuple):
        return all(map(_is_plain, option))
    return isinstance(option, str | bool | int | float | types.NoneType)
