"""Files that are written whole or not at all, and stay written when the power fails.

One implementation for all that the package writes: a new file is completed beside its place under a name that no other
thread or process has, and then put there; lines are added to a file all at once.
"""

import contextlib
import os
import pathlib
import secrets
from collections.abc import Iterator


@contextlib.contextmanager
def writing(path: str | os.PathLike, advice: str = "") -> Iterator[None]:
    """Says of an error of the file system what was to be written, and what can be done about it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(
            f"{path} could not be written: {reason}. What was there before is untouched. {advice}".rstrip()
        ) from error


def replace(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file whole or not at all, in place of what is there.

    Threads and processes may write one path at the same time: it holds what one of them wrote. A link in its place is
    replaced, not followed; permissions are those of a new file.

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
    """Adds lines to a file, all or none; a line that was cut off before is ended first.

    Only one writer at a time: who shares a file holds a lock.

    Args:
      path: of the file, made where there is none.
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
    """Makes the names in a folder outlast a loss of power, where the system can (Windows cannot)."""
    with contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
