"""Costs that each row brings for each decision, as several targets of a row."""

from typing import Any

import numpy as np

from jaxsurr.data.raw import warn

__all__ = ["as_costs"]


def as_costs(source: str, splits: list[Any], names: tuple[str, ...]) -> tuple[list[np.ndarray], list[str]]:
    """Costs of the training, validation and test rows in single precision, and notes.

    Args:
      source: for messages.
      splits: arrays `[N, K]`, of any sign: a gain is a negative cost.
      names: of the decisions, K of them, or none.

    Returns:
      The costs, and notes, with warnings, where the training rows leave nothing to decide.

    Raises:
      ValueError: fewer than two decisions, or costs that single precision cannot tell apart.
    """
    decisions = splits[0].shape[1]
    if decisions < 2:
        raise ValueError(
            f"example_costs need the cost of each of at least 2 decisions, and {source!r} has {decisions} column of "
            "them; a decision that costs nothing has a column of zeros"
        )
    train = np.asarray(splits[0], np.float64)
    largest = max(float(np.max(np.abs(part))) for part in splits)
    differ = np.ptp(train, axis=1)
    typical = np.median(differ[differ > 0]) if np.any(differ > 0) else np.inf
    if not largest < float(np.finfo(np.float32).max) / 4 or typical < 1e-6 * np.median(np.max(np.abs(train), axis=1)):
        raise ValueError(
            f"the costs of {source!r} go up to {largest:g} and those of a row differ by {typical:g}, which single "
            "precision cannot tell apart; subtract from the costs of each row the least of them, or divide all by a "
            "typical one"
        )
    return [np.asarray(part, np.float32) for part in splits], _nothing_to_decide(train, names)


def _nothing_to_decide(train: np.ndarray, names: tuple[str, ...]) -> list[str]:
    """A note, with a warning, where one decision is never dearer than another in the training rows."""
    always = np.flatnonzero(np.all(train == train.min(axis=1, keepdims=True), axis=0))
    if not len(always):
        return []
    if len(always) == train.shape[1]:
        note = f"all decisions cost the same in each of the {len(train)} training rows, so there is nothing to learn"
    else:
        name = repr(names[always[0]]) if names else always[0]
        note = f"no decision is cheaper than {name} in any of the {len(train)} training rows; check the other costs"
    warn(note)
    return [note]
