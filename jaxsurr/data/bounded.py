"""Reading of untrusted files within bounds of memory.

The size that a header declares is compared with the size of the file before the body is read, so that a file of a few
bytes that claims to hold terabytes, or unpacks to them, is refused before memory is allocated.
"""

import ast
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

import numpy as np

__all__ = ["Archive", "lines", "most_unpacked", "regular", "unpacked"]

_CHUNK = 2**20
_MOST_DEFLATED = 1032  # bytes that deflate can make of one
_HEADER = 10_000  # bytes of the description of an array; NumPy's own limit
_LINE = 2**26  # characters of a line: a million columns


def regular(path: Path, kind: str, scheme: str) -> Path:
    """The path of a regular file; missing files, directories, pipes, devices and loops of links are refused.

    Raises:
      FileNotFoundError: the file does not exist.
      ValueError: it is not a regular file.
    """
    if os.path.isfile(path):  # not `path.is_file()`, which raises where a name is too long
        return path
    if os.path.exists(path):
        what = "a directory" if path.is_dir() else "a pipe or a device"
        raise ValueError(f"{str(path)!r} is {what}; name a {kind} file after '{scheme}:'")
    raise FileNotFoundError(f"there is no {kind} file {str(path)!r}; check the path after '{scheme}:'")


def lines(file: IO[str], name: str) -> Iterator[str]:
    """The lines of a text file, of bounded length.

    Raises:
      ValueError: a line is longer than that of a table of a million columns.
    """
    return file if os.fstat(file.fileno()).st_size < _LINE else _bounded(file, name)


def _bounded(file: IO[str], name: str) -> Iterator[str]:
    while line := file.readline(_LINE):
        if len(line) == _LINE:
            raise ValueError(f"{name} has a line of more than {_LINE} characters; expected a table of numbers")
        yield line


def unpacked(path: Path, head: int) -> Generator[bytes, int, None]:
    """A generator of the bytes of a file, or of the content of a gzip file (`.gz`).

    The first `next` returns up to `head` bytes, `send(n)` up to n more, fewer at the end of the file.

    Raises:
      ValueError: it is not a gzip file, or damaged.
    """
    with path.open("rb") as file:
        if path.suffix != ".gz":
            number = head
            while True:
                number = yield file.read(number)
        unpacker, number = zlib.decompressobj(wbits=31), head
        while True:
            out = bytearray()
            while len(out) < number and not unpacker.eof:
                packed = unpacker.unconsumed_tail or file.read(_CHUNK)
                try:
                    out += unpacker.decompress(packed, number - len(out))
                except zlib.error as error:
                    raise ValueError(f"{path.name} is not a gzip file, or it is damaged: {error}") from error
                if not packed:
                    break
            number = yield bytes(out)


def most_unpacked(path: Path, packed: bool = False) -> int:
    """Upper bound on the number of bytes of a file, after unpacking where it is a gzip file or otherwise `packed`."""
    size = path.stat().st_size
    return size * _MOST_DEFLATED if packed or path.suffix == ".gz" else size


class Archive:
    """The arrays of an npz file by name, each read on demand.

    Raises:
      ValueError: it is not an npz file.
    """

    def __init__(self, path: Path):
        self.name, self.size = path.name, path.stat().st_size
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OverflowError, struct.error) as error:
            raise ValueError(
                f"{path.name} is not an npz file, or it is truncated; write it with np.savez and copy it again"
            ) from error
        self.members = {info.filename.removesuffix(".npy"): info for info in self.archive.infolist()}

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *error: object) -> None:
        self.archive.close()

    def read(self, name: str) -> np.ndarray:
        """An array of numbers or strings.

        Raises:
          ValueError: it is damaged, encrypted, packed in an unknown way, of objects, or larger than the file can hold.
        """
        info = self.members[name]
        where = f"{self.name}: the array {name!r}"
        if info.flag_bits & 0x1:
            raise ValueError(f"{where} is encrypted; write the file again with np.savez")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{where} is compressed in an unknown way; write the file again with np.savez_compressed")
        packed = info.compress_size * (_MOST_DEFLATED if info.compress_type == zipfile.ZIP_DEFLATED else 1) + 1024
        if info.compress_size > self.size or info.file_size > packed:
            raise ValueError(f"{where} is damaged: it states {info.file_size} bytes, more than the file can hold")
        try:
            with self.archive.open(info) as file:
                shape, fortran, dtype, start = _description(file, where)
                return _body(file, where, shape, fortran, dtype, info.file_size - start)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
            raise ValueError(f"{where} is damaged or truncated ({error}); copy the file again") from error


def _description(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order and dtype of an array by its header, and the length of the header."""
    head = file.read(8)
    if head[:6] != b"\x93NUMPY":
        raise ValueError(f"{where} is not an array as np.savez writes it, with one row an example")
    version, width = tuple(head[6:]), 2 if head[6] == 1 else 4
    length = file.read(width)
    number = int.from_bytes(length, "little")
    if version not in ((1, 0), (2, 0), (3, 0)) or number > _HEADER:
        raise ValueError(f"{where} has a header that is damaged, of version {version} and {number} bytes")
    text = file.read(number)
    try:
        described = ast.literal_eval(text.decode("latin1" if version < (3, 0) else "utf-8").strip())
        shape, dtype = described["shape"], np.lib.format.descr_to_dtype(described["descr"])
        sound = isinstance(shape, tuple) and all(type(axis) is int and axis >= 0 for axis in shape)
        fortran = bool(described["fortran_order"])
        if not sound:
            raise ValueError("the shape is none")
    except Exception as error:  # of many kinds: thousands of brackets are a MemoryError of the parser
        raise ValueError(f"{where} has a header that is damaged; copy the file again") from error
    if dtype.kind not in "biufcSU":
        raise ValueError(
            f"{where} is not a plain array of numbers or strings (its dtype is {dtype}); objects are refused, save it "
            "with a numeric or string dtype"
        )
    return shape, fortran, dtype, len(head) + len(length) + len(text)


def _body(
    file: IO[bytes], where: str, shape: tuple[int, ...], fortran: bool, dtype: np.dtype, available: int
) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    if size != available or (size == 0 and shape[0]):
        raise ValueError(
            f"{where} has shape {shape} and dtype {dtype} by its header, {size} bytes, and the file holds {available} "
            "for it; write the file again"
        )
    try:
        array = np.empty(math.prod(shape), dtype)
    except MemoryError as error:
        raise ValueError(f"{where} needs {size / 2**30:.1f} GiB of memory, which is not to be had") from error
    view = array.view(np.uint8) if size else array
    for start in range(0, size, _CHUNK):
        part = file.read(min(_CHUNK, size - start))
        if len(part) < min(_CHUNK, size - start):
            raise EOFError(f"expected {size} bytes, found {start + len(part)}")
        view[start : start + len(part)] = np.frombuffer(part, np.uint8)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
