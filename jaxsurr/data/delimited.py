"""Reader of tables of text: csv files with any of the usual separators, marks and encodings.

Tables are read by `csv` and not by pandas, so that an error names line and column, types are not guessed from a part of
the file, and memory is bounded. It takes two to three times as long as `pandas.read_csv`, and half the memory.
"""

import csv
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from jaxsurr.data.bounded import lines, regular
from jaxsurr.data.cells import decimal_comma, number
from jaxsurr.data.columns import Reading
from jaxsurr.data.raw import Raw, closest
from jaxsurr.data.roles import Roles, check, collectors, raw_of, split_names, typed

__all__ = ["SEPARATORS", "read_csv", "roles_of"]

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
"""Separators by name; they can also be given as they are."""
_SNIFFED = 100  # lines that the separator is found from
_CELLS = 5_000  # that are held as text at once; with more, they outlive caches and take three times as long


def read_csv(
    path: str | Path,
    target: str | Sequence[str],
    *,
    lists: str | int | None = None,
    weight: str | None = None,
    event: str | None = None,
    sequence: str | None = None,
    drop: str | Sequence[str] = (),
    missing: str | Sequence[str] = (),
    categories: str | Sequence[str] = (),
    order: str | Sequence[str] = (),
    separator: str | None = None,
    decimal: str | None = None,
) -> Raw:
    """Reads a table whose first line names the columns.

    Separators are commas, semicolons, tabs or `|`: the one by which the first lines have the same number of cells, the
    named columns among them. Numbers have a decimal point, or, where the separator is no comma, a decimal comma. The
    encoding is UTF-8, UTF-16 with a mark of order, or else Latin-1 (Windows-1252), which is noted. Cells may be quoted;
    blank lines are skipped; a column without a name is named by its place, `column_3`. What columns of numbers and of
    words are, and which cells are missing values, says `jaxsurr.data.columns`; what is made of them
    `jaxsurr.data.tables`. True and false, yes and no, in a column of inputs are 1 and 0. Rows without a target, and
    columns without a value, are left out and noted.

    Args:
      path: the file.
      target: the column that is to be predicted, or several, separated by commas: labels of 0 and 1, or numbers. The
        columns without a role are the inputs.
      lists: name of the column with the list of each row, or the number of items in a list, to assign rows to lists at
        random (`deal`); None: rows are independent.
      weight: name of the column of the rows' weights, at least 0 and not all 0.
      event: name of a column of 0 and 1, where the target is the time until an event: whether it was seen.
      sequence: name of the column with the sequence of each row, which is a step of it, in the order of the rows; the
        target is the label of the step. A step whose label is missing or negative does not count.
      drop: columns that are left out, separated by commas.
      missing: more cells that are missing values, separated by commas.
      categories: columns whose numbers are words, as postal codes.
      order: the words of the target from the lowest to the highest, separated by commas; they are levels then.
      separator: one of `SEPARATORS`, by name or as it is; None: found from the file.
      decimal: "." or ","; None: found from the file.

    Returns:
      `Raw` with inputs `[N, D]` float64, in the order of the file, or a `Table` where there are words or gaps, and
      targets `[N]` of kind 'levels', or 'classes' where they are words; `[N, K]` of kind 'labels' or 'numbers' where
      there are several; with `lists` of kind 'lists', inputs `[M, L, D]` and `RankedLists`, the target being the
      relevance; with `sequence` of kind 'tokens', `Sequences`; with `event` of kind 'durations', `Durations`.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no such column, a name twice, no input column, no rows, a row of another length than the header, a
        word in a column of numbers, dates, ids, too many words, no target, a missing list or weight, or an integer of
        targets or lists that is too large to be exact. The error names the line (counted from 1, the header) and the
        column.
    """
    path = regular(Path(path), "csv", "csv")
    given = dict(target=target, lists=lists, weight=weight, event=event, sequence=sequence, drop=drop, missing=missing)
    given |= dict(categories=categories, order=order)
    with path.open("rb") as file:
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    problem = None
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            with path.open(newline="", encoding=encoding) as file:
                raw = _read(file, path.name, given, separator, decimal, plain=encoding != "cp1252")
        except UnicodeDecodeError as error:
            problem = error
        except csv.Error as error:
            raise ValueError(f"{path.name} is not a table of text: {error}") from error
        else:
            if encoding == "cp1252":
                raw = raw._replace(notes=(f"{path.name} is not UTF-8 and is read as Latin-1", *raw.notes))
            return raw
    raise ValueError(f"{path.name} is not a text file in UTF-8 or Latin-1: {problem}; save it as csv in UTF-8")


def _read(file: IO[str], name: str, given: dict, separator: str | None, decimal: str | None, plain: bool) -> Raw:
    text = lines(file, name)
    sample = list(itertools.islice(text, _SNIFFED))
    if not plain:
        _refuse_binary(sample, name)
    mark = _separator(separator) if separator else _found(sample, given)
    reader = csv.reader(itertools.chain(sample, text), delimiter=mark)
    header = next(filter(None, reader), None)
    if header is None:
        raise ValueError(f"{name} is empty; expected a line of column names and then rows")
    columns = [cell.strip() or f"column_{place}" for place, cell in enumerate(header, 1)]
    unnamed = [column for column, cell in zip(columns, header, strict=True) if not cell.strip()]
    roles = roles_of(columns, **given)
    reading = Reading(name, missing=roles.missing)
    _tell_of_spaces(name, columns, roles)
    inputs = check(name, columns, roles, reading.option)
    blocks = _blocks(reader, name, columns)
    first = next(blocks, None)
    if first is None:
        raise ValueError(f"{name} has column names but no rows; expected at least one row")
    reading = reading._replace(decimal=decimal or _decimal(mark, first[1]))
    if reading.decimal not in (".", ","):
        raise ValueError(f"decimal={decimal!r}: expected '.' or ','")
    cells = collectors(columns, roles, reading)
    for numbers, block in itertools.chain([first], blocks):
        if not plain:
            _refuse_binary(itertools.chain.from_iterable(block), name)
        for column, held in zip(columns, block, strict=True):
            if column in cells:
                cells[column].add(held, numbers)
    raw = raw_of(typed({name: held.typed for name, held in cells.items()}, roles, reading), inputs, roles, reading)
    notes = [f"numbers of {name} are read with decimal commas"] if reading.decimal == "," else []
    if named := [column for column in unnamed if column in raw.columns]:
        notes.append(
            f"{len(named)} of the inputs without a name named by place ({', '.join(named[:5])}); if it only numbers "
            f"the rows, leave it out, {reading.option('drop', named[0])}"
        )
    return raw._replace(notes=(*notes, *raw.notes))


def roles_of(columns: Sequence[str], **given) -> Roles:
    """Roles of columns, whose names may be written with commas between them."""
    several: dict[str, Any] = {key: split_names(given[key], columns) for key in ("target", "drop", "categories")}
    texts: dict[str, Any] = {key: split_names(given[key], ()) for key in ("missing", "order")}
    single: dict[str, Any] = {key: given[key] for key in ("lists", "weight", "event", "sequence")}
    return Roles(**single, **several, **texts)


def _blocks(reader: Any, name: str, columns: list[str]) -> Iterator[tuple[Sequence[int], list[tuple[str, ...]]]]:
    """Some rows of a csv reader at a time: the line on which each ends, and their columns."""
    width, most = len(columns), max(_CELLS // len(columns), 1)
    while True:
        before = reader.line_num
        rows = list(itertools.islice(reader, most))
        if not rows:
            return
        numbers: Sequence[int] = range(before + 1, reader.line_num + 1)
        if len(numbers) != len(rows):  # some go on over several lines
            numbers = [before + line for line in itertools.accumulate(map(_lines_of, rows))]
        if not all(rows):  # blank lines
            kept = [place for place, cells in enumerate(rows) if cells]
            rows, numbers = [rows[place] for place in kept], [numbers[place] for place in kept]
        if set(map(len, rows)) - {width}:
            line, cells = next((n, cells) for n, cells in zip(numbers, rows, strict=True) if len(cells) != width)
            comma = "; are there decimal commas? Write points" if len(cells) == 2 * width else ""
            raise ValueError(f"{name}, line {line}: {len(cells)} cells, expected {width} as in the header{comma}")
        if rows:
            yield numbers, list(zip(*rows, strict=True))


def _lines_of(cells: list[str]) -> int:
    """Number of lines of a row."""
    return 1 + sum(cell.count("\n") + cell.count("\r") - cell.count("\r\n") for cell in cells)


def _separator(text: str) -> str:
    mark = SEPARATORS.get(text, "\t" if text == "\\t" else text)
    if mark not in SEPARATORS.values():
        raise ValueError(f"separator={text!r} is unknown. {closest(text, SEPARATORS)}")
    return mark


def _found(sample: list[str], given: dict) -> str:
    """The separator by which most named columns are in the header, most lines are alike, and cells are most."""
    best, mark = (-1, -1.0, -1), ","
    for candidate in SEPARATORS.values():
        try:
            rows = [cells for cells in csv.reader(sample, delimiter=candidate) if cells]
        except csv.Error:
            continue
        if not rows:
            break
        header = [cell.strip() for cell in rows[0]]
        named = roles_of(header, **given).named()
        alike = sum(len(cells) == len(header) for cells in rows) / len(rows)
        score = (sum(column in header for column in named), alike if len(header) > 1 else 0.0, len(header))
        if score > best:
            best, mark = score, candidate
    return mark


def _tell_of_spaces(name: str, columns: list[str], roles: Roles) -> None:
    """Refuses a header whose columns are separated by spaces."""
    parts = columns[0].split()
    missing = [column for column in roles.named() if column not in columns]
    if len(columns) == 1 and missing and set(missing) <= set(parts):
        raise ValueError(
            f"{name}: its columns seem to be separated by spaces; jaxsurr reads commas, semicolons, tabs and '|'. "
            f"Convert it: pandas.read_csv({name!r}, sep=r'\\s+').to_csv('commas.csv', index=False)"
        )


def _decimal(mark: str, block: list[tuple[str, ...]]) -> str:
    """A comma where cells have decimal commas and none has a decimal point, and the separator is another mark."""
    if mark == ",":
        return "."
    commas = points = False
    for cell in itertools.chain.from_iterable(block):
        commas = commas or decimal_comma(cell)
        points = points or ("." in cell and number(cell) is not None)
    return "," if commas and not points else "."


def _refuse_binary(cells, name: str) -> None:
    """Refuses characters that no text has, where any bytes can be read as some."""
    for cell in cells:
        if not cell.isprintable() and any(letter < " " and letter not in "\t\r\n" for letter in cell):
            raise ValueError(f"{name} is not a text file in UTF-8 or Latin-1; save the table as csv")
