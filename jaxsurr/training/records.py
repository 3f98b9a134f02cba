"""Files that a run leaves: written whole or not at all, refused where they belong to another run."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax

from jaxsurr.training.config import as_dict, default_config, flatten

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
    before, now = read_json(marker), flatten(config)
    if not isinstance(before, dict):
        raise ValueError(f"{marker} is not the config of a run. Nothing was changed there; choose another --workdir.")
    usual = flatten(as_dict(default_config()))  # what a config from before a field was known has meant
    before = {key: value for key, value in usual.items() if key in now} | flatten(before)
    differ = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if differ:
        shown = ", ".join(f"{k} ({before.get(k)!r} there, {now.get(k)!r} here)" for k in differ[:4])
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise ValueError(
            f"{path} belongs to a run with another config: {shown}{more}. "
            "Nothing was changed there; choose another --workdir."
        )
    return path


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


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[None]:
    """Says of an error of the file system what was to be written, and what can be done about it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(
            f"{path} could not be written: {reason}. What was there before is untouched. Free some space, see to the "
            "permissions, or choose another --workdir; the same command then goes on."
        ) from error


def read_json(path: pathlib.Path, advice: str = "Put back a whole copy, or choose another --workdir.") -> Any:
    """What a JSON file holds.

    Args:
      path: of the file.
      advice: a sentence for the error, what to do about a damaged file.

    Raises:
      ValueError: it is damaged.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:  # not JSON, or not even text
        raise ValueError(f"{path} is damaged, it is not whole JSON ({error}). {advice}") from error


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a JSON file whole or not at all: beside it first, then in its place."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
      OSError: it cannot be written.
    """
    beside = path.with_name(path.name + f".{os.getpid()}.part")
    with writing(path):
        try:
            beside.write_text(text)
            os.replace(beside, path)
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def write_lines(path: pathlib.Path, entries: list[dict[str, Any]]) -> None:
    """Writes a JSON-lines file whole or not at all."""
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in entries))


def append_line(path: pathlib.Path, entry: dict[str, Any]) -> None:
    """Adds a record to a JSON-lines file.

    Raises:
      OSError: it cannot be written.
    """
    with writing(path), path.open("a") as file:
        file.write(json.dumps(entry) + "\n")


class TensorBoard:
    """The entries of a history as TensorBoard events, on process 0; what is buffered is written when it is left."""

    def __init__(self, path: pathlib.Path, done: int):
        self.path, self.writer = path, None
        if jax.process_index() == 0:
            from tensorboardX import SummaryWriter

            with writing(path):
                self.writer = SummaryWriter(str(path), purge_step=done + 1)

    def write(self, entry: dict[str, Any]) -> None:
        with writing(self.path):
            for name, value in entry.items():
                for i, number in enumerate(value if isinstance(value, list) else [value]):
                    if isinstance(number, float):
                        self.writer.add_scalar(name if i == 0 else f"{name}_{i}", number, entry["epoch"])

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            with writing(self.path):
                if self.writer is not None:
                    self.writer.close()
        except OSError:
            if error is None:  # else what went wrong first is what has to be said
                raise
