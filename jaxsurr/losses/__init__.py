"""Conventional losses as functions `(predictions, targets, *, where=None) -> [B]`, one value for each example."""

from collections.abc import Callable

from jaxsurr import checks
from jaxsurr.losses.classification import (
    cross_entropy,
    expected_error,
    focal,
    generalised_cross_entropy,
    label_smoothing,
)
from jaxsurr.losses.keypoints import euclidean, l1, mse, smooth_l1, wing
from jaxsurr.losses.ordinal import expected_absolute_error, or_cnn, sord, squared_emd
from jaxsurr.losses.sets import (
    auc_margin,
    list_logistic,
    list_softmax,
    pairwise_auc,
    smooth_average_precision,
    soft_f_beta,
)

LOSSES: dict[str, Callable] = {
    loss.__name__: loss
    for loss in (
        auc_margin,
        cross_entropy,
        euclidean,
        expected_absolute_error,
        expected_error,
        focal,
        generalised_cross_entropy,
        l1,
        label_smoothing,
        list_logistic,
        list_softmax,
        mse,
        or_cnn,
        pairwise_auc,
        smooth_average_precision,
        smooth_l1,
        soft_f_beta,
        sord,
        squared_emd,
        wing,
    )
}

HEADS: dict[str, str] = {"or_cnn": "cumulative"}
"""The model's head that a loss trains, where it is not the usual one of its kind of targets."""


def get(name: str) -> Callable:
    """The conventional loss of this name.

    Raises:
      ValueError: there is none.
    """
    checks.one_of(name, "loss", LOSSES)
    return LOSSES[name]


__all__ = ["HEADS", "LOSSES", "get", *LOSSES]
