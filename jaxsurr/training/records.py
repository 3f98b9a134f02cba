"""Files that a run leaves: written whole or not at all, refused where they belong to another run."""

import importlib.metadata
import json
import os
import pathlib
import platform
from typing import Any

from jaxsurr.training.config import flatten


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    found = {"python": platform.python_version()}
    for package in ("jaxsurr", "jax", "jaxlib", "flax", "optax", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def open_workdir(workdir: str | os.PathLike, config: dict[str, Any]) -> pathlib.Path:
    """Makes a work directory for a config, or opens the one that already belongs to it.

    Args:
      workdir: where; created with its parents.
      config: plain data, kept as `config.json`.

    Raises:
      ValueError: the directory belongs to another config (which fields differ is said), or holds other files only.
      OSError: it cannot be written.
    """
    path = pathlib.Path(workdir)
    marker = path / "config.json"
    try:
        path.mkdir(parents=True, exist_ok=True)
        if marker.exists():
            before = flatten(read_json(marker))
            now = flatten(config)
            differ = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
            if differ:
                shown = ", ".join(f"{k} ({before.get(k)!r} there, {now.get(k)!r} here)" for k in differ[:4])
                more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
                raise ValueError(
                    f"{path} belongs to a run with another config: {shown}{more}. "
                    "Nothing was changed there; choose another --workdir."
                )
        else:
            write_json(marker, config)
    except FileExistsError as error:
        raise ValueError(f"{path} is a file, and a work directory is needed; choose another --workdir.") from error
    except PermissionError as error:
        raise PermissionError(f"{path} cannot be written: {error.strerror}. Choose another --workdir.") from error
    except OSError as error:
        raise OSError(
            f"{path} cannot be used: {error.strerror}. Free some space, or choose another --workdir."
        ) from error
    return path


def read_json(path: pathlib.Path) -> Any:
    """What a JSON file holds.

    Raises:
      ValueError: it is damaged.
    """
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not whole JSON ({error}); delete it to start this run again.") from error


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a JSON file whole or not at all: beside it first, then in its place."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    beside = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        beside.write_text(text)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(f"{path} could not be written: {error.strerror}. What was there before is untouched.") from error


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Records of a JSON-lines file; a last line that was cut off is left out."""
    records = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def write_lines(path: pathlib.Path, entries: list[dict[str, Any]]) -> None:
    """Writes a JSON-lines file whole or not at all."""
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in entries))


def append_line(path: pathlib.Path, entry: dict[str, Any]) -> None:
    """Adds a record to a JSON-lines file."""
    try:
        with path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise OSError(
            f"{path} could not be written: {error.strerror}. Free some space and run the command again."
        ) from error
