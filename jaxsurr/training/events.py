"""The history of a run as TensorBoard events, which are a convenience: nothing that goes wrong with them ends a run.

They are written as they come, without the thread and the queue of tensorboardX's `SummaryWriter`: when the clock is set
back that thread dies, and the full queue then blocks the training.
"""

import os
import pathlib
import secrets
import time
import warnings
from typing import Any

import jax

__all__ = ["FLUSH", "TensorBoard"]

FLUSH = 10.0  # seconds after which events are on disk


class TensorBoard:
    """TensorBoard events of a run, on process 0.

    Args:
      path: of the folder; each start of a run adds a file.
      done: epochs that are done; TensorBoard forgets what it has seen of later ones.
    """

    def __init__(self, path: pathlib.Path, done: int):
        self.path = path
        self.writer: Any = None
        if jax.process_index() != 0:
            return
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore  # of protobuf
            from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore  # as above

            self.event, self.summary = Event, Summary
            path.mkdir(parents=True, exist_ok=True)
            self.writer = EventsWriter(os.path.join(path, "events"), f".{secrets.token_hex(4)}")
            self._add(step=done + 1, session_log=SessionLog(status=SessionLog.START))
            self._flush()
        except Exception as error:
            self._give_up(error)

    def write(self, entry: dict[str, Any]) -> None:
        """Adds the numbers of an epoch."""
        if self.writer is None:
            return
        try:
            values = [
                self.summary.Value(tag=name if i == 0 else f"{name}_{i}", simple_value=number)
                for name, value in entry.items()
                for i, number in enumerate(value if isinstance(value, list) else [value])
                if isinstance(number, float)
            ]
            self._add(step=entry["epoch"], summary=self.summary(value=values))
            if time.monotonic() > self.flushed + FLUSH:
                self._flush()
        except Exception as error:
            self._give_up(error)

    def _add(self, **fields: Any) -> None:
        self.writer.write_event(self.event(wall_time=time.time(), **fields))

    def _flush(self) -> None:
        self.writer.flush()
        self.flushed = time.monotonic()

    def _give_up(self, error: Exception) -> None:
        writer, self.writer = self.writer, None
        warnings.warn(
            f"no more TensorBoard events are written to {self.path} ({type(error).__name__}: {error}); the run goes on "
            "without.",
            stacklevel=4,
        )
        try:
            if writer is not None:
                writer.close()
        except Exception:  # what it has buffered cannot be written either
            return

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self.writer is not None:
            try:
                self.writer.close()
            except Exception as failed:
                self._give_up(failed)
