"""Checks of options of losses and metrics: numbers in their range, booleans.

Options are Python numbers. Traced arrays, whose values are not known, pass.
"""

import math
from typing import Any

import jax.core
import numpy as np

__all__ = ["boolean", "fraction", "number"]


def number(
    value: Any,
    name: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    integer: bool = False,
    meaning: str = "",
) -> None:
    """Refuses anything but a finite number in its range.

    Args:
      value: the option.
      name: of the option.
      above: a number that it must exceed.
      least: the lowest number allowed.
      most: the highest number allowed.
      integer: only integers are allowed.
      meaning: of the number, for the error message.

    Raises:
      ValueError: it is no number, not finite, or out of range.

    >>> number(2, "q", above=0, most=1)
    Traceback (most recent call last):
    ValueError: q must be a finite number above 0 and at most 1, got 2.
    """
    if isinstance(value, jax.core.Tracer):
        return
    fits = _is_number(value) and abs(value) < 2**127 and _within(float(value), above, least, most)
    if fits and (not integer or isinstance(value, int | np.integer)):
        return
    if above == 0 and most is None:
        range_ = "positive and finite"
    else:
        limits = {"above": above, "of at least": least, "at most": most}
        range_ = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
        range_ = f"{'an integer' if integer else 'a finite number'} {range_}"
    raise ValueError(f"{name} must be {range_}{f' ({meaning})' if meaning else ''}, got {value!r}.")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    if isinstance(value, int | float | np.integer | np.floating):
        return True
    return isinstance(value, np.ndarray | jax.Array) and value.ndim == 0 and value.dtype.kind in "iuf"


def _within(value: float, above: float | None, least: float | None, most: float | None) -> bool:
    return (
        math.isfinite(value)
        and (above is None or value > above)
        and (least is None or value >= least)
        and (most is None or value <= most)
    )


def fraction(value: Any, name: str, *, meaning: str) -> None:
    """Refuses anything but a number above 0 and below 1.

    >>> fraction(1, "tau", meaning="of the targets")
    Traceback (most recent call last):
    ValueError: tau must be a number above 0 and below 1 (a fraction of the targets), got 1.
    """
    if isinstance(value, jax.core.Tracer) or (_is_number(value) and 0 < value < 1):
        return
    raise ValueError(f"{name} must be a number above 0 and below 1 (a fraction {meaning}), got {value!r}.")


def boolean(value: Any, name: str) -> None:
    """Refuses anything but True and False.

    >>> boolean("no", "relative")
    Traceback (most recent call last):
    ValueError: relative must be True or False, got 'no'.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}.")
