"""Cost matrices: what it costs to decide for a class where another one is true.

Row y of a matrix `[K, K]` belongs to the true class y, column d to the decision d. Costs are at least 0; that of a
right decision, on the diagonal, is mostly 0 but need not be.
"""

import csv
import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Array

__all__ = ["Matrix", "checked", "costs_of", "read_costs"]

Matrix = tuple[tuple[float, ...], ...]
"""A cost matrix as an option of a metric: its rows."""

_MOST = 2**26  # bytes of a file: a matrix of more than two thousand classes
_ADVICE = "It has a row for each true class and a column for each decision, numbers of at least 0."


def costs_of(matrix: Any, classes: int) -> Array:
    """A cost matrix as an array, refused where it does not fit the classes.

    Args:
      matrix: `[K, K]`, rows or an array; None: every wrong decision costs 1.
      classes: K.

    Returns:
      `[K, K]` float32.

    Raises:
      ValueError: it has another size, or an entry that is negative or not finite.

    >>> costs_of(((0, 5), (1, 0)), 2).tolist(), costs_of(None, 2).tolist()
    ([[0.0, 5.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    """
    if matrix is None:
        return 1 - jnp.eye(classes)
    if checks.is_concrete(matrix):
        matrix = checked(matrix)
    if np.shape(matrix) != (classes, classes):
        size = " by ".join(map(str, np.shape(matrix)))
        raise ValueError(f"matrix is {size}, but predictions are of {classes} classes: it must be {classes} by them.")
    return jnp.asarray(matrix, jnp.float32)


def checked(matrix: Any, name: str = "matrix") -> np.ndarray:
    """A square matrix of finite numbers of at least 0, `[K, K]` float64.

    Args:
      matrix: rows, or an array.
      name: for the error.

    Raises:
      ValueError: it is none; the first entry that is wrong is named.
    """
    try:
        rows = np.asarray(matrix)
    except ValueError:  # rows of different lengths
        rows = np.asarray(None)
    if rows.dtype.kind not in "biuf" or rows.ndim != 2 or rows.shape[0] != rows.shape[1] or len(rows) < 2:
        shape = f"shape {list(rows.shape)}" if rows.ndim else f"{matrix!r:.60}"
        raise ValueError(f"{name} must be a square matrix [K, K] of costs, got {shape}. {_ADVICE}")
    rows = rows.astype(np.float64)
    wrong = ~((rows >= 0) & (rows <= np.finfo(np.float32).max))
    if wrong.any():
        true, decided = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"{name} has the cost {rows[true, decided]:g} of deciding {decided} where {true} is true; costs must be "
            "finite and at least 0. (Gains enter as costs: the largest gain minus each.)"
        )
    return rows


def read_costs(path: Any) -> Matrix:
    """The cost matrix of a file.

    Args:
      path: of a csv file of K lines of K numbers with commas between, without a header; or of a npy file (`np.save`).

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it holds no cost matrix.
    """
    if not isinstance(path, str):  # a number, or several: the text had commas
        raise ValueError(f"matrix must be the path of a csv or npy file, without commas, got {path!r}.")
    if not os.path.isfile(path):
        if os.path.exists(path):
            raise ValueError(f"matrix: {path!r} is no regular file; name a csv or npy file.")
        raise FileNotFoundError(f"matrix: there is no file {path!r}; name a csv or npy file of costs.")
    if os.path.getsize(path) > _MOST:
        raise ValueError(f"matrix: {path!r} holds more than {_MOST} bytes, and is no cost matrix.")
    rows = _read_npy(path) if path.lower().endswith(".npy") else _read_csv(path)
    return tuple(map(tuple, checked(rows, f"matrix {path!r}").tolist()))


def _read_npy(path: str) -> np.ndarray:
    try:
        return np.array(np.lib.format.open_memmap(path, mode="r"))  # refuses objects, and more than the file holds
    except Exception as error:  # of many kinds, where a header is damaged
        raise ValueError(f"matrix: {path!r} is no whole npy file of numbers ({error}); write it by np.save.") from error


def _read_csv(path: str) -> list[list[float]]:
    rows = []
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            for number, cells in enumerate(csv.reader(file), 1):
                if cells:
                    rows.append([_number(path, number, column, cell) for column, cell in enumerate(cells, 1)])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"matrix: {path!r} is not a comma-separated text file in UTF-8: {error}") from error
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows):
            raise ValueError(
                f"matrix: {path!r} has {len(rows)} rows, but row {number} has {len(row)} numbers: a cost matrix is "
                "square. Write no header and no names of classes."
            )
    return rows


def _number(path: str, line: int, column: int, cell: str) -> float:
    try:
        return float(cell) if cell.isascii() and "_" not in cell else float("")
    except ValueError:
        raise ValueError(
            f"matrix: {path!r}, line {line}, column {column}: {cell[:80]!r} is no number. Write numbers only, without "
            "a header and names of classes."
        ) from None
