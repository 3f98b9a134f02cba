"""Columns of tables: cells of text become numbers or words, column by column, or are refused with line and column.

A column is of numbers where at least half of its values are numbers; any other value is then an error. It is of words
where most of its values are words. Cells that hold nothing, or a mark of a missing value, are missing in both
(`jaxsurr.data.cells.MISSING`).
"""

import array
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsurr.data.cells import DATE, MARKED, MISSING, NO_NUMBER, decimal_comma, number, python_number
from jaxsurr.data.raw import EXACT

__all__ = ["MOST_CATEGORIES", "MOST_WORDS", "Cells", "Reading", "Typed"]

MOST_CATEGORIES = 256
"""Words of a column that become columns of 0 and 1; more are refused."""
MOST_WORDS = 1000
"""Different cells of a column that are remembered."""
_LEAST_IDS = 10  # rows from which on words that all differ are ids
_SHOWN = 80  # characters of a cell in a message
_BOOLS = ({"true", "false"}, {"yes", "no"})


class Typed(NamedTuple):
    """A column of a table.

    Attributes:
      values: `[N]` float64, NaN where missing; or int32 numbers of words, -1 where missing.
      words: of the numbers, sorted; empty for a column of numbers.
      was_bool: whether the numbers were words such as true and false.
      first_missing: line or row of the first missing value, 0 where there is none.
    """

    values: np.ndarray
    words: tuple[str, ...] = ()
    was_bool: bool = False
    first_missing: int = 0


class Reading(NamedTuple):
    """How the cells of a table are read, and how messages speak of it.

    Attributes:
      name: of the file or frame.
      place: what a row is called, "line" or "row".
      missing: more cells that are missing values.
      decimal: the decimal mark, "." or ",".
      option: `(key, *values) -> text`, how an option is written.
    """

    name: str
    place: str = "line"
    missing: tuple[str, ...] = ()
    decimal: str = "."
    option: Callable[..., str] = lambda key, *values: f"'&{key}={','.join(values)}'"


class Cells:
    """Collects the cells of a column of text, in memory of 8 bytes a cell and `MOST_WORDS` texts.

    While there are few different cells, their texts are kept and numbered; a column with many is one of numbers, or is
    refused in the end.

    Args:
      column: its name.
      reading: how cells are read.
      role: "target" or "list" of a column whose integers must be exact; any number of different lists is kept.
    """

    def __init__(self, column: str, reading: Reading, *, role: str = ""):
        self.column, self.reading, self.role = column, reading, role
        self.known: dict[str, int] = {}
        self.lines: list[int] = []  # of the first cell of each text
        self.codes = array.array("i")
        self.values: array.array | None = None  # once there are many different cells
        self.words: dict[str, int] = {}  # some words among many different cells, and their lines
        self.counts = {"number": 0, "word": 0, "missing": 0}
        self.first_missing = 0
        self.gaps: set[str] = set()  # cells that were missing values
        self.extra = {text.strip().lower() for text in reading.missing}

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Adds cells, and the line of each."""
        if self.values is None:
            known = self.known
            codes: list[Any] = list(map(known.get, cells))
            if None in codes:
                new = [cell for cell in dict.fromkeys(cells) if cell not in known]
                known.update(zip(new, itertools.count(len(known)), strict=False))
                first = dict(zip(reversed(cells), reversed(lines), strict=True))  # line of the first cell of each text
                self.lines.extend(map(first.__getitem__, new))
                codes = list(map(known.__getitem__, cells))
            self.codes.extend(codes)
            if len(known) > MOST_WORDS and self.role != "list":
                self._forget()
        elif not self._add_numbers(cells):
            for cell, line in zip(cells, lines, strict=True):
                self.values.append(self._read(cell, line))
        if self.role and self.values is not None:
            self._refuse_inexact(cells, lines)

    def _add_numbers(self, cells: Sequence[str]) -> bool:
        """Adds cells that all are numbers or gaps seen before; False, and nothing is added, where they are not."""
        text, comma, gaps = "".join(cells), self.reading.decimal == ",", self.gaps
        if self.values is None or not text.isascii() or "_" in text or (comma and "." in text):
            return False
        absent = 0
        if gaps and not gaps.isdisjoint(cells):
            absent = sum(map(gaps.__contains__, cells))
            cells = ["nan" if cell in gaps else cell for cell in cells]
        try:
            found = array.array("d", map(float, (cell.replace(",", ".") for cell in cells) if comma else cells))
        except ValueError:
            return False
        if np.isfinite(np.frombuffer(found)).sum() != len(found) - absent:
            return False
        self.values.extend(found)
        self.counts["number"] += len(found) - absent
        self.counts["missing"] += absent
        return True

    def _forget(self) -> None:
        """Goes on with numbers alone."""
        found = [self._read(text, line) for text, line in zip(self.known, self.lines, strict=True)]
        codes = np.frombuffer(self.codes, np.int32)
        counts = np.bincount(codes, minlength=len(found))
        for text, value, count in zip(self.known, found, counts.tolist(), strict=True):
            self.counts[self._kind(text, value)] += count - 1  # one of them was counted as it was read
        for (text, line), value in zip(list(zip(self.known, self.lines, strict=True)), found, strict=True):
            if self.role and abs(value) > EXACT:
                raise ValueError(self._inexact(text, line))
        self.values = array.array("d", np.asarray(found)[codes].tobytes())
        self.known, self.lines, self.codes = {}, [], array.array("i")

    def _kind(self, text: str, value: float) -> str:
        return "number" if value == value else "missing" if self._is_missing(text) else "word"

    def _is_missing(self, cell: str) -> bool:
        cell = cell.strip().lower()
        return cell in MISSING or cell in NO_NUMBER or cell in self.extra

    def _read(self, cell: str, line: int) -> float:
        value = number(cell, self.reading.decimal)
        if value is None:
            value = math.nan
            if not self._is_missing(cell) and len(self.words) < MOST_WORDS:
                self.words.setdefault(cell, line)
        kind = self._kind(cell, value)
        self.counts[kind] += 1
        if kind == "missing":
            self.gaps.add(cell)
            self.first_missing = self.first_missing or line
        return value

    def _refuse_inexact(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        new = np.frombuffer(self.values or b"")[-len(cells) :]
        if (beyond := np.abs(new) > EXACT).any():
            row = int(np.argmax(beyond))
            raise ValueError(self._inexact(cells[row], lines[row]))

    def _inexact(self, cell: str, line: int) -> str:
        return (
            f"{self._at(line)}: {cell[:_SHOWN]} lies beyond 2^53, where neighbours cannot be told apart; number what "
            "it stands for from 0"
        )

    def _at(self, line: int) -> str:
        return f"{self.reading.name}, {self.reading.place} {line}, column {self.column!r}"

    # --- what the column is -------------------------------------------------------------------------------------------

    def typed(self, *, as_words: bool = False) -> Typed:
        """The column as numbers or words; of a column with a role true and false stay words, and words may be many.

        Args:
          as_words: whether numbers are words too.

        Raises:
          ValueError: a word among numbers, dates, ids, or more words than can become columns.
        """
        if self.values is not None:
            return self._of_many(as_words)
        codes = np.frombuffer(self.codes, np.int32) if self.codes else np.zeros(0, np.int32)
        texts = [text.strip() for text in self.known]
        counts = np.bincount(codes, minlength=len(texts))
        values = [number(text, self.reading.decimal) for text in texts]
        is_number = np.array([value is not None for value in values], bool)
        missing = np.array([self._is_missing(text) for text in texts], bool)
        strict = np.array([text.lower() in MISSING or text.lower() in self.extra for text in texts], bool)
        numbers, words = int(counts[is_number].sum()), int(counts[~is_number & ~missing].sum())
        if not as_words and not words:
            if self.role:
                for text, value, line in zip(texts, values, self.lines, strict=True):
                    if value is not None and abs(value) > EXACT:
                        raise ValueError(self._inexact(text, line))
            table = np.array([math.nan if value is None else value for value in values], np.float64)
            return Typed(table[codes], first_missing=self._first(missing))
        spoken = {text.lower() for text, absent in zip(texts, missing, strict=True) if not absent}
        if not as_words and not self.role and any(spoken <= pair for pair in _BOOLS):
            table = np.where(missing, math.nan, [float(text.lower() in ("true", "yes")) for text in texts])
            return Typed(table[codes], was_bool=True, first_missing=self._first(missing))
        stray = [(self.lines[at], texts[at]) for at in np.flatnonzero(~is_number & ~missing)]
        if not as_words:
            self._check_words(stray, numbers, words, all_differ=bool(np.all(counts[~is_number & ~missing] == 1)))
        found = sorted({text for text, absent in zip(texts, strict, strict=True) if not absent})
        if not self.role and len(found) > MOST_CATEGORIES:
            raise ValueError(self._too_many(str(len(found)), stray[0] if stray else (self.lines[0], texts[0])))
        if not found:
            return Typed(np.full(len(codes), math.nan), first_missing=self._first(strict))
        place = {word: number for number, word in enumerate(found)}
        table = np.array([place.get(t, -1) if not m else -1 for t, m in zip(texts, strict, strict=True)], np.int32)
        return Typed(table[codes], tuple(found), first_missing=self._first(strict))

    def _of_many(self, as_words: bool) -> Typed:
        numbers, words = self.counts["number"], self.counts["word"]
        if words or as_words:
            stray = [(line, text) for text, line in self.words.items()]
            if not as_words:
                self._check_words(stray, numbers, words, all_differ=words == len(stray) and words < MOST_WORDS)
            raise ValueError(self._too_many(f"more than {MOST_WORDS}", stray[0] if stray else (0, "")))
        return Typed(np.frombuffer(self.values or b""), first_missing=self.first_missing)

    def _first(self, missing: np.ndarray) -> int:
        return min((line for line, absent in zip(self.lines, missing, strict=True) if absent), default=0)

    def _check_words(self, stray: list[tuple[int, str]], numbers: int, words: int, *, all_differ: bool) -> None:
        """Refuses words among numbers, and words that are numbers, dates or ids."""
        option, (line, text) = self.reading.option, stray[0]
        odd = [(line, text) for line, text in stray if python_number(text)]
        line, text = odd[0] if odd else stray[0]
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        commas = self.reading.decimal == "." and decimal_comma(text)
        if numbers >= words or odd or commas or self._mostly(MARKED, stray):
            if commas:
                advice = f"write a decimal point, or add {option('decimal', ',')} where all numbers have commas"
            elif self.reading.decimal == "," and number(text) is not None:
                advice = "other numbers have a decimal comma: write one, and no marks of thousands"
            elif MARKED.fullmatch(text):
                advice = "write it without unit, sign of currency and marks of thousands"
            else:
                advice = (
                    f"correct it, or add {option('missing', shown)} where it stands for a missing value, or "
                    f"{option('categories', self.column)} where the column holds categories"
                )
            more = f" ({words} of {numbers + words} values are none)" if words > 1 else ""
            raise ValueError(f"{self._at(line)}: {shown!r} is not a finite number{more}; {advice}")
        if self._mostly(DATE, stray):
            raise ValueError(
                f"{self._at(line)}: {shown!r} is a date or a time, which is no number; "
                + ("" if self.role else f"leave the column out, {option('drop', self.column)}, or ")
                + "write what matters of it (year, month, hour) in columns of numbers"
            )
        if all_differ and words >= _LEAST_IDS and self.role == "target":
            raise ValueError(
                f"{self._at(line)}: {shown!r} and all other {words} targets differ, so that they are no classes; "
                "choose another target"
            )
        if all_differ and words >= _LEAST_IDS and not self.role:
            raise ValueError(
                f"{self._at(line)}: {shown!r} and all other {words} words differ, as ids and names do, so that nothing "
                f"can be learned from them; leave the column out, {option('drop', self.column)}"
            )

    def _mostly(self, pattern: re.Pattern, stray: list[tuple[int, str]]) -> bool:
        return sum(pattern.fullmatch(text) is not None for _, text in stray) > 0.5 * len(stray)

    def _too_many(self, number: str, first: tuple[int, str]) -> str:
        line, text = first
        if self.role:
            return (
                f"{self._at(line)}: {text[:_SHOWN]!r} is one of {number} different words, too many for classes; choose "
                "another target"
            )
        return (
            f"{self._at(line)}: {text[:_SHOWN]!r} is one of {number} different words, and at most {MOST_CATEGORIES} of "
            f"a column become columns of 0 and 1; leave the column out, {self.reading.option('drop', self.column)}, or "
            "code it as numbers, or in fewer words"
        )
