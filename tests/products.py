"""Products in a traced program that an accelerator may round: only accelerators do, and only what is not asked for."""

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr


def operations(value):
    """All operations of a program and of the programs inside it."""
    if isinstance(value, tuple | list):
        for one in value:
            yield from operations(one)
    elif isinstance(value, ClosedJaxpr | Jaxpr):
        for equation in value.eqns:
            yield equation
            yield from operations(tuple(equation.params.values()))


def rounded(program):
    """Products of floats in a program that do not ask for all bits of their dtype."""
    return [
        str(operation)
        for operation in operations(program)
        if operation.primitive.name in ("dot_general", "conv_general_dilated")
        and jnp.issubdtype(operation.outvars[0].aval.dtype, jnp.floating)
        and operation.params["precision"] not in (jax.lax.Precision.HIGHEST, (jax.lax.Precision.HIGHEST,) * 2)
    ]


def exact(function, *arguments):
    """The compiled function, none of whose products may be rounded."""
    traced = jax.jit(function).trace(*arguments)
    assert rounded(traced.jaxpr) == []
    return traced.lower().compile()
