"""Metrics of keypoints."""

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.targets import mean_over_visible, relative_distance
from jaxsurr.core.types import Array, Keypoints
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import keypoint_coordinates

__all__ = ["normalised_mean_error", "pck"]


@metric(higher_is_better=True, space=keypoint_coordinates)
def pck(
    predictions: Array,
    targets: Keypoints,
    *,
    where: Array | None = None,
    threshold: float | tuple[float, ...] = 0.5,
) -> Array:
    """Fraction of correct keypoints (PCK), those within `threshold` times the scale; higher is better.

    `mean_{j visible} 1[ ||z_j - y_j|| <= threshold * scale ]`, per example. With the torso as scale it is PCK, with the
    head PCKh. An example without a visible point scores 0.

    Args:
      predictions: `[B, J, 2]` float, in the unit of the targets.
      targets: `Keypoints` of `[B, J, 2]`, `[B, J]`, `[B]`.
      where: `[B]` bool; rows where it is False are 0.
      threshold: a positive number, or M of them for M metrics at once.

    Returns:
      `[B]` (or `[B, M]`) in [0, 1].

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, a scale or a threshold is not positive.

    >>> import jax.numpy as jnp
    >>> targets = Keypoints(jnp.zeros((1, 2, 2)), jnp.ones((1, 2)), jnp.array([10.0]))
    >>> pck(jnp.array([[[3.0, 4.0], [0.0, 6.0]]]), targets, threshold=0.5).tolist()
    [0.5]
    """
    levels = threshold if isinstance(threshold, tuple | list) else (threshold,)
    if not levels:
        raise ValueError("threshold must be positive (a fraction of the scale), one number or several, got none.")
    for level in levels:
        checks.number(level, "threshold", above=0, meaning="a fraction of the scale")
    z, targets, wrong = checked(keypoint_coordinates.check, predictions, targets)
    close = relative_distance(z, targets)[..., None] <= jnp.asarray(levels, z.dtype)[None, None]
    values = mean_over_visible(close.astype(z.dtype), targets)
    return of_examples(values if isinstance(threshold, tuple | list) else values[..., 0], where, wrong)


@metric(higher_is_better=False, space=keypoint_coordinates, bounded=False)
def normalised_mean_error(predictions: Array, targets: Keypoints, *, where: Array | None = None) -> Array:
    """Mean distance of the visible points from their targets over the scale; lower is better.

    `mean_{j visible} ||z_j - y_j|| / scale`, per example; 0 for an example without a visible point.

    Args:
      predictions: `[B, J, 2]` float, in the unit of the targets.
      targets: `Keypoints`; the scale is usually the inter-ocular distance.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0, in scales.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or a scale is not positive.

    >>> import jax.numpy as jnp
    >>> targets = Keypoints(jnp.zeros((1, 2, 2)), jnp.array([[1.0, 0.0]]), jnp.array([10.0]))
    >>> normalised_mean_error(jnp.array([[[3.0, 4.0], [9.0, 9.0]]]), targets).tolist()
    [0.5]
    """
    z, targets, wrong = checked(keypoint_coordinates.check, predictions, targets)
    return of_examples(mean_over_visible(relative_distance(z, targets), targets), where, wrong)
