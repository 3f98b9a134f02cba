"""Conventional losses on points in the plane, each a mean over the visible points, in units of the example's scale.

Dividing by the scale is what the metrics do; with it the losses weigh large and small figures alike.
"""

import jax.numpy as jnp
import optax

from jaxsurr import checks
from jaxsurr.geometry import mean_over_visible, relative_distance
from jaxsurr.reductions import masked
from jaxsurr.types import Array, Keypoints


def _mean(per_coordinate: Array, targets: Keypoints, where: Array | None) -> Array:
    return masked(mean_over_visible(jnp.sum(per_coordinate, axis=-1), targets), where)


def _residual(predictions: Array, targets: Keypoints) -> Array:
    checks.pointed(predictions, targets)
    return (predictions - targets.points) / targets.scale[:, None, None]


def l1(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Sum of the absolute coordinate errors of a point, in scales; `[B, J, 2]` and `Keypoints` to `[B]`.

    >>> import jax.numpy as jnp
    >>> target = Keypoints(jnp.zeros((1, 1, 2)), jnp.ones((1, 1)), jnp.array([2.0]))
    >>> l1(jnp.array([[[3.0, -1.0]]]), target).tolist()
    [2.0]
    """
    return _mean(jnp.abs(_residual(predictions, targets)), targets, where)


def smooth_l1(predictions: Array, targets: Keypoints, *, where: Array | None = None, delta: float = 0.1) -> Array:
    """Huber loss of the coordinate errors over `delta`: quadratic below `delta` scales, linear above; to `[B]`."""
    return _mean(optax.losses.huber_loss(_residual(predictions, targets), delta=delta) / delta, targets, where)


def euclidean(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Euclidean distance of a point from its target, in scales; `[B, J, 2]` and `Keypoints` to `[B]`."""
    checks.pointed(predictions, targets)
    return masked(mean_over_visible(relative_distance(predictions, targets), targets), where)


def wing(
    predictions: Array,
    targets: Keypoints,
    *,
    where: Array | None = None,
    width: float = 0.5,
    curvature: float = 0.1,
) -> Array:
    """Wing loss of the coordinate errors: `w ln(1 + |x| / e)` where `|x| < w`, else `|x| - w + w ln(1 + w / e)`.

    Source: Feng et al., Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural Networks, CVPR
    2018; its `w = 10, e = 2` are pixels of a 256-pixel face, ours are scales in the same ratio.
    """
    size = jnp.abs(_residual(predictions, targets))
    offset = width * jnp.log1p(width / curvature) - width
    return _mean(jnp.where(size < width, width * jnp.log1p(size / curvature), size + offset), targets, where)


def mse(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Squared distance of a point from its target, in scales squared; `[B, J, 2]` and `Keypoints` to `[B]`."""
    return _mean(_residual(predictions, targets) ** 2, targets, where)
