"""Sources that are handed over from Python, and their identity."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxsurr.data.raw import Raw
from jaxsurr.data.tables import Table

__all__ = ["Source", "source_of", "text_of"]

_MOST_SHOWN = 60  # characters of a shape in the text of a source


class Source(NamedTuple):
    """Data that were handed over from Python (`from_arrays`, `from_frame`), in place of the text of a source.

    `jaxsurr.data.load` takes it, and `jaxsurr.training.run` and `jaxsurr.compare` as `data=`. Results hold `text`.

    Attributes:
      raw: the content.
      text: `arrays:sha256=...&shape=...`, which stands for it in configs and results.
      query: options as of a text, `{"kind": ...}`.
    """

    raw: Raw
    text: str
    query: Mapping[str, str] = {}

    def check(self) -> None:
        """Refuses content that is not what it was when it was handed over.

        Raises:
          ValueError: it has changed.
        """
        if text_of(self.raw, self.query) != self.text:
            raise ValueError(
                "the arrays have changed since they were handed over; call from_arrays or from_frame again, and do not "
                "change arrays that a comparison still reads"
            )


def source_of(raw: Raw, kind: str | None, positive: Any) -> Source:
    """The source of this content; `kind` and `positive` as for `from_arrays`."""
    query = ({"kind": kind} if kind else {}) | ({} if positive is None else {"positive": str(positive)})
    return Source(raw, text_of(raw, query), query)


def text_of(raw: Raw, query: Mapping[str, str]) -> str:
    """The text of a source: the SHA-256 of all that it holds, and the shape of its inputs."""
    digest = hashlib.sha256()
    for field, value in (*raw._asdict().items(), ("query", sorted(query.items()))):
        _add(digest, field, value)
    shape = "x".join(map(str, raw.inputs.shape))
    return f"arrays:sha256={digest.hexdigest()}&shape={shape[:_MOST_SHOWN]}"


def _add(digest: Any, field: str, value: Any) -> None:
    if isinstance(value, Table):
        value = (value.names, value.words, value.gaps, *value.columns)
    if isinstance(value, np.ndarray):
        digest.update(f"{field} {value.dtype.str} {value.shape}\n".encode())
        digest.update(np.ascontiguousarray(value).data if value.size else b"")
    elif isinstance(value, tuple) and any(isinstance(part, np.ndarray) for part in value):
        for place, part in enumerate(value):
            _add(digest, f"{field}.{place}", part)
    else:
        digest.update(f"{field} {value!r}\n".encode())
