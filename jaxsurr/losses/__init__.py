"""Conventional losses as functions `(predictions, targets, *, where=None) -> [B]`, one value for each example.

Values are in at least single precision, gradients in the dtype of the predictions. What does not count (masked rows,
points that are not visible, absent items) may hold anything. Targets that count and are out of range are refused;
where they are traced, as inside `jit`, the values are NaN. `jaxsurr.core.reading` has the details.
"""

from jaxsurr.core import checks
from jaxsurr.core.protocols import Loss
from jaxsurr.losses.classes import cross_entropy, expected_error, focal, generalised_cross_entropy, label_smoothing
from jaxsurr.losses.keypoints import euclidean, heatmap_mse, l1, mse, smooth_l1, wing
from jaxsurr.losses.levels import (
    absolute_error,
    coral,
    corn,
    expected_absolute_error,
    or_cnn,
    quadratic_weighted_kappa,
    sord,
    squared_emd,
    squared_error,
)
from jaxsurr.losses.scores import (
    auc_margin,
    list_logistic,
    list_softmax,
    pairwise_auc,
    smooth_average_precision,
    soft_f_beta,
)
from jaxsurr.losses.words import MEANT

_CLASSIFICATION = (cross_entropy, expected_error, focal, generalised_cross_entropy, label_smoothing)
_BINARY = (auc_margin, pairwise_auc, smooth_average_precision, soft_f_beta)
_ORDINAL = (
    absolute_error,
    coral,
    corn,
    expected_absolute_error,
    or_cnn,
    quadratic_weighted_kappa,
    sord,
    squared_emd,
    squared_error,
)
_KEYPOINTS = (euclidean, heatmap_mse, l1, mse, smooth_l1, wing)
_LISTS = (list_logistic, list_softmax)

LOSSES: dict[str, Loss] = {
    loss.__name__: loss for loss in (*_CLASSIFICATION, *_BINARY, *_ORDINAL, *_KEYPOINTS, *_LISTS)
}

KINDS: dict[str, tuple[str, ...]] = (
    {loss.__name__: ("classes", "levels") for loss in _CLASSIFICATION}
    | {loss.__name__: ("classes",) for loss in _BINARY}
    | {loss.__name__: ("levels",) for loss in _ORDINAL}
    | {loss.__name__: ("points",) for loss in _KEYPOINTS}
    | {loss.__name__: ("lists",) for loss in _LISTS}
)
"""The kinds of targets that a loss serves, of those that a data source can have."""

HEADS: dict[str, tuple[str, ...]] = {
    name: {"points": ("points",), "lists": ("items",)}.get(kinds[0], ("logits",)) for name, kinds in KINDS.items()
} | {
    "absolute_error": ("score",),
    "coral": ("coral",),
    "corn": ("conditional",),
    "heatmap_mse": ("heatmaps",),
    "or_cnn": ("cumulative", "coral"),
    "squared_error": ("score",),
}
"""The model's heads that a loss can train (`jaxsurr.models`), the usual one first."""


def get(name: str) -> Loss:
    """The conventional loss of this name.

    Raises:
      ValueError: there is none.
    """
    checks.one_of(name, "loss", LOSSES, MEANT)
    return LOSSES[name]


__all__ = ["HEADS", "KINDS", "LOSSES", "get", *LOSSES]
