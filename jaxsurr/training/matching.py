"""Head, metric and weights that fit a loss, a model and the targets of the data; refused in words if none do."""

from collections.abc import Callable
from typing import Any

import jax

from jaxsurr import metrics, models
from jaxsurr.core.spec import parse_spec
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.training.config import update
from jaxsurr.training.kinds import KINDS, LOSS_HEADS, LOSS_KINDS, metric_kinds, reads_others, usual
from jaxsurr.training.methods import Method, spell
from jaxsurr.training.protocols import Config

__all__ = ["check_fit", "head_for", "metric_for", "misfit", "weigh", "with_usual"]


def check_fit(model: models.Model, data: Data, functions: dict[str, Callable]) -> list[jax.ShapeDtypeStruct]:
    """Traces functions of predictions and targets, by name, on two rows, before a run has written anything.

    Returns:
      What each gives.

    Raises:
      ValueError: a function cannot read what the model predicts or what the data hold.
    """
    inputs, targets, _ = jax.tree.map(lambda leaf: leaf[:2], data.train)
    params = jax.eval_shape(model.init, jax.random.key(0), inputs)
    predictions = jax.eval_shape(model.apply, params, inputs)
    results = []
    for name, function in functions.items():
        try:
            result = jax.eval_shape(lambda z, y, function=function: function(z, y), predictions, targets)
        except (AttributeError, ArithmeticError, TypeError, ValueError) as error:
            raise ValueError(f"{name} does not fit the model's predictions and the {data.kind}: {error}") from error
        results.append(result)
    return results


def weigh(config: Config, outputs: tuple[int, ...]) -> tuple[float, ...] | None:
    """Weights of M metrics that are learned at once, equal where the config has none; None for a single metric.

    Raises:
      ValueError: there are not as many weights as metrics.
    """
    weights, number = tuple(config.metric_weights), outputs[0] if outputs else 1
    if weights and len(weights) != number:
        raise ValueError(f"metric_weights has {len(weights)} entries, and {config.metric} is {number} metrics.")
    return (weights or (1 / number,) * number) if outputs else None


_OR_SET = {
    "levels": "; or set data.kind=levels, if the classes are in order.",
    "scores": "; or set data.kind=scores, if there are two classes, for which the model is to have one logit.",
}


def with_usual(config: Config, kind: str) -> Config:
    """A config that names the loss of its warm start: a copy with the usual one of the kind where it names none."""
    if config.conventional:
        return config
    return update(config.copy_and_resolve_references(), conventional=usual(kind, config.metric))


def head_for(method: Method, kind: str, fixed: str = "") -> str:
    """The model's head: the config's, else the one that the loss (of the warm start, where it is learned) needs.

    Args:
      method: of the config.
      kind: of the targets.
      fixed: the head of a model that has one already.

    Raises:
      ValueError: the loss cannot serve these targets, or the head that is asked for cannot serve the loss.
    """
    source = method.config.data.source
    if method.loss is not None:
        trained, what = method.name, f"the loss {method.name}"
    else:
        trained = method.config.conventional
        what = f"conventional={trained}, which {method.name} starts on,"
    kinds = LOSS_KINDS[trained]
    heads = [name for name in LOSS_HEADS[trained] if kind in models.HEADS[name].kinds]  # none where the kind is wrong
    serves = [name for name, facts in models.HEADS.items() if kind in facts.kinds]
    usual = KINDS[kind].head
    head = method.config.model.head or fixed or (usual if usual in heads else next(iter(heads), ""))
    if head not in serves and method.config.model.head:
        raise ValueError(
            f"model.head is {head!r}, but the targets of {source} are {kind}: "
            f"use {' or '.join(serves)}. (The loss is {method.name}.)"
        )
    if kind not in kinds:
        fit = sorted(name for name, served in LOSS_KINDS.items() if kind in served)
        raise ValueError(
            f"{what} does not fit the targets of {source}, which are {kind}: it is for {' or '.join(kinds)}. "
            f"Use one of {', '.join(fit)}" + _OR_SET.get(next((name for name in kinds if name in _OR_SET), ""), ".")
        )
    if head not in heads:
        raise ValueError(
            f"{what} trains a model with the head {' or '.join(heads)}, but the model's is {head!r}: leave "
            "model.head empty, or choose a loss that reads this head."
        )
    return head


def metric_for(method: Method, head: str, levels: int) -> Metric:
    """The metric of a config, decoded as the loss asks for, or else in a way that the head allows.

    Args:
      method: of the config.
      head: of the model.
      levels: how many there are, which a score does not show.

    Raises:
      ValueError: the loss asks for a decoding that the head does not allow, or the metric cannot read the head.
    """
    name, options = parse_spec(method.config.metric)
    allowed, space = models.HEADS[head].decodes, models.HEADS[head].space
    decodes = "decode" in metrics.METRICS[name].known_options
    if own := metrics.METRICS[name].choices("decode") if decodes else ():  # of classes, on logits
        allowed = tuple(way for way in own if way in allowed)
    decodes = decodes and bool(allowed)
    if method.decode and not (decodes and method.decode in allowed):
        raise ValueError(
            f"the loss {method.name} asks for decode={method.decode}, which {name} of a model with the head {head!r} "
            f"does not have; {'use one of ' + ', '.join(allowed) if decodes and allowed else 'leave it out'}."
        )
    if not decodes:
        if models.HEADS[head].decodes and head != "logits":
            raise ValueError(
                f"the metric {name} reads logits, but the model has the head {head!r}, which the loss needs: use a "
                "metric of levels that is decoded, as mean_absolute_error, or a loss on logits."
            )
        found = metrics.get(method.config.metric)
        return found.bind(space=space) if space is not None and found.space.name == "class_logits" else found
    decode = method.decode or options.pop("decode", None)
    options["decode"] = decode if decode in allowed else allowed[0]
    if options["decode"] == "rounded":
        options["levels"] = levels
    return metrics.get(spell(name, {k: _text(v) for k, v in options.items()}))


_TO_HAVE = {
    "example_costs": "name the columns of costs as targets, '?target=A,B&kind=example_costs'",
    "durations": "name the column that says whether the event was seen, '&event=COLUMN'",
    "keypoints": "give points, 'npz:FILE?points=NAME'",
    "labels": "name several columns of 0 and 1 as targets, '?target=A,B'",
    "lists": "name the column with the list of each row, '&list=COLUMN'",
    "pixels": "train on it in a loop of your own, as no data source has pixels",
    "tokens": "name the column with the sequence of each row, '&sequence=COLUMN'",
}
_OF_ONE_NUMBER = ("classes", "levels", "scores", "numbers")  # kinds that the same targets can be coded as


def misfit(method: Method, kind: str, head: str, error: ValueError) -> ValueError:
    """What is said of a metric that cannot read a model's predictions or the targets: why, where that is known.

    Args:
      method: of the config.
      kind: of the targets.
      head: of the model.
      error: what was said when it was traced.
    """
    metric, source = method.config.metric, method.config.data.source
    name, kinds = parse_spec(metric)[0], metric_kinds(metric)
    trained = method.config.conventional if method.loss is None else method.name
    if kinds and kind not in kinds:
        fit = sorted(known for known in metrics.METRICS if kind in metric_kinds(known))
        advice = _TO_HAVE.get(kinds[0], f"data whose targets are {kinds[0]}")
        if kind in _OF_ONE_NUMBER and kinds[0] in _OF_ONE_NUMBER:
            advice = f"set data.kind={kinds[0]}, if they can be that"
        return ValueError(
            f"the metric {name} is for {' or '.join(kinds)}, and the targets of {source} are {kind}: use a metric of "
            f"{kind} ({', '.join(fit)}), or {advice}."
        )
    if reads_others(metric, head):
        return ValueError(
            f"the metric {name} does not read the predictions of the head {head!r}, which {trained} trains."
        )
    return error


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
