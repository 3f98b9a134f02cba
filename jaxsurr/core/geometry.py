"""Distances of predicted points from their targets."""

import jax
import jax.numpy as jnp

from jaxsurr.core.types import Array, Keypoints


def relative_distance(predictions: Array, targets: Keypoints) -> Array:
    """Euclidean distance of each point from its target over the example's scale; its gradient at distance 0 is 0.

    It is 0 for points that are not visible, whatever they hold.

    Args:
      predictions: `[B, J, 2]` float, in the unit of the targets.
      targets: `Keypoints`.

    Returns:
      `[B, J]`, in scales.
    """
    visible = jnp.asarray(targets.visible) > 0
    apart = jnp.where(visible[..., None], predictions - targets.points, 0)
    # In units of the larger coordinate, so that the square of no size overflows or vanishes.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(apart), axis=-1, keepdims=True))
    positive = largest != 0  # a NaN is not 0 and stays
    unit = jnp.where(positive, largest, 1)
    squared = jnp.where(positive[..., 0], jnp.sum((apart / unit) ** 2, axis=-1), 1)
    scale = jnp.where(jnp.any(visible, axis=1), targets.scale, 1)
    return jnp.where(positive[..., 0], unit[..., 0] * jnp.sqrt(squared), 0) / scale[:, None]


def visible_weights(targets: Keypoints, dtype=jnp.float32) -> Array:
    """Weights of an example's points: one over the number of visible ones, 0 for the others; `[B, J]`."""
    visible = (jnp.asarray(targets.visible) > 0).astype(dtype)
    return visible / jnp.maximum(jnp.sum(visible, axis=1, keepdims=True), 1)


def mean_over_visible(values: Array, targets: Keypoints) -> Array:
    """Mean over the visible points, 0 where there is none: `[B, J]` or `[B, J, M]` to `[B]` or `[B, M]`."""
    weights = visible_weights(targets, values.dtype)
    weights = weights.reshape(weights.shape + (1,) * (values.ndim - 2))
    return jnp.sum(jnp.where(weights > 0, weights * values, 0), axis=1)
