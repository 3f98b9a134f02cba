"""Numbers of evaluations of black boxes: counted while they are asked, and known before.

An evaluation is one set of examples. Where a function takes several sets at once (`stacked`), or all their examples
(`per_example`), one call of it is several evaluations. Outside of compiled code a look at whether the order of the
examples matters asks for five more (`jaxsurr.smoothing.order`).
"""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

__all__ = ["Calls", "calls_of", "count_calls", "note"]


@dataclasses.dataclass
class Calls:
    """The number of evaluations so far."""

    number: int = 0


_counting: list[Calls] = []
_lock = threading.Lock()  # callbacks come from threads of the compiled programs


def note(sets: int) -> None:
    """Counts evaluations of a black box on so many sets."""
    with _lock:
        for calls in _counting:
            calls.number += sets


@contextlib.contextmanager
def count_calls(calls: Calls | None = None) -> Iterator[Calls]:
    """Context that counts the evaluations of all black boxes of this process, in compiled code too.

    JAX may return before it has computed: read a value, or call `jax.block_until_ready`, before the number is read.

    Args:
      calls: whose number is raised; by default new ones.

    >>> import jax.numpy as jnp, jaxsurr
    >>> share = jaxsurr.metrics.black_box(lambda targets, predictions: predictions.mean(), higher_is_better=True)
    >>> with jaxsurr.metrics.count_calls() as calls:
    ...     values = jax.block_until_ready(jax.jit(jax.vmap(share, (0, None)))(jnp.ones((3, 4)), jnp.zeros(4)))
    >>> calls.number
    3
    """
    calls = Calls() if calls is None else calls
    with _lock:
        _counting.append(calls)
    try:
        yield calls
    finally:
        with _lock:
            _counting[:] = [other for other in _counting if other is not calls]


def calls_of(function: Callable[..., Any], *arguments: Any) -> int:
    """Evaluations of black boxes that a function asks for, without asking: it is traced only.

    Of branches the dearest counts, and a loop whose length is not known counts once. It is 0 for metrics in JAX.

    >>> import jax.numpy as jnp, jaxsurr
    >>> share = jaxsurr.metrics.black_box(lambda targets, predictions: predictions.mean(), higher_is_better=True)
    >>> calls_of(share, jnp.ones(4), jnp.zeros(4)), calls_of(jax.vmap(share), jnp.ones((3, 4)), jnp.zeros((3, 4)))
    (1, 3)
    >>> surrogate, z, y = jaxsurr.correlated_gradients(share, num_pairs=4), jnp.ones((8, 1)), jnp.zeros(8)
    >>> state = surrogate.init(jax.random.key(0), z, y)
    >>> calls_of(surrogate.update, state, jax.random.key(1), z, y) >= 8  # 2 a pair, as often as its estimator asks
    True
    """
    return _within(jax.make_jaxpr(function)(*arguments).jaxpr)


def _within(jaxpr: Jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "pure_callback":
            last: Any = equation.invars[-1].aval  # one number for each example (`black_box`), after the axes of sets
            result: Any = equation.outvars[0].aval
            total += math.prod(result.shape[: max(last.ndim - 1, 0)])
            continue
        inner = [_within(one) for value in equation.params.values() for one in _programs(value)]
        number = max(inner, default=0) if equation.primitive.name == "cond" else sum(inner)
        total += number * (equation.params["length"] if equation.primitive.name == "scan" else 1)
    return total


def _programs(value: Any) -> list[Jaxpr]:
    """The programs among the parameters of an operation."""
    if isinstance(value, tuple | list):
        return [one for each in value for one in _programs(each)]
    if isinstance(value, ClosedJaxpr):
        return [value.jaxpr]
    return [value] if isinstance(value, Jaxpr) else []
