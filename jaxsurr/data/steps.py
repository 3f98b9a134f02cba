"""Sequences whose steps have a label each: from an npz file, the rows of a table, or made of images of digits."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Sequences
from jaxsurr.data.bounded import Archive, regular
from jaxsurr.data.files import member
from jaxsurr.data.lists import deal
from jaxsurr.data.raw import EXACT, Raw
from jaxsurr.data.scikit_learn import digits

__all__ = ["digit_strings", "read_steps", "steps_of_rows"]

_MOST_SYMBOLS = 1000  # integer inputs become one-hot


def read_steps(
    path: str | Path, *, x: str = "x", y: str = "y", lengths: str | None = None, names: str | None = None
) -> Raw:
    """Reads sequences with a label for each step from the arrays of an npz file.

    Where there is an array `{x}_train`, the suffixes `_train` and `_test` are appended to all names and the split is
    official.

    Args:
      path: the file, of `np.savez` or `np.savez_compressed`.
      x: name of the inputs: `[N, T, ...]` numeric, such as features or an image of each step; or `[N, T]` integers,
        symbols of an alphabet, which become one-hot `[N, T, V]` in the order of the V distinct ones.
      y: name of the labels, `[N, T]` integers; a negative one marks a step that does not count.
      lengths: name of the lengths, `[N]` integers from 0 to T, beyond which steps may hold anything; None: all are T.
      names: name of an array of strings (without `_train`), the names of the labels in their order.

    Returns:
      `Raw` of kind 'tokens' with `Sequences` whose labels count from 0.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: not an npz file, a truncated one, a missing array, an array of objects, of another shape or length
        than expected, or with a value that is not finite or out of range.
    """
    path = regular(Path(path), "npz", "npz")
    with Archive(path) as arrays:
        official = f"{x}_train" in arrays.members
        parts = []
        for suffix in ("_train", "_test") if official else ("",):
            labels = _numbers(arrays, y + suffix)
            if labels.ndim != 2 or 0 in labels.shape:
                raise ValueError(
                    f"{path.name}: the array {y + suffix!r} has shape {labels.shape}, expected (N, T), a label for "
                    "each step"
                )
            inputs = _numbers(arrays, x + suffix)
            if inputs.shape[:2] != labels.shape:
                raise ValueError(
                    f"{path.name}: the array {x + suffix!r} has shape {inputs.shape}, expected {labels.shape} and the "
                    "axes of a step, as the labels have"
                )
            ends = np.full(len(labels), labels.shape[1], np.int32)
            if lengths is not None:
                ends = _lengths(path.name, lengths + suffix, _numbers(arrays, lengths + suffix), labels.shape)
            parts.append((inputs, _whole(path.name, y + suffix, labels), ends))
        named = () if names is None else tuple(str(name) for name in member(arrays, names).ravel())
    inputs, notes = _steps_of(path.name, x, [part[0] for part in parts], [part[2] for part in parts])
    labels, values, more = _coded(path.name, [part[1] for part in parts], [part[2] for part in parts])
    if named and len(named) != len(values):
        raise ValueError(f"{path.name} names {len(named)} labels but has {len(values)}; correct or leave out the names")
    targets = [Sequences(one, part[2]) for one, part in zip(labels, parts, strict=True)]
    pairs: list[Any] = [side for pair in zip(inputs, targets, strict=True) for side in pair]
    return Raw(*pairs, kind="tokens", names=named or values, notes=(*notes, *more))


def steps_of_rows(
    where: str,
    sequences: np.ndarray,
    inputs: Any,
    labels: np.ndarray,
    words: tuple[str, ...] = (),
    weights: np.ndarray | None = None,
) -> tuple[Any, Sequences, tuple[str, ...], list[str], np.ndarray | None]:
    """Groups the rows of a table into sequences, the steps of which they are, in the order of the rows.

    Args:
      where: the file and the column of labels, for messages.
      sequences: `[N]`, rows of the same value are a sequence.
      inputs: `[N, D]`, or a `jaxsurr.data.tables.Table`.
      labels: `[N]` integers as floats, NaN where missing; or numbers of `words`, -1 where missing. A step whose label
        is missing or negative does not count.
      words: the labels that they are numbers of, or none.
      weights: `[N]`, the same in all rows of a sequence, or None.

    Returns:
      Inputs `[M, T, D]` of M sequences, `Sequences` of `[M, T]` labels from 0, their names, notes, and the weights of
      sequences, `[M]` or None.

    Raises:
      ValueError: labels that are no integers, fewer than two of them, sequences of one step each, or rows of a sequence
        that differ in their weights.

    >>> found = steps_of_rows("here", np.array([7, 8, 7]), np.arange(3.0)[:, None], np.array([5.0, np.nan, 4.0]))
    >>> found[0][..., 0].tolist(), found[1].tokens.tolist(), found[1].lengths.tolist(), found[2]
    ([[0.0, 2.0], [1.0, 0.0]], [[1, 0], [-1, 0]], [2, 1], ('4', '5'))
    """
    if len(np.unique(sequences)) == len(sequences):
        raise ValueError(f"{where}: every sequence has one step only; check the column of sequences, or leave it out")
    labels = np.where(np.isnan(labels), -1, labels)
    if np.any(labels % 1):
        raise ValueError(f"{where}: {labels[labels % 1 != 0][0]:g} is no label of a step; expected integers or words")
    values, ignored = np.unique(labels[labels >= 0]), int(np.sum(labels < 0))
    if len(values) < 2:
        raise ValueError(f"{where}: the steps have {len(values)} distinct labels, expected at least 2")
    codes = np.where(labels >= 0, np.searchsorted(values, labels), -1)
    dealt, lists, weights = deal(sequences, inputs, codes + 1, weights)
    within = lists.items > 0
    tokens = np.where(within, lists.relevance - 1, 0).astype(np.int32)
    notes = [f"{len(codes)} rows are the steps of {len(tokens)} sequences of up to {tokens.shape[1]}"]
    if ignored:
        notes.append(f"{ignored} of {len(codes)} steps have no label, or a negative one, and do not count")
    names = tuple(words[int(value)] for value in values) if words else tuple(str(int(value)) for value in values)
    return dealt, Sequences(tokens, within.sum(axis=1).astype(np.int32)), names, notes, weights


def digit_strings(n: int, size: int, seed: int) -> Raw:
    """Strings of 1 to `size` images of digits, of scikit-learn; each image is in one string only.

    Args:
      n: the largest number of strings; there are as many as the 1,797 images make.
      size: the longest length, T.
      seed: of the order of the images and of the lengths.

    Returns:
      `Raw` of kind 'tokens': inputs `[N, T, 64]` with zeros beyond the end, and `Sequences` of `[N, T]` digits.

    Raises:
      ImportError: scikit-learn is missing.
      ValueError: a number is out of range.
    """
    checks.integer(n, "n", least=3, meaning="strings of digits")
    checks.integer(size, "size", least=1, most=100, meaning="digits of a string")
    try:
        images, labels = digits()
    except ImportError as error:
        raise ImportError("'synthetic:digit_strings' needs scikit-learn: pip install jaxsurr[train]") from error
    rng = np.random.default_rng([seed, 7])
    order, lengths = rng.permutation(len(images)), 1 + np.arange(len(images)) % size  # as many of each length
    most = int(np.searchsorted(np.cumsum(lengths), len(images), side="right"))
    lengths = rng.permutation(lengths[: min(n, most)])
    within = np.arange(size)[None] < lengths[:, None]
    inputs, tokens = np.zeros((*within.shape, images.shape[1])), np.zeros(within.shape, np.int32)
    order = order[: int(within.sum())]
    inputs[within], tokens[within] = images[order], labels[order]
    names = tuple(str(digit) for digit in range(10))
    return Raw(inputs, Sequences(tokens, lengths.astype(np.int32)), kind="tokens", names=names)


def _numbers(arrays: Archive, name: str) -> np.ndarray:
    found = member(arrays, name)
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{arrays.name}: the array {name!r} has dtype {found.dtype}, expected numbers")
    return found


def _whole(file: str, name: str, values: np.ndarray) -> np.ndarray:
    """Labels as int64, refused where they are no integers."""
    if not np.isfinite(values).all():
        raise ValueError(f"{file}: the array {name!r} has labels that are NaN or infinite; mark what to ignore by -1")
    if values.dtype.kind == "f" and np.any(values % 1):
        raise ValueError(f"{file}: the array {name!r} holds {values[values % 1 != 0][0]:g}, expected integer labels")
    if np.any(np.abs(values.astype(np.float64)) > EXACT):
        raise ValueError(f"{file}: the array {name!r} holds a label beyond 2^53; number them from 0")
    return values.astype(np.int64)


def _lengths(file: str, name: str, lengths: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if lengths.shape == shape:
        raise ValueError(
            f"{file}: the array {name!r} has shape {shape}, as a mask has, expected ({shape[0]},), the length of each "
            "sequence; save mask.sum(axis=1), and -1 as label of a step that does not count before the end"
        )
    if lengths.shape != shape[:1]:
        raise ValueError(f"{file}: the array {name!r} has shape {lengths.shape}, expected ({shape[0]},)")
    if not np.isfinite(lengths).all():
        raise ValueError(f"{file}: the array {name!r} has lengths that are NaN or infinite")
    if lengths.dtype.kind not in "iu" and np.any(lengths % 1):
        raise ValueError(f"{file}: the array {name!r} holds {lengths[lengths % 1 != 0][0]:g}, expected integer lengths")
    if np.min(lengths) < 0 or np.max(lengths) > shape[1]:
        wrong = lengths[(lengths < 0) | (lengths > shape[1])][0]
        raise ValueError(f"{file}: the array {name!r} holds the length {wrong:g}, expected 0 to {shape[1]} steps")
    return lengths.astype(np.int32)


def _steps_of(
    file: str, name: str, inputs: list[np.ndarray], lengths: list[np.ndarray]
) -> tuple[list[np.ndarray], list[str]]:
    """Inputs with zeros beyond the end, symbols one-hot, and notes about them."""
    masks = [np.arange(part.shape[1])[None] < ends[:, None] for part, ends in zip(inputs, lengths, strict=True)]
    for part, within in zip(inputs, masks, strict=True):
        if part.dtype.kind == "f" and not np.isfinite(part[within]).all():
            wrong = int(np.sum(~np.isfinite(part[within])))
            raise ValueError(f"{file}: the array {name!r} has {wrong} values that are NaN or infinite")
    shaped = [within.reshape(*within.shape, *[1] * (part.ndim - 2)) for part, within in zip(inputs, masks, strict=True)]
    inputs = [np.where(within, part, np.zeros((), part.dtype)) for part, within in zip(inputs, shaped, strict=True)]
    if inputs[0].ndim > 2:
        return inputs, []
    if any(part.dtype.kind not in "iu" for part in inputs):
        return [part[..., None] for part in inputs], []
    symbols = np.unique(np.concatenate([part[within] for part, within in zip(inputs, masks, strict=True)]))
    if len(symbols) > _MOST_SYMBOLS:
        raise ValueError(
            f"{file}: the array {name!r} has {len(symbols)} distinct symbols, and at most {_MOST_SYMBOLS} become "
            "one-hot; put the rarest into one, or save features (N, T, F)"
        )
    columns = np.arange(len(symbols))
    hot = [
        ((np.searchsorted(symbols, part)[..., None] == columns) & within[..., None]).astype(np.float32)
        for part, within in zip(inputs, masks, strict=True)
    ]
    return hot, [f"{file}: the {len(symbols)} distinct symbols of {name!r} are one-hot inputs"]


def _coded(
    file: str, labels: list[np.ndarray], lengths: list[np.ndarray]
) -> tuple[list[np.ndarray], tuple[str, ...], list[str]]:
    """Labels from 0, -1 where a step does not count; their values as names; notes."""
    masks = [np.arange(part.shape[1])[None] < ends[:, None] for part, ends in zip(labels, lengths, strict=True)]
    inner = np.concatenate([part[within] for part, within in zip(labels, masks, strict=True)])
    values, ignored = np.unique(inner[inner >= 0]), int(np.sum(inner < 0))
    if len(values) < 2:
        raise ValueError(f"{file}: the steps have {len(values)} distinct labels, expected at least 2")
    coded = [
        np.where(within & (part >= 0), np.searchsorted(values, part), -1 * within).astype(np.int32)
        for part, within in zip(labels, masks, strict=True)
    ]
    notes = [f"{file}: {ignored} of {len(inner)} steps have a negative label and do not count"] if ignored else []
    empty = sum(int(np.sum(ends == 0)) for ends in lengths)
    notes += [f"{file}: {empty} sequences have length 0"] if empty else []
    return coded, tuple(str(int(value)) for value in values), notes
