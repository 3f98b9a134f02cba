"""Metrics as functions of predictions and targets; each knows its name, its direction and its prediction space."""

from jaxsurr import checks
from jaxsurr.metrics.base import Metric, as_metric, metric, output_shape
from jaxsurr.metrics.black_box import black_box
from jaxsurr.metrics.classification import error_rate, top_k_error
from jaxsurr.metrics.host import BlackBoxError, own_errors
from jaxsurr.metrics.keypoints import normalised_mean_error, pck
from jaxsurr.metrics.ordinal import mean_absolute_error, within_one_level
from jaxsurr.metrics.several import stack
from jaxsurr.settings import parse_spec

METRICS = {
    m.name: m for m in (error_rate, top_k_error, mean_absolute_error, within_one_level, pck, normalised_mean_error)
}


def get(spec: str) -> Metric:
    """The metric of a name, with options behind a question mark.

    Args:
      spec: `"error_rate"`, `"mean_absolute_error?decode=argmax"`, `"pck?threshold=0.2,0.5"`.

    Raises:
      ValueError: no metric has this name.
      TypeError: it has no such option.

    >>> get("pck?threshold=0.2").name
    'pck(threshold=0.2)'
    """
    from jaxsurr import spaces

    name, options = parse_spec(spec)
    checks.one_of(name, "metric", METRICS)
    if options.get("decode") == "thresholds":
        options["space"] = spaces.cumulative_logits
    return METRICS[name].bind(**options)


def register(metric: Metric) -> Metric:
    """Makes a metric of your own known by its name, to `get`, to configs and to `jaxsurr.compare` in this process.

    Raises:
      TypeError: it does not say which direction is better.
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


__all__ = [
    "METRICS",
    "BlackBoxError",
    "Metric",
    "as_metric",
    "black_box",
    "error_rate",
    "get",
    "mean_absolute_error",
    "metric",
    "normalised_mean_error",
    "output_shape",
    "own_errors",
    "pck",
    "register",
    "stack",
    "top_k_error",
    "within_one_level",
]
