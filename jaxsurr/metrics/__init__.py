"""Metrics as functions of predictions and targets; each knows its name, its direction and its prediction space."""

from jaxsurr import checks
from jaxsurr.metrics.base import Metric, as_metric, metric, output_shape
from jaxsurr.metrics.classification import error_rate, top_k_error
from jaxsurr.metrics.keypoints import normalised_mean_error, pck
from jaxsurr.metrics.ordinal import mean_absolute_error, within_one_level
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
    by_decoding = {"thresholds": spaces.cumulative_logits, "rounded": spaces.scores}
    if options.get("decode") in by_decoding:
        options["space"] = by_decoding[options["decode"]]
    return METRICS[name].bind(**options)


__all__ = [
    "METRICS",
    "Metric",
    "as_metric",
    "error_rate",
    "get",
    "mean_absolute_error",
    "metric",
    "normalised_mean_error",
    "output_shape",
    "pck",
    "top_k_error",
    "within_one_level",
]
