"""Options of XLA with which programs of many small operations compile on a CPU in about half the time."""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax

__all__ = ["compiler_options", "few_times", "once", "quick"]

_QUICK: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
_LEVEL = "xla_backend_optimization_level"


def compiler_options(*, few_runs: bool = False) -> dict[str, Any] | None:
    """Options for `jax.jit(step, compiler_options=...)` of a step with a surrogate: compiled sooner, and as fast.

    Updates of a surrogate are many small operations, on which XLA's newer emitters of fused loops spend much time. What
    is computed is the same to rounding. Calls outside of `jax.jit` and the launchers use them by themselves. Inside
    another `jax.jit` JAX takes no options. A device is looked up. One more can only be set before JAX starts: with
    `XLA_FLAGS=--xla_backend_extra_options=xla_cpu_disable_loop_unrolling` programs of surrogates compile in three
    quarters of the time, and run as fast.

    Args:
      few_runs: also optimise less, for what runs a few times: it may then run up to a tenth slower.

    Returns:
      Those that this version of XLA knows and that `XLA_FLAGS` does not set; None where there are none, as on a GPU.

    >>> import jax
    >>> jax.jit(lambda x: x + 1, compiler_options=compiler_options())(1.0).item()
    2.0
    """
    return _known(_QUICK | ({_LEVEL: 1} if few_runs else {}))


def _known(wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Those options that this version of XLA knows and that are not set outside; None on a device, or without any."""
    if jax.default_backend() != "cpu":
        return None
    set_outside = os.environ.get("XLA_FLAGS", "")
    return {name: to for name, to in wanted.items() if name not in set_outside and _is_known(name, to)} or None


@functools.cache
def _is_known(name: str, value: Any) -> bool:
    """XLA refuses to compile with an option that it does not have."""
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def quick(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`jax.jit` with `compiler_options()`, for what is not called within another; a device is looked up."""
    return jax.jit(function, compiler_options=compiler_options(), **options)


def few_times(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.jit` for what runs a few times, and is not called within another."""
    return jax.jit(function, compiler_options=compiler_options(few_runs=True))


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.jit` for what runs a single time: compiled in a third of the time, and up to four times slower."""
    return jax.jit(function, compiler_options=_known(_QUICK | {_LEVEL: 0}))
