"""Predictions that are numbers, one or several for each example: their errors, and their order."""

from typing import Any

import jax.numpy as jnp

from jaxsurr.core.targets import Durations, check_durations, check_number
from jaxsurr.core.types import Array, PyTree

__all__ = [
    "LEAST_TARGET", "as_durations", "check_ordered", "comes_first", "errors", "in_columns", "mean_output", "number",
    "target_size",
]  # fmt: skip

LEAST_TARGET = 1e-6
"""The size that smaller targets count as where an error is divided by its target."""


def number(predictions: Array) -> Array:
    """The number of each example: `[B]` or `[B, 1]` to `[B]`."""
    return predictions if predictions.ndim == 1 else predictions[:, 0]


def in_columns(numbers: Array) -> Array:
    """The numbers of each example, `[B]` as `[B, 1]`, and `[B, D]` as it is."""
    return numbers[:, None] if numbers.ndim == 1 else numbers


def errors(predictions: Array, targets: Array) -> Array:
    """`z - y` of each output, `[B, D]` in the dtype of the predictions."""
    return in_columns(predictions) - in_columns(targets).astype(predictions.dtype)


def mean_output(values: Array) -> Array:
    """The mean over outputs, `[..., D]` to `[...]`: scikit-learn's `multioutput="uniform_average"`."""
    return jnp.mean(values, axis=-1)


def target_size(targets: Array, dtype: Any) -> Array:
    """The size of each target, which its error is divided by; at least `LEAST_TARGET`."""
    return jnp.maximum(jnp.abs(targets.astype(dtype)), LEAST_TARGET)


def check_ordered(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not one number each, and targets that are neither `Durations` nor numbers `[B]`."""
    if isinstance(targets, Durations):
        return check_durations(predictions, targets)
    return check_number(predictions, targets)


def as_durations(targets: PyTree, dtype: Any) -> tuple[Array, Array]:
    """Times `[B]` and a mask of seen events `[B]`; numbers are times of events that were all seen."""
    if isinstance(targets, Durations):
        return targets.time.astype(dtype), targets.event > 0
    return targets.astype(dtype), jnp.ones(targets.shape, bool)


def comes_first(time: Array, event: Array) -> Array:
    """Whether the event of i is known to come before that of j, `[B, B]` bool at `[i, j]`.

    It is where the event of i was seen and j lasted longer, or as long without an event. Of two events at the same time
    none comes first.
    """
    ends_before = time[:, None] < time[None]
    survived = (time[:, None] == time[None]) & ~event[None]
    return event[:, None] & (ends_before | survived)
