"""Surrogate losses for evaluation metrics: from a metric, a loss whose gradients point where the metric improves."""

import importlib
import sys
from typing import Any

from jaxsurr import bilevel, losses, metrics, spaces, surrogates
from jaxsurr.core.compiling import compiler_options
from jaxsurr.core.reductions import masked_mean
from jaxsurr.core.renamed import MODULES, Renamed
from jaxsurr.core.types import Batch, Durations, Info, Keypoints, RankedLists, Sequences, Space, Surrogate, View
from jaxsurr.diagnosis.diagnose import Diagnosis, diagnose
from jaxsurr.metrics import Metric, decoding, metric
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
    "Durations",
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
    "compiler_options",
    "correlated_gradients",
    "decoding",
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
__version__ = "0.2.0.dev0"


sys.meta_path.insert(0, Renamed())

_LATE = ("compare", "comparison", "data", "models", "parallel", "report", "training")
"""Modules that are imported on first use; some need more than JAX, flax and optax."""


def __dir__() -> list[str]:
    """What is public, and the modules of this package; not what it is made with."""
    modules = {name for name in globals() if f"{__name__}.{name}" in sys.modules}
    return sorted({*__all__, *_LATE, *modules, *(name for name in globals() if name.startswith("__"))})


def __getattr__(name: str) -> Any:
    """Modules that are imported on first use, and modules by their old names."""
    if name in _LATE or f"jaxsurr.{name}" in MODULES:
        return importlib.import_module(f"jaxsurr.{name}")
    raise AttributeError(f"module 'jaxsurr' has no attribute {name!r}")
