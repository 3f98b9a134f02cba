"""Readers of npz and idx files. They check values and do not change them.

Nothing is unpickled: an untrusted file can be wrong, but cannot run code, and takes no more time and memory than a
valid one of its size (`jaxsurr.data.bounded`).
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.core import renamed
from jaxsurr.data.bounded import Archive, most_unpacked, regular, unpacked
from jaxsurr.data.numbers import durations
from jaxsurr.data.raw import Raw, closest, keypoints, one_hot
from jaxsurr.data.weights import check as check_weights

__all__ = ["member", "read_idx", "read_npz"]

_PARTS = ("_test", "_val", "_valid", "_validation", "_dev")  # suffixes of names of arrays beside "_train"


def read_npz(
    path: str | Path,
    *,
    x: str = "x",
    y: str = "y",
    points: str | None = None,
    visible: str | None = None,
    scale: str | None = None,
    names: str | None = None,
    weight: str | None = None,
    event: str | None = None,
    several: bool = False,
) -> Raw:
    """Reads inputs and targets from the arrays of an npz file.

    Where there is an array `{x}_train`, the suffixes `_train` and `_test` are appended to all names and the split is
    official. Integer images `[N, H, W]` get a channel axis, `[N, H, W, 1]`; one number a row, `[N]`, becomes a table
    `[N, 1]`.

    Args:
      path: the file, of `np.savez` or `np.savez_compressed`.
      x: name of the inputs, `[N, ...]` numeric.
      y: name of the targets, `[N]` numeric, or `[N, K]` where they are `several`; not read where `points` is given.
      points: name of the points, `[N, J, 2]` numeric, (x, y).
      visible: name of the visibility, `[N, J]` of 0 and 1; all 1 where it is None.
      scale: name of the subjects' size, `[N]`, in the unit of the points; needed with `points`. Rows where it is 0 are
        dropped with a warning.
      names: name of an array of strings (without `_train`), the names of the classes, levels, points, labels
        or numbers.
      weight: name of the weights of the rows, `[N]`, at least 0 and not all 0.
      event: name of an array `[N]` of 0 and 1, where the targets are times until an event: whether it was seen.
      several: whether a row has several targets, labels of 0 and 1, numbers or costs.

    Returns:
      `Raw`, of kind 'keypoints' where `points` is given, 'durations' where `event` is, 'labels' where targets are
      `several`, otherwise 'classes'.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: not an npz file, a truncated one, a missing array, an array of objects, of another shape or length
        than expected, or with a value that is not finite; an array with two roles.
    """
    path = regular(Path(path), "npz", "npz")
    if points is not None and scale is None:
        raise ValueError("points need a scale, the array that their errors are divided by; add '&scale=NAME'")
    if several and points is not None:
        raise ValueError("kinds of several targets read y, and points read none; leave one of them out")
    if points is None and (visible is not None or scale is not None):
        raise ValueError("visible and scale belong to points; add '&points=NAME' or leave them out")
    if points is not None and event is not None:
        raise ValueError("an event belongs to a time, y; leave '&points' or '&event' out")
    if points is None and x == y:
        raise ValueError(f"{path.name}: {x!r} cannot be both the inputs and the targets; name two arrays")
    if weight is not None and weight in (x, y, points, scale, visible, event):
        raise ValueError(f"{path.name}: {weight!r} cannot be both the weights and the inputs or targets")
    with Archive(path) as arrays:
        parts, notes, weights, official = [], [], [], f"{x}_train" in arrays.members
        for suffix in ("_train", "_test") if official else ("",):
            inputs = _array(arrays, x + suffix)
            if inputs.ndim == 1 or (inputs.ndim == 3 and inputs.dtype.kind in "iu"):
                inputs = inputs[..., None]
            shapes: dict[Any, tuple] = {y: (y, (len(inputs), *([None] * (several and _axes(arrays, y + suffix) == 2))))}
            if event is not None:
                shapes[event] = (event, (len(inputs),))
            if points is not None:
                shapes = {points: ("points", (len(inputs), None, 2)), scale: ("scale", (len(inputs),))}
                if visible is not None:
                    shapes[visible] = ("visible", (len(inputs), None))
            found = {name: _array(arrays, name + suffix, shape, name == points) for name, (_, shape) in shapes.items()}
            if weight is not None:
                weights.append(_weights(arrays, weight + suffix, len(inputs)))
            where = path.name + suffix.replace("_", ", ")
            if event is not None:
                parts += [inputs, durations(where, found[y], found[event])]
            elif points is None:
                parts += [inputs, found[y]]
            else:
                arguments = inputs, found[points], found.get(visible), found[scale]
                *posed, said = keypoints(where, *arguments, points + suffix)
                parts, notes = parts + posed, notes + said
                if weight is not None:
                    weights[-1] = weights[-1][found[scale or ""] > 0]
        unread = [x + end for end in _PARTS if x + end in arrays.members and not (official and end == "_test")]
        if unread:
            why = f"rows to validate on come from {x}_train" if official else f"there is no {x}_train"
            notes += [f"{path.name}: {', '.join(unread)} is not read; {why}"]
        labels = () if names is None else tuple(str(name) for name in member(arrays, names).ravel())
    kind = "durations" if event is not None else "labels" if several else "classes"
    kind = "keypoints" if points is not None else kind
    weighed = dict(zip(("weights", "test_weights"), weights, strict=False))
    return Raw(*parts, kind=kind, names=labels, notes=tuple(notes), **weighed)


def member(arrays: Archive, name: str) -> np.ndarray:
    """An array of an npz file, with a row for each example.

    Raises:
      ValueError: there is none of this name, or it is a scalar.
    """
    if name not in arrays.members:
        raise ValueError(f"{arrays.name} has no array {name!r}. {closest(name, arrays.members)}")
    found = arrays.read(name)
    if found.ndim == 0:
        raise ValueError(f"{arrays.name}: {name!r} is not an array with one row for each example")
    return found


def _array(arrays: Archive, name: str, shape: tuple | None = None, anything: bool = False) -> np.ndarray:
    """An array of numbers, finite unless `anything` is allowed, of a given shape."""
    found, file = member(arrays, name), arrays.name
    if found.dtype.kind not in "biuf":
        raise ValueError(f"{file}: the array {name!r} has dtype {found.dtype}, expected numbers")
    if found.dtype.kind == "f" and not anything and not np.isfinite(found).all():
        raise ValueError(
            f"{file}: the array {name!r} has {np.sum(~np.isfinite(found))} values that are NaN or infinite"
        )
    if shape is None:
        return found
    if len(found) != shape[0]:
        raise ValueError(
            f"{file}: the array {name!r} has {len(found)} rows, expected {shape[0]}, as many as the inputs"
        )
    if found.ndim != len(shape) or any(b is not None and a != b for a, b in zip(found.shape, shape, strict=True)):
        wanted = ", ".join("J" if axis is None else str(axis) for axis in shape)
        advice = ""
        if len(shape) == 1 and found.ndim == 2:
            advice = "; if it holds several labels or numbers of each row, add '&kind=labels', numbers or example_costs"
            advice = "; it seems to be one-hot, save array.argmax(1)" if one_hot(found) else advice
        raise ValueError(f"{file}: the array {name!r} has shape {found.shape}, expected ({wanted}){advice}")
    return found


def _axes(arrays: Archive, name: str) -> int:
    return member(arrays, name).ndim


def _weights(arrays: Archive, name: str, rows: int) -> np.ndarray:
    return check_weights(f"{arrays.name}, {name!r}", member(arrays, name), rows)


def read_idx(directory: str | Path) -> Raw:
    """Reads the four files of MNIST, Fashion-MNIST or a similar data set.

    Args:
      directory: holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
        `t10k-labels-idx1-ubyte`, each plain or with `.gz`.

    Returns:
      `Raw` of kind 'classes': images `[N, H, W, 1]` uint8 and labels `[N]` uint8, of train and of test.

    Raises:
      FileNotFoundError: the directory or one of the files is missing.
      ValueError: a wrong magic number, a damaged or truncated file (with the number of bytes expected and found), or
        numbers of images and labels that differ.
    """
    directory = Path(directory)
    if not os.path.isdir(directory):  # not `directory.is_dir()`, which raises where a name is too long
        raise FileNotFoundError(f"there is no directory {str(directory)!r}; check the path after 'idx:'")
    parts = []
    for part in ("train", "t10k"):
        images = _idx(directory, f"{part}-images-idx3-ubyte", 3)
        labels = _idx(directory, f"{part}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise ValueError(f"{directory.name}: {len(images)} {part} images but {len(labels)} labels")
        parts += [images[..., None], labels]
    return Raw(*parts)


def _idx(directory: Path, name: str, axes: int) -> np.ndarray:
    path = next((path for path in (directory / name, directory / f"{name}.gz") if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{str(directory)!r} holds neither {name} nor {name}.gz")
    header = 4 + 4 * axes
    content = unpacked(path, header)
    head = next(content)
    if len(head) < header:
        raise ValueError(f"{path.name}: expected at least {header} bytes of header, found {len(head)}; fetch it again")
    magic, *shape = (int(number) for number in np.frombuffer(head, ">u4"))
    if magic != 0x800 + axes:  # 8: unsigned bytes; then the number of axes
        raise ValueError(f"{path.name}: magic number {magic}, expected {0x800 + axes}; it is another kind of file")
    size = math.prod(shape)
    wanted = f"{path.name}: expected {header + size} bytes for the shape {tuple(shape)} that its header states, found "
    if header + size > (most := most_unpacked(path)):
        raise ValueError(f"{wanted}{'at most ' * (path.suffix == '.gz')}{most}; fetch it again")
    body = content.send(size)
    if len(body) < size:
        raise ValueError(f"{wanted}{header + len(body)}; fetch it again")
    if content.send(1):
        raise ValueError(f"{wanted}{'more' if path.suffix == '.gz' else most}; fetch it again")
    return np.frombuffer(body, np.uint8).reshape(shape)


def __getattr__(name: str) -> Any:
    """Old names."""
    return renamed.attribute(__name__, name)
