"""The space of intervals for targets that are numbers."""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.targets import check_intervals
from jaxsurr.core.types import Array, Space
from jaxsurr.spaces.invariance import columns, unit_one, unprojected
from jaxsurr.spaces.numbers import LEAST_ERROR, sample_numbers, sampled_errors

__all__ = ["number_intervals"]


def _within(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """How far the target lies above the lower end and below the upper end, in scales."""
    y = targets.astype(predictions.dtype)
    return (y - predictions[:, 0]) / scale, (predictions[:, 1] - y) / scale


def _features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    above, below = _within(predictions, targets, scale)
    inside, width = jnp.minimum(above, below), above + below
    missed = jnp.maximum(-inside, 0)
    features = [inside, above, below, width, width / 8, missed / 8, jnp.log1p(width**2), jnp.log1p(missed**2)]
    return jnp.stack(features, axis=-1)[:, None], jnp.ones_like(inside)[:, None]


def _margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    above, below = _within(predictions, targets, scale)
    inside = jnp.minimum(above, below)
    return jnp.stack([inside, -(above + below)], axis=-1)[:, None], jnp.ones_like(inside)[:, None]


def _losses(predictions: Array, targets: Array, scale: Array) -> Array:
    above, below = _within(predictions, targets, scale)
    in_scales = jnp.stack([-above, below], axis=-1)
    return losses.interval_score(in_scales, jnp.zeros_like(above))[:, None]


def _squared_size(predictions: Array, targets: Array) -> Array:
    above, below = _within(predictions, targets, jnp.ones((), predictions.dtype))
    return (above**2 + below**2) / 2


def _sample_intervals(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random intervals of many widths about numbers that are off by random errors."""
    number_key, width_key = jax.random.split(key)
    middle, targets = sample_numbers(number_key, rows, size)
    half = jnp.abs(sampled_errors(width_key, rows))
    return jnp.stack([middle - half, middle + half], axis=-1), targets


number_intervals = Space(
    name="number_intervals",
    unit=unit_one,
    squared_size=_squared_size,
    project=unprojected,
    features=_features,
    margins=_margins,
    margin_range=(-16.0, 4.0),
    losses=_losses,
    check=check_intervals,
    spanned=True,
    least=LEAST_ERROR,
    sample=_sample_intervals,
    alike=lambda predictions, targets: (
        jnp.arcsinh(predictions - targets.astype(predictions.dtype)[:, None]),
        jnp.zeros_like(predictions),
    ),
    decisions=columns(0),
)
"""Intervals `[B, 2]` in the unit of the targets `[B]`; invariant to a shift of both.

A decision is whether the interval holds the target.
"""
