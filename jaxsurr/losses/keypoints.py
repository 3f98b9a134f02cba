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


def heatmap_mse(predictions: Array, targets: Keypoints, *, where: Array | None = None, sigma: float = 1 / 32) -> Array:
    """Mean over pixels of the squared difference between a heat-map and a normal bump of height 1 at the target.

    `mean_p (h_p - exp(-||p - y||^2 / (2 s^2)))^2` of each visible point, with `s = sigma * H`.

    Source: Tompson et al., Joint Training of a Convolutional Network and a Graphical Model for Human Pose Estimation,
    NeurIPS 2014. Ours: the width as a share of the image, 2 pixels of 64.

    Args:
      predictions: `[B, J, H, W]` float, a map of each point with the pixels of the image.
      targets: `Keypoints`, in pixels whose centres are whole numbers.
      where: `[B]` bool; rows where it is False are 0.
      sigma: positive, standard deviation of the bump over the height of the image.

    Returns:
      `[B]`, at least 0.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or sigma is not positive.

    >>> import jax.numpy as jnp
    >>> target = Keypoints(jnp.array([[[1.0, 0.0]]]), jnp.ones((1, 1)), jnp.ones(1))
    >>> heatmap_mse(jnp.array([[[[0.0, 1.0], [0.0, 0.0]]]]), target, sigma=0.01).tolist()
    [0.0]
    """
    checks.floating(predictions, 4, "[B, J, H, W], a heat-map of each of J points")
    checks.keypoints(predictions, targets)
    if not sigma > 0:
        raise ValueError(f"sigma must be positive (a share of the image's height), got {sigma!r}.")
    height, width = predictions.shape[2:]
    visible = (jnp.asarray(targets.visible) > 0)[..., None]
    place = jnp.where(visible, targets.points, 0).astype(predictions.dtype)

    def bump(of_point: Array, pixels: int) -> Array:
        offset = jnp.arange(pixels, dtype=predictions.dtype)[None, None] - of_point[..., None]
        return jnp.exp(-((offset / (sigma * height)) ** 2) / 2)

    wanted = bump(place[..., 1], height)[..., None] * bump(place[..., 0], width)[..., None, :]
    of_point = jnp.mean((predictions - wanted) ** 2, axis=(2, 3))
    return masked(mean_over_visible(of_point, targets), where)


def mse(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Squared distance of a point from its target, in scales squared; `[B, J, 2]` and `Keypoints` to `[B]`."""
    return _mean(_residual(predictions, targets) ** 2, targets, where)
