"""Spaces of numbers: errors in the unit of the targets, and errors relative to the target.

The items of an example are its outputs, each of which is read alone. Of several the features also say which output it
is, as a metric may count an error in one for more than the same error in another; a surrogate is then bound to their
number.
"""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.numbers import errors, in_columns, mean_output, target_size
from jaxsurr.core.targets import check_numbers
from jaxsurr.core.types import Array, Space
from jaxsurr.spaces.invariance import columns, unit_one, unprojected

__all__ = ["real_numbers", "relative_numbers"]

LEAST_ERROR = 1e-6
"""The smallest spread of errors that the smoothing scale is relative to; targets may be in any unit."""


def _length(error: Array) -> Array:
    """The size of an error, with gradient 0 where it is 0."""
    return jnp.where(error == 0, 0, jnp.abs(jnp.where(error == 0, 1, error)))


def _of_error(error: Array) -> tuple[Array, Array]:
    """Features of errors in scales, `[B, D, F]`, near and far from 0, and of several outputs which one it is."""
    size, outputs = _length(error), error.shape[1]
    features = jnp.stack([error, size, error / 8, size / 8, jnp.log1p(size**2)], axis=-1)
    if outputs > 1:
        names = jnp.broadcast_to(jnp.eye(outputs, dtype=error.dtype)[None], (*error.shape, outputs))
        features = jnp.concatenate([features, names], axis=-1)
    return features, _weights(error)


def _weights(error: Array) -> Array:
    return jnp.full_like(error, 1 / error.shape[1])


def _margins_of(error: Array) -> tuple[Array, Array]:
    return -_length(error)[..., None], _weights(error)


def _losses_of(error: Array) -> Array:
    nothing = jnp.zeros_like(error)
    atoms = (losses.absolute_error, losses.huber, losses.squared_error)
    return jnp.stack([loss(error, nothing) for loss in atoms], axis=-1)


def _alike_of(error: Array) -> tuple[Array, Array]:
    """The errors, compressed, and none."""
    return jnp.arcsinh(error), jnp.zeros_like(error)


def sampled_errors(key: Array, rows: int) -> Array:
    """Random errors of many sizes, from a hundredth of a unit to ten."""
    size_key, sign_key = jax.random.split(key)
    size = jnp.exp(jax.random.uniform(size_key, (rows,), minval=-4.6, maxval=2.3))
    return size * jax.random.rademacher(sign_key, (rows,), size.dtype)


def sample_numbers(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random targets, one of an example, and predictions that are off by random errors."""
    target_key, error_key = jax.random.split(key)
    targets = 3 * jax.random.normal(target_key, (rows,))
    return targets + sampled_errors(error_key, rows), targets


real_numbers = Space(
    name="real_numbers",
    unit=unit_one,
    squared_size=lambda predictions, targets: mean_output(errors(predictions, targets) ** 2),
    project=unprojected,
    features=lambda predictions, targets, scale: _of_error(errors(predictions, targets) / scale),
    margins=lambda predictions, targets, scale: _margins_of(errors(predictions, targets) / scale),
    margin_range=(-16.0, 0.0),
    losses=lambda predictions, targets, scale: _losses_of(errors(predictions, targets) / scale),
    check=check_numbers,
    spanned=True,
    least=LEAST_ERROR,
    sample=sample_numbers,
    alike=lambda predictions, targets: _alike_of(errors(predictions, targets)),
    decisions=columns(1, sign=-1),
)
"""Numbers `[B]`, `[B, 1]` or `[B, D]` in the unit of the targets `[B]` or `[B, D]`; invariant to a shift of both.

The smoothing scale is relative to the spread of the errors, the root of their mean square, which is also the deviation
of the noise that a normal likelihood assumes (`natural`). A decision is whether a prediction is near enough to its
target: within a tolerance. The noise is as large in all of several outputs: bring them to units in which their errors
are about equal. The atoms of the basis family are the same for all.
"""


def _relative(predictions: Array, targets: Array) -> Array:
    return errors(predictions, targets) / target_size(in_columns(targets), predictions.dtype)


def _relative_unit(predictions: Array, targets: Array) -> Array:
    size = target_size(targets, predictions.dtype)
    return in_columns(size) if predictions.ndim == 2 else size


def _sample_relative(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random targets of either sign, of sizes from 1/e^3 to e^3, and predictions about a tenth of them away."""
    target_key, sign_key, error_key = jax.random.split(key, 3)
    length = jnp.exp(jax.random.uniform(target_key, (rows,), minval=-3.0, maxval=3.0))
    targets = length * jax.random.rademacher(sign_key, (rows,), length.dtype)
    return targets + 0.1 * length * sampled_errors(error_key, rows), targets


relative_numbers = Space(
    name="relative_numbers",
    unit=_relative_unit,
    squared_size=lambda predictions, targets: mean_output(_relative(predictions, targets) ** 2),
    project=unprojected,
    features=lambda predictions, targets, scale: _of_error(_relative(predictions, targets) / scale),
    margins=lambda predictions, targets, scale: _margins_of(_relative(predictions, targets) / scale),
    margin_range=(-16.0, 0.0),
    losses=lambda predictions, targets, scale: _losses_of(_relative(predictions, targets) / scale),
    check=check_numbers,
    spanned=True,
    least=LEAST_ERROR,
    sample=_sample_relative,
    alike=lambda predictions, targets: _alike_of(_relative(predictions, targets)),
    decisions=columns(1, sign=-1),
)
"""Numbers `[B]`, `[B, 1]` or `[B, D]`, and targets `[B]` or `[B, D]`, whose size is the unit; invariant to a factor.

A target of size below 1e-6 counts as that size.
"""
