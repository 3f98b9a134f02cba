"""Data sets of TensorFlow Datasets, prepared as array_record and read without TensorFlow.

Sets of TFDS are read if they are prepared, and can be prepared if TensorFlow is installed. `utkface`, `lsp_extended`
and `ordinal_table` (`jaxsurr.data.tfds_builders`) are prepared without TensorFlow, on first use.
"""

import functools
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.spec import parse_value
from jaxsurr.data.raw import Raw, closest, keypoints, warn
from jaxsurr.data.stick_figures import JOINTS
from jaxsurr.data.tfds_preparation import damage_of, prepare, told, undescribed

__all__ = ["KEYS", "read_prepared"]


class _Own(NamedTuple):
    """A set of this library: its class in `builders`, its options (the files first), and the features to read."""

    builder: str
    options: tuple[str, ...]
    reading: dict[str, str]
    kind: str
    size: str = ""


_PEOPLE = {"x": "image", "points": "points", "visible": "visible", "scale": "torso"}
_OWN = {
    "utkface": _Own("Utkface", ("manual_dir", "size"), {"x": "image", "y": "age"}, "levels", "48"),
    "lsp_extended": _Own("LspExtended", ("manual_dir", "size"), _PEOPLE, "keypoints", "64"),
    "ordinal_table": _Own("OrdinalTable", ("file", "target"), {"x": "inputs", "y": "level"}, "levels"),
}
_READING = ("train", "test", "x", "y", "points", "visible", "scale")
KEYS = ("data_dir", "manual_dir", "size", "file", "target", *_READING)


def read_prepared(name: str, **options: str) -> Raw:
    """Reads a set of TensorFlow Datasets, and prepares it first if necessary.

    An incomplete set (of a preparation that was killed, or with truncated files) is prepared again, with a warning. One
    process prepares, others that need the same set wait.

    Args:
      name: of the set, such as `fashion_mnist`, `emnist/letters` or `mnist:3.0.1`; of this library `utkface`,
        `lsp_extended` or `ordinal_table`, or with its configuration, `utkface/48px-0123456789ab`.
      options: `data_dir`, the directory of prepared sets, by default that of TFDS; `manual_dir`, the directory of the
        files that a set is prepared from (for sets of TFDS, files that are downloaded already); `size`, of the images
        of `utkface` (48) and `lsp_extended` (64) in pixels; `file` and `target`, the csv file and the column of
        `ordinal_table`; `train` and `test`, the splits, such as `train[:80%]` (by default "train", and "test" if there
        is one); `x` and `y` or `points`, `visible` and `scale`, the features, as for `read_npz`.

    Returns:
      `Raw`: of kind 'keypoints' where points are read, 'levels' for ages, tables and targets with fractions, otherwise
      'classes'.

    Raises:
      FileNotFoundError: the files that a set is prepared from are missing; the error says where to get them.
      ImportError: TFDS is missing, or a set is not prepared and TensorFlow is missing.
      ValueError: unknown set, key, split or feature; a damaged set that cannot be prepared again; splits that overlap.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     table = Path(place, "grades.csv")
    ...     _ = table.write_text("hours,grade\\n1,1\\n5,3\\n3,2\\n")
    ...     raw = read_prepared("ordinal_table", file=str(table), target="grade", data_dir=place)
    >>> raw.kind, raw.targets.tolist()
    ('levels', [1.0, 3.0, 2.0])
    """
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise ImportError(f"'tfds:{name}' needs tensorflow-datasets: pip install 'jaxsurr[train]'")
    own = _OWN.get(name.partition("/")[0])
    allowed = ("data_dir", *(("manual_dir",) if own is None else own.options), *_READING)
    for key in options:
        if key not in allowed:
            raise ValueError(f"'tfds:{name}' takes no key {key!r}. {closest(key, allowed)}")
    folder = re.split("[/:]", name)[0]
    root = Path(options.get("data_dir") or _default_directory()).expanduser() / folder
    builder = _stock(name, root, options) if own is None else _ours(name, own, root, options)
    reading = {key: options[key] for key in _READING if key in options}
    return _read(builder, name, reading if own is None else own.reading | reading, own)


# --- preparing --------------------------------------------------------------------------------------------------------


def _default_directory() -> str:
    from tensorflow_datasets.core import constants

    return constants.DATA_DIR


def _ours(name: str, own: _Own, root: Path, options: dict[str, str]) -> Any:
    from jaxsurr.data import tfds_builders as builders

    kind, origin, (name, _, config) = getattr(builders, own.builder), own.options[0], name.partition("/")
    if "target" in own.options and (origin in options) != ("target" in options):
        raise ValueError(
            f"'tfds:{name}' is made of a file and a column: '?file=PATH&target=NAME'; give both or neither"
        )
    if origin not in options:
        return _prepared_before(name, config, root, options, origin, getattr(kind, "HOMEPAGE", ""))
    if config:
        raise ValueError(f"'tfds:{name}/{config}' names a prepared set, and {origin} the files of one; leave one out")
    if own.size:
        make = functools.partial(kind, directory=options[origin], size=_size(options.get("size", own.size)))
    else:
        make = functools.partial(kind, file=options["file"], target=options["target"])
    return prepare(functools.partial(make, data_dir=root.parent), root)


def _size(text: str) -> int:
    size = parse_value(str(text))
    if not isinstance(size, int) or not 8 <= size <= 4096:
        raise ValueError(f"size={text!r}: expected the height and width of the images in pixels, from 8 to 4096")
    return size


def _prepared_before(name: str, config: str, root: Path, options: dict[str, str], origin: str, homepage: str) -> Any:
    """A prepared set of this library, found without its original files."""
    import tensorflow_datasets as tfds

    pattern = config or (f"{_size(options['size'])}px-*" if "size" in options else "*")
    found = sorted({path.parent for path in root.glob(f"{pattern}/[0-9]*/*")})
    again = f"name the files that it is prepared from, '?{origin}=...'" + f" (from {homepage})" * bool(homepage)
    if not found:
        raise FileNotFoundError(f"'tfds:{name}' is not prepared in {str(root)!r}; {again}")
    if len(found) > 1:
        configs = ", ".join(path.parent.name for path in found)
        raise ValueError(f"{str(root)!r} holds several sets; {again}, or one of them, 'tfds:{name}/CONFIG': {configs}")
    damage = undescribed(found[0]).get(found[0])
    builder = None if damage else tfds.builder_from_directory(found[0])
    damage = damage or damage_of(builder)
    if damage:
        raise ValueError(f"'tfds:{name}' is half-written: {damage}; {again}, and it is prepared again")
    return builder


def _stock(name: str, root: Path, options: dict[str, str]) -> Any:
    import tensorflow_datasets as tfds

    core: Any = tfds.core  # whose modules are loaded when they are asked for
    missing = importlib.util.find_spec("tensorflow") is None
    broken = undescribed(root)
    try:  # without the set's own code, which may need TensorFlow
        builder = None if broken else core.read_only_builder.builder_from_files(name, data_dir=root.parent)
    except core.registered.DatasetNotFoundError:
        builder = None
    if builder is not None:
        form = builder.info.file_format.value
        if form != "array_record":
            raise ValueError(
                f"'tfds:{name}' is prepared as {form} in {str(builder.data_path)!r}, and only array_record is read; "
                "name another data_dir=DIR to have it prepared again"
            )
        damage = damage_of(builder)
        if damage is None:
            return builder
    elif broken:
        damage = "; ".join(broken.values())
    else:
        known = tfds.list_builders(with_community_datasets=False)
        if root.name not in known:
            near = checks.similar(name, known)
            hint = f"did you mean {near!r}? " if near else ""
            raise ValueError(f"TFDS has no data set {name!r}; {hint}tfds.list_builders() names them all")
        damage = f"it is not prepared in {str(root)!r}"
    if missing:
        raise ImportError(
            f"'tfds:{name}' cannot be read: {damage}. To prepare it needs TensorFlow: pip install 'jaxsurr[tf]' and "
            f"run this again, or prepare it on another machine by 'tfds build {name} --file_format=array_record' and "
            "name the directory it is in, data_dir=DIR"
        )
    manual = options.get("manual_dir")
    if manual is not None and not Path(manual).is_dir():
        raise FileNotFoundError(f"there is no directory {manual!r}; check manual_dir of 'tfds:{name}'")
    make = functools.partial(tfds.builder, name, data_dir=root.parent, file_format="array_record")
    return prepare(make, root, tfds.download.DownloadConfig(manual_dir=manual))


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(builder: Any, name: str, reading: dict[str, str], own: _Own | None) -> Raw:
    import tensorflow_datasets as tfds

    splits = {"train": reading.get("train", "train")}
    if "test" in reading or "test" in builder.info.splits:
        splits["test"] = reading.get("test", "test")
    sources = {}
    for key, split in splits.items():
        try:
            sources[key] = builder.as_data_source(split=split)
        except ValueError as error:
            raise ValueError(f"'tfds:{name}': {key}={split!r} names no rows of it: {error}") from error
    _refuse_overlap(builder, name, splits)
    features = builder.info.features
    pair = builder.info.supervised_keys or ("image", "label")
    x, y = reading.get("x", pair[0]), reading.get("y", pair[1])
    points, visible, scale = (reading.get(key) for key in ("points", "visible", "scale"))
    if points is not None and scale is None:
        raise ValueError("points need a scale, the feature that their errors are divided by; add '&scale=NAME'")
    if points is None and (visible is not None or scale is not None):
        raise ValueError("visible and scale belong to points; add '&points=NAME' or leave them out")
    wanted = [x, y] if points is None else [key for key in (x, points, visible, scale) if key is not None]
    for feature in wanted:
        if feature not in features:
            raise ValueError(f"'tfds:{name}' has no feature {feature!r}. {closest(feature, features)}")
    arrays, notes = [], told(builder)
    if "validation" in builder.info.splits and not any("validation" in split for split in splits.values()):
        rows = builder.info.splits["validation"].num_examples
        notes.append(f"the split 'validation' of {name} ({rows} rows) is not read; name it, as in '&test=validation'")
    for key, source in sources.items():
        columns = _columns(f"{name}, {key}={splits[key]}", source, wanted, points)
        if points is None:
            if columns[y].ndim != 1:
                raise ValueError(
                    f"'tfds:{name}': {y!r} has shape {columns[y].shape[1:]}, expected one number for each row"
                )
            if isinstance(features[y], tfds.features.ClassLabel):
                columns, said = _labelled(columns, y, f"{name}, {key}={splits[key]}")
                notes += said
            arrays += [columns[x], columns[y]]
        else:
            place = f"{name}, {key}" if len(sources) > 1 else name
            *posed, said = keypoints(
                place, columns[x], columns[points], None if visible is None else columns[visible], columns[scale or ""]
            )
            arrays, notes = arrays + posed, notes + said
    said = {"notes": tuple(notes)}
    if points is not None:
        return Raw(*arrays, kind="keypoints", names=JOINTS if own else (), **said)
    if own is not None:
        return Raw(*arrays, kind=own.kind, **said)
    if isinstance(features[y], tfds.features.ClassLabel):
        values = np.unique(np.concatenate(arrays[1::2]))
        return Raw(*arrays, names=tuple(features[y].int2str(int(value)) for value in values), **said)
    return Raw(*arrays, kind="levels" if arrays[1].dtype.kind == "f" else "classes", **said)


def _labelled(columns: dict[str, np.ndarray], y: str, where: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """The rows with a label (TFDS marks others by a class below 0), and a note of the number of others."""
    kept = columns[y] >= 0
    if kept.all():
        return columns, []
    if not kept.any():
        raise ValueError(f"'tfds:{where}' has no labels; name another split, as in '&test=validation'")
    note = f"{where}: {np.sum(~kept)} of {len(kept)} rows have no label and are dropped"
    warn(note)
    return {name: column[kept] for name, column in columns.items()}, [note]


def _refuse_overlap(builder: Any, name: str, splits: dict[str, str]) -> None:
    """Refuses splits in which test rows are also training rows."""
    if len(splits) < 2:
        return
    train, test = ([*builder.info.splits[split].file_instructions] for split in splits.values())
    shared = sum(
        max(min(a.skip + a.take, b.skip + b.take) - max(a.skip, b.skip), 0)
        for a in train
        for b in test
        if a.filename == b.filename
    )
    if shared:
        raise ValueError(
            f"'tfds:{name}': train={splits['train']!r} and test={splits['test']!r} share {shared} rows; expected none, "
            "as in '?train=train[:80%]&test=train[80%:]'"
        )


def _columns(
    where: str, source: Sequence[dict[str, Any]], features: list[str], points: str | None
) -> dict[str, np.ndarray]:
    """The columns of a set, `[N, ...]` each; only points may hold NaN, where they are not visible."""
    columns: dict[str, np.ndarray] = {}
    for row in range(len(source)):
        example = source[row]
        for feature in features:
            value = np.asarray(example[feature])
            if not row:
                if value.dtype.kind not in "biuf":
                    raise ValueError(f"{where}: the feature {feature!r} has dtype {value.dtype}, expected numbers")
                columns[feature] = np.empty((len(source), *value.shape), value.dtype)
            if value.shape != columns[feature].shape[1:]:
                raise ValueError(
                    f"{where}: the feature {feature!r} has shape {value.shape} in row {row}, but "
                    f"{columns[feature].shape[1:]} before; expected arrays of one shape: prepare images of one size"
                )
            columns[feature][row] = value
    for feature, column in columns.items():
        if feature != points and column.dtype.kind == "f" and not np.isfinite(column).all():
            raise ValueError(f"{where}: {feature!r} has {np.sum(~np.isfinite(column))} values that are NaN or infinite")
    return columns
