"""Decision thresholds, chosen on validation: what a set metric such as F1 asks of a model trained on another loss."""

from typing import Any

import numpy as np

from jaxsurr.core.types import Array, PyTree
from jaxsurr.metrics import Metric
from jaxsurr.metrics.shift_search import search
from jaxsurr.metrics.shift_values import shifted as moved
from jaxsurr.metrics.shifts import CALLS, refuse

__all__ = ["check", "shifted"]


def check(metric: Metric) -> None:
    """Refuses a metric whose predictions a shift cannot tune."""
    try:
        refuse(metric)
    except ValueError as error:
        raise ValueError(f"tune_threshold: {error} Leave tune_threshold out.") from error


def shifted(
    metric: Metric, predictions: Any, targets: PyTree, entry: dict[str, Any], where: Array | None = None
) -> Array:
    """Predictions with the shift (and scale) of an epoch's entry, chosen on these, and kept there, if it has none yet.

    They are those of `jaxsurr.decoding.tune` with a `least_gain` of 1 / B. Where that would refuse the rows, as those
    of one class, the best is taken nevertheless, or no shift where the metric is no number: a run goes on.
    """
    if "shift" not in entry:
        found = search(metric, predictions, targets, where=where, calls=CALLS, least_gain=1 / len(predictions)).run()
        entry["shift"] = np.asarray(found.shifts, np.float64).tolist()
        if found.scale != 1:
            entry["scale_of_shifted"] = found.scale
    return moved(predictions, np.asarray(entry["shift"], np.float32), np.float32(entry.get("scale_of_shifted", 1.0)))
