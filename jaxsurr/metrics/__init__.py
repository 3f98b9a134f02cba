"""Metrics as functions of predictions and targets, with a name, a direction and a prediction space.

Values are in at least single precision, whatever the dtype of the predictions. Masked entries (rows, points that are
not visible, absent items, ignored pixels) may hold anything. Other targets that are out of range are refused; where
they are traced, as inside `jit`, the value of the example, or of the set, is NaN. Details: `jaxsurr.core.reading`.
Metrics of this package that are called outside of compiled code are compiled whole (`jaxsurr.core.whole`); one of your
own runs as it is written.

There is one file for each kind of targets, and `confusion` and `calibration` for classes; the metrics in its `__all__`
are in `METRICS`.
"""

from typing import Any

from jaxsurr.core import checks, registry, renamed
from jaxsurr.core.costs import read_costs
from jaxsurr.core.spec import parse_spec
from jaxsurr.metrics.base import Metric, as_metric, metric, output_shape
from jaxsurr.metrics.black_box import black_box
from jaxsurr.metrics.calibration import *
from jaxsurr.metrics.calls import calls_of, count_calls
from jaxsurr.metrics.classes import *
from jaxsurr.metrics.confusion import *
from jaxsurr.metrics.costs import *
from jaxsurr.metrics.durations import *
from jaxsurr.metrics.example_costs import *
from jaxsurr.metrics.host import BlackBoxError, own_errors
from jaxsurr.metrics.intervals import *
from jaxsurr.metrics.keypoints import *
from jaxsurr.metrics.labels import *
from jaxsurr.metrics.levels import *
from jaxsurr.metrics.lists import *
from jaxsurr.metrics.numbers import *
from jaxsurr.metrics.pixels import *
from jaxsurr.metrics.scores import *
from jaxsurr.metrics.sequences import *
from jaxsurr.metrics.stack import stack
from jaxsurr.metrics.tokens import *
from jaxsurr.metrics.words import MEANT
from jaxsurr.spaces import cumulative_logits, level_scores

METRICS: dict[str, Metric] = {
    name: found for name, found in sorted(registry.members(__name__, __path__).items()) if isinstance(found, Metric)
}
"""All metrics by name, including registered ones."""

_SPACES = {"thresholds": cumulative_logits, "rounded": level_scores}  # of what is decoded so


def get(spec: str) -> Metric:
    """The metric of a name, with options after a question mark.

    Args:
      spec: `"error_rate"`, `"mean_absolute_error?decode=argmax"`, `"pck?threshold=0.2,0.5"`; a matrix is
        read from a file, `"cost?matrix=costs.csv"`.

    Raises:
      ValueError: no metric has this name, or a file holds no matrix.
      FileNotFoundError: there is no such file.
      TypeError: it has no such option.

    >>> get("pck?threshold=0.2").name
    'pck(threshold=0.2)'
    """
    name, options = parse_spec(spec)
    checks.one_of(name, "metric", METRICS, MEANT)
    if "matrix" in options and "matrix" in METRICS[name].known_options:
        options["matrix"] = read_costs(options["matrix"])
    if options.get("decode") in _SPACES:
        options["space"] = _SPACES[options["decode"]]
    return METRICS[name].bind(**options)


def register(metric: Metric) -> Metric:
    """Registers a metric by its name, for `get`, configs and `jaxsurr.compare` in this process.

    Raises:
      TypeError: the function has no direction.
      ValueError: another metric has this name already.

    >>> import jaxsurr
    >>> @jaxsurr.metric(higher_is_better=False, space=jaxsurr.spaces.class_logits)
    ... def missed_zero(logits, labels):
    ...     return ((labels == 0) & (logits.argmax(-1) != 0)).astype(logits.dtype)
    >>> register(missed_zero) == get("missed_zero")
    True
    >>> _ = METRICS.pop("missed_zero")
    """
    metric = as_metric(metric)
    if METRICS.setdefault(metric.name, metric) is not metric:
        raise ValueError(f"there is a metric {metric.name!r} already: give yours another name=.")
    return metric


def __getattr__(name: str) -> Any:
    """Metrics of new files, and old names."""
    return METRICS[name] if name in METRICS else renamed.attribute(__name__, name)


__all__ = [
    "METRICS",
    "BlackBoxError",
    "Metric",
    "as_metric",
    "black_box",
    "calls_of",
    "count_calls",
    "get",
    "metric",
    "output_shape",
    "own_errors",
    "register",
    "stack",
    *METRICS,
]
