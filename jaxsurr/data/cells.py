"""Single cells of a table: numbers, marks of missing values, dates, and what only looks like a number."""

import datetime
import decimal
import math
import numbers
import re
from typing import Any

import numpy as np

__all__ = ["DATE", "MARKED", "MISSING", "NO_NUMBER", "cell_of", "decimal_comma", "number", "python_number"]

MISSING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "nil", "?"))
"""Cells that are missing values, in lower case."""
NO_NUMBER = frozenset(("none", "-", "--", "."))
"""Cells that are missing values in columns of numbers, in lower case, and words in others."""
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)
_TIME = r"([T ]\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[ap]m)?( ?(Z|UTC|[+-]\d\d:?\d\d))?)?"
DATE = re.compile(
    rf"(\d{{4}}[-/.]\d{{1,2}}([-/.]\d{{1,2}}{_TIME})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.](\d{{4}}|\d\d){_TIME}"
    rf"|\d{{1,2}}[- ][a-z]{{3,9}}\.?[- ]\d{{2,4}}{_TIME}|[a-z]{{3,9}}\.? \d{{1,2}},? \d{{4}}{_TIME}"
    r"|\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[ap]m)?)",
    re.ASCII | re.IGNORECASE,
)
MARKED = re.compile(r"[€$£]?\s*[+-]?\d{1,3}([,.' ]?\d{3})*([.,]\d+)?\s*[%€$£]?", re.ASCII)


def decimal_comma(cell: str) -> bool:
    """Whether a cell is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(cell) is not None


def number(cell: str, decimal: str = ".") -> float | None:
    """The finite number that a cell holds, or None.

    Python also reads 1_000, and digits of other scripts; a table that has them means something else.

    >>> number("-1.5e3"), number("1,5"), number("1,5", ","), number("1_000"), number("inf")
    (-1500.0, None, 1.5, None, None)
    """
    if not cell.isascii() or "_" in cell:
        return None
    if decimal == ",":
        if "." in cell:  # it divides thousands
            return None
        cell = cell.replace(",", ".")
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def python_number(cell: str) -> bool:
    """Whether Python reads a number where a table means something else: 1_000, inf, 1e400, other scripts."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def cell_of(value: Any, where: str) -> str:
    """The text that a value of a column of objects would have in a file; "" where it is missing.

    Raises:
      TypeError: it is neither text nor a number nor a date.
    """
    if isinstance(value, str):
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, numbers.Real | decimal.Decimal):
        return "" if math.isnan(value) else str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise TypeError(
        f"{where} holds {type(value).__name__} objects, expected numbers or text; leave it out or convert it"
    )
