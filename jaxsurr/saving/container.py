"""The bytes of a surrogate's file, from header and arrays and back.

A file of safetensors: the arrays, and one entry of metadata, `jaxsurr`, which is JSON:

    version    of the format, 3; files of version 2 are read by `version2`
    sha256     of all bytes of the file, computed with zeros in its place
    settings   of the surrogate
    example    dtypes and shapes of predictions and targets, where the state's depend on them
    card       information from the user
    saved      date and versions

The order is fixed, so that version and checksum are checked before anything is parsed.
"""

import functools
import hashlib
import json
import os
import pathlib
import stat
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxsurr.saving import version2
from jaxsurr.saving.header import check_header, parse_json

__all__ = ["LARGEST_FILE", "LARGEST_HEADER", "START", "pack", "unpack"]

LARGEST_FILE, LARGEST_HEADER = 2**28, 2**20
_VERSION = b'{"__metadata__":{"jaxsurr":"{\\"version\\":'  # the begin of a header, after its length in 8 bytes
START = _VERSION + b'3,\\"sha256\\":\\"'
_SUM = slice(8 + len(START), 8 + len(START) + 64)


def _sum(data: bytes) -> bytes:
    """The checksum of a file."""
    view = memoryview(data)
    found = hashlib.sha256(view[: _SUM.start])
    found.update(b"0" * 64)
    found.update(view[_SUM.stop :])
    return found.hexdigest().encode()


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of a file.

    Args:
      header: with `settings`, `example`, `card` and `saved`, plain data.
      arrays: by name, each contiguous.

    Raises:
      ValueError, TypeError: the header is not plain data, or too large.
    """
    import safetensors.numpy

    text = json.dumps({"version": 3, "sha256": "0" * 64, **header}, allow_nan=False, separators=(",", ":"))
    check_header(parse_json(json.dumps(header)))
    data = safetensors.numpy.save(dict(arrays), metadata={"jaxsurr": text})
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER:
        raise ValueError(f"they take more than {LARGEST_HEADER} bytes.")
    return data[: _SUM.start] + _sum(data) + data[_SUM.stop :]


def unpack(path: pathlib.Path) -> tuple[dict[str, Any], Callable[[], Any]]:
    """The header of a file, and a function that returns its arrays like `safetensors.deserialize`.

    Raises:
      ValueError: the file is damaged, cut short, of another format version, or not written by `jaxsurr.save`.
      OSError: it cannot be read.
    """
    import safetensors

    status = os.stat(path)  # before it is opened: a pipe would wait for its writer
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_FILE:
        raise ValueError(f"{path} is no file of a surrogate: it is not a regular file, or too large.")
    data = path.read_bytes()
    old = data.startswith(version2.MAGIC)
    start, length = (version2.header_place if old else _header_place)(path, data)
    end = start + length
    if length > LARGEST_HEADER or end > len(data):
        raise ValueError(f"{path} declares a header of {length} bytes, which is not possible.")
    try:
        header = parse_json(data[start:end])
        if old:
            arrays = functools.partial(version2.arrays, version2.described(header), data[end:])
        else:
            header = parse_json(
                header["__metadata__"]["jaxsurr"]
            )  # these four exist, since the file begins with `START`
            del header["version"], header["sha256"]
            arrays = functools.partial(safetensors.deserialize, data)
        check_header(header)
    except ValueError as error:
        raise ValueError(f"the header of {path} is not one that jaxsurr.save writes: {error}") from error
    return header, arrays


def _header_place(path: pathlib.Path, data: bytes) -> tuple[int, int]:
    """Start and declared length of the header of an undamaged file."""
    begins = data[8 : 8 + len(START)]
    if begins.startswith(_VERSION) and not START.startswith(begins):
        version = begins[len(_VERSION) :].split(b",")[0].decode(errors="replace")
        raise ValueError(
            f"{path} has format version {version}, and this jaxsurr reads versions 2 and 3. Install a newer jaxsurr to "
            "read it."
        )
    if not START.startswith(begins):
        raise ValueError(f"{path} is no file of a surrogate: it does not begin as jaxsurr.save begins one.")
    if len(data) < _SUM.stop:
        raise ValueError(f"{path} is cut short: it has {len(data)} bytes. Get a whole copy of it.")
    if _sum(data) != data[_SUM]:
        raise ValueError(f"{path} is damaged or cut short: its checksum does not fit. Get a whole copy of it.")
    return 8, int.from_bytes(data[:8], "little")
