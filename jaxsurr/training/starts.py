"""A start of a learned loss that is chosen: the fixed loss, with the head that it needs, that is best on validation.

Fixed losses and heads differ more than learned losses do. With `start="auto"` those that fit the targets and the metric
(`jaxsurr.training.kinds`) are each trained to their end, the best on validation is kept, and the learned loss starts
from it: with its head, and a warm start on it. The better of these two runs on validation counts, as with `fallback`.
It costs the runs of all starts. Each run has read the test split at its own best epoch; what those that do not count
found there is dropped unseen.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxsurr.core.spec import parse_spec
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.training.config import update
from jaxsurr.training.epochs import better
from jaxsurr.training.kinds import KINDS, decoded
from jaxsurr.training.methods import Method, resolve, spell
from jaxsurr.training.program import Program, build
from jaxsurr.training.protocols import Event, Outcome, Report

__all__ = [
    "Train", "announcing", "best", "build_starts", "choose", "chooses", "fixed_method", "learned_method", "sentences",
    "starts_of", "train_from_best",
]  # fmt: skip

Train = Callable[[Sequence[Method], Sequence[Data], Program, str], list[Outcome | FloatingPointError]]
"""Trains methods on their data with a program that they share, within a folder of a work directory if there is one."""

_SHARED = ("decode", "learning_rate", "tune_threshold", "weight_decay")  # options that count for the fixed losses too


def chooses(method: Method) -> bool:
    """Whether the start of a loss is chosen."""
    return method.loss is None and method.config.start == "auto"


def starts_of(method: Method, kind: str) -> dict[str, str]:
    """Starts of a loss: the text of a fixed loss, and that of the learned loss that starts from it.

    Args:
      method: of the learned loss.
      kind: of the targets.
    """
    shared = {option: value for option, value in method.options.items() if option in _SHARED}
    own = {option: value for option, value in method.options.items() if option not in ("fallback", "start")}
    if method.given.fallback:
        own["fallback"] = False  # the run on the fixed loss is there already
    found = {}
    for text in decoded(KINDS[kind].starts, method.config.metric):
        name, options = parse_spec(text)
        found[spell(name, options | shared)] = spell(method.name, {"conventional": name} | options | own)
    return found


def build_starts(method: Method, data: Data, steps_per_epoch: int, given: Any = None) -> Program:
    """The program of a loss whose start is chosen: that of the first start that fits, with those of all others.

    Arguments are as for `jaxsurr.training.program.build`.

    Raises:
      ValueError: no start fits.
    """
    programs, left_out = {}, {}
    for fixed, learned in starts_of(method, data.kind).items():
        try:
            programs[fixed] = build(learned_method(method, learned), data, steps_per_epoch, given)
        except ValueError as error:
            left_out[fixed] = str(error)
    if not programs:
        reasons = dict.fromkeys(left_out.values())
        if len(reasons) == 1:
            raise ValueError(next(iter(reasons)))
        each = " ".join(f"{fixed}: {reason}" for fixed, reason in left_out.items())
        raise ValueError(f"{method.text}: there is no start that fits model, data and metric. {each}")
    return next(iter(programs.values()))._replace(starts=programs, left_out=left_out)


def sentences(method: Method, program: Program) -> list[str]:
    """The starts among which a run chooses, and why others are left out, a line each; none where nothing is chosen."""
    if not program.starts:
        return []
    said = [f"{method.text} chooses its start on validation among {', '.join(program.starts)}."]
    return said + [f"Left out of its starts is {fixed}: {reason}" for fixed, reason in program.left_out.items()]


def announcing(report: Report, program: Program) -> Report:
    """A callback that also says, when the run of the first start has ended, about how long the others take.

    It says nothing of a run that goes on where it stopped.
    """
    started, first, seen = time.monotonic(), next(iter(program.starts)), 0

    def counted(event: Event) -> None:
        nonlocal seen
        report(event)
        if event["event"] == "epoch" and (event["loss_name"], event["epoch"]) == (first, seen + 1):
            seen += 1
            if seen == event["epochs"]:
                ahead = (time.monotonic() - started) * len(program.starts) / 60
                text = f"The {len(program.starts)} runs left take about {ahead:.1f} min."
                report({"event": "note", "text": text})

    return counted


def fixed_method(method: Method, fixed: str) -> Method:
    """The method of the run of a start, for the program of the learned loss that starts from it."""
    config, epochs = method.given.copy_and_resolve_references(), method.config.epochs
    return resolve(update(config, loss=fixed, start="conventional", fallback=False, warm_epochs=epochs))


def learned_method(method: Method, learned: str) -> Method:
    """The method of the learned loss that starts from a fixed one."""
    return resolve(update(method.given.copy_and_resolve_references(), loss=learned))


def choose(metric: Metric, learned: Any, stayed: Any) -> Any:
    """The better outcome on validation, and whether it is the one that stayed; of equals that one.

    A run that diverged is an error and loses to any other.
    """
    if isinstance(stayed, FloatingPointError):
        return learned if isinstance(learned, FloatingPointError) else learned | {"stayed": False}
    if isinstance(learned, FloatingPointError) or not better(metric, learned, stayed):
        return stayed | {"stayed": True}
    return learned | {"stayed": False}


def best(metric: Metric, outcomes: Mapping[str, Any]) -> str:
    """The start whose outcome is best on validation; of equals the first, and the first where all diverged."""
    usable = {fixed: outcome for fixed, outcome in outcomes.items() if not isinstance(outcome, FloatingPointError)}
    found = next(iter(usable or outcomes))
    for fixed, outcome in usable.items():
        if better(metric, outcome, usable[found]):
            found = fixed
    return found


def train_from_best(
    methods: Sequence[Method], datas: Sequence[Data], program: Program, train: Train
) -> list[Outcome | FloatingPointError]:
    """Outcomes of methods that choose their starts, each for itself; runs that share a program are trained together."""
    tried = {
        fixed: train([fixed_method(method, fixed) for method in methods], datas, own, f"starts/{parse_spec(fixed)[0]}")
        for fixed, own in program.starts.items()
    }
    each = [{fixed: outcomes[place] for fixed, outcomes in tried.items()} for place in range(len(methods))]
    begun = [best(program.metric, outcomes) for outcomes in each]
    found: list[Any] = [None] * len(methods)
    for fixed, own in program.starts.items():
        places = [place for place, start in enumerate(begun) if start == fixed]
        if not places:
            continue
        texts = [starts_of(methods[place], datas[place].kind)[fixed] for place in places]
        led = [learned_method(methods[place], text) for place, text in zip(places, texts, strict=True)]
        for place, learned in zip(places, train(led, [datas[place] for place in places], own, ""), strict=True):
            found[place] = choose(own.metric, learned, each[place][fixed])
            if not isinstance(found[place], FloatingPointError):
                found[place] |= {"start": fixed, "starts": {text: _value(run) for text, run in each[place].items()}}
    return found


def _value(outcome: Any) -> Any:
    """The validation metric of a run, None where it diverged."""
    return None if isinstance(outcome, FloatingPointError) else outcome["validation"]
