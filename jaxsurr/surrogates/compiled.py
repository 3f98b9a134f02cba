"""Functions of a surrogate that compile themselves where they are called outside of compiled code."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxsurr.core.compiling import few_times
from jaxsurr.core.meshes import explicit_mesh
from jaxsurr.core.types import PyTree
from jaxsurr.core.whole import outside, values_of
from jaxsurr.metrics.host import own_errors

__all__ = ["compiled", "is_array"]

_READS_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def is_array(leaf: Any) -> bool:
    """Whether `jax.jit` takes it as an argument whose values it does not know."""
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.dtype.kind in "biufcV"  # V: bfloat16 and other extensions
    return isinstance(leaf, jax.Array | bool | int | float)


def compiled(
    function: Callable[..., PyTree],
    look: Callable[..., Any],
    is_sound: Callable[[PyTree], bool],
    jit: Callable[..., Any] = few_times,
) -> Callable[..., PyTree]:
    """A pure function that can be called anywhere, and is compiled whole wherever it is called.

    Inside `jax.jit` it is part of what is compiled there. Outside, where jax would compile each operation alone, values
    can still be seen: `look` refuses in words what is wrong with them, and a program is run that is compiled once for
    each form of the arguments. Outside is also within `jax.grad` that nobody compiles. Where a function cannot be
    compiled, or its result is not sound, it is called as it is, so that it can say in words why.

    Args:
      function: of pytrees of arrays. Keyword-only arguments that are not None (functions, names of axes) are for
        callers that compile it themselves.
      look: the same arguments without the keyword-only ones; raises, or does nothing.
      is_sound: of the function's result, as arrays with values.
      jit: one of `jaxsurr.core.compiling`; updates that are optimised for a few runs are as fast.
    """
    signature, traced = inspect.signature(function), jax.jit(function)
    program = functools.cache(lambda: jit(function))  # looks a device up

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> PyTree:
        bound = signature.bind(*args, **options)
        leaves = jax.tree.leaves(bound.args)
        if any(option is not None for option in bound.kwargs.values()) or not all(map(is_array, leaves)):
            return function(*args, **options)
        known = values_of(bound.args)
        if known is None:
            return function(*args, **options)
        if explicit_mesh(known) is None:
            look(*known)
        try:
            with own_errors():
                result = outside(program(), traced, *bound.args)
        except _READS_VALUES:
            return function(*bound.args)
        return result if is_sound(values_of(result)) else function(*bound.args)

    return call
