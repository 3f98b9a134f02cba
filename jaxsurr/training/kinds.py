"""The kinds of targets that a data set can have, and which heads and losses serve them.

A new kind is a line of `KINDS`, heads that name it (`jaxsurr.models.heads`), and a file of losses of its name.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxsurr import losses, models
from jaxsurr.core.spec import parse_spec


class Kind(NamedTuple):
    """A kind of targets.

    Attributes:
      head: of a model, the usual one.
      losses: files of `jaxsurr.losses` whose losses train it.
      baselines: strong and cheap losses, without which no table of targets of this kind is worth reading.
      starts: fixed losses, with the heads that they need, among which the start of a learned loss is chosen.
      of_images: whether predictions are places in an image, so that inputs must be images with channels last.
      in_unit: whether fixed losses are in the unit of the targets, or its square, so that their gradients say nothing
        of the size of a learned loss's: at the switch to it the optimizer's averages of them begin anew.
    """

    head: str
    losses: tuple[str, ...]
    baselines: tuple[str, ...]
    starts: tuple[str, ...]
    of_images: bool = False
    in_unit: bool = False


KINDS = {
    "classes": Kind(
        head="logits",
        losses=("classes", "scores"),
        baselines=("cross_entropy", "generalised_cross_entropy", "smoothed"),
        starts=("cross_entropy", "label_smoothing"),
    ),
    "levels": Kind(
        head="logits",
        losses=("classes", "levels"),
        baselines=("cross_entropy?decode=median", "squared_emd?decode=median", "smoothed?decode=median"),
        starts=("cross_entropy?decode=median", "squared_emd?decode=median", "or_cnn", "coral", "corn"),
    ),
    "keypoints": Kind(
        head="points",
        losses=("keypoints",),
        baselines=("l1", "wing", "smoothed"),
        starts=("l1", "smooth_l1", "wing", "euclidean"),
        of_images=True,
    ),
    "lists": Kind(
        head="items",
        losses=("lists",),
        baselines=("list_softmax", "list_logistic", "smoothed"),
        starts=("list_softmax", "list_logistic"),
    ),
    "numbers": Kind(
        head="number",
        losses=("numbers",),
        baselines=("squared_error", "huber", "smoothed"),
        starts=("squared_error", "absolute_error", "huber", "log_cosh", "interval_score"),
        in_unit=True,
    ),
    "durations": Kind(
        head="order",
        losses=("durations",),
        baselines=("cox", "pairwise_concordance", "smoothed"),
        starts=("cox", "pairwise_concordance"),
    ),
}
"""By name, as `Data.kind` and `data.kind` say it."""

_BY_HEAD = {
    loss: tuple(name for name, head in models.HEADS.items() if loss in head.losses)
    for loss in dict.fromkeys(loss for head in models.HEADS.values() for loss in head.losses)
}

_OF_HEADS = {
    loss: tuple(kind for head in heads for kind in models.HEADS[head].kinds) for loss, heads in _BY_HEAD.items()
}

LOSS_KINDS: dict[str, tuple[str, ...]] = {
    loss: tuple(
        name for name, kind in KINDS.items() if losses.KIND.get(loss) in kind.losses or name in _OF_HEADS.get(loss, ())
    )
    for loss in (*losses.KIND, *(loss for loss in _BY_HEAD if loss not in losses.KIND))
}
"""The kinds of targets that a loss serves, of those that a data source can have: of its file, and of heads for it."""

LOSS_HEADS: dict[str, tuple[str, ...]] = {
    loss: _BY_HEAD.get(loss) or tuple(KINDS[kind].head for kind in kinds[:1]) for loss, kinds in LOSS_KINDS.items()
}
"""The model's heads that a loss can train, the usual one first: those that name it, or else that of its kind."""

BASELINES = {name: kind.baselines for name, kind in KINDS.items()}


def decoded(names: Sequence[str], metric: str) -> list[str]:
    """Losses of a kind, without the decoding of levels where the metric is decoded so anyway.

    >>> decoded(["coral", "squared_emd?decode=median"], "mean_absolute_error")
    ['coral', 'squared_emd']
    """
    plain = parse_spec(metric)[1].get("decode", "median") == "median"
    return [name.removesuffix("?decode=median") if plain else name for name in names]
