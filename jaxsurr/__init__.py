"""jaxsurr: give it an evaluation metric, it gives back a loss whose gradients point where the metric improves."""

from typing import Any

from jaxsurr import bilevel, losses, metrics, spaces, surrogates
from jaxsurr.core.reductions import masked_mean
from jaxsurr.core.types import Batch, Info, Keypoints, RankedLists, Sequences, Space, Surrogate, View
from jaxsurr.diagnosis.diagnose import Diagnosis, diagnose
from jaxsurr.metrics import Metric, metric
from jaxsurr.pretraining import Fitted, fit, pretrained
from jaxsurr.saving.file import load, read_card, save
from jaxsurr.smoothing.scale import matched_scale
from jaxsurr.smoothing.smoothed_metric import Smoothed, smoothed_metric
from jaxsurr.spaces.sampling import sample
from jaxsurr.surrogates import correlated_gradients
from jaxsurr.surrogates.frozen import follow_scale, frozen

__all__ = [
    "Batch",
    "Diagnosis",
    "Fitted",
    "Info",
    "Keypoints",
    "Metric",
    "RankedLists",
    "Sequences",
    "Smoothed",
    "Space",
    "Surrogate",
    "View",
    "bilevel",
    "compare",
    "correlated_gradients",
    "diagnose",
    "fit",
    "follow_scale",
    "frozen",
    "load",
    "losses",
    "masked_mean",
    "matched_scale",
    "metric",
    "metrics",
    "pretrained",
    "read_card",
    "sample",
    "save",
    "smoothed_metric",
    "spaces",
    "surrogates",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`jaxsurr.compare` needs more than jax, flax and optax, and is imported when it is first used."""
    if name == "compare":
        import importlib

        return importlib.import_module("jaxsurr.compare")
    raise AttributeError(f"module 'jaxsurr' has no attribute {name!r}")
