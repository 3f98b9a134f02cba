"""Sources of data frames of pandas, polars and pyarrow, and of parquet files.

Neither pandas nor polars is needed: a frame is read column by column as NumPy arrays. Nothing that is handed over is
changed.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.data.bounded import most_unpacked, regular
from jaxsurr.data.cells import cell_of
from jaxsurr.data.columns import Cells, Reading, Typed
from jaxsurr.data.given import Source, source_of
from jaxsurr.data.raw import EXACT, Raw
from jaxsurr.data.roles import Roles, check, raw_of, split_names, typed

__all__ = ["columns_of", "from_frame", "read_columns", "read_parquet"]

_UNPACKED = 2**30  # bytes that any parquet file may unpack to


def from_frame(
    frame: Any,
    target: str | Sequence[str],
    *,
    kind: str | None = None,
    weight: str | None = None,
    event: str | None = None,
    sequence: str | None = None,
    lists: str | int | None = None,
    drop: str | Sequence[str] = (),
    missing: str | Sequence[str] = (),
    categories: str | Sequence[str] = (),
    order: str | Sequence[str] = (),
    positive: Any = None,
    test: Any = None,
) -> Source:
    """A source of a data frame; its columns are what those of a csv file are (`read_csv`).

    Args:
      frame: a frame of pandas or polars, a table of pyarrow, or a mapping from names to columns.
      target: the column that is predicted, or several: a sequence, or text as for `read_csv`, such as "y_*".
      kind: of the targets; by default 'levels' of numbers, 'classes' of words, 'labels' or 'numbers' of several.
      weight, event, sequence, lists, drop, missing, categories, order: as for `read_csv`.
      positive: for kind 'scores' the target that is 1.
      test: a frame of official test rows with the same columns, or None.

    Returns:
      The source. It holds a copy.

    Raises:
      TypeError: it is no frame, or a column holds other objects than numbers and text.
      ValueError: as for `read_csv`, with the row (counted from 1) and the column.

    >>> frame = {"age": [20, None, 40] * 8, "sex": ["f", "m", "m"] * 8, "grade": [1, 2, 3] * 8}
    >>> from_frame(frame, "grade").raw.inputs.names
    ('age', 'sex')
    """
    held = columns_of(frame)
    rows = len(next(iter(held.values()), ()))
    if test is not None:
        more = columns_of(test)
        if list(more) != list(held):
            odd = next(iter([*({*held} ^ {*more}), *held]))
            raise ValueError(f"the test frame must have the columns of the other, in their order; see {odd!r}")
        held = {name: _joined(held[name], more[name]) for name in held}
    given = dict(target=target, drop=drop, categories=categories)
    named: dict[str, Any] = {key: split_names(value, tuple(held)) for key, value in given.items()}
    named |= dict(lists=lists, weight=weight, event=event, sequence=sequence)
    roles = Roles(missing=split_names(missing, ()), order=split_names(order, ()), **named)
    raw = read_columns("the frame", held, roles, lambda key, *values: f"{key}={list(values)!r}")
    if test is not None:
        if lists is None and sequence is None and len(raw.targets) < len(held[roles.target[0]]):
            raise ValueError(
                "the frames have rows without a target; leave them out before, as frame.dropna(subset=[...]) does, so "
                "that it is clear which rows are to test on"
            )
        raw = _divided(raw, rows, sequence if lists is None else lists)
    return source_of(raw, kind, positive)


def read_parquet(path: str | Path, target: str | Sequence[str], **options: Any) -> Raw:
    """Reads a table of a parquet file; it needs pyarrow.

    Args:
      path: the file.
      target: the column that is predicted, or several, separated by commas.
      options: `lists`, `weight`, `event`, `sequence`, `drop`, `missing`, `categories` and `order` of `read_csv`.

    Returns:
      As `read_csv`.

    Raises:
      FileNotFoundError: there is no such file.
      ImportError: pyarrow is missing.
      ValueError: as for `read_csv`, with the row (counted from 1) and the column; a file that is damaged.
    """
    path = regular(Path(path), "parquet", "parquet")
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(f"'parquet:{path}' needs pyarrow: pip install 'jaxsurr[parquet]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            known = file.schema_arrow.names
            named: dict[str, Any] = {key: split_names(options.get(key, ()), known) for key in ("drop", "categories")}
            texts: dict[str, Any] = {key: split_names(options.get(key, ()), ()) for key in ("missing", "order")}
            facts: dict[str, Any] = {key: options.get(key) for key in ("lists", "weight", "event", "sequence")}
            roles = Roles(split_names(target, known), **facts, **named, **texts)
            check(path.name, known, roles, Reading(path.name).option)  # before anything is read
            kept = [name for name in known if name not in roles.drop]
            _refuse_more_than_fits(path, file.metadata.num_rows, len(kept))
            table = file.read(kept)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path.name} is not a parquet file, or it is damaged: {error}") from error
    left = dict.fromkeys(roles.drop)
    return read_columns(path.name, columns_of(table) | left, roles, Reading(path.name).option)


def _refuse_more_than_fits(path: Path, rows: int, columns: int) -> None:
    """Refuses a file of a few bytes that states rows without end, before memory is taken for them."""
    size, most = rows * columns * 8, max(_UNPACKED, most_unpacked(path, packed=True))
    if size > most:
        raise ValueError(
            f"{path.name} states {rows} rows of {columns} columns, {size / 2**30:.1f} GiB, more than its "
            f"{path.stat().st_size} bytes can be expected to hold; leave columns out, or write it again"
        )


def columns_of(frame: Any) -> dict[str, np.ndarray]:
    """The columns of a frame by name.

    Raises:
      TypeError: it is no frame, or a name is no text.
      ValueError: two columns of one name, or columns of different lengths.
    """
    if isinstance(frame, np.ndarray) or not (isinstance(frame, Mapping) or hasattr(frame, "columns")):
        raise TypeError(
            f"a frame of pandas or polars, a table of pyarrow or a mapping from names to columns was expected, got "
            f"{type(frame).__name__}; arrays are for from_arrays(x, y)"
        )
    names = list(frame) if isinstance(frame, Mapping) else list(getattr(frame, "column_names", frame.columns))
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"names of columns must be text, got {name!r}; rename the columns")
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"the frame has two columns named {twice[:80]!r}; rename one of them")
    held = {name: _column(frame[name]) for name in names}
    lengths = {len(column) for column in held.values()}
    if len(lengths) > 1 or any(column.ndim != 1 for column in held.values()):
        raise ValueError(f"the columns of the frame have lengths {sorted(lengths)}; expected one value for each row")
    return held


def _column(column: Any) -> np.ndarray:
    if hasattr(getattr(column, "type", None), "index_type"):
        column = column.to_pylist()  # a dictionary of pyarrow, whose missing values to_numpy() replaces
    if hasattr(column, "to_numpy"):
        return np.asarray(column.to_numpy())
    if isinstance(column, np.ndarray):
        return column
    column = list(column)
    objects = np.empty(len(column), object)
    objects[:] = column
    return objects


def _joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    if one.dtype.kind in "iuf" and other.dtype.kind in "iuf":
        return np.concatenate([one, other])
    return np.concatenate([one.astype(object), other.astype(object)])


def read_columns(name: str, held: Mapping[str, Any], roles: Roles, option: Any) -> Raw:
    """The content of a table whose columns are arrays.

    Args:
      name: for messages.
      held: columns by name; of those that are left out anything.
      roles: of the columns.
      option: how an option is written, for messages.

    Raises:
      TypeError, ValueError: as for `from_frame`.
    """
    reading = Reading(name, "row", roles.missing, option=option)
    inputs = check(name, list(held), roles, option)
    single = roles.target[0] if len(roles.target) == 1 else None
    role = {single: "target", roles.lists: "list", roles.sequence: "list"}
    makers = {
        column: functools.partial(_typed, column, values, reading, role.get(column, ""))
        for column, values in held.items()
        if column not in roles.drop
    }
    columns = typed(makers, roles, reading)
    if not len(columns[roles.target[0]].values):
        raise ValueError(f"{name} has no rows; expected at least one")
    return raw_of(columns, inputs, roles, reading)


def _typed(column: str, values: np.ndarray, reading: Reading, role: str, as_words: bool) -> Typed:
    """A column of numbers as it is, and of objects as if its texts stood in a file."""
    where = f"{reading.name}, column {column!r}"
    if values.dtype.kind in "Mm":
        values = values.astype(str).astype(object)  # refused as dates, with what to do
    if values.dtype.kind in "biuf" and not as_words:
        return _numeric(column, values, reading, role)
    if values.dtype.kind not in "OUTbiuf":
        raise TypeError(
            f"{where} has dtype {values.dtype}, expected numbers or text: leave it out, "
            f"{reading.option('drop', column)}"
        )
    texts = [cell_of(value, where) for value in values.tolist()]
    cells = Cells(column, reading, role=role)
    for start in range(0, len(texts), 10_000):
        part = texts[start : start + 10_000]
        cells.add(part, range(start + 1, start + 1 + len(part)))
    return cells.typed(as_words=as_words)


def _numeric(column: str, values: np.ndarray, reading: Reading, role: str) -> Typed:
    floats = values.astype(np.float64)
    for wrong, what in (
        (np.isinf(floats), "is not a finite number; write NaN where it is missing"),
        (np.abs(floats) > (EXACT if role else np.inf), "lies beyond 2^53; number what it stands for from 0"),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{reading.name}, row {row + 1}, column {column!r}: {values[row]} {what}")
    gaps = np.isnan(floats)
    return Typed(floats, first_missing=int(np.argmax(gaps)) + 1 if gaps.any() else 0)


def _divided(raw: Raw, rows: int, lists: Any) -> Raw:
    """The content of two frames one after the other, as official training and test rows."""
    if lists is not None:
        raise ValueError("lists and sequences of two frames are not read; leave out test, or make one frame of both")
    weights = raw.weights
    return raw._replace(
        inputs=raw.inputs[:rows],
        targets=raw.targets[:rows],
        weights=None if weights is None else weights[:rows],
        test_inputs=raw.inputs[rows:],
        test_targets=raw.targets[rows:],
        test_weights=None if weights is None else weights[rows:],
    )
