"""Reader of files of format version 2, which jaxsurr 0.1 wrote.

    bytes   0-7    "jaxsurr\\n"
    bytes   8-11   format version, little-endian
    bytes  12-43   SHA-256 of all other bytes
    bytes  44-47   length of the header, little-endian
    header         JSON: that of version 3, and names, dtypes and shapes of the arrays
    body           msgpack: the arrays' bytes by name

msgpack is installed with flax.
"""

import hashlib
import pathlib
from typing import Any

from jaxsurr.core import checks
from jaxsurr.saving.header import DTYPES, exactly

__all__ = ["MAGIC", "arrays", "described", "header_place"]

MAGIC = b"jaxsurr\n"


def header_place(path: pathlib.Path, data: bytes) -> tuple[int, int]:
    """Start and declared length of the header of an undamaged file.

    Raises:
      ValueError: it is damaged, cut short or of version 1.
    """
    if len(data) < 48:
        raise ValueError(f"{path} is cut short: it has {len(data)} bytes. Get a whole copy of it.")
    version = int.from_bytes(data[8:12], "little")
    if version != 2:
        raise ValueError(
            f"{path} has format version {version}, and this jaxsurr reads versions 2 and 3. Learn and save the "
            "surrogate again."
        )
    if hashlib.sha256(data[:12] + data[44:]).digest() != data[12:44]:
        raise ValueError(f"{path} is damaged or cut short: its checksum does not fit. Get a whole copy of it.")
    return 48, int.from_bytes(data[44:48], "little")


def described(header: Any) -> list[dict[str, Any]]:
    """Removes the description of the arrays from a header, and returns it.

    Raises:
      ValueError: it is not valid.
    """
    arrays = header.pop("arrays", None) if isinstance(header, dict) else None
    if not isinstance(arrays, list):
        raise ValueError("it has no list of arrays.")
    for array in arrays:
        exactly(array, {"name": str, "dtype": str, "shape": list}, "an array")
        checks.one_of(array["dtype"], "dtype", DTYPES)
    return arrays


def arrays(said: list[dict[str, Any]], body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The arrays, as `safetensors.deserialize` gives those of version 3.

    Raises:
      ValueError: the body does not hold the arrays that the header describes.
    """
    import msgpack

    names = [array["name"] for array in said]
    try:
        found = msgpack.unpackb(
            body, max_array_len=0, max_ext_len=0, max_map_len=len(said), max_bin_len=len(body), max_str_len=1000
        )
    except Exception as error:  # msgpack has a dozen of its own
        raise ValueError(f"the body is not msgpack of arrays ({type(error).__name__}).") from error
    if not isinstance(found, dict) or list(found) != names or not all(isinstance(one, bytes) for one in found.values()):
        raise ValueError("the body holds other arrays than the header describes.")
    return [
        (name, {"dtype": DTYPES[array["dtype"]], "shape": array["shape"], "data": found[name]})
        for name, array in zip(names, said, strict=True)
    ]
