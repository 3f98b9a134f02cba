"""Sources of arrays from Python, checked as those of npz files are."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsurr.core.types import Keypoints
from jaxsurr.data import weights as weights_of
from jaxsurr.data.cells import cell_of
from jaxsurr.data.codings import CODINGS, form_of, kinds_of
from jaxsurr.data.columns import Typed
from jaxsurr.data.given import Source, source_of
from jaxsurr.data.raw import Raw, closest, keypoints, one_hot
from jaxsurr.data.roles import split_names
from jaxsurr.data.tables import inputs_of

__all__ = ["from_arrays"]


def from_arrays(
    x: Any,
    y: Any,
    *,
    kind: str | None = None,
    weights: Any = None,
    names: str | Sequence[str] = (),
    columns: str | Sequence[str] = (),
    positive: Any = None,
    test: tuple | None = None,
) -> Source:
    """A source of arrays.

    Args:
      x: inputs `[N, ...]` numeric: a table `[N, D]`, images `[N, H, W]` or `[N, H, W, C]`. Integer images `[N, H, W]`
        get a channel axis. A table may have NaN where values are missing: they are filled with the median of the
        training rows, and a column more says where.
      y: targets: `[N]` numbers or strings, `[N, K]` numbers, or a tuple of arrays such as `jaxsurr.Keypoints`. Strings
        are classes, and their names.
      kind: of the targets (`jaxsurr.data.codings`); by default 'classes', of floats with fractions 'levels', of
        `[N, K]` 'labels' where all are 0 or 1, else 'numbers'.
      weights: of the rows, `[N]`, at least 0; None: all count the same.
      names: of the classes, levels, points, labels or numbers; text with commas is several.
      columns: names of the columns of a table.
      positive: for kind 'scores' the target that is 1.
      test: `(x, y)`, with `weights` `(x, y, weights)`, of official test rows; None: test rows are drawn at random.

    Returns:
      The source. Arrays are not copied, and must not be changed while it is in use.

    Raises:
      TypeError: something is no array of numbers, or `y` of strings.
      ValueError: shapes that do not fit, values that are not finite, or an unknown kind.

    >>> import jaxsurr
    >>> source = from_arrays(np.arange(80.0).reshape(40, 2), ["yes", "no"] * 20)
    >>> jaxsurr.data.load(source, seed=0).names
    ('no', 'yes')
    """
    parts = [(x, y, weights)]
    if test is not None:
        if not isinstance(test, tuple | list) or len(test) != 2 + (weights is not None):
            wanted = "(x, y)" if weights is None else "(x, y, weights)"
            raise ValueError(f"test must be {wanted}, of the rows to test on, got {type(test).__name__}")
        parts.append((*test, *([None] if weights is None else [])))
    read = [_arrays(*part, prefix) for part, prefix in zip(parts, ("", "test "), strict=False)]
    inputs, targets, held, said = (list(part) for part in zip(*read, strict=True))
    targets, words, unordered = _words(targets)
    if isinstance(inputs[0], np.ndarray) and len(inputs) == 2 and inputs[0].shape[1:] != inputs[1].shape[1:]:
        raise ValueError(f"a test input has shape {inputs[1].shape[1:]}, a training input {inputs[0].shape[1:]}")
    columns, names = (tuple(map(str, split_names(given, ()))) for given in (columns, names))
    if columns and (inputs[0].ndim != 2 or len(columns) != inputs[0].shape[1] or len(set(columns)) < len(columns)):
        raise ValueError(
            f"columns are {len(columns)} names, expected one of its own for each column of x {inputs[0].shape}"
        )
    filled = _with_gaps(inputs, columns)
    facts: dict[str, Any] = dict(kind=_kind(kind, targets), names=words or names, columns=columns, unordered=unordered)
    if words and names and names != words:
        raise ValueError("names are for targets that are numbers; y holds the names themselves")
    raw = Raw(filled[0], targets[0], weights=held[0], notes=tuple(itertools.chain(*said)), **facts)
    if len(parts) == 2:
        raw = raw._replace(test_inputs=filled[1], test_targets=targets[1], test_weights=held[1])
    return source_of(raw, kind, positive)


def _arrays(x: Any, y: Any, weights: Any, prefix: str) -> tuple[np.ndarray, Any, np.ndarray | None, list[str]]:
    """Inputs, targets and weights, checked, and notes."""
    name, target = f"{prefix}x", f"{prefix}y"
    inputs = np.asarray(x)
    if inputs.dtype.kind not in "biuf":
        advice = "; frames with words are for from_frame" if hasattr(x, "columns") or inputs.dtype.kind in "OUS" else ""
        raise TypeError(f"{name} must be an array of numbers, got {type(x).__name__} of dtype {inputs.dtype}{advice}")
    if inputs.ndim == 0 or not len(inputs):
        raise ValueError(f"{name} must have rows, [N, ...], got shape {inputs.shape}")
    if inputs.ndim == 1 or (inputs.ndim == 3 and inputs.dtype.kind in "iu"):
        inputs = inputs[..., None]
    if inputs.dtype.kind == "f":
        wrong = ~np.isfinite(inputs) if inputs.ndim > 2 else np.isinf(inputs)
        if wrong.any():
            kind = "NaN or infinite" if inputs.ndim > 2 else "infinite"
            place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
            raise ValueError(f"{name} has {np.sum(wrong)} values that are {kind}, the first at {place}")
    targets = _tuple(y, target) if isinstance(y, tuple) and hasattr(y, "_fields") else np.asarray(y)
    parts = targets if isinstance(targets, tuple) else (targets,)
    for part in parts:
        if part.ndim == 0 or len(part) != len(inputs):
            raise ValueError(
                f"{target} must have one row for each of {len(inputs)} rows of {name}, got shape {part.shape}"
            )
        if part.dtype.kind == "f" and not isinstance(targets, Keypoints) and not np.isfinite(part).all():
            raise ValueError(f"{target} has {np.sum(~np.isfinite(part))} values that are NaN or infinite")
    held, said = None, []
    if weights is not None:
        held = weights_of.check(f"weights of {name}", np.asarray(weights), len(inputs))
    if isinstance(targets, Keypoints):
        kept = targets.scale > 0
        points: Any = targets
        inputs, targets, said = keypoints(f"the arrays of {name}", inputs, *points)
        held = None if held is None else held[kept]
    return inputs, targets, held, said


def _tuple(y: Any, name: str) -> Any:
    if type(y) not in {form for coding in CODINGS.values() for form in coding.forms}:
        raise TypeError(f"{name} is a {type(y).__name__}, which no kind of targets is made of")
    return type(y)(*(np.asarray(part, np.float32) for part in y))


def _words(targets: list[Any]) -> tuple[list[Any], tuple[str, ...], bool]:
    """Targets that are words as numbers of these, sorted."""
    if isinstance(targets[0], tuple):
        return targets, (), False
    if any(part.dtype.kind in "OUST" for part in targets):
        texts = [[cell_of(value, "y").strip() for value in part.tolist()] for part in targets if part.ndim == 1]
        if len(texts) < len(targets) or any(not text for part in texts for text in part):
            raise TypeError("y of text must be one word for each row, none of them missing")
        words = sorted({text for part in texts for text in part})
        place = {word: number for number, word in enumerate(words)}
        return [np.array([place[text] for text in part], np.int32) for part in texts], tuple(words), True
    wrong = [part.dtype for part in targets if part.dtype.kind not in "biuf"]
    if wrong:
        raise TypeError(f"y must be numbers or text, got dtype {wrong[0]}")
    return [part.astype(np.int32) if part.dtype.kind == "b" else part for part in targets], (), False


def _kind(kind: str | None, targets: list[Any]) -> str:
    possible = kinds_of(targets[0])
    if not possible or form_of(targets[0]) != form_of(targets[-1]):
        raise ValueError(f"y has {np.ndim(targets[0])} axes, and no kind of targets has; expected [N] or [N, K]")
    if kind is not None and kind not in possible:
        raise ValueError(f"kind={kind!r} does not fit y. {closest(kind, possible)}")
    if isinstance(targets[0], tuple):
        return possible[0]
    if targets[0].ndim == 2:
        if targets[0].shape[1] == 1:
            raise ValueError(f"y has shape {targets[0].shape}, one target a row: pass y[:, 0]")
        if kind is None and one_hot(targets[0]):
            raise ValueError("y seems to be one-hot: pass y.argmax(axis=1), or kind='labels' if rows may have several")
        return "labels" if all(np.isin(part, (0, 1)).all() for part in targets) else "numbers"
    return "levels" if any(part.dtype.kind == "f" and np.any(part % 1) for part in targets) else "classes"


def _with_gaps(inputs: list[np.ndarray], columns: tuple[str, ...]) -> list[Any]:
    """Inputs as they are, or tables where columns have missing values."""
    if not any(part.dtype.kind == "f" and np.isnan(part).any() for part in inputs):
        return inputs
    whole = np.concatenate(inputs) if len(inputs) > 1 else inputs[0]
    names = columns or tuple(map(str, range(whole.shape[1])))
    empty = [name for place, name in enumerate(names) if np.isnan(whole[:, place]).all()]
    if empty:
        raise ValueError(f"x has {len(empty)} columns without any value ({', '.join(empty[:5])}); leave them out")
    table = inputs_of({name: Typed(whole[:, place].astype(np.float64)) for place, name in enumerate(names)})
    ends = np.cumsum([len(part) for part in inputs])
    return [table[end - len(part) : end] for end, part in zip(ends, inputs, strict=True)]
