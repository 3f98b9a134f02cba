"""Files that a run leaves: written whole or not at all, refused where they belong to another run."""

import functools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from jaxsurr.core import files, renamed
from jaxsurr.training.config import GONE, as_dict, default_config, flatten
from jaxsurr.training.kinds import certainly_usual

__all__ = [
    "DEEPEST", "RESULTS", "append_line", "check_workdir", "differences", "open_workdir", "parse_json", "read_json",
    "usual_loss", "write_json", "write_lines", "write_text", "writing",
]  # fmt: skip

DEEPEST = 20  # of JSON
RESULTS = ("metrics.jsonl", "result.json", "results.jsonl", "checkpoints")


def check_workdir(workdir: str | os.PathLike, config: dict[str, Any]) -> pathlib.Path:
    """Refuses a work directory that belongs to another config; writes nothing.

    Args:
      workdir: where results are to go; it need not exist.
      config: plain data, as `config.json` holds it.

    Returns:
      Its path.

    Raises:
      ValueError: the directory belongs to another config (which fields differ is said), holds results without saying
        whose, or is a file.
    """
    path = pathlib.Path(workdir)
    for part in (path, *path.parents):
        if part.exists():
            if not part.is_dir():
                raise ValueError(f"{part} is a file, and a work directory is needed; choose another --workdir.")
            break
    marker = path / "config.json"
    if not marker.exists():
        found = [name for name in RESULTS if (path / name).exists()]
        if found:
            raise ValueError(
                f"{path} holds {' and '.join(found)}, but no config.json that says which config they belong to. "
                "Nothing was changed there; choose another --workdir."
            )
        return path
    before = read_json(marker)
    if not isinstance(before, dict):
        raise ValueError(f"{marker} is not the config of a run. Nothing was changed there; choose another --workdir.")
    differ = differences(before, config)
    if differ:
        raise ValueError(
            f"{path} belongs to a run with another config: {differ}. Nothing was changed there; choose another "
            "--workdir."
        )
    return path


def usual_loss(workdir: str | os.PathLike) -> str:
    """The loss of the warm start of the config that a work directory keeps, if it need not have been named; else "".

    So a command that names none goes on there, and returns what is complete, without loading the data first.
    """
    marker = pathlib.Path(workdir) / "config.json"
    kept = read_json(marker) if marker.is_file() else None
    found = kept.get("conventional") if isinstance(kept, dict) else None
    return found if isinstance(found, str) and certainly_usual(found) else ""


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The fields in which a config that was kept differs from one at hand, in words; "" where there are none.

    A field that was not known yet when the config was kept has its default; one that is no more differs where it was
    not as it is for good now.
    """
    now, kept = flatten(here), flatten(there)
    for name in GONE.keys() & kept.keys() - now.keys():
        if kept[name] == GONE[name]:
            del kept[name]
    before = {name: value for name, value in _defaults().items() if name in now} | kept
    for fields in (before, now):
        if "data.kind" in fields:
            fields["data.kind"] = renamed.word("kind", fields["data.kind"], warn=False)
    differ = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    shown = ", ".join(
        f"{k} ({before.get(k)!r:.100} there, {'no such field any more' if k in GONE else repr(now.get(k))[:100]} here)"
        for k in differ[:4]
    )
    return shown + (f" and {len(differ) - 4} more" if len(differ) > 4 else "")


@functools.cache
def _defaults() -> dict[str, Any]:
    return flatten(as_dict(default_config()))


def open_workdir(workdir: str | os.PathLike, config: dict[str, Any]) -> pathlib.Path:
    """Makes a work directory for a config, or opens the one that already belongs to it; process 0 writes.

    Args:
      workdir: where; created with its parents.
      config: plain data, kept as `config.json`.

    Raises:
      ValueError: as for `check_workdir`.
      OSError: it cannot be written.
    """
    path = check_workdir(workdir, config)
    if jax.process_index() == 0:
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        if not (path / "config.json").exists():
            write_json(path / "config.json", config)
    return path


writing = functools.partial(
    files.writing,
    advice="Free some space, see to the permissions, or choose another --workdir; the same command then goes on.",
)


def parse_json(text: str | bytes) -> Any:
    """The value of JSON text.

    Raises:
      ValueError: it is not JSON, not even text, or nested deeper than anything that is written here.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} deep") from None
    level = [value]
    for _ in range(DEEPEST):
        level = [part for part in level if isinstance(part, dict | list)]
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    return value


def read_json(path: pathlib.Path, advice: str = "Put back a whole copy, or choose another --workdir.") -> Any:
    """The value of a JSON file.

    Args:
      path: of the file.
      advice: a sentence for the error, what to do about a damaged file.

    Raises:
      ValueError: it is damaged.
    """
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged, it is not whole JSON ({error}). {advice}") from error


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a JSON file whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    with writing(path):
        files.replace(path, text.encode())


def write_lines(path: pathlib.Path, entries: list[dict[str, Any]]) -> None:
    """Writes a JSON-lines file whole or not at all."""
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in entries))


def append_line(path: pathlib.Path, entry: dict[str, Any]) -> None:
    """Adds a record to a JSON-lines file of this process.

    Raises:
      OSError: it cannot be written.
    """
    with writing(path):
        files.append(path, json.dumps(entry).encode() + b"\n")
