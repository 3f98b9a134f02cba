"""Shifts of predictions with which a metric is best on validation: thresholds of classes, levels and scores."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.reductions import valid
from jaxsurr.core.targets import Keypoints, RankedLists
from jaxsurr.core.types import Array, PyTree
from jaxsurr.metrics.base import Metric, as_metric
from jaxsurr.metrics.shift_search import PROBES, search
from jaxsurr.metrics.shift_values import readable, shifted
from jaxsurr.spaces import keypoint_coordinates, ranked_lists

__all__ = ["CALLS", "Tuned", "refuse", "tune"]

CALLS = 200
"""Evaluations of a black box, unless more are asked for."""
_WITHOUT = (keypoint_coordinates, ranked_lists)


class Tuned(NamedTuple):
    """Shifts and a scale of predictions, as `tune` finds them.

    Attributes:
      shifts: float32, one for each entry on the predictions' last axis, `[K]` (0 for the first where only differences
        of logits count); `[]` for scores `[B]`, whose threshold is minus that.
      scale: of the shifted predictions; 1 where the metric depends on decisions only.
      before: the metric of the set without shifts.
      after: the metric with them, which is no worse.
      calls: evaluations of the metric on a set.
    """

    shifts: Array
    scale: float
    before: float
    after: float
    calls: int

    def apply(self, predictions: Any) -> Array:
        """The predictions `scale (z + shifts)`, of the same shape; pure, so that it can be compiled and exported.

        What was decoded by argmax, median or thresholds before is decoded in the same way from these.

        >>> Tuned(jnp.array([0.0, -1.0]), 1.0, 0.5, 0.6, 3).apply(jnp.array([[1.0, 1.5]])).tolist()
        [[1.0, 0.5]]
        """
        return shifted(predictions, self.shifts, self.scale)


def tune(
    metric: Any,
    predictions: Any,
    targets: PyTree,
    *,
    where: Any = None,
    calls: int = CALLS,
    least_gain: float = 0.0,
) -> Tuned:
    """Shifts of predictions with which a metric of these rows is best, and a scale where that matters.

    `argmax_(s, a) metric(a (z + s), y)`, for logits of classes or levels one shift for each, for scores a threshold,
    for cumulative logits or several labels a threshold for each. It is the strong and cheap baseline for a metric such
    as F1: a model that was trained on a likelihood, in any framework, decides by another rule afterwards. It composes
    with a loss that was learned from the metric, and it trains nothing.

    Search: for two classes, or one score, and a metric of decisions, all thresholds between distinct scores are
    compared, so that the result is exact. For more, each shift in turn is moved to the best of such places (all of
    them, or hundreds and then those around the best), from several starts, until none gets better. A scale (a
    temperature) is tried where the metric depends on it, as with median decoding or a calibration error. Of places that
    are equally good the one in the widest gap between examples is taken. The same rows give the same result.

    Overfitting: up to K numbers are fitted, so that `after` is better than the metric of new rows will be. Tune on rows
    that the model was not trained on, and report the metric of others. Of few rows and many classes the best shifts of
    these rows are not those of others; `least_gain=1 / B` is a guard: each change of a shift must then gain what about
    one example can, starting from no shift, and the search ends earlier. `jaxsurr.compare` tunes so, with
    `?tune_threshold=True`, and shows on test rows what it gains.

    Args:
      metric: a `Metric`, the name of one, or a function with a direction (`jaxsurr.metric`); a black box
        (`jaxsurr.metrics.black_box`) is asked at most `calls` times. Of several metrics the first counts.
      predictions: `[B, ...]` floats that the metric reads, arrays of JAX or NumPy or what NumPy can read.
      targets: of the metric.
      where: `[B]` bool, or float weights of at least 0, or None.
      calls: the most evaluations of a black box, at least 10.
      least_gain: the least change for the better of the metric for which a shift is changed, in its unit.

    Returns:
      `Tuned`; `apply` shifts other predictions. It has no shift (and a scale of 1) where nothing is better.

    Raises:
      TypeError: predictions are no floats, or targets do not fit the metric.
      ValueError: shapes do not fit, a prediction that counts is NaN, no row counts, all targets are of one class, the
        metric is no number, or it does not depend on shifts, as the metric of an order does not.

    >>> import numpy as np, jaxsurr
    >>> scores, labels = np.array([-3.0, -2.0, -1.0, -2.5], np.float32), np.array([0, 1, 1, 0])
    >>> tuned = jaxsurr.decoding.tune("f_beta", scores, labels)  # of scores that are all below 0
    >>> tuned.before, tuned.after, float(tuned.shifts)
    (0.0, 1.0, 2.25)
    >>> (tuned.apply(scores) > 0).tolist()
    [False, True, True, False]
    """
    metric = as_metric(metric)
    predictions, targets, where = readable((predictions, targets, where))
    refuse(metric, targets)
    checks.integer(calls, "calls", least=10, meaning="fewer evaluations tell too little of a metric")
    checks.number(least_gain, "least_gain", least=0, meaning="in the unit of the metric")
    checks.floating(predictions if hasattr(predictions, "ndim") else np.asarray(predictions))
    checks.mask(where, len(predictions))
    _check_rows(predictions, targets, where)
    seeker = search(metric, predictions, targets, where, calls=calls - PROBES, least_gain=least_gain)
    if not np.isfinite(seeker.before):
        raise ValueError(
            f"{metric.name} is no finite number on these predictions, so that nothing can be compared with it. Leave "
            "out by where= the rows that it cannot read."
        )
    found = seeker.run()
    if not found.moved and seeker.ordered_only():
        raise ValueError(
            f"{metric.name} does not change when predictions are shifted, as a metric of their order does not: there "
            "is no decision to tune. Tune a metric that decides, such as f_beta or error_rate."
        )
    before, after = metric.sign * found.before, metric.sign * found.after
    return Tuned(jnp.asarray(found.shifts), found.scale, before, after, seeker.calls)


def _check_rows(predictions: Any, targets: PyTree, where: Any) -> None:
    """Refuses rows from which no threshold can be learned.

    Raises:
      ValueError: one of them that counts is NaN, none counts, or all have the same label.
    """
    rows = np.ones(len(predictions), bool) if where is None else np.asarray(valid(where))
    if not rows.any():
        raise ValueError("no example counts, as where is 0 for all: there is nothing to tune shifts on.")
    wrong = np.isnan(np.asarray(predictions, np.float32)[rows])
    if wrong.any():
        raise ValueError(
            f"predictions hold {int(wrong.sum())} values that are NaN in rows that count. Tune on the predictions of a "
            "model that has not diverged, or leave these rows out by where=."
        )
    labels = np.asarray(targets) if hasattr(targets, "dtype") else np.zeros(0)
    if labels.shape == rows.shape and labels.dtype.kind in "iub":
        known = np.unique(labels[rows])
        if len(known) == 1:
            raise ValueError(
                f"all targets that count are of one class, {known[0]}: the best shift predicts it always, and says "
                "nothing of other rows. Tune on rows of several classes."
            )


def refuse(metric: Metric, targets: PyTree = None) -> None:
    """Refuses a metric of points or lists, in whose predictions there is nothing to shift.

    Raises:
      ValueError: it is one.
    """
    if metric.space in _WITHOUT or isinstance(targets, Keypoints | RankedLists):
        raise ValueError(
            f"{metric.name} reads {metric.space.name}, in which no decision depends on shifts: there is nothing to "
            "tune. Shifts belong to logits of classes, levels or labels, and to scores."
        )
