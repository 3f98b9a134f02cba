"""Readers of csv, npz and idx files. They check what they read, and change no value.

Nothing here unpickles: a file from a stranger can be wrong, but cannot run code.
"""

import csv
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from jaxsurr.data.lists import deal
from jaxsurr.data.raw import Raw, closest, keypoints


def read_csv(path: str | Path, target: str, *, lists: str | int | None = None) -> Raw:
    """Read a table of numbers whose first line names the columns.

    Args:
      path: the file, UTF-8, comma-separated. Blank lines are skipped.
      target: name of the column that is to be predicted; the others are the inputs.
      lists: name of the column that says which list a row belongs to, or the number of items in a list, to deal rows
        into lists at random (`deal`); None: rows stand alone.

    Returns:
      `Raw` of kind 'levels' with inputs `[N, D]` float64, in the order of the file, and targets `[N]` float64; with
      `lists` of kind 'lists', inputs `[M, L, D]` and `RankedLists`, the target being the relevance.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no such column, a name twice, no input column, no rows, a row of another length than the header, or a
        cell that is not a finite number; the text names the line (counted from 1, the header) and the column.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no csv file {str(path)!r}; check the path after 'csv:'")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path.name} is not a comma-separated text file in UTF-8: {error}") from error
    if not lines:
        raise ValueError(f"{path.name} is empty; expected a line of column names and then rows of numbers")
    columns = [cell.strip() for cell in lines[0][1]]
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise ValueError(f"{path.name} has two columns named {twice!r}; rename one of them")
    named = [target, *([lists] if isinstance(lists, str) else [])]
    for name in named:
        if name not in columns:
            raise ValueError(f"{path.name} has no column {name!r}. {closest(name, columns)}")
    if len(set(named)) < len(named):
        raise ValueError(f"{path.name}: {target!r} cannot be what is predicted and say which list a row belongs to")
    if len(columns) <= len(named):
        raise ValueError(
            f"{path.name} has the column {' and '.join(map(repr, named))} only; expected at least one more, as input"
        )
    if len(lines) < 2:
        raise ValueError(f"{path.name} has column names but no rows; expected at least one row of numbers")
    values = np.asarray([_numbers(path.name, columns, line, cells) for line, cells in lines[1:]], np.float64)
    positions = [columns.index(name) for name in named]
    inputs, (targets, *groups) = np.delete(values, positions, axis=1), values[:, positions].T
    if lists is None:
        return Raw(inputs, targets, kind="levels")
    return Raw(*deal(groups[0] if groups else lists, inputs, targets), kind="lists")


def _numbers(name: str, columns: list[str], line: int, cells: list[str]) -> list[float]:
    if len(cells) != len(columns):
        raise ValueError(f"{name}, line {line}: {len(cells)} cells, expected {len(columns)} as in the header")
    numbers = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            number = float(cell)
        except ValueError:
            number = None
        if number is None or not math.isfinite(number):
            raise ValueError(
                f"{name}, line {line}, column {column!r}: {cell!r} is not a finite number; code words as numbers and "
                "drop or fill in rows with missing values"
            )
        numbers.append(number)
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
) -> Raw:
    """Read inputs and targets from the arrays of an npz file.

    Where there is an array `{x}_train` all names get `_train` and `_test` appended and the split is official; otherwise
    they are taken as they are. Integer images `[N, H, W]` get a channel axis, `[N, H, W, 1]`; one number a row, `[N]`,
    becomes a table `[N, 1]`.

    Args:
      path: the file, as `np.savez` or `np.savez_compressed` writes it.
      x: name of the inputs, `[N, ...]` numeric.
      y: name of the targets, `[N]` numeric; not read where `points` is given.
      points: name of the points, `[N, J, 2]` numeric, (x, y).
      visible: name of the visibility, `[N, J]` of 0 and 1; all 1 where it is None.
      scale: name of the subjects' size, `[N]`, in the unit of the points; needed with `points`. Rows where it is 0 are
        dropped with a warning.
      names: name of an array of strings (without `_train`), the names of the classes, levels or points.

    Returns:
      `Raw`, of kind 'points' where `points` is given, otherwise 'classes'.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: not an npz file, a truncated one, a missing array, an array of objects, of another shape or length
        than expected, or with a value that is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no npz file {str(path)!r}; check the path after 'npz:'")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is not an npz file, or it is truncated; write it with np.savez and copy it anew")
    if points is not None and scale is None:
        raise ValueError("points need a scale, the array that their errors are divided by; add '&scale=NAME'")
    if points is None and (visible is not None or scale is not None):
        raise ValueError("visible and scale belong to points; add '&points=NAME' or leave them out")
    with np.load(path, allow_pickle=False) as arrays:
        parts = []
        for suffix in ("_train", "_test") if f"{x}_train" in arrays.files else ("",):
            inputs = _array(path.name, arrays, x + suffix)
            if inputs.ndim == 1 or (inputs.ndim == 3 and inputs.dtype.kind in "iu"):
                inputs = inputs[..., None]
            shapes = {y: (y, (len(inputs),))}
            if points is not None:
                shapes = {points: ("points", (len(inputs), None, 2)), scale: ("scale", (len(inputs),))}
                if visible is not None:
                    shapes[visible] = ("visible", (len(inputs), None))
            found = {name: _array(path.name, arrays, name + suffix, shape) for name, (_, shape) in shapes.items()}
            parts += (
                [inputs, found[y]]
                if points is None
                else keypoints(path.name, inputs, found[points], found.get(visible), found[scale])
            )
        labels = () if names is None else tuple(str(name) for name in _member(path.name, arrays, names).ravel())
    return Raw(*parts, kind="classes" if points is None else "points", names=labels)


def _member(file: str, arrays: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    if name not in arrays.files:
        raise ValueError(f"{file} has no array {name!r}. {closest(name, arrays.files)}")
    try:
        array = arrays[name]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{file}: the array {name!r} is damaged or truncated ({error}); copy the file anew") from error
    except ValueError as error:  # NumPy says so for objects, which only unpickling could read, and for a bad header
        raise ValueError(
            f"{file}: the array {name!r} is not a plain array of numbers or strings ({error}); objects are refused, "
            "save it with a numeric or string dtype"
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise ValueError(f"{file}: {name!r} is not an array with one row an example")
    return array


def _array(file: str, arrays: np.lib.npyio.NpzFile, name: str, shape: tuple | None = None) -> np.ndarray:
    array = _member(file, arrays, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{file}: the array {name!r} has dtype {array.dtype}, expected numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"{file}: the array {name!r} has {np.sum(~np.isfinite(array))} values that are NaN or infinite"
        )
    if shape is None:
        return array
    if len(array) != shape[0]:
        raise ValueError(
            f"{file}: the array {name!r} has {len(array)} rows, expected {shape[0]}, as many as the inputs"
        )
    if array.ndim != len(shape) or any(b is not None and a != b for a, b in zip(array.shape, shape, strict=True)):
        wanted = ", ".join("J" if axis is None else str(axis) for axis in shape)
        raise ValueError(f"{file}: the array {name!r} has shape {array.shape}, expected ({wanted})")
    return array


def read_idx(directory: str | Path) -> Raw:
    """Read the four files of MNIST, Fashion-MNIST or a set of their kind.

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
    if not directory.is_dir():
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
    content = path.read_bytes()
    if path.suffix == ".gz":
        # Not gzip.decompress, which tells of a truncated file but not how much of it there is.
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content)
        except zlib.error as error:
            raise ValueError(f"{path.name} is not a gzip file, or it is damaged: {error}") from error
    header = 4 + 4 * axes
    if len(content) < header:
        raise ValueError(
            f"{path.name}: expected at least {header} bytes of header, found {len(content)}; fetch it anew"
        )
    magic, *shape = (int(number) for number in np.frombuffer(content, ">u4", count=1 + axes))
    if magic != 0x800 + axes:  # 8: unsigned bytes; then the number of axes
        raise ValueError(f"{path.name}: magic number {magic}, expected {0x800 + axes}; it is another kind of file")
    expected = header + math.prod(shape)
    if len(content) != expected:
        raise ValueError(
            f"{path.name}: expected {expected} bytes for the shape {tuple(shape)} that its header states, found "
            f"{len(content)}; fetch it anew"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
