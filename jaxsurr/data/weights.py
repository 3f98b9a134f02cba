"""Weights of rows: checks, and those that make classes count the same."""

import numpy as np

from jaxsurr.core import checks
from jaxsurr.data.codings import CODINGS

__all__ = ["BALANCED", "balanced", "check", "check_class_weights", "check_splits"]

BALANCED = ("", "balanced")
"""What `class_weights` may be."""


def check(where: str, weights: np.ndarray, rows: int) -> np.ndarray:
    """Weights of rows as float64; `where` is the file and the column or array, for messages.

    Raises:
      ValueError: not one finite number of at least 0 for each row, or all are 0.
    """
    weights = np.asarray(weights)
    if weights.dtype.kind not in "biuf":
        raise ValueError(f"{where}: weights must be numbers, got dtype {weights.dtype}")
    if weights.shape != (rows,):
        raise ValueError(f"{where}: weights must be one number for each of {rows} rows, got shape {weights.shape}")
    weights = weights.astype(np.float64)
    for what, wrong in (
        ("NaN or infinite", ~np.isfinite(weights)),
        ("negative", weights < 0),
        ("too large for float32", weights > np.finfo(np.float32).max),
    ):
        if wrong.any():
            first = int(np.argmax(wrong))
            raise ValueError(
                f"{where}: {np.sum(wrong)} weights are {what}, the first in row {first + 1} ({weights[first]:g}); "
                "expected finite numbers of at least 0"
            )
    if not weights.any():
        raise ValueError(f"{where}: all weights are 0, so that no row counts; expected at least one above 0")
    return weights


def check_splits(splits: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """Weights of train, validation and test as float32.

    Raises:
      ValueError: those of a split are all 0.
    """
    coded = [None if part is None else part.astype(np.float32) for part in splits]
    for name, part in zip(("train", "validation", "test"), coded, strict=True):
        if part is not None and not part.any():
            raise ValueError(
                f"all weights of the {name} split are 0, so that none of its {len(part)} rows counts; use another seed "
                "or more rows with a weight"
            )
    return coded


def balanced(labels: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Weights of rows with which all classes count the same: `N / (K n_k)` for the `n_k` of N rows of class k of K.

    With `weights` of rows, `n_k` and N are sums of them, and the result is the product of both.

    Args:
      labels: `[N]` integers from 0.
      weights: `[N]`, at least 0, or None.

    Returns:
      `[N]` float32. Without `weights` they are scikit-learn's `compute_class_weight("balanced")` of each row's class.

    >>> balanced(np.array([0, 0, 0, 0, 1, 1])).tolist()
    [0.75, 0.75, 0.75, 0.75, 1.5, 1.5]
    """
    counts = np.bincount(labels, weights)
    weighted = np.where(counts > 0, counts.sum() / (np.sum(counts > 0) * np.where(counts > 0, counts, 1)), 0)[labels]
    return (weighted if weights is None else weighted * weights).astype(np.float32)


def check_class_weights(class_weights: str | None, kind: str) -> bool:
    """Whether classes are to be balanced.

    Raises:
      ValueError: it is something else than "balanced", or targets of this kind have no classes.
    """
    if not class_weights:
        return False
    checks.one_of(class_weights, "class_weights ('' for none)", BALANCED[1:])
    if not CODINGS[kind].classes:
        known = [name for name, coding in CODINGS.items() if coding.classes]
        raise ValueError(
            f"class_weights={class_weights!r} is for targets of {' or '.join(known)}, the kind here is {kind!r}; "
            "leave it out"
        )
    return True
