"""The metric's value and gradient by perturbing predictions, and the scale at which to look."""

from jaxsurr.smoothing.goal import Estimation, Goal, estimated_goal
from jaxsurr.smoothing.scale import matched_scale
from jaxsurr.smoothing.smoothed_metric import (
    Smoothed,
    normal_directions,
    smoothed_metric,
    smoothing_scale,
    table_directions,
)

__all__ = [
    "Estimation",
    "Goal",
    "Smoothed",
    "estimated_goal",
    "matched_scale",
    "normal_directions",
    "smoothed_metric",
    "smoothing_scale",
    "table_directions",
]
