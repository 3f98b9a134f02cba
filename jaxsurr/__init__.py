"""jaxsurr: give it an evaluation metric, it gives back a loss whose gradients point where the metric improves."""

from typing import Any

from jaxsurr import bilevel, losses, metrics, spaces, surrogates
from jaxsurr.artefact import load, read_card, save
from jaxsurr.diagnosis import Diagnosis, diagnose
from jaxsurr.fitting import Fitted, fit
from jaxsurr.frozen import follow_scale, frozen, pretrained
from jaxsurr.gap import matched_scale
from jaxsurr.metrics import Metric, metric
from jaxsurr.reductions import masked_mean
from jaxsurr.sampling import sample
from jaxsurr.smoothing import Smoothed, smoothed_metric
from jaxsurr.surrogates import correlated_gradients
from jaxsurr.types import Batch, Info, Keypoints, RankedLists, Sequences, Space, Surrogate, View

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
