"""What spaces share: the unit of noise, and the projection where a shift changes nothing."""

import jax.numpy as jnp

from jaxsurr.core.types import Array, PyTree

FAR = -1e30  # stands in for minus infinity where a gradient must stay finite
LEAST = 0.1  # of the spread of logits: a head that starts at zero has none, and the gradient is one over it


def unit_one(predictions: Array, targets: PyTree) -> Array:
    """One unit of noise is a step of 1 in every coordinate."""
    return jnp.ones((), predictions.dtype)


def centred(array: Array) -> Array:
    """About its mean along the last axis: without the part along a shift of all logits."""
    return array - jnp.mean(array, axis=-1, keepdims=True)
