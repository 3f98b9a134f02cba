"""Coding of the targets of a source as integers from 0."""

import itertools
from typing import Any

import numpy as np

from jaxsurr.data.raw import EXACT, Raw, warn

__all__ = ["above", "code", "cut", "distinct", "equally_spaced", "missing", "redraw", "redrawn", "refuse_inexact"]

_MOST_LEVELS = 1000


def code(splits: list[np.ndarray], values: np.ndarray, levels: int | None) -> tuple[list[np.ndarray], int, tuple]:
    """Codes the targets as integers from 0; returns them, the number of codes, and their names."""
    if values.dtype.kind not in "iu":
        splits, values = [part.astype(np.float64) for part in splits], values.astype(np.float64)
    if len(values) < 2 or len(np.unique(splits[0])) < 2:
        raise ValueError("the targets of the training rows all have the same value; expected at least 2 distinct ones")
    whole = not np.any(values % 1)
    if levels is None and values.dtype.kind == "f":
        refuse_inexact(values)
    if levels is None and not whole:
        raise ValueError(
            "the targets are not integers; give levels=K to cut them into K levels of equal frequency, or kind=numbers "
            "to predict them as they are"
        )
    if levels is None or (whole and len(values) == levels):
        coded = [np.searchsorted(values, part).astype(np.int32) for part in splits]
        return coded, len(values), tuple(str(int(value)) for value in values)
    splits = [part.astype(np.float64) for part in splits]
    edges = np.quantile(splits[0], np.arange(1, levels) / levels)
    coded = [np.searchsorted(edges, part, side="right").astype(np.int32) for part in splits]
    filled = len(np.unique(coded[0]))
    if filled < levels:
        raise ValueError(
            f"levels={levels}, but cut at the quantiles of the training rows only {filled} levels have rows, since the "
            f"targets have {len(values)} distinct values or many equal ones; use fewer levels"
        )
    bounds = [f"{edge:g}" for edge in edges]
    between = [f"[{low}, {high})" for low, high in itertools.pairwise(bounds)]
    return coded, levels, (f"< {bounds[0]}", *between, f">= {bounds[-1]}")


def distinct(raw: Raw) -> np.ndarray:
    """The sorted distinct values of the targets of a source, those of test rows among them."""
    parts: list[Any] = [raw.targets, *([] if raw.test_targets is None else [raw.test_targets])]
    return np.unique(np.concatenate(parts))


def refuse_inexact(values: np.ndarray) -> None:
    """Refuses sorted integers, such as ids and hashes, that are not exact in float64."""
    if int(values[-1]) > EXACT or int(values[0]) < -EXACT:
        raise ValueError(
            f"the targets go from {int(values[0])} to {int(values[-1])}, beyond 2^53, where neighbours cannot be told "
            "apart; number what they stand for from 0, y = np.unique(y, return_inverse=True)[1]"
        )


def equally_spaced(values: np.ndarray, source: str) -> np.ndarray:
    """Equally spaced levels from the least to the greatest value; the step is the greatest common divisor."""
    refuse_inexact(values)
    values = values.astype(np.int64)
    step = int(np.gcd.reduce(np.diff(values))) if len(values) > 1 else 1
    count = (int(values[-1]) - int(values[0])) // step + 1
    if count > _MOST_LEVELS:
        raise ValueError(
            f"the targets of {source!r} are integers from {values[0]} to {values[-1]} in steps of {step}, which "
            f"are {count} levels; give levels=K to cut them into K levels of equal frequency"
        )
    return values[0] + step * np.arange(count)


def missing(splits: list[np.ndarray], names: tuple[str, ...], kind: str) -> list[str]:
    """A note, with a warning, on targets that have rows to validate or test on but none to train on."""
    absent = np.setdiff1d(np.concatenate(splits[1:]), splits[0])
    if not len(absent):
        return []
    named = ", ".join(names[i] for i in absent[:5]) + (", ..." if len(absent) > 5 else "")
    note = (
        f"{len(absent)} of {len(names)} {kind} have rows to validate or test on but none to train on ({named}), "
        "so a model cannot learn them; use more rows, another seed, or fewer levels"
    )
    warn(note)
    return [note]


def cut(values: np.ndarray, levels: int | None) -> list[str]:
    """A note where targets of these values are cut into levels."""
    if levels is None or (len(values) == levels and not np.any(values % 1)):
        return []
    return [f"the {len(values)} distinct targets are cut into {levels} levels at the quantiles of the training rows"]


def redrawn(labels: int, fraction: float) -> int:
    """Number of labels that `redraw` changes."""
    return round(fraction * labels)


def redraw(rng: np.random.Generator, labels: np.ndarray, outputs: int, fraction: float) -> np.ndarray:
    """The labels with a fraction of them redrawn uniformly over all classes."""
    rows = rng.permutation(len(labels))[: redrawn(len(labels), fraction)]
    labels = labels.copy()
    labels[rows] = rng.integers(outputs, size=len(rows))
    return labels


def above(raw: Raw, bound: float, source: str) -> tuple[Raw, str]:
    """Two classes, divided at a threshold of the targets, and a note about it."""
    if isinstance(raw.targets, tuple) or np.ndim(raw.targets) != 1 or raw.unordered:
        held = "words" if raw.unordered else raw.kind
        raise ValueError(f"at_least={bound:g} divides numeric targets into two classes, and {source!r} has {held}")
    test = None if raw.test_targets is None else (np.asarray(raw.test_targets) >= bound).astype(np.int32)
    targets = (np.asarray(raw.targets) >= bound).astype(np.int32)
    counts = [part for part in (targets, test) if part is not None]
    above, rows = sum(int(part.sum()) for part in counts), sum(map(len, counts))
    note = f"targets of at least {bound:g} are class 1 ({above} of {rows} rows), all others class 0"
    return raw._replace(targets=targets, test_targets=test, kind="classes", levels=None, names=()), note
