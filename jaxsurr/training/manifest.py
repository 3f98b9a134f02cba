"""Checksums of the files of a folder, kept in it: whether it is what was written."""

import hashlib
import json
import os
import pathlib

from jaxsurr.core import files
from jaxsurr.training import records

__all__ = ["MISSING", "NAME", "fault", "write"]

NAME = "sha256.json"
MISSING = "it has no checksums"


def write(folder: pathlib.Path) -> None:
    """Writes the SHA-256 of every file of a folder that is complete, and sees that all is on disk.

    Raises:
      OSError: a file cannot be read, or the checksums cannot be written.
    """
    found = {}
    for path in _paths(folder):
        found[path.relative_to(folder).as_posix()] = _checksum(path)
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    for inner in {path.parent for path in _paths(folder)}:
        files.sync_folder(inner)
    files.replace(folder / NAME, json.dumps(found, indent=2).encode() + b"\n")
    files.sync_folder(folder.parent)


def fault(folder: pathlib.Path) -> str | None:
    """The fault in a folder, in words: `MISSING`, a file that is missing or has changed, or None."""
    try:
        kept = records.parse_json((folder / NAME).read_bytes())
    except FileNotFoundError:
        return MISSING
    except (OSError, ValueError) as error:
        return f"its checksums cannot be read, {error}"
    if not isinstance(kept, dict):
        return "its checksums are damaged"
    for name, checksum in kept.items():
        try:
            if _checksum(folder / name) != checksum:
                return f"{name} is not what was written"
        except OSError as error:
            return f"{name!r:.100} cannot be read, {error.strerror}"
    return None


def _paths(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)


def _checksum(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
