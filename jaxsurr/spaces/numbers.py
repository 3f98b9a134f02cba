"""Spaces of numbers: errors in the unit of the targets, errors relative to the target, intervals."""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core import checks
from jaxsurr.core.numbers import ends, number, target_size
from jaxsurr.core.types import Array, Space
from jaxsurr.spaces.invariance import columns, unit_one, unprojected

__all__ = ["number_intervals", "real_numbers", "relative_numbers"]

_LEAST = 1e-6  # of the errors' spread: targets may be in any unit


def _error(predictions: Array, targets: Array) -> Array:
    return number(predictions) - targets.astype(predictions.dtype)


def _length(error: Array) -> Array:
    """The size of an error, with gradient 0 where it is 0."""
    return jnp.where(error == 0, 0, jnp.abs(jnp.where(error == 0, 1, error)))


def _of_error(error: Array) -> tuple[Array, Array]:
    """Features of errors in scales, `[B, 1, F]`, near and far from 0; of one item each."""
    size = _length(error)
    features = jnp.stack([error, size, error / 8, size / 8, jnp.log1p(size**2)], axis=-1)
    return features[:, None], jnp.ones_like(size)[:, None]


def _margins_of(error: Array) -> tuple[Array, Array]:
    return -_length(error)[:, None, None], jnp.ones_like(error)[:, None]


def _losses_of(error: Array) -> Array:
    nothing = jnp.zeros_like(error)
    atoms = (losses.absolute_error, losses.huber, losses.squared_error)
    return jnp.stack([loss(error, nothing) for loss in atoms], axis=-1)


def _alike_of(error: Array) -> tuple[Array, Array]:
    """The errors, compressed, and none."""
    return jnp.arcsinh(error)[:, None], jnp.zeros_like(error)[:, None]


def _sampled_errors(key: Array, rows: int) -> Array:
    """Random errors of many sizes, from a hundredth of a unit to ten."""
    size_key, sign_key = jax.random.split(key)
    size = jnp.exp(jax.random.uniform(size_key, (rows,), minval=-4.6, maxval=2.3))
    return size * jax.random.rademacher(sign_key, (rows,), size.dtype)


def _sample_numbers(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    target_key, error_key = jax.random.split(key)
    targets = 3 * jax.random.normal(target_key, (rows,))
    return targets + _sampled_errors(error_key, rows), targets


real_numbers = Space(
    name="real_numbers",
    unit=unit_one,
    spread=lambda predictions, targets: _error(predictions, targets) ** 2,
    project=unprojected,
    features=lambda predictions, targets, scale: _of_error(_error(predictions, targets) / scale),
    margins=lambda predictions, targets, scale: _margins_of(_error(predictions, targets) / scale),
    margin_range=(-16.0, 0.0),
    losses=lambda predictions, targets, scale: _losses_of(_error(predictions, targets) / scale),
    check=checks.numbers,
    least=_LEAST,
    sample=_sample_numbers,
    alike=lambda predictions, targets: _alike_of(_error(predictions, targets)),
    decisions=columns(1, sign=-1),
)
"""Numbers `[B]` or `[B, 1]` in the unit of the targets `[B]`; invariant to a shift of both.

The smoothing scale is relative to the spread of the errors, the root of their mean square, which is also the deviation
of the noise that a normal likelihood assumes (`natural`). A decision is whether a prediction is near enough to its
target: within a tolerance.
"""


def _relative(predictions: Array, targets: Array) -> Array:
    return _error(predictions, targets) / target_size(targets, predictions.dtype)


def _relative_unit(predictions: Array, targets: Array) -> Array:
    size = target_size(targets, predictions.dtype)
    return size.reshape(-1, *(1,) * (predictions.ndim - 1))


def _sample_relative(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random targets of either sign, of sizes from 1/e^3 to e^3, and predictions about a tenth of them away."""
    target_key, sign_key, error_key = jax.random.split(key, 3)
    length = jnp.exp(jax.random.uniform(target_key, (rows,), minval=-3.0, maxval=3.0))
    targets = length * jax.random.rademacher(sign_key, (rows,), length.dtype)
    return targets + 0.1 * length * _sampled_errors(error_key, rows), targets


relative_numbers = Space(
    name="relative_numbers",
    unit=_relative_unit,
    spread=lambda predictions, targets: _relative(predictions, targets) ** 2,
    project=unprojected,
    features=lambda predictions, targets, scale: _of_error(_relative(predictions, targets) / scale),
    margins=lambda predictions, targets, scale: _margins_of(_relative(predictions, targets) / scale),
    margin_range=(-16.0, 0.0),
    losses=lambda predictions, targets, scale: _losses_of(_relative(predictions, targets) / scale),
    check=checks.numbers,
    least=_LEAST,
    sample=_sample_relative,
    alike=lambda predictions, targets: _alike_of(_relative(predictions, targets)),
    decisions=columns(1, sign=-1),
)
"""Numbers `[B]` or `[B, 1]`, and targets `[B]` whose size is the unit of an example; invariant to a factor of both.

A target of size below 1e-6 counts as that size.
"""


# --- intervals --------------------------------------------------------------------------------------------------------


def _within(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """How far the target lies above the lower end and below the upper end, in scales."""
    low, high = ends(predictions)
    y = targets.astype(predictions.dtype)
    return (y - low) / scale, (high - y) / scale


def _interval_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    above, below = _within(predictions, targets, scale)
    inside, width = jnp.minimum(above, below), above + below
    missed = jnp.maximum(-inside, 0)
    features = [inside, above, below, width, width / 8, missed / 8, jnp.log1p(width**2), jnp.log1p(missed**2)]
    return jnp.stack(features, axis=-1)[:, None], jnp.ones_like(inside)[:, None]


def _interval_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    above, below = _within(predictions, targets, scale)
    inside = jnp.minimum(above, below)
    return jnp.stack([inside, -(above + below)], axis=-1)[:, None], jnp.ones_like(inside)[:, None]


def _interval_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    above, below = _within(predictions, targets, scale)
    in_scales = jnp.stack([-above, below], axis=-1)
    return losses.interval_score(in_scales, jnp.zeros_like(above))[:, None]


def _interval_spread(predictions: Array, targets: Array) -> Array:
    above, below = _within(predictions, targets, jnp.ones((), predictions.dtype))
    return (above**2 + below**2) / 2


def _sample_intervals(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random intervals of many widths about numbers that are off by random errors."""
    number_key, width_key = jax.random.split(key)
    middle, targets = _sample_numbers(number_key, rows, size)
    half = jnp.abs(_sampled_errors(width_key, rows))
    return jnp.stack([middle - half, middle + half], axis=-1), targets


number_intervals = Space(
    name="number_intervals",
    unit=unit_one,
    spread=_interval_spread,
    project=unprojected,
    features=_interval_features,
    margins=_interval_margins,
    margin_range=(-16.0, 4.0),
    losses=_interval_losses,
    check=checks.intervals,
    least=_LEAST,
    sample=_sample_intervals,
    alike=lambda predictions, targets: (
        jnp.arcsinh(jnp.stack(ends(predictions), axis=-1) - targets.astype(predictions.dtype)[:, None]),
        jnp.zeros_like(predictions),
    ),
    decisions=columns(0),
)
"""Intervals `[B, 2]` in the unit of the targets `[B]`; invariant to a shift of both, and to an exchange of the ends.

A decision is whether the interval holds the target.
"""
