"""Callbacks to black boxes on the host: sets of examples as NumPy arrays, checks of results, and errors."""

import contextlib
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxsurr.core.types import PyTree
from jaxsurr.metrics.calls import note

__all__ = ["BlackBoxError", "Host", "own_errors"]

_numbers = itertools.count()
_errors: dict[int, Exception] = {}  # the newest errors of black boxes, by the number in their message
_KEPT = 256  # more than devices that fail at the same time


class BlackBoxError(RuntimeError):
    """The stand-in, in messages of JAX, for an error of a black box; `own_errors` raises the error itself."""


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Context, or decorator, in which an error of a black box in compiled code is raised with its own type.

    A compiled program reports every error of a host function as a `jax.errors.JaxRuntimeError` (or a `ValueError` on a
    later call of the same program) with the error's message. In this context the original error is raised, with the
    traceback into the black box. The launchers use it; outside of compiled code it is not needed.

    Wait for results inside the context, since JAX may return before it has computed: read a value, or call
    `jax.block_until_ready`.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> def broken(targets, predictions):
    ...     raise KeyError("no such column")
    >>> metric = jaxsurr.metrics.black_box(broken, higher_is_better=True)
    >>> with own_errors():
    ...     jax.block_until_ready(jax.jit(metric)(jnp.zeros((2, 1)), jnp.zeros(2)))
    Traceback (most recent call last):
    KeyError: 'no such column'
    """
    try:
        yield
    except Exception as reported:
        found = re.search(r"black box error (\d+)", str(reported))
        error = _errors.get(int(found[1])) if found else None
        if error is None:
            raise
        raise error from None


class Host:
    """A black box on the host, called on NumPy arrays of one set or of many."""

    def __init__(self, function, name, options, per_example, stacked, timeout, weighted=False):
        self.function, self.name, self.options, self.weighted = function, name, options, weighted
        self.per_example, self.stacked, self.timeout = per_example, stacked, timeout

    def in_program(self, ndims: PyTree, arguments: PyTree) -> np.ndarray:
        """The callback of a compiled program, with the axes of `vmap` in front, of size 1 where sets share an array."""
        try:
            arguments = jax.tree.map(np.asarray, arguments)
            pairs = list(zip(jax.tree.leaves(arguments), jax.tree.leaves(ndims), strict=True))
            lead = np.broadcast_shapes(*(leaf.shape[: leaf.ndim - ndim] for leaf, ndim in pairs))

            def sets(leaf, ndim):
                event = leaf.shape[leaf.ndim - ndim :]
                return np.broadcast_to(leaf, lead + event).reshape(-1, *event)

            values = self.of_sets(*jax.tree.map(sets, arguments, ndims))
            return values.reshape(lead + values.shape[1:])
        except Exception as error:
            number = next(_numbers)
            _errors[number] = error
            _errors.pop(number - _KEPT, None)
            raise BlackBoxError(
                f"{self.name} raised {type(error).__name__}: {error} (black box error {number}; inside "
                "`with jaxsurr.metrics.own_errors():` it is raised as itself)"
            ) from error

    def __call__(self, predictions, targets, counts, finite) -> np.ndarray:
        one = jax.tree.map(lambda leaf: leaf[None], (predictions, targets, counts, finite))
        return self.of_sets(*one)[0]

    def of_sets(self, predictions, targets, counts, finite) -> np.ndarray:
        """Values `[S]` or `[S, B]` of S sets, all arrays `[S, B, ...]`."""
        if self.per_example:
            values = np.where(counts & ~finite, np.nan, 0).astype(np.float32)
            rows = counts & finite
            note(int(rows.any(axis=1).sum()))
            if rows.any():
                values[rows] = self.values(targets, predictions, lambda leaf: leaf[rows], (int(rows.sum()),))
            return values
        sound = ~np.any(counts & ~finite, axis=1)
        values = np.where(sound, 0, np.nan).astype(np.float32)
        sound &= counts.any(axis=1)
        note(int(sound.sum()))
        if self.stacked and sound.any() and (counts == counts[:1]).all():
            rows = np.ix_(sound, counts[0])
            values[sound] = self.values(targets, predictions, lambda leaf: leaf[rows], (int(sound.sum()),))
        else:
            for s in np.flatnonzero(sound):
                if self.stacked:
                    values[s] = self.values(targets, predictions, lambda leaf, s=s: leaf[s, counts[s]][None], (1,))[0]
                else:
                    values[s] = self.values(targets, predictions, lambda leaf, s=s: leaf[s, counts[s]], ())
        return values

    def values(self, targets: PyTree, predictions: np.ndarray, take: Callable, shape: tuple[int, ...]) -> np.ndarray:
        """One call of the function, on copies, and the check of its result."""
        got = self.in_time(jax.tree.map(take, targets), take(predictions))
        result = np.asarray(got)
        if result.dtype.kind not in "fiub":
            raise TypeError(f"{self.name} must return real numbers, got {type(got).__name__} of dtype {result.dtype}.")
        if result.shape != shape:
            wanted = (
                f"one number for each of {shape[0]} {'examples' if self.per_example else 'sets'}"
                if shape
                else "one number"
            )
            advice = "" if self.per_example or shape else " Declare a value for each example with per_example=True."
            if self.weighted:
                wanted, advice = f"{wanted} when it is given sample_weight=", " Let it return what it does without."
            raise ValueError(
                f"{self.name} must return {wanted}, shape {list(shape)}, got {list(result.shape)}.{advice}"
            )
        if not np.isfinite(result).all():
            bad = result[~np.isfinite(result)].flat[0]
            raise ValueError(
                f"{self.name} returned {bad} for finite predictions. Let it return the number that such examples "
                "should count as."
            )
        return result

    def in_time(self, targets: PyTree, predictions: np.ndarray) -> Any:
        """The function's result, within the time limit."""
        if self.timeout is None:
            return self.function(targets, predictions, **self.options)
        outcome = {}

        def work():
            try:
                outcome["result"] = self.function(targets, predictions, **self.options)
            except BaseException as error:  # raised in the thread that waits
                outcome["error"] = error

        thread = threading.Thread(target=work, daemon=True, name=f"black box {self.name}")
        thread.start()
        thread.join(self.timeout)
        if not outcome:
            raise TimeoutError(f"{self.name} took longer than {self.timeout} s, the timeout that it was given.")
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]
