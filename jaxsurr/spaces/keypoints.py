"""The space of keypoints. Features are distances, invariant to a rotation of predictions and targets together."""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.targets import check_keypoints, mean_over_visible, relative_distance, visible_weights
from jaxsurr.core.types import Array, Keypoints, Space
from jaxsurr.spaces.invariance import columns, unprojected

__all__ = ["keypoint_coordinates"]


def _point_unit(predictions: Array, targets: Keypoints) -> Array:
    visible = (jnp.asarray(targets.visible) > 0).astype(predictions.dtype)
    return visible[..., None] * targets.scale[:, None, None]


def _point_squared_size(predictions: Array, targets: Keypoints) -> Array:
    return mean_over_visible(relative_distance(predictions, targets) ** 2, targets)


def _point_features(predictions: Array, targets: Keypoints, scale: Array) -> tuple[Array, Array]:
    distance = relative_distance(predictions, targets)
    features = jnp.stack([distance / scale, jnp.log1p((distance / scale) ** 2)], axis=-1)
    return features, visible_weights(targets, predictions.dtype)


def _point_margins(predictions: Array, targets: Keypoints, scale: Array) -> tuple[Array, Array]:
    distance = relative_distance(predictions, targets)
    return -distance[..., None] / scale, visible_weights(targets, predictions.dtype)


def _point_losses(predictions: Array, targets: Keypoints, scale: Array) -> Array:
    atoms = (losses.l1, losses.smooth_l1, losses.euclidean, losses.wing)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


def _sample_points(key: Array, rows: int, size: int) -> tuple[Array, Keypoints]:
    """Random points, with distances from their targets uniform from 0 to 1 scales in any direction; 9 of 10 visible."""
    place_key, scale_key, seen_key, angle_key, distance_key = jax.random.split(key, 5)
    scale = jnp.exp(0.3 * jax.random.normal(scale_key, (rows,)))
    points = 3 * scale[:, None, None] * jax.random.uniform(place_key, (rows, size, 2))
    visible = jax.random.bernoulli(seen_key, 0.9, (rows, size)).astype(jnp.float32)
    angle = jax.random.uniform(angle_key, (rows, size), maxval=2 * jnp.pi)
    distance = scale[:, None] * jax.random.uniform(distance_key, (rows, size))
    offset = distance[..., None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    return points + offset, Keypoints(points, visible, scale)


def _alike(predictions: Array, targets: Keypoints) -> tuple[Array, Array]:
    """Predictions and targets relative to the mean of the visible targets, in scales; 0 where not visible."""
    centre = mean_over_visible(targets.points, targets)[:, None]
    seen = visible_weights(targets, predictions.dtype)[..., None] > 0
    scale = targets.scale[:, None, None]

    def flat(points):
        return (jnp.where(seen, points - centre, 0) / scale).reshape(len(points), -1)

    return flat(predictions), flat(targets.points)


keypoint_coordinates = Space(
    name="keypoint_coordinates",
    unit=_point_unit,
    squared_size=_point_squared_size,
    project=unprojected,
    features=_point_features,
    margins=_point_margins,
    margin_range=(-16.0, 0.0),
    losses=_point_losses,
    check=check_keypoints,
    spanned=True,
    sample=_sample_points,
    alike=_alike,
    decisions=columns(0, sign=-1),
)
"""Points `[B, J, 2]`, targets `Keypoints`; invariant to a rotation, shift or scaling of predictions and targets.

The items are the visible points, the unit is the scale of the example.
"""
