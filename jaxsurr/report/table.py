"""Markdown tables."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["summary_table"]


def _text(value: Any) -> tuple[str, bool]:
    """The text of a cell, and whether it is a number."""
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if value is None:
        return "", False
    if isinstance(value, float):
        return f"{value:.4f}", True
    text = str(value).replace("|", r"\|").replace("\n", " ")
    return text, isinstance(value, int) and not isinstance(value, bool)


def summary_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table with aligned columns, readable as plain text.

    Args:
      rows: dicts with the same keys, which become the columns in the order of the first row. Floats get four
        decimals, integers stay integers, None is an empty cell.

    Returns:
      The table, without a line break at its end.

    Raises:
      ValueError: there is no row or no column, or rows differ in their keys.

    >>> print(summary_table([{"loss": "cross_entropy", "error": 0.125, "seeds": 5},
    ...                      {"loss": "smoothed", "error": 0.12345, "seeds": 5}]))
    | loss          |  error | seeds |
    | :------------ | -----: | ----: |
    | cross_entropy | 0.1250 |     5 |
    | smoothed      | 0.1235 |     5 |
    """
    if not rows or not rows[0]:
        raise ValueError("a table needs at least one row with at least one column.")
    columns = list(rows[0])
    for number, row in enumerate(rows):
        if set(row) != set(columns):
            raise ValueError(f"all rows must have the keys {columns} of the first; row {number} has {list(row)}.")
    cells = [[_text(row[column]) for column in columns] for row in rows]
    numeric = [
        any(is_number for _, is_number in column) and all(is_number or not text for text, is_number in column)
        for column in zip(*cells, strict=True)
    ]
    head = [_text(str(column))[0] for column in columns]
    texts = [head, *([text for text, _ in row] for row in cells)]
    widths = [max(3, *(len(row[i]) for row in texts)) for i in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        aligned = (t.rjust(w) if n else t.ljust(w) for t, w, n in zip(row, widths, numeric, strict=True))
        return f"| {' | '.join(aligned)} |"

    rule = ["-" * (width - 1) + ":" if n else ":" + "-" * (width - 1) for width, n in zip(widths, numeric, strict=True)]
    return "\n".join([line(head), line(rule), *(line(row) for row in texts[1:])])
