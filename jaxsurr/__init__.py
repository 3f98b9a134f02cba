"""jaxsurr: give it an evaluation metric, it gives back a loss whose gradients point where the metric improves."""

from jaxsurr import bilevel, losses, metrics, spaces, surrogates
from jaxsurr.metrics import Metric, metric
from jaxsurr.reductions import masked_mean
from jaxsurr.smoothing import Smoothed, smoothed_metric
from jaxsurr.surrogates import correlated_gradients
from jaxsurr.types import Batch, Info, Keypoints, Space, Surrogate, View

__all__ = [
    "Batch",
    "Info",
    "Keypoints",
    "Metric",
    "Smoothed",
    "Space",
    "Surrogate",
    "View",
    "bilevel",
    "correlated_gradients",
    "losses",
    "masked_mean",
    "metric",
    "metrics",
    "smoothed_metric",
    "spaces",
    "surrogates",
]
__version__ = "0.1.0"
