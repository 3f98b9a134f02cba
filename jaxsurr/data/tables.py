"""Tables with words and gaps, encoded as numbers by the training rows.

A column of numbers with gaps becomes two: gaps are filled with the median of the training rows, and `NAME is missing`
is 1 where there was one, else 0. A column of words becomes a column of 0 and 1 for each of its words, `NAME=WORD`, in
the order of the words (by code points), and where it has gaps `NAME is missing`. Which columns there are depends on the
whole table, so that it is the same for every seed; the column of a word that no training row has is 0.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsurr.data.columns import Typed

__all__ = ["Table", "encode", "inputs_of", "is_missing", "numbering"]

_SHOWN = 5  # columns or categories in a note
_LEAST_ROWS = 20  # from which on whole numbers that all differ are no chance
_FILLED = 1.5  # a numbering, of which some rows are left out, reaches no further than so many times the rows


@dataclasses.dataclass(frozen=True)
class Table:
    """Inputs as columns of numbers and of words.

    Attributes:
      names: of the columns.
      columns: `[N]` or, of items of lists, `[M, L]` each: float64 with NaN where missing, or int32 numbers of words
        with -1 where missing.
      words: of each column, sorted; empty for a column of numbers.
      gaps: of each column, whether a value of the whole table is missing.
    """

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    words: tuple[tuple[str, ...], ...]
    gaps: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, rows: Any) -> "Table":
        return dataclasses.replace(self, columns=tuple(column[rows] for column in self.columns))

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array `[N, D]` of the columns, not of what they are encoded as."""
        return (*self.columns[0].shape, len(self.columns))


def inputs_of(columns: dict[str, Typed]) -> np.ndarray | Table:
    """Inputs `[N, D]` float64 where all columns are numbers without gaps, else a `Table`."""
    gaps = tuple(bool(is_missing(column.values).any()) for column in columns.values())
    words = tuple(column.words for column in columns.values())
    if not any(gaps) and not any(words):
        return np.stack([column.values for column in columns.values()], axis=1)
    return Table(tuple(columns), tuple(column.values for column in columns.values()), words, gaps)


def is_missing(column: np.ndarray) -> np.ndarray:
    """Mask of the missing values of a column."""
    return np.isnan(column) if column.dtype.kind == "f" else column < 0


def numbering(inputs: Any, names: Sequence[str]) -> list[str]:
    """The columns of a table that seem to number its rows: whole numbers that all differ, with few left out.

    >>> rows = np.arange(1.0, 31)
    >>> numbering(np.stack([rows, rows + 0.5, rows // 2, rows**2], axis=1), ["id", "a", "b", "c"])
    ['id']
    """
    if len(names) != inputs.shape[-1] or len(inputs.shape) != 2 or len(inputs) < _LEAST_ROWS:
        return []
    words = inputs.words if isinstance(inputs, Table) else [()] * len(names)
    columns = inputs.columns if isinstance(inputs, Table) else inputs.T
    return [name for name, held, column in zip(names, words, columns, strict=True) if not held and _numbers(column)]


def _numbers(column: np.ndarray) -> bool:
    if np.isnan(column).any() or np.any(column % 1) or np.ptp(column) >= _FILLED * len(column):
        return False
    return len(np.unique(column)) == len(column)


def encode(
    splits: Sequence[Table], items: Sequence[np.ndarray] | None = None
) -> tuple[list[np.ndarray], tuple[str, ...], list[str]]:
    """Encodes train, validation and test as numbers, by the values of train.

    Args:
      splits: parts of one table, train first.
      items: `[M, L]` bool of each split, where there is an item of a list; None for rows.

    Returns:
      Float64 `[N, D]` or `[M, L, D]` of each split, 0 where there is no item; the names of the D columns; and notes.

    >>> columns = {"age": Typed(np.array([30, np.nan, 50])), "sex": Typed(np.array([0, 1, -1]), ("f", "m"))}
    >>> inputs, names, notes = encode([inputs_of(columns)])
    >>> names
    ('age', 'age is missing', 'sex=f', 'sex=m', 'sex is missing')
    >>> inputs[0].tolist()
    [[30.0, 0.0, 1.0, 0.0, 0.0], [40.0, 1.0, 0.0, 1.0, 0.0], [50.0, 0.0, 0.0, 0.0, 1.0]]
    """
    first = splits[0]
    present = [np.ones(split.shape[:-1], bool) for split in splits] if items is None else list(items)
    names: list[str] = []
    filled: list[tuple[str, int]] = []
    absent: list[tuple[str, int]] = []
    unseen: list[tuple[str, int]] = []
    widths: list[tuple[str, int]] = []
    encoded: list[list[np.ndarray]] = [[] for _ in splits]
    for place, (name, words) in enumerate(zip(first.names, first.words, strict=True)):
        parts = [split.columns[place] for split in splits]
        missing = [is_missing(part) for part in parts]
        gaps = sum(int((gap & here).sum()) for gap, here in zip(missing, present, strict=True))
        if words:
            trained = np.bincount(parts[0][present[0] & ~missing[0]], minlength=len(words)) > 0
            counts = np.zeros(len(words), int)
            for part, gap, here in zip(parts, missing, present, strict=True):
                counts += np.bincount(part[here & ~gap], minlength=len(words)) * ~trained
            unseen += [(f"{name}={words[word]}", int(counts[word])) for word in np.flatnonzero(counts)]
            widths.append((name, len(words)))
            absent += [(name, gaps)] if gaps else []
            names += [f"{name}={word}" for word in words]
            for out, part in zip(encoded, parts, strict=True):
                out += [part == word for word in range(len(words))]
        else:
            known = parts[0][present[0] & ~missing[0]]
            median = np.median(known) if len(known) else 0.0
            filled += [(name, gaps)] if gaps else []
            names.append(name)
            for out, part, gap in zip(encoded, parts, missing, strict=True):
                out.append(np.where(gap, median, part))
        if first.gaps[place]:
            names.append(f"{name} is missing")
            for out, gap in zip(encoded, missing, strict=True):
                out.append(gap)
    inputs = []
    for split, out, here in zip(splits, encoded, present, strict=True):
        array = np.empty((*split.shape[:-1], len(names)))
        for place, column in enumerate(out):
            np.multiply(column, here, out=array[..., place])
        inputs.append(array)
    notes = []
    if widths:
        total = sum(width for _, width in widths)
        notes.append(f"{_count(len(widths), 'column')} of words as {total} columns of 0 and 1 ({_listed(widths)})")
    if filled:
        notes.append(
            f"{_number(filled, 'missing number')} in {_count(len(filled), 'column')} filled with the median of the "
            f"training rows, and a column more for each says where ({_listed(filled)})"
        )
    if absent:
        notes.append(
            f"{_number(absent, 'missing word')} in {_count(len(absent), 'column')} as 0 for all words, and a column "
            f"more for each says where ({_listed(absent)})"
        )
    if unseen:
        notes.append(
            f"{_number(unseen, 'word')} of rows to validate or test on that no training row has are 0 in the columns "
            f"of all words ({_listed(unseen)})"
        )
    return inputs, tuple(names), notes


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _number(counted: list[tuple[str, int]], what: str) -> str:
    return _count(sum(count for _, count in counted), what)


def _listed(counted: list[tuple[str, int]]) -> str:
    return ", ".join(f"{name[:40]} {count}" for name, count in counted[:_SHOWN]) + ", ..." * (len(counted) > _SHOWN)
