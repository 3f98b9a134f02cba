"""Metrics as functions of predictions and targets; each knows its name, its direction and its prediction space.

Values are in at least single precision whatever the predictions are. What does not count (masked rows, points that are
not visible, absent items, ignored pixels) may hold anything. Targets that count and are out of range are refused; where
they are traced, as inside `jit`, the values are NaN: of the example, or of the set. Details: `jaxsurr.core.reading`.
"""

from jaxsurr.core import checks
from jaxsurr.core.spec import parse_spec
from jaxsurr.metrics.agreement import quadratic_weighted_kappa
from jaxsurr.metrics.base import Metric, as_metric, metric, output_shape
from jaxsurr.metrics.black_box import black_box
from jaxsurr.metrics.calibration import expected_calibration_error
from jaxsurr.metrics.classes import error_rate, top_k_error
from jaxsurr.metrics.confusion import balanced_error, cohen_kappa, f_beta, g_mean, jaccard, matthews_correlation
from jaxsurr.metrics.host import BlackBoxError, own_errors
from jaxsurr.metrics.keypoints import normalised_mean_error, pck
from jaxsurr.metrics.levels import mean_absolute_error, within_one_level
from jaxsurr.metrics.lists import ndcg, recall_at_k
from jaxsurr.metrics.scores import average_precision, roc_auc
from jaxsurr.metrics.stack import stack
from jaxsurr.metrics.structured import edit_distance, mean_iou
from jaxsurr.metrics.words import MEANT

METRICS = {
    m.name: m
    for m in (
        average_precision,
        balanced_error,
        cohen_kappa,
        edit_distance,
        error_rate,
        expected_calibration_error,
        f_beta,
        g_mean,
        jaccard,
        matthews_correlation,
        mean_absolute_error,
        mean_iou,
        ndcg,
        normalised_mean_error,
        pck,
        quadratic_weighted_kappa,
        recall_at_k,
        roc_auc,
        top_k_error,
        within_one_level,
    )
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
    checks.one_of(name, "metric", METRICS, MEANT)
    by_decoding = {"thresholds": spaces.cumulative_logits, "rounded": spaces.scores}
    if options.get("decode") in by_decoding:
        options["space"] = by_decoding[options["decode"]]
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
    "average_precision",
    "balanced_error",
    "black_box",
    "cohen_kappa",
    "edit_distance",
    "error_rate",
    "expected_calibration_error",
    "f_beta",
    "g_mean",
    "get",
    "jaccard",
    "matthews_correlation",
    "mean_absolute_error",
    "mean_iou",
    "metric",
    "ndcg",
    "normalised_mean_error",
    "output_shape",
    "own_errors",
    "pck",
    "quadratic_weighted_kappa",
    "recall_at_k",
    "register",
    "roc_auc",
    "stack",
    "top_k_error",
    "within_one_level",
]
