"""Points in the plane, read through distances only: a rotation of prediction and target together changes nothing."""

import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core import checks, geometry
from jaxsurr.core.types import Array, Keypoints, Space


def _point_unit(predictions: Array, targets: Keypoints) -> Array:
    visible = (jnp.asarray(targets.visible) > 0).astype(predictions.dtype)
    return visible[..., None] * targets.scale[:, None, None]


def _point_spread(predictions: Array, targets: Keypoints) -> Array:
    return geometry.mean_over_visible(geometry.relative_distance(predictions, targets) ** 2, targets)


def _point_features(predictions: Array, targets: Keypoints, scale: Array) -> tuple[Array, Array]:
    distance = geometry.relative_distance(predictions, targets)
    features = jnp.stack([distance / scale, jnp.log1p((distance / scale) ** 2)], axis=-1)
    return features, geometry.visible_weights(targets, predictions.dtype)


def _point_ramps(predictions: Array, targets: Keypoints, scale: Array) -> tuple[Array, Array]:
    distance = geometry.relative_distance(predictions, targets)
    return -distance[..., None] / scale, geometry.visible_weights(targets, predictions.dtype)


def _point_losses(predictions: Array, targets: Keypoints, scale: Array) -> Array:
    atoms = (losses.l1, losses.smooth_l1, losses.euclidean, losses.wing)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


points_in_plane = Space(
    name="points_in_plane",
    unit=_point_unit,
    spread=_point_spread,
    project=lambda noise: noise,
    features=_point_features,
    ramps=_point_ramps,
    reach=(-16.0, 0.0),
    losses=_point_losses,
    check=checks.pointed,
)
"""Points `[B, J, 2]`, targets `Keypoints`; unchanged by a rotation, shift or scaling of predictions and targets.

The items are the visible points, the unit is the scale of the example.
"""
