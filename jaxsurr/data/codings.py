"""Kinds of targets that a source can have, and how raw targets are coded for each: one entry of `CODINGS` a kind."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsurr.core.types import Durations, Keypoints, RankedLists, Sequences
from jaxsurr.data import labels as several
from jaxsurr.data import target_coding as coding
from jaxsurr.data.example_costs import as_costs
from jaxsurr.data.numbers import continuous
from jaxsurr.data.raw import Raw

__all__ = ["CODINGS", "Coded", "Coding", "Request", "described", "form_of", "kinds_of", "several_targets"]


class Request(NamedTuple):
    """What is asked of the targets of a source.

    Attributes:
      source: for messages.
      levels: number of levels to cut numbers into, or None.
      positive: the value that is 1 of two, as text, or None.
    """

    source: str
    levels: int | None = None
    positive: str | None = None


class Coded(NamedTuple):
    """Coded targets.

    Attributes:
      splits: of train, validation and test, in the form of `Split.targets`.
      outputs: number of classes, levels, points, labels, numbers or decisions, of the items of the longest list, or of
        the labels of steps; 2 for scores, 1 for durations.
      names: of the classes, levels, points, labels, numbers or decisions; for scores of 0 and of 1; may be empty.
      notes: sentences about what was changed.
    """

    splits: list[Any]
    outputs: int
    names: tuple[str, ...]
    notes: list[str]


class Coding(NamedTuple):
    """A kind of targets.

    Attributes:
      forms: of raw targets that it can be made of: a number of axes of an array, or a `NamedTuple` of
        `jaxsurr.core.targets`.
      code: `(splits, raw, request) -> Coded`; `splits` are raw targets of train, validation and test.
      cut: whether numbers can be cut into levels.
      classes: whether coded targets are integers of classes, `[N]`, that can be counted and weighed.
      described: such targets in words, with their number of `outputs`.
      alone: the same where there is one output.
    """

    forms: tuple[Any, ...]
    code: Callable[[Sequence[Any], Raw, Request], Coded]
    cut: bool = False
    classes: bool = False
    described: str = ""
    alone: str = ""


def form_of(targets: Any) -> Any:
    """The form of raw targets: the number of axes of an array, or the type of a tuple of arrays."""
    return type(targets) if isinstance(targets, tuple) else np.ndim(targets)


def kinds_of(targets: Any) -> list[str]:
    """The kinds that raw targets can be coded as."""
    return [kind for kind, known in CODINGS.items() if form_of(targets) in known.forms]


def several_targets(kind: str) -> bool:
    """Whether a row may have several targets of a kind, `[N, K]`."""
    return kind in CODINGS and 2 in CODINGS[kind].forms


def described(kind: str, outputs: int) -> str:
    """Targets of a kind in words.

    >>> described("levels", 3), described("scores", 2), described("numbers", 1)
    ('3 levels', 'scores of 2 classes', 'numbers')
    """
    known = CODINGS[kind]
    said = known.alone if known.alone and outputs == 1 else known.described or f"{{outputs}} {kind}"
    return said.format(outputs=outputs)


# --- codings ----------------------------------------------------------------------------------------------------------


def _classes(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    return _labelled(splits, coding.distinct(raw), raw, request, "classes")


def _levels(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    if raw.unordered:
        raise ValueError(
            f"the targets of {request.source!r} are words ({', '.join(raw.names[:5])}), which have no order: use "
            "kind=classes, or name them from the lowest to the highest, '&order=WORD,WORD,...'"
        )
    values = coding.distinct(raw)
    if request.levels is None and raw.levels is None and not np.any(values % 1):
        values = coding.equally_spaced(values, request.source)
    return _labelled(splits, values, raw, request, "levels")


def _labelled(splits: Sequence[Any], values: np.ndarray, raw: Raw, request: Request, kind: str) -> Coded:
    levels = raw.levels if request.levels is None else request.levels
    notes = coding.cut(coding.distinct(raw), levels)
    coded, outputs, names = coding.code(list(splits), values, levels)
    names = raw.names if len(raw.names) == outputs else names
    notes += coding.missing(coded, names, kind)
    if request.levels is None:
        _check_names(raw, outputs, request, kind)
    return Coded(coded, outputs, names, notes)


def _check_names(raw: Raw, outputs: int, request: Request, kind: str) -> None:
    if raw.names and len(raw.names) != outputs:
        raise ValueError(
            f"{request.source!r} names {len(raw.names)} {kind} but has {outputs}; correct or leave out the names"
        )


def _scores(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    """0 and 1: 1 is the greater of two numbers, the second of two words in their order, or the value asked for."""
    values = coding.distinct(raw)
    named = len(raw.names) == len(values)
    texts = list(raw.names) if named else [f"{value:g}" for value in values]
    if len(values) < 2 or (len(values) > 2 and request.positive is None):
        shown = ", ".join(texts[:5]) + (", ..." if len(texts) > 5 else "")
        raise ValueError(
            f"scores need targets of two values, and {request.source!r} has {len(values)} ({shown})"
            + ("; name the value that is 1, all others being 0: '&positive=VALUE'" if len(values) > 2 else "")
        )
    place = 1 if request.positive is None else _place(request.positive, texts, values, named, request.source)
    coded = [(np.asarray(part) == values[place]).astype(np.int32) for part in splits]
    if len(np.unique(coded[0])) < 2:
        raise ValueError(
            f"the training rows of {request.source!r} all are {texts[place]!r} or none is; expected both values"
        )
    others = [text for at, text in enumerate(texts) if at != place]
    notes = []
    if len(others) > 1:
        ones, rows = (sum(map(count, coded)) for count in (np.sum, len))
        notes = [f"targets of {texts[place]} are 1 ({ones} of {rows} rows), those of {len(others)} other values are 0"]
    elif raw.unordered and request.positive is None and tuple(map(str.lower, texts)) not in _PLAIN:
        notes = [
            f"the target {texts[1]!r} is 1 and {texts[0]!r} is 0, in the order of the alphabet; '&positive={texts[0]}' "
            "makes it the other way about"
        ]
    return Coded(coded, 2, (others[0] if len(others) == 1 else f"not {texts[place]}", texts[place]), notes)


_PLAIN = (("no", "yes"), ("n", "y"), ("false", "true"), ("f", "t"), ("negative", "positive"), ("neg", "pos"))
"""Words of which the second is 1 for everybody."""


def _place(positive: str, texts: list[str], values: np.ndarray, named: bool, source: str) -> int:
    if positive in texts:
        return texts.index(positive)
    try:
        found = [] if named else np.flatnonzero(values == float(positive)).tolist()
    except ValueError:
        found = []
    if not found:
        raise ValueError(f"positive={positive!r}: {source!r} has no such target; it has {', '.join(texts[:10])}")
    return found[0]


def _labels(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    names = raw.names or tuple(map(str, range(np.shape(splits[0])[1])))
    arrays = [several.as_labels(request.source, np.asarray(part), names) for part in splits]
    return Coded(arrays, len(names), names, several.constant(arrays[0], names))


def _numbers(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    """Float targets, as they are."""
    if raw.unordered:
        raise ValueError(f"the targets of {request.source!r} are words ({', '.join(raw.names[:5])}), expected numbers")
    outputs = 1 if np.ndim(splits[0]) == 1 else np.shape(splits[0])[1]
    if outputs > 1:
        _check_names(raw, outputs, request, "numbers")
    names = raw.names if len(raw.names) == outputs else ()
    arrays = continuous("numbers", [np.asarray(part) for part in splits], names)
    return Coded(arrays, outputs, names, [])


def _example_costs(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    outputs = np.shape(splits[0])[1]
    names = raw.names if len(raw.names) == outputs else ()
    arrays, notes = as_costs(request.source, [np.asarray(part) for part in splits], names)
    return Coded(arrays, outputs, names, notes)


def _keypoints(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    outputs = splits[0].points.shape[1]
    _check_names(raw, outputs, request, "keypoints")
    return Coded(list(splits), outputs, raw.names, [])


def _lists(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    outputs = splits[0].items.shape[1]
    _check_names(raw, outputs, request, "lists")
    return Coded(list(splits), outputs, raw.names, [])


def _tokens(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    """Labels of steps, as they are; those that only rows to validate or test on have are noted."""
    within = [part.tokens[np.arange(part.tokens.shape[1])[None] < part.lengths[:, None]] for part in splits]
    notes = coding.missing([labels[labels >= 0] for labels in within], raw.names, "labels")
    return Coded(list(splits), len(raw.names), raw.names, notes)


def _durations(splits: Sequence[Any], raw: Raw, request: Request) -> Coded:
    return Coded(continuous("durations", list(splits)), 1, (), [])


CODINGS = {
    "classes": Coding((1,), _classes, cut=True, classes=True),
    "levels": Coding((1,), _levels, cut=True, classes=True),
    "scores": Coding((1,), _scores, classes=True, described="scores of {outputs} classes"),
    "numbers": Coding((1, 2), _numbers, alone="numbers"),
    "labels": Coding((2,), _labels),
    "example_costs": Coding((2,), _example_costs, described="costs of {outputs} decisions"),
    "keypoints": Coding((Keypoints,), _keypoints),
    "lists": Coding((RankedLists,), _lists),
    "tokens": Coding((Sequences,), _tokens),
    "durations": Coding((Durations,), _durations, alone="durations"),
}
"""By name, as `&kind=` and `Data.kind` say it. A new kind of targets is a new entry."""
