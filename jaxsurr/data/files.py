"""Readers of csv, npz and idx files. They check values and do not change them.

Nothing is unpickled: an untrusted file can be wrong, but cannot run code, and takes no more time and memory than a
valid one of its size (`jaxsurr.data.bounded`). Tables are read by `csv` and not by pandas or `numpy.loadtxt`, so that
an error names line and column, and types are not guessed.
"""

import array
import csv
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.data.bounded import Archive, lines, most_unpacked, regular, unpacked
from jaxsurr.data.labels import as_labels, columns_of
from jaxsurr.data.lists import deal
from jaxsurr.data.raw import EXACT, Raw, closest, keypoints

_PARTS = ("_test", "_val", "_valid", "_validation", "_dev")  # suffixes of names of arrays beside "_train"
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*", re.ASCII)


def read_csv(path: str | Path, target: str, *, lists: str | int | None = None, labels: bool = False) -> Raw:
    """Reads a table of numbers whose first line names the columns.

    Args:
      path: the file, UTF-8, comma-separated. Blank lines are skipped.
      target: name of the column that is to be predicted; the others are the inputs.
      labels: whether `target` names several columns of 0 and 1, as "a,b" or "label_*".
      lists: name of the column with the list of each row, or the number of items in a list, to assign rows to lists at
        random (`deal`); None: rows are independent.

    Returns:
      `Raw` of kind 'levels' with inputs `[N, D]` float64, in the order of the file, and targets `[N]` float64; with
      `lists` of kind 'lists', inputs `[M, L, D]` and `RankedLists`, the target being the relevance; with
      `labels` of kind 'labels', targets `[N, K]` int32, and the names of their columns.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no such column, a name twice, no input column, no rows, a row of another length than the header, a
        cell that is not a finite number, or one in the columns named here that is too large to be exact. The error
        names the line (counted from 1, the header) and the column.
    """
    path = regular(Path(path), "csv", "csv")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(lines(file, path.name))
            rows = ((reader.line_num, cells) for cells in reader if cells)
            header = next(rows, None)
            if header is None:
                raise ValueError(f"{path.name} is empty; expected a line of column names and then rows of numbers")
            columns = [cell.strip() for cell in header[1]]
            wanted = columns_of(target, columns) if labels else [target]
            named = _named(path.name, columns, wanted, lists)
            values = array.array("d")
            for line, cells in rows:
                values.extend(_numbers(path.name, columns, line, cells, named))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path.name} is not a comma-separated text file in UTF-8: {error}") from error
    if not values:
        raise ValueError(f"{path.name} has column names but no rows; expected at least one row of numbers")
    table = np.frombuffer(values).reshape(-1, len(columns))
    inputs, (targets, *groups) = np.delete(table, named, axis=1), table[:, named].T
    names = tuple(name for place, name in enumerate(columns) if place not in named)
    if labels:
        several = as_labels(path.name, table[:, named], tuple(wanted))
        return Raw(inputs, several, kind="labels", names=tuple(wanted), columns=names)
    if lists is None:
        return Raw(inputs, targets, kind="levels", columns=names)
    dealt, ranked = deal(groups[0] if groups else int(lists), inputs, targets)
    notes = () if groups else (f"{len(inputs)} rows are dealt at random into {len(dealt)} lists of up to {lists}",)
    return Raw(dealt, ranked, kind="lists", columns=names, notes=notes)


def _named(name: str, columns: list[str], targets: list[str], lists: str | int | None) -> list[int]:
    """The indices of the columns that are not inputs."""
    places = {column: place for place, column in enumerate(columns)}
    named = [*targets, *([lists] if isinstance(lists, str) else [])]
    missing = next((column for column in named if column not in places), None)
    if missing is not None:
        _tell_of_separator(name, columns, missing)
        raise ValueError(f"{name} has no column {missing!r}. {closest(missing, columns)}")
    if len(places) < len(columns):
        twice = next(column for place, column in enumerate(columns) if places[column] != place)
        raise ValueError(f"{name} has two columns named {twice[:80]!r}; rename one of them")
    if len(set(named)) < len(named):
        raise ValueError(f"{name}: {targets[0]!r} cannot be both the target and the column of lists")
    if len(columns) <= len(named):
        raise ValueError(
            f"{name} has the column {' and '.join(map(repr, named))} only; expected at least one more, as input"
        )
    return [places[column] for column in named]


def _tell_of_separator(name: str, columns: list[str], missing: str) -> None:
    """Refuses a header with another separator than commas."""
    header = ",".join(columns)
    for mark, called in ((";", "';'"), ("\t", "tabs"), ("|", "'|'"), (" ", "spaces")):
        parts = [part.strip().strip('"') for part in header.split(mark)]
        if len(parts) > len(columns) and (missing in parts or (len(columns) == 1 and mark != " ")):
            decimal = ", decimal=','" if mark == ";" else ""
            raise ValueError(
                f"{name}: its columns seem to be separated by {called}; jaxsurr reads commas. Convert it: "
                f"pandas.read_csv('{name}', sep={mark!r}{decimal}).to_csv('commas.csv', index=False)"
                + (" (leave out decimal where numbers have points)" if decimal else "")
            )


def _numbers(name: str, columns: list[str], line: int, cells: list[str], exact: list[int]) -> list[float]:
    if len(cells) != len(columns):
        comma = "; are there decimal commas? Write points" if len(cells) == 2 * len(columns) else ""
        raise ValueError(f"{name}, line {line}: {len(cells)} cells, expected {len(columns)} as in the header{comma}")
    numbers = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            # Python reads 1_000, and digits of other scripts; a table that has them means something else.
            number = float(cell) if cell.isascii() and "_" not in cell else None
        except ValueError:
            number = None
        if number is None or not math.isfinite(number):
            advice = (
                "write a decimal point"
                if _DECIMAL_COMMA.fullmatch(cell)
                else "code words as numbers and drop or fill in rows with missing values"
            )
            shown = cell if len(cell) <= 80 else f"{cell[:80]}..."
            raise ValueError(f"{name}, line {line}, column {column!r}: {shown!r} is not a finite number; {advice}")
        numbers.append(number)
    for place in exact:
        if abs(numbers[place]) > EXACT:
            raise ValueError(
                f"{name}, line {line}, column {columns[place]!r}: {cells[place][:80]} lies beyond 2^53, where "
                "neighbours cannot be told apart; number what it stands for from 0"
            )
    return numbers


def read_npz(
    path: str | Path,
    *,
    x: str = "x",
    y: str = "y",
    points: str | None = None,
    visible: str | None = None,
    scale: str | None = None,
    names: str | None = None,
    labels: bool = False,
) -> Raw:
    """Reads inputs and targets from the arrays of an npz file.

    Where there is an array `{x}_train`, the suffixes `_train` and `_test` are appended to all names and the split is
    official. Integer images `[N, H, W]` get a channel axis, `[N, H, W, 1]`; one number a row, `[N]`, becomes a table
    `[N, 1]`.

    Args:
      path: the file, of `np.savez` or `np.savez_compressed`.
      x: name of the inputs, `[N, ...]` numeric.
      y: name of the targets, `[N]` numeric; not read where `points` is given.
      points: name of the points, `[N, J, 2]` numeric, (x, y).
      visible: name of the visibility, `[N, J]` of 0 and 1; all 1 where it is None.
      scale: name of the subjects' size, `[N]`, in the unit of the points; needed with `points`. Rows where it is 0 are
        dropped with a warning.
      names: name of an array of strings (without `_train`), the names of the classes, labels, levels or points.
      labels: whether the targets are several labels, `[N, K]` of 0 and 1.

    Returns:
      `Raw`, of kind 'keypoints' where `points` is given, 'labels' where these are asked for, otherwise 'classes'.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: not an npz file, a truncated one, a missing array, an array of objects, of another shape or length
        than expected, or with a value that is not finite.
    """
    path = regular(Path(path), "npz", "npz")
    if points is not None and scale is None:
        raise ValueError("points need a scale, the array that their errors are divided by; add '&scale=NAME'")
    if labels and points is not None:
        raise ValueError("kind=labels reads y, and points read none; leave one of them out")
    if points is None and (visible is not None or scale is not None):
        raise ValueError("visible and scale belong to points; add '&points=NAME' or leave them out")
    with Archive(path) as arrays:
        parts, notes, official = [], [], f"{x}_train" in arrays.members
        for suffix in ("_train", "_test") if official else ("",):
            inputs = _array(arrays, x + suffix)
            if inputs.ndim == 1 or (inputs.ndim == 3 and inputs.dtype.kind in "iu"):
                inputs = inputs[..., None]
            shapes: dict[Any, tuple] = {y: (y, (len(inputs), None) if labels else (len(inputs),))}
            if points is not None:
                shapes = {points: ("points", (len(inputs), None, 2)), scale: ("scale", (len(inputs),))}
                if visible is not None:
                    shapes[visible] = ("visible", (len(inputs), None))
            found = {name: _array(arrays, name + suffix, shape, name == points) for name, (_, shape) in shapes.items()}
            if labels:
                parts += [inputs, as_labels(f"{path.name}, {y}{suffix}", found[y])]
            elif points is None:
                parts += [inputs, found[y]]
            else:
                where = path.name + suffix.replace("_", ", ")
                arguments = inputs, found[points], found.get(visible), found[scale]
                *posed, said = keypoints(where, *arguments, points + suffix)
                parts, notes = parts + posed, notes + said
        unread = [x + end for end in _PARTS if x + end in arrays.members and not (official and end == "_test")]
        if unread:
            why = f"rows to validate on come from {x}_train" if official else f"there is no {x}_train"
            notes += [f"{path.name}: {', '.join(unread)} is not read; {why}"]
        called = () if names is None else tuple(str(name) for name in _member(arrays, names).ravel())
    kind = "labels" if labels else "classes" if points is None else "keypoints"
    return Raw(*parts, kind=kind, names=called, notes=tuple(notes))


def _member(arrays: Archive, name: str) -> np.ndarray:
    if name not in arrays.members:
        raise ValueError(f"{arrays.name} has no array {name!r}. {closest(name, arrays.members)}")
    found = arrays.read(name)
    if found.ndim == 0:
        raise ValueError(f"{arrays.name}: {name!r} is not an array with one row for each example")
    return found


def _array(arrays: Archive, name: str, shape: tuple | None = None, anything: bool = False) -> np.ndarray:
    """An array of numbers, finite unless `anything` is allowed, of a given shape."""
    found, file = _member(arrays, name), arrays.name
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{file}: the array {name!r} has dtype {found.dtype}, expected numbers")
    if found.dtype.kind == "f" and not anything and not np.isfinite(found).all():
        raise ValueError(
            f"{file}: the array {name!r} has {np.sum(~np.isfinite(found))} values that are NaN or infinite"
        )
    if shape is None:
        return found
    if len(found) != shape[0]:
        raise ValueError(
            f"{file}: the array {name!r} has {len(found)} rows, expected {shape[0]}, as many as the inputs"
        )
    if found.ndim != len(shape) or any(b is not None and a != b for a, b in zip(found.shape, shape, strict=True)):
        wanted = ", ".join("J" if axis is None else str(axis) for axis in shape)
        hint = "; it seems to be one-hot, save array.argmax(1)" if _one_hot(found, shape) else ""
        if not hint and len(shape) == 1 and found.ndim == 2 and np.isin(found, (0, 1)).all():
            hint = "; if it holds several labels for each row, add '&kind=labels'"
        raise ValueError(f"{file}: the array {name!r} has shape {found.shape}, expected ({wanted}){hint}")
    return found


def _one_hot(found: np.ndarray, shape: tuple) -> bool:
    if len(shape) != 1 or found.ndim != 2 or found.shape[1] < 2:
        return False
    return bool(np.isin(found, (0, 1)).all() and (found.sum(axis=1) == 1).all())


def read_idx(directory: str | Path) -> Raw:
    """Reads the four files of MNIST, Fashion-MNIST or a similar data set.

    Args:
      directory: holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
        `t10k-labels-idx1-ubyte`, each plain or with `.gz`.

    Returns:
      `Raw` of kind 'classes': images `[N, H, W, 1]` uint8 and labels `[N]` uint8, of train and of test.

    Raises:
      FileNotFoundError: the directory or one of the files is missing.
      ValueError: a wrong magic number, a damaged or truncated file (with the number of bytes expected and found), or
        numbers of images and labels that differ.
    """
    directory = Path(directory)
    if not os.path.isdir(directory):  # not `directory.is_dir()`, which raises where a name is too long
        raise FileNotFoundError(f"there is no directory {str(directory)!r}; check the path after 'idx:'")
    parts = []
    for part in ("train", "t10k"):
        images = _idx(directory, f"{part}-images-idx3-ubyte", 3)
        labels = _idx(directory, f"{part}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise ValueError(f"{directory.name}: {len(images)} {part} images but {len(labels)} labels")
        parts += [images[..., None], labels]
    return Raw(*parts)


def _idx(directory: Path, name: str, axes: int) -> np.ndarray:
    path = next((path for path in (directory / name, directory / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{str(directory)!r} holds neither {name} nor {name}.gz")
    header = 4 + 4 * axes
    content = unpacked(path, header)
    head = next(content)
    if len(head) < header:
        raise ValueError(f"{path.name}: expected at least {header} bytes of header, found {len(head)}; fetch it again")
    magic, *shape = (int(number) for number in np.frombuffer(head, ">u4"))
    if magic != 0x800 + axes:  # 8: unsigned bytes; then the number of axes
        raise ValueError(f"{path.name}: magic number {magic}, expected {0x800 + axes}; it is another kind of file")
    size = math.prod(shape)
    wanted = f"{path.name}: expected {header + size} bytes for the shape {tuple(shape)} that its header states, found "
    if header + size > (most := most_unpacked(path)):
        raise ValueError(f"{wanted}{'at most ' * (path.suffix == '.gz')}{most}; fetch it again")
    body = content.send(size)
    if len(body) < size:
        raise ValueError(f"{wanted}{header + len(body)}; fetch it again")
    if content.send(1):
        raise ValueError(f"{wanted}{'more' if path.suffix == '.gz' else most}; fetch it again")
    return np.frombuffer(body, np.uint8).reshape(shape)
