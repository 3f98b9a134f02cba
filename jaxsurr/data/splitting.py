"""Train, validation and test splits, and standardisation of inputs."""

import numpy as np

from jaxsurr.core import checks
from jaxsurr.data.raw import Raw

__all__ = ["check", "constant", "split", "standardise"]

# Of the split, `np.random.default_rng([seed, stream])`; large, since the order of epoch e is stream e.
_STREAM = 1_000_000_001
_MOST_SEED = 2**32 - 1  # JAX takes seeds modulo 2^32, so that two seeds would be one


def _take(targets: np.ndarray | tuple, rows: np.ndarray) -> np.ndarray | tuple:
    return type(targets)(*(array[rows] for array in targets)) if isinstance(targets, tuple) else targets[rows]


def check(
    seed: int,
    validation_fraction: float,
    test_fraction: float,
    label_noise: float,
    limit: int | None,
    split_seed: int | None,
) -> None:
    """Refuses arguments of `jaxsurr.data.load` that are out of range."""
    checks.integer(seed, "seed", most=_MOST_SEED)
    if split_seed is not None:
        checks.integer(split_seed, "split_seed", most=_MOST_SEED, meaning="None to split by seed")
    checks.number(validation_fraction, "validation_fraction", above=0, below=1)
    checks.number(test_fraction, "test_fraction", above=0, below=1)
    checks.number(label_noise, "label_noise", least=0, most=1, meaning="a fraction of the labels")
    if limit is not None:
        checks.integer(limit, "limit", least=1, meaning="None for all rows")


def split(
    raw: Raw,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
    limit: int | None,
    split_seed: int | None,
) -> tuple:
    """Inputs, targets and weights (or None), each a list of the train, validation and test split."""
    shared = raw.test_inputs is None and split_seed is not None
    first = split_seed if raw.test_inputs is None and split_seed is not None else seed
    rows = np.random.default_rng([first, _STREAM]).permutation(len(raw.inputs))
    if raw.test_inputs is None:
        count = round(test_fraction * len(rows))
        test, rows = _rows(raw, rows[:count]), rows[count:]
        if shared:
            rows = np.random.default_rng([seed, _STREAM]).permutation(rows)
    else:
        test = (raw.test_inputs, raw.test_targets, raw.test_weights)
        shapes = [array.shape[1:] for array in (raw.inputs, test[0])]
        if shapes[0] != shapes[1]:
            raise ValueError(f"a test input has shape {shapes[1]}, a training input {shapes[0]}; expected the same")
        several = [part.shape[1:] for part in (raw.targets, test[1]) if isinstance(part, np.ndarray)]
        if len(set(several)) > 1:
            raise ValueError(f"a test target has shape {several[1]}, a training target {several[0]}; expected the same")
    rows = rows[:limit]
    count = round(validation_fraction * len(rows))
    validation, train = rows[:count], rows[count:]
    for name, length in (("train", len(train)), ("validation", len(validation)), ("test", len(test[0]))):
        if not length:
            raise ValueError(
                f"the {name} split is empty: {len(raw.inputs)} rows, limit={limit}, validation_fraction="
                f"{validation_fraction}, test_fraction={test_fraction}; use more rows or other fractions"
            )
    return tuple(map(list, zip(_rows(raw, train), _rows(raw, validation), test, strict=True)))


def _rows(raw: Raw, rows: np.ndarray) -> tuple:
    return raw.inputs[rows], _take(raw.targets, rows), None if raw.weights is None else raw.weights[rows]


def standardise(splits: list[np.ndarray], items: list[np.ndarray] | None = None) -> list[np.ndarray]:
    """Standardises tables, images, or lists with a mask of `items`."""
    if items is not None:
        flat = standardise([part[present] for part, present in zip(splits, items, strict=True)])
        lists = [np.zeros(part.shape, np.float32) for part in splits]
        for out, present, rows in zip(lists, items, flat, strict=True):
            out[present] = rows
        return lists
    table = splits[0].ndim < 3
    divisor = 255 if splits[0].dtype.kind in "iu" and not table else 1
    # Tables in float64 until the end: a year or an income loses digits in float32 that the difference needs.
    if table:
        splits = [part.astype(np.float64, copy=False) for part in splits]
    else:
        splits = [part / np.asarray(divisor, np.float32) for part in splits]
    axes = 0 if table else None
    mean = np.mean(splits[0], axis=axes, dtype=np.float64).astype(splits[0].dtype)
    with np.errstate(over="ignore"):  # refused below
        deviation = np.sqrt(np.mean(np.square(splits[0] - mean), axis=axes, dtype=np.float64))
    varies = np.ptp(splits[0], axis=axes) > 0  # rounding may leave a tiny deviation where nothing varies
    if not np.all(np.isfinite(deviation) & ((deviation > 0) | ~varies)):
        raise ValueError(
            f"the inputs go from {np.min(splits[0]):g} to {np.max(splits[0]):g}, and their standard deviation "
            "overflows or vanishes; divide them by a typical value, or take logarithms"
        )
    factor = np.where(varies, 1 / np.where(varies, deviation, 1), 0).astype(splits[0].dtype)
    return [((part - mean) * factor).astype(np.float32) for part in splits]


def constant(train: np.ndarray, names: tuple[str, ...]) -> list[str]:
    """A note on the columns of a table `[N, D]` or of items `[N, L, D]` that do not vary in training, if there are any.

    Args:
      train: standardised inputs of the training rows.
      names: of the columns; may be empty.
    """
    if train.dtype.kind != "f" or not train.size:
        return []
    columns = np.flatnonzero(~np.any(train, axis=tuple(range(train.ndim - 1))))
    if not len(columns):
        return []
    named = ", ".join(names[i][:40] if names else str(i) for i in columns[:5]) + (", ..." if len(columns) > 5 else "")
    return [
        f"{len(columns)} of {train.shape[-1]} input columns do not vary among the training rows and are 0 ({named})"
    ]
