"""Atomic, durable writes of files.

All files of the package are written here: a new file is completed in the same folder under a name that is unique to the
thread and process, synced to disk, and then renamed; lines are appended in one write.
"""

import contextlib
import os
import pathlib
import secrets
from collections.abc import Iterator

__all__ = ["append", "replace", "sync_folder", "writing"]


@contextlib.contextmanager
def writing(path: str | os.PathLike, advice: str = "") -> Iterator[None]:
    """Context in which an error of the file system names the file that was being written, and says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(
            f"{path} could not be written: {reason}. What was there before is untouched. {advice}".rstrip()
        ) from error


def replace(path: str | os.PathLike, data: bytes) -> None:
    """Atomic replacement of a file.

    Threads and processes may write one path at the same time: it then holds the content of one of them. A link at the
    path is replaced, not followed; permissions are those of a new file.

    Raises:
      OSError: it cannot be written.
    """
    path = pathlib.Path(path)
    beside = path.with_name(f"{path.name[:60]}.{secrets.token_hex(8)}.part")
    try:
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def append(path: str | os.PathLike, lines: bytes) -> None:
    """Appends lines to a file, all or none; an unfinished last line is ended first.

    One writer at a time: processes that share a file must hold a lock.

    Args:
      path: of the file, created if it does not exist.
      lines: each with its line feed.

    Raises:
      OSError: it cannot be written.
    """
    with open(path, "ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        cut = False
        if size:
            file.seek(size - 1)
            cut = file.read(1) != b"\n"
        left = memoryview((b"\n" if cut else b"") + lines)
        try:
            while left:  # a disk that gets full takes a part first
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise
    if not size:
        sync_folder(pathlib.Path(path).parent)


def sync_folder(path: str | os.PathLike) -> None:
    """Syncs the entries of a folder to disk, where the system allows it (Windows does not)."""
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
