"""Runs that end before they are done: asked to by a signal, saved within an epoch, and made to go on from there.

A scheduler ends a job by SIGTERM and kills it some seconds later. `on_signals` gives a function that is true once that
signal (or Ctrl-C) has come; a run that is handed it as `stop` saves its state after the step under way and raises
`Stopped`. Only the launchers install handlers.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsurr.bilevel import StepInfo
from jaxsurr.core.types import Info
from jaxsurr.processes import Processes

__all__ = ["SIGNALS", "Asked", "Stopped", "from_plain", "never", "on_signals", "plain"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_TOGETHER = 1.0  # seconds within which further signals are the same one: timeout(1) sends it to a process and its group
_OF_ANOTHER = 128  # marks the number of a signal that another process was sent


class Stopped(Exception):
    """A run ended before it was done because it was asked to; the message says what was saved."""


def never() -> bool:
    """A run that is not asked to end."""
    return False


class Asked:
    """Whether this process, or one that trains together with it, was sent a signal to end; called after every step.

    Attributes:
      signal: its number, None before it came.
      reached: whether the run knows.
    """

    def __init__(self, processes: Processes | None = None):
        self.processes, self.reached = processes, False
        self.signal: int | None = None

    def __call__(self) -> bool:
        asked = self.signal is not None if self.processes is None else self.processes.reached()
        self.reached = self.reached or asked
        return asked

    @property
    def code(self) -> int:
        """The exit code of a process that a signal ended."""
        return 128 + (self.signal or 0)

    def sentence(self, what: object) -> str:
        """The last line that is printed."""
        name = "no signal" if self.signal is None else signal.Signals(self.signal).name
        return f"Ended by {name}: {what}. The same command goes on from there."


@contextlib.contextmanager
def on_signals(grace: float, processes: Processes | None = None) -> Iterator[Asked]:
    """Listens for SIGTERM and SIGINT while it is entered, in the main thread; handlers of before are put back.

    Where no step ends within `grace` seconds (a long compilation, a large file that is read) the process ends at once
    and the same command goes on from the last checkpoint. So it does on a second signal.

    Args:
      grace: in seconds.
      processes: those that train together, which all end at the same step.
    """
    asked = Asked(processes)
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    # Handlers of Python wait until what is compiled or computed ends; the number of the signal is in the pipe at once.
    found = {number: signal.getsignal(number) for number in SIGNALS}
    found = {number: handler for number, handler in found.items() if handler not in (None, signal.SIG_IGN)}
    for number in found:
        signal.signal(number, lambda *_: None)
    before = signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    if processes is not None:
        processes.on_stop = lambda number: os.write(writes, bytes([_OF_ANOTHER | number]))
    thread = threading.Thread(target=_listen, args=(asked, reads, grace), daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        if processes is not None:
            processes.on_stop = lambda number: None
        signal.set_wakeup_fd(before)
        for number, handler in found.items():
            signal.signal(number, handler)
        os.write(writes, b"\0")
        thread.join()
        os.close(reads)
        os.close(writes)


def _listen(asked: Asked, reads: int, grace: float) -> None:
    """Takes signals from the pipe, and ends the process where the run does not; a 0 ends this."""
    came = None
    while True:
        left = None if came is None or asked.reached else max(0.0, came + grace - time.monotonic())
        ready, _, _ = select.select([reads], [], [], left)
        numbers = os.read(reads, 64) if ready else b""
        if 0 in numbers:
            return
        own = [number for number in numbers if number in SIGNALS]
        others = [number - _OF_ANOTHER for number in numbers if number >= _OF_ANOTHER]
        if came is None and (own or others):
            number = (own or others)[0]
            came, asked.signal = time.monotonic(), number
            if own and asked.processes is not None:
                asked.processes.stop(number)
        elif came is not None and own and time.monotonic() - came > _TOGETHER:
            _end(asked, "it came twice, so what is under way was not saved, and what was saved before is untouched")
        elif not ready and not asked.reached:
            _end(asked, f"nothing could be saved within {grace:g} s, and what was saved before is untouched")


def _end(asked: Asked, what: str) -> None:
    print(f"\n{asked.sentence(what)}", file=sys.stderr, flush=True)
    os._exit(asked.code)


# --- what the steps of an unfinished epoch have told ------------------------------------------------------------------


def plain(infos: Sequence[StepInfo]) -> list[dict[str, Any]]:
    """Reports of steps as JSON holds them exactly: type and values of each array.

    >>> plain([StepInfo(np.float32(0.5), Info(*(np.float32(i) for i in range(len(Info._fields)))))])[0]["loss"]
    ['float32', 0.5]
    """

    def kept(leaf: Any) -> list[Any]:
        array = np.asarray(leaf)
        return [array.dtype.name, array.tolist()]

    return [
        {"loss": kept(info.loss)} | {name: kept(leaf) for name, leaf in info.surrogate._asdict().items()}
        for info in infos
    ]


def from_plain(steps: Sequence[dict[str, Any]]) -> list[StepInfo]:
    """The inverse of `plain`.

    Raises:
      ValueError: they have the fields of another version.
    """

    def array(name: str, values: Any) -> np.ndarray:
        return np.asarray(values, jnp.dtype(name))

    def info(step: dict[str, Any]) -> Info:
        return Info(**{name: array(*kept) for name, kept in step.items() if name != "loss"})

    try:
        return [StepInfo(array(*step["loss"]), info(step)) for step in steps]
    except (KeyError, TypeError) as error:
        raise ValueError(f"what its steps reported is of another version ({error}).") from error
