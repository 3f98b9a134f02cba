"""Raw content of a source, before it is split, coded and standardised, and checks that sources share."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Durations, Keypoints, RankedLists, Sequences

__all__ = ["EXACT", "DataWarning", "Raw", "closest", "keypoints", "one_hot", "warn"]

EXACT = 2**53 - 1  # the largest integer up to which all are exact in float64
_SHOWN = 30  # names in a message


class Raw(NamedTuple):
    """Raw content of a source, before it is split, coded and standardised.

    Attributes:
      inputs: `[N, ...]` numeric, as stored; or a `jaxsurr.data.tables.Table` of N rows, with words or gaps.
      targets: `[N]` or `[N, K]` numeric, or `Keypoints`, `RankedLists`, `Sequences` or `Durations` of N rows.
      test_inputs: `[M, ...]` where the source has an official test set, otherwise None.
      test_targets: like `targets`, or None.
      kind: the default kind of the targets, one of `jaxsurr.data.codings.CODINGS`.
      levels: the default number of levels that the targets are cut into, or None.
      names: of the classes, levels, points, labels, numbers or tokens; empty where the source has none, but for tokens.
      columns: names of the inputs of a table; empty where the source has none.
      notes: sentences about rows or labels that the source has changed or left out.
      weights: `[N]` of the rows, at least 0, or None where all count the same.
      test_weights: `[M]`, like `weights`, or None.
      unordered: whether targets are numbers of words, the `names`, which have no order.
    """

    inputs: Any
    targets: np.ndarray | Keypoints | RankedLists | Sequences | Durations
    test_inputs: Any = None
    test_targets: np.ndarray | Keypoints | RankedLists | Sequences | Durations | None = None
    kind: str = "classes"
    levels: int | None = None
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    weights: np.ndarray | None = None
    test_weights: np.ndarray | None = None
    unordered: bool = False


class DataWarning(UserWarning):
    """Warning of rows or labels of a data set that were left out; `Data.notes` has them too."""


def warn(note: str) -> None:
    """Warns of rows or labels that were left out, at the line outside of this library that asked for the data."""
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_globals.get("__name__", "").startswith("jaxsurr."):
        frame, level = frame.f_back, level + 1
    warnings.warn(note, DataWarning, stacklevel=level)


def closest(name: str, options: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the closest option, and all options.

    Args:
      name: the unknown name.
      options: the known names.

    Returns:
      A sentence that lists the options, after the one closest to `name` where one is similar.

    >>> closest("respons", ["age", "response"])
    "Did you mean 'response'? There are: age, response."
    """
    options = list(options)
    match = checks.similar(name, options)
    listed = ", ".join(option[:80] for option in options[:_SHOWN]) or "none"
    more = f" and {len(options) - _SHOWN} more" if len(options) > _SHOWN else ""
    return (f"Did you mean {match!r}? " if match else "") + f"There are: {listed}{more}."


def one_hot(targets: np.ndarray) -> bool:
    """Whether targets seem to be one-hot: `[N, K]` of 0 and 1, one 1 in each row."""
    if targets.ndim != 2 or targets.shape[1] < 2:
        return False
    return bool(np.isin(targets, (0, 1)).all() and (targets.sum(axis=1) == 1).all())


def keypoints(
    file: str,
    inputs: np.ndarray,
    points: np.ndarray,
    visible: np.ndarray | None,
    scale: np.ndarray,
    name: str = "points",
) -> tuple[np.ndarray, Keypoints, list[str]]:
    """Checks keypoints and drops rows without a size.

    Args:
      file: for messages.
      inputs: `[N, ...]`.
      points: `[N, J, 2]`, (x, y); may be anything where not visible.
      visible: `[N, J]` of 0 and 1; None: all are.
      scale: `[N]`, at least 0. Rows where it is 0, such as the size of a head with an invisible joint, are dropped with
        a warning that counts them.
      name: of the points, for messages.

    Returns:
      The remaining inputs, their `Keypoints` of float32 arrays, and notes on the number of dropped rows.

    Raises:
      ValueError: a value or a shape is not as above, or no row has a size.
    """
    visible = np.ones(points.shape[:2]) if visible is None else visible
    if points.ndim != 3 or points.shape[2] != 2 or scale.ndim != 1:
        raise ValueError(f"{file}: points {points.shape} and scale {scale.shape} must be (N, J, 2) and (N,)")
    if visible.shape != points.shape[:2]:
        raise ValueError(f"visible has shape {visible.shape}, expected {points.shape[:2]}, one for each point")
    if not np.isin(visible, (0, 1)).all():
        raise ValueError(f"visible must be 0 or 1, found {np.min(visible)} to {np.max(visible)}")
    if (scale < 0).any() or not (scale > 0).any():
        raise ValueError(f"scale must be above 0, found {np.min(scale)} to {np.max(scale)}")
    if not np.isfinite(wrong := points[visible > 0]).all():
        raise ValueError(f"{file}: {name!r} has {np.sum(~np.isfinite(wrong))} values that are NaN or infinite")
    if not np.isfinite(points).all():
        points = np.where(visible[..., None] > 0, points, 0)
    sized, notes = scale > 0, []
    if not sized.all():
        notes = [
            f"{file}: {np.sum(~sized)} of {len(scale)} rows have scale 0, no size to divide errors by, and are dropped"
        ]
        warn(notes[0])
        inputs, points, visible, scale = (array[sized] for array in (inputs, points, visible, scale))
    return inputs, Keypoints(*(np.asarray(array, np.float32) for array in (points, visible, scale))), notes
