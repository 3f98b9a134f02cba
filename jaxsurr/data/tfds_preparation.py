"""Preparation of TFDS sets: incomplete sets are detected, removed and prepared again, by one process."""

import contextlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxsurr.core import files

__all__ = ["NOTES", "damage_of", "prepare", "told", "undescribed"]

NOTES = "notes.json"  # beside the files of a set of ours


def undescribed(root: Path) -> dict[Path, str]:
    """Directories of array_record files whose description cannot be read, and the reason."""
    wrong = {}
    for place, _, held in os.walk(root):  # it skips files that another process removes meanwhile
        if any(".array_record-" in file for file in held) and "incomplete." not in place:
            for name in ("dataset_info.json", "features.json"):
                try:
                    json.loads(Path(place, name).read_text())
                except (OSError, ValueError) as error:
                    wrong[Path(place)] = f"{os.path.join(place, name)!r} cannot be read ({error})"
    return wrong


def damage_of(builder: Any) -> str | None:
    """Damage of the files of a set in words, "" where there are no files, None where they are complete."""
    from array_record.python.array_record_module import ArrayRecordReader

    if not builder.data_path.exists():
        return ""
    if not builder.is_prepared():
        return f"{str(builder.data_path)!r} holds no set"
    for split in builder.info.splits.values():
        for path, rows in zip(split.filepaths, split.shard_lengths, strict=True):
            reader = ArrayRecordReader(str(path))
            found = reader.num_records() if reader.ok() else 0
            if found != rows:  # TFDS itself would read the wrong records, and say nothing
                return f"{str(path)!r} holds {found} of {rows} records"
    return None


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Context that holds the lock of a set; the lock is released when the process ends."""
    from filelock import FileLock

    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / "prepare.lock"):
        yield


def prepare(make: Callable[[], Any], root: Path, download: Any = None) -> Any:
    """Prepares a set that is missing or incomplete, while other processes that need it wait.

    Args:
      make: makes a new TFDS builder, since a builder remembers the files that it found.
      root: the directory of all configurations of the set.
      download: a `tfds.download.DownloadConfig`; None for sets of this library, which nothing else prepares, so that
        the remains of interrupted preparations can be removed.

    Returns:
      The builder.
    """
    if not undescribed(root):
        builder = make()
        if damage_of(builder) is None:
            return builder
    with _alone(root):  # another process may have prepared it meanwhile
        damage = undescribed(root)
        for directory in damage:
            shutil.rmtree(directory)
        builder = make()
        wrong = damage_of(builder)
        if wrong:
            damage[Path(builder.data_path)] = wrong
            shutil.rmtree(builder.data_path)
            builder = make()  # one that knows of no files
        if download is None:
            for left in root.glob("*/incomplete.*"):
                damage[left] = f"{str(left)!r} is what a preparation that was cut off has left"
                shutil.rmtree(left)
        if damage:
            reasons = "; ".join(damage.values())
            warnings.warn(
                f"{root.name} is half-written; what is damaged is removed and prepared again: {reasons}", stacklevel=4
            )
        if wrong is None:
            return builder
        with contextlib.redirect_stdout(sys.stderr):  # it prints
            builder.download_and_prepare(file_format="array_record", download_config=download)
        if notes := getattr(builder, "notes", []):
            files.replace(Path(builder.data_path, NOTES), json.dumps(notes).encode())
    return builder


def told(builder: Any) -> list[str]:
    """Notes on rows that were left out when a set was prepared."""
    try:
        notes = json.loads(Path(builder.data_path, NOTES).read_text())
    except (OSError, ValueError):
        return []
    return [str(note) for note in notes] if isinstance(notes, list) else []
