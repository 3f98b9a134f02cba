"""The kinds of targets that a data set can have, and which heads and losses serve them.

A new kind is a line of `KINDS`, heads that name it (`jaxsurr.models.heads`), and a file of losses of its name.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxsurr import losses, metrics, models
from jaxsurr.core.spec import parse_spec

__all__ = [
    "BASELINES",
    "KINDS",
    "LOSS_HEADS",
    "LOSS_KINDS",
    "Kind",
    "certainly_usual",
    "decoded",
    "metric_kinds",
    "reads_others",
    "usual",
]


class Kind(NamedTuple):
    """A kind of targets.

    Attributes:
      head: of a model, the usual one.
      losses: files of `jaxsurr.losses` whose losses train it.
      baselines: strong and cheap losses, without which no table of targets of this kind is worth reading.
      starts: fixed losses, with the heads that they need, among which the start of a learned loss is chosen; the first
        is the usual one (`usual`).
      of_images: whether predictions are places in an image, so that inputs must be images with channels last.
      in_unit: whether fixed losses are in the unit of the targets, or its square, so that their gradients say nothing
        of the size of a learned loss's: at the switch to it the optimizer's averages of them are reset.
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
        starts=("cross_entropy", "label_smoothing", "generalised_cross_entropy"),
    ),
    "scores": Kind(
        head="logit",
        losses=("scores",),
        baselines=("binary_cross_entropy", "binary_focal", "smoothed"),
        starts=("binary_cross_entropy", "binary_focal"),
    ),
    "labels": Kind(
        head="labels",
        losses=("labels",),
        baselines=("label_cross_entropy", "asymmetric", "smoothed"),
        starts=("label_cross_entropy", "asymmetric"),
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
    "tokens": Kind(
        head="steps",
        losses=("tokens",),
        baselines=("token_cross_entropy", "sequence_expected_error", "smoothed"),
        starts=("token_cross_entropy", "token_label_smoothing", "sequence_cross_entropy"),
    ),
    "numbers": Kind(
        head="number",
        losses=("numbers",),
        baselines=("squared_error", "huber", "smoothed"),
        starts=("squared_error", "absolute_error", "huber", "log_cosh", "interval_score"),
        in_unit=True,
    ),
    "example_costs": Kind(
        head="decisions",
        losses=("example_costs",),
        baselines=("cost_proportionate_cross_entropy", "expected_example_cost", "smoothed"),
        starts=("cost_proportionate_cross_entropy", "expected_example_cost", "one_sided_regression"),
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

LOSS_HEADS: dict[str, tuple[str, ...]] = {
    loss: tuple(dict.fromkeys(kind.head for kind in KINDS.values() if file in kind.losses))
    for loss, file in losses.KIND.items()
} | _BY_HEAD
"""The model's heads that a loss can train, the usual one first: those that name it, or else those of its kinds."""


def _kinds(loss: str) -> tuple[str, ...]:
    file, heads = losses.KIND.get(loss), _BY_HEAD.get(loss, ())
    named = {kind for head in heads for kind in models.HEADS[head].kinds}
    return tuple(name for name, kind in KINDS.items() if (name in named if heads else file in kind.losses))


LOSS_KINDS: dict[str, tuple[str, ...]] = {loss: _kinds(loss) for loss in LOSS_HEADS}
"""The kinds of targets that a loss serves, of those of data sources: those of heads for it, or else of its file."""


_CLASSES = ("classes", "scores", "levels")
_OF_METRICS = {
    "calibration": _CLASSES,
    "classes": _CLASSES,
    "confusion": _CLASSES,
    "costs": ("classes", "levels"),
    "intervals": ("numbers",),
    "levels": ("levels", "classes"),
    "sequences": ("tokens",),
}
"""Kinds of targets of metrics by their file; those of other files are for the kind of its name."""


def _file(metric: str) -> str:
    """The file of a metric of this library; "" for one of your own."""
    known = metrics.METRICS.get(parse_spec(metric)[0])
    package, _, name = getattr(known and known.function, "__module__", "").rpartition(".")
    return name if package == metrics.__name__ else ""


def metric_kinds(metric: str) -> tuple[str, ...]:
    """The kinds of targets that a metric of this library is for; none for one of your own.

    >>> metric_kinds("ndcg"), metric_kinds("f_beta?beta=2"), metric_kinds("interval_width")
    (('lists',), ('classes', 'scores', 'levels'), ('numbers',))
    """
    file = _file(metric)
    return _OF_METRICS.get(file, (file,) if file else ())


def reads_others(metric: str, head: str) -> bool:
    """Whether a metric and a head of the same targets are for different predictions, such as intervals and numbers.

    >>> reads_others("absolute_error", "interval"), reads_others("absolute_error", "number")
    (True, False)
    """
    apart = {kind for known in models.HEADS.values() for kind in known.kinds} - KINDS.keys()
    file = _file(metric)
    return bool(file) and (file in apart) != bool(apart.intersection(models.HEADS[head].kinds))


def usual(kind: str, metric: str) -> str:
    """The fixed loss that a learned one starts on where the config names none.

    It is the first of the starts of the kind; of a metric of predictions of another kind, as intervals for numbers, the
    first start that trains these.

    >>> usual("levels", "mean_absolute_error"), usual("numbers", "absolute_error"), usual("numbers", "interval_width")
    ('cross_entropy', 'squared_error', 'interval_score')
    """
    starts = [parse_spec(start)[0] for start in KINDS[kind].starts]
    file = _file(metric)
    if file not in KINDS[kind].losses:
        starts.sort(key=lambda loss: losses.KIND.get(loss) != file)
    return starts[0]


def certainly_usual(loss: str) -> bool:
    """Whether a fixed loss is the usual one of all kinds that it serves, whatever the metric."""
    kinds = LOSS_KINDS.get(loss, ())
    return bool(kinds) and all(parse_spec(KINDS[kind].starts[0])[0] == loss for kind in kinds)


BASELINES = {name: kind.baselines for name, kind in KINDS.items()}


def decoded(names: Sequence[str], metric: str) -> list[str]:
    """Losses of a kind, without the decoding of levels where the metric is decoded so anyway.

    >>> decoded(["coral", "squared_emd?decode=median"], "mean_absolute_error")
    ['coral', 'squared_emd']
    """
    plain = parse_spec(metric)[1].get("decode", "median") == "median"
    return [name.removesuffix("?decode=median") if plain else name for name in names]
