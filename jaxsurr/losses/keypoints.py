"""Fixed losses on keypoints, each a mean over the visible points, in units of the example's scale.

As in the metrics, errors are divided by the scale, so that large and small figures have equal weight.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.targets import check_heatmaps, check_keypoints, mean_over_visible, relative_distance
from jaxsurr.core.types import Array, Keypoints
from jaxsurr.core.whole import whole

__all__ = ["euclidean", "heatmap_mse", "l1", "mse", "smooth_l1", "wing"]


def _mean(of_residual: Callable[[Array], Array], predictions: Array, targets: Keypoints, where: Array | None) -> Array:
    """Mean over visible points of the sum over coordinates of a function of their errors, in scales."""
    z, targets, wrong = read(check_keypoints, predictions, targets, where)
    per_coordinate = of_residual((z - targets.points) / targets.scale[:, None, None])
    return of_examples(mean_over_visible(jnp.sum(per_coordinate, axis=-1), targets), where, wrong)


@whole
def l1(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Sum of the absolute coordinate errors of a point, in scales; `[B, J, 2]` and `Keypoints` to `[B]`.

    >>> import jax.numpy as jnp
    >>> target = Keypoints(jnp.zeros((1, 1, 2)), jnp.ones((1, 1)), jnp.array([2.0]))
    >>> l1(jnp.array([[[3.0, -1.0]]]), target).tolist()
    [2.0]
    """
    return _mean(jnp.abs, predictions, targets, where)


@whole
def smooth_l1(predictions: Array, targets: Keypoints, *, where: Array | None = None, delta: float = 0.1) -> Array:
    """Huber loss of the coordinate errors over `delta`: quadratic below `delta` scales, linear above; to `[B]`."""
    checks.number(delta, "delta", above=0, meaning="in scales")
    return _mean(lambda error: optax.losses.huber_loss(error, delta=delta) / delta, predictions, targets, where)


@whole
def euclidean(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Euclidean distance of a point from its target, in scales; `[B, J, 2]` and `Keypoints` to `[B]`."""
    z, targets, wrong = read(check_keypoints, predictions, targets, where)
    return of_examples(mean_over_visible(relative_distance(z, targets), targets), where, wrong)


@whole
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
    2018; its `w = 10, e = 2` are pixels of a 256-pixel face, ours are scales in the same ratio. Both are positive.
    """
    checks.number(width, "width", above=0, meaning="in scales")
    checks.number(curvature, "curvature", above=0, meaning="in scales")
    offset = width * jnp.log1p(width / curvature) - width

    def bent(error: Array) -> Array:
        size = jnp.abs(error)
        return jnp.where(size < width, width * jnp.log1p(size / curvature), size + offset)

    return _mean(bent, predictions, targets, where)


@whole
def heatmap_mse(predictions: Array, targets: Keypoints, *, where: Array | None = None, sigma: float = 1 / 32) -> Array:
    """Mean over pixels of the squared difference between a heat-map and a normal bump of height 1 at the target.

    `mean_p (h_p - exp(-||p - y||^2 / (2 s^2)))^2` of each visible point, with `s = sigma * H`.

    Source: Tompson et al., Joint Training of a Convolutional Network and a Graphical Model for Human Pose Estimation,
    NeurIPS 2014. Ours: the width relative to the image, 2 pixels of 64.

    Args:
      predictions: `[B, J, H, W]` float, a map of each point with the pixels of the image.
      targets: `Keypoints`, in pixels whose centres are integers.
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
    checks.number(sigma, "sigma", above=0, meaning="a fraction of the image's height")
    z, targets, wrong = read(check_heatmaps, predictions, targets, where)
    (height, width), place = z.shape[2:], targets.points

    def bump(of_point: Array, pixels: int) -> Array:
        offset = jnp.arange(pixels, dtype=z.dtype)[None, None] - of_point[..., None]
        return jnp.exp(-((offset / (sigma * height)) ** 2) / 2)

    wanted = bump(place[..., 1], height)[..., None] * bump(place[..., 0], width)[..., None, :]
    of_point = jnp.mean((z - wanted) ** 2, axis=(2, 3))
    return of_examples(mean_over_visible(of_point, targets), where, wrong)


@whole
def mse(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Squared distance of a point from its target, in scales squared; `[B, J, 2]` and `Keypoints` to `[B]`."""
    return _mean(jnp.square, predictions, targets, where)
