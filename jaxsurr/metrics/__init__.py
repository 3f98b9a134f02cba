"""Metrics as functions of predictions and targets; each knows its name, its direction and its prediction space."""

from jaxsurr import checks
from jaxsurr.metrics.agreement import quadratic_weighted_kappa
from jaxsurr.metrics.base import Metric, as_metric, metric, output_shape
from jaxsurr.metrics.calibration import expected_calibration_error
from jaxsurr.metrics.classification import error_rate, top_k_error
from jaxsurr.metrics.confusion import balanced_error, cohen_kappa, f_beta, g_mean, jaccard, matthews_correlation
from jaxsurr.metrics.keypoints import normalised_mean_error, pck
from jaxsurr.metrics.lists import ndcg, recall_at_k
from jaxsurr.metrics.ordering import average_precision, roc_auc
from jaxsurr.metrics.ordinal import mean_absolute_error, within_one_level
from jaxsurr.metrics.structured import edit_distance, mean_iou
from jaxsurr.settings import parse_spec

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
    checks.one_of(name, "metric", METRICS)
    if options.get("decode") == "thresholds":
        options["space"] = spaces.cumulative_logits
    return METRICS[name].bind(**options)


__all__ = [
    "METRICS",
    "Metric",
    "as_metric",
    "average_precision",
    "balanced_error",
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
    "pck",
    "quadratic_weighted_kappa",
    "recall_at_k",
    "roc_auc",
    "top_k_error",
    "within_one_level",
]
