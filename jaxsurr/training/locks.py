"""Locks on files and work directories; a lock ends with its process, however that ends."""

import contextlib
import datetime
import json
import os
import pathlib
import socket
import warnings
from collections.abc import Iterator

import jax
import numpy as np

from jaxsurr.training import records

__all__ = ["HOLDER", "agreed", "alone", "lock"]

HOLDER = "running.json"


@contextlib.contextmanager
def lock(path: pathlib.Path, wait: bool = True) -> Iterator[bool]:
    """Holds a file lock; gives whether it was to be had, which it always is where it is waited for.

    Threads of one process exclude each other as processes do. Where the file system knows no locks a warning says so.
    """
    from filelock import FileLock, Timeout

    held = FileLock(path)
    try:
        held.acquire(timeout=-1 if wait else 0)
        had = True
    except Timeout:
        had = False
    except NotImplementedError:
        had = True
        warnings.warn(
            f"{path.parent} lies on a file system without locks: start nothing else there meanwhile.", stacklevel=3
        )
    try:
        yield had
    finally:
        held.release()


@contextlib.contextmanager
def alone(path: pathlib.Path) -> Iterator[None]:
    """Keeps a work directory to one run or comparison; of processes that train together the first holds it for all.

    Args:
      path: of the directory, which must exist.

    Raises:
      BlockingIOError: another run holds it; who is said.
      OSError: it cannot be written.
    """
    with contextlib.ExitStack() as held:
        error: OSError | None = None
        if jax.process_index() == 0:
            try:
                with records.writing(path / "run.lock"):
                    had = held.enter_context(lock(path / "run.lock", wait=False))
                if had:
                    held.callback((path / HOLDER).unlink, missing_ok=True)
                    _say_who(path / HOLDER)
                else:
                    error = BlockingIOError(
                        f"{path} is in use: {_who(path / HOLDER)} is at work there. Nothing was changed. Wait until it "
                        "has ended, and the same command goes on; or choose another --workdir."
                    )
            except OSError as failed:
                error = failed
        if not agreed(error is None):
            raise error or BlockingIOError(f"{path} is in use, or cannot be written; the first process says which.")
        yield


def agreed(value: bool) -> bool:
    """The answer of the first of the processes that train together; all of them must ask."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(value)))


def _say_who(path: pathlib.Path) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    records.write_json(path, {"process": os.getpid(), "host": socket.gethostname(), "since": now})


def _who(path: pathlib.Path) -> str:
    """The holder of a directory, as far as is known: it may have taken it just now."""
    try:
        who = json.loads(path.read_text())
        return f"process {who['process']} on {who['host']} (since {who['since']})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
