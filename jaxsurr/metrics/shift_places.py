"""The places along an entry of predictions at which decisions change, and what single precision tells apart."""

import jax.numpy as jnp
import numpy as np

from jaxsurr.metrics.base import Metric

__all__ = ["between", "chooses", "needed", "tolerance"]


def chooses(metric: Metric) -> bool:
    """Whether predictions are logits that one number added to all of an example does not change."""
    return not np.any(np.asarray(metric.space.project(jnp.ones((1, 2)))))


def needed(z: np.ndarray, column: int, argmax: bool) -> np.ndarray:
    """The change of a column beyond which it is the largest of its row, or (of thresholds) above 0; `[B]`."""
    if not argmax:
        return -z[:, column]
    rivals = np.max(np.where(np.arange(z.shape[1])[None] == column, -np.inf, z), axis=1)
    with np.errstate(invalid="ignore"):
        return rivals - z[:, column]


def between(points: np.ndarray) -> np.ndarray:
    """The places between distinct points, and one beyond each end, in ascending order."""
    points = np.unique(points[np.isfinite(points)])
    if not len(points):
        return points
    end = (points[-1] - points[0]) / len(points) or 1.0
    return np.concatenate([points[:1] - end, (points[1:] + points[:-1]) / 2, points[-1:] + end])


def tolerance(value: float) -> float:
    """What single precision does not tell apart."""
    return 2e-6 * max(1.0, abs(value)) if np.isfinite(value) else 0.0
