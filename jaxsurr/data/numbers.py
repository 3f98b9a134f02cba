"""Targets that stay numbers: float targets, and durations of which some are censored."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsurr.core.types import Durations

__all__ = ["continuous", "durations"]

_SPLITS = ("training", "validation", "test")
_DIGITS = 1e-5  # a spread of targets, relative to their size, of which single precision keeps two digits


def continuous(kind: str, splits: list[Any], names: Sequence[str] = ()) -> list[Any]:
    """Targets of the training, validation and test rows in single precision.

    Args:
      kind: 'numbers' or 'durations'.
      splits: arrays `[N]` or `[N, D]`, or `Durations`.
      names: of the D numbers of a row, for messages; empty where they have none.

    Raises:
      ValueError: training targets that are all equal, or differ by less than single precision can tell; a split without
        an event.
    """
    if kind == "durations":
        for name, part in zip(_SPLITS, splits, strict=True):
            if not np.any(part.event):
                raise ValueError(
                    f"none of the {len(part.event)} {name} rows has an event: all are censored, so no order is known; "
                    "use more rows, another seed, or larger fractions"
                )
        return [Durations(*(np.asarray(leaf, np.float32) for leaf in part)) for part in splits]
    train, every = np.asarray(splits[0], np.float64), max(float(np.max(np.abs(part))) for part in splits)
    for place, column in enumerate(train.reshape(len(train), -1).T):
        of = f" {repr(names[place]) if names else f'in column {place}'}" * (train.ndim > 1)
        spread, size = np.std(column), max(np.max(np.abs(column)), every)
        if np.ptp(column) == 0:
            raise ValueError(
                f"the targets{of} of the training rows are all {column[0]:g}, so there is nothing to learn; "
                + ("leave it out of the targets" if of else "check it")
            )
        if not spread > _DIGITS * np.max(np.abs(column)) or not size < np.finfo(np.float32).max / 4:
            raise ValueError(
                f"the targets{of} go up to {size:g} and vary by {spread:g}, which single precision cannot tell apart; "
                "subtract a typical value, and divide by another"
            )
    return [np.asarray(part, np.float32) for part in splits]


def durations(file: str, time: np.ndarray, event: np.ndarray) -> Durations:
    """Checks times and events, row by row.

    Args:
      file: for messages.
      time: `[N]`, at least 0.
      event: `[N]`, 1 where the event was seen, 0 where observation ended before it.

    Raises:
      ValueError: a time is negative, an event is neither 0 nor 1, or there is none.
    """
    if np.any(early := time < 0):
        raise ValueError(
            f"{file}: {early.sum()} times are negative, the first in row {np.argmax(early) + 1}, {time[early][0]:g}; "
            "count times from the start of observation"
        )
    if np.any(odd := ~np.isin(event, (0, 1))):
        raise ValueError(
            f"{file}: an event is 1 (seen) or 0 (censored), found {event[odd][0]:g} in row {np.argmax(odd) + 1}"
        )
    if not np.any(event):
        raise ValueError(f"{file}: no row has an event: all are censored, so no order is known")
    return Durations(time, event)
