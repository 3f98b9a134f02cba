"""Coordination of the processes of a run: all end at the same step, and a dead process is named by the others.

Each process sends a heartbeat to the coordination service of process 0 four times a second, and reads those of the
others. JAX alone waits 100 seconds for a process that was killed, and then aborts with the stack of a C++ thread.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from jax._src import distributed  # the client of the coordination service is not public

__all__ = ["HEARTBEAT", "LOST", "PATIENCE", "Processes"]

LOST = os.EX_TEMPFAIL  # 75, the exit code of a process that ends because another one is gone: the same command goes on
PATIENCE = 60.0  # seconds without a heartbeat after which a process is taken for dead
HEARTBEAT = 80  # the same for JAX, whose error comes later and names no process
_FAILED = 5.0  # the same where a collective operation has failed
_PERIOD = 0.25  # seconds between heartbeats
_ROOT = "jaxsurr/"  # of the keys


class Processes:
    """Monitor of the processes of a run: created before `jaxsurr.parallel.initialise_distributed`, started after it.

    Args:
      address: "host:port" of process 0.
      number: of processes.
      index: of this one.
      patience: seconds without a heartbeat.

    Attributes:
      on_stop: called with the number of a signal that another process has received.
    """

    def __init__(self, address: str, number: int, index: int, patience: float = PATIENCE):
        self.address, self.number, self.index, self.patience = address, number, index, patience
        self.on_stop: Callable[[int], object] = lambda number: None
        self._others = [process for process in range(number) if process != index]
        self._seen: dict[int, tuple[str | None, float]] = {}
        self._failed_at: dict[int, float] = {}
        self._turn = threading.Condition()
        self._client: Any = None  # until the processes have met
        self._steps, self._last, self._frozen = 0, None, False
        self._asked: int | None = None  # number of the signal
        self._told, self._ended, self._code = False, False, 0
        self._found: dict[str, str] = {}
        self._closing, self._ending = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if self._others:
            self._abort = _on_abort(self._aborted)

    def watch(self) -> None:
        """Starts the monitor when all processes are connected."""
        self._client = distributed.global_state.client
        self._seen = {process: (None, time.monotonic()) for process in self._others}
        if self._others:
            self._thread.start()

    # --- called by the run --------------------------------------------------------------------------------------------

    def stop(self, number: int) -> None:
        """Asks all processes to end at a common step, because of a signal."""
        self._asked = number

    def reached(self) -> bool:
        """Whether this is the step at which all end; every process calls it equally often.

        Once one is asked to end, no process passes another step until all have reported their step; the last step is
        the one after the highest. There is no deadlock: every step up to that one has been begun by some process, and
        each process reports its step from a thread, while it waits for the others within a step.
        """
        if not self._others:
            return self._asked is not None
        with self._turn:
            self._steps += 1
            self._turn.wait_for(lambda: not self._frozen or self._last is not None)
            return self._last is not None and self._steps >= self._last

    def explain(self) -> None:
        """Ends this process with a message where another one is dead; returns after a second where all are alive.

        Collective operations fail in many ways when a process is dead, so any error may be due to that.
        """
        self.patience = min(self.patience, _FAILED)
        since = time.monotonic() + 4 * _PERIOD  # signs from before the error may be seen after it
        while any(self._seen[process][1] < since and not self._is_leaving(process) for process in self._seen):
            time.sleep(_PERIOD)

    def leave(self, code: int) -> None:
        """Signs off. After an error the others end too; then, and where all were asked to end, this process ends here.

        It does not end through JAX, which waits for all processes, for a minute where one did not get here.
        """
        if not self._seen:
            return
        failed = code != 0 and self._asked is None
        self._code = code
        with self._turn:
            if not self._frozen:  # for those that are asked to stop before they are as far
                self._frozen = True
                self._tell("at", str(self._steps))
        self._tell("failed" if failed else "done", "1")
        if code != 0:
            until = time.monotonic() + (_FAILED if failed or self.index == 0 else 0.0)
            while time.monotonic() < until and not all(self._is_leaving(process) for process in self._others):
                time.sleep(_PERIOD)
            self._end(code=code)
        self._closing.set()
        self._thread.join(2 * _PERIOD)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        count = 0
        while not self._closing.wait(_PERIOD):
            count += 1
            self._tell("alive", str(count))
            try:
                found = dict(self._client.key_value_dir_get(_ROOT))
            except RuntimeError:  # process 0 cannot be reached: JAX aborts, or its heartbeats become old
                found = {}
            self._found = found
            self._judge(found)
            self._agree(found)

    def _tell(self, what: str, value: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._client.key_value_set(f"{_ROOT}{what}/{self.index}", value, allow_overwrite=True)

    def _is_leaving(self, process: int) -> bool:
        return any(f"{_ROOT}{what}/{process}" in self._found for what in ("failed", "done"))

    def _judge(self, found: dict[str, str]) -> None:
        """Ends this process where another one is dead."""
        now = time.monotonic()
        for process in self._others:
            sign = found.get(f"{_ROOT}alive/{process}")
            if sign not in (None, self._seen[process][0]):
                self._seen[process] = (sign, now)
            age = now - self._seen[process][1]
            if f"{_ROOT}failed/{process}" in found:
                # The others have a moment to end with their own errors, which are more informative.
                if now - self._failed_at.setdefault(process, now) > 8 * _PERIOD:
                    self._end(process, "ended with an error; see what it printed")
            elif age > self.patience and f"{_ROOT}done/{process}" not in found:
                self._end(process, f"is gone: it has given no sign of life for {age:.0f} s")
        for key, process in found.items():
            if key.startswith(f"{_ROOT}lost/"):
                self._end(int(process), f"is gone, as process {key.rpartition('/')[2]} found")

    def _agree(self, found: dict[str, str]) -> None:
        """Reports a signal, the step of this process, or the last step."""
        asked = {int(value) for key, value in found.items() if key.startswith(f"{_ROOT}stop/")}
        if self._asked is not None and not self._told:
            self._tell("stop", str(self._asked))
            self._told = True
        if not asked:
            return
        if self._asked is None:
            self._asked, self._told = min(asked), True
            self.on_stop(self._asked)
        with self._turn:
            if not self._frozen:
                self._frozen = True
                self._tell("at", str(self._steps))
        at = [int(value) for key, value in found.items() if key.startswith(f"{_ROOT}at/")]
        if len(at) == self.number and self._last is None:
            with self._turn:
                self._last = max(at) + 1
                self._turn.notify_all()

    # --- the end ------------------------------------------------------------------------------------------------------

    def _end(self, process: int | None = None, what: str = "", code: int | None = None) -> None:
        """Ends this process without JAX's shutdown, which would wait for dead processes and then abort."""
        if not self._ending.acquire(blocking=False):
            threading.Event().wait()  # another thread does it
        self._ended = True
        sys.stdout.flush()
        if process not in (None, 0):
            self._tell("lost", str(process))
        if self.index == 0 and self._others != [process]:
            time.sleep(4 * _PERIOD)  # the service that informs the others ends with process 0
        if process is not None:
            print(
                f"\nProcess {process} of {self.number} {what}. Process {self.index} ends with it. The same command, "
                "started in all of them, goes on from the last checkpoint.",
                file=sys.stderr,
                flush=True,
            )
        if code is None:
            code = LOST if self._asked is None else 128 + self._asked
        os._exit(code)

    def _aborted(self) -> None:
        """Called in place of an abort; returns where the reason is not a dead process."""
        if self._ended:
            threading.Event().wait()
        if not self._seen:
            print(
                f"\nThe {self.number} processes did not find each other: process 0 listens at {self.address}, this is "
                f"process {self.index}. See that all were started, with addresses that reach process 0, and start the "
                "same command in all of them again.",
                file=sys.stderr,
                flush=True,
            )
            os._exit(LOST)
        if self.index != 0 and not _answers(self.address):
            self._end(0, f"is gone: it no longer answers at {self.address}")
        if self._closing.is_set():  # this process has only to sign off
            os._exit(self._code)
        now = time.monotonic()
        dead = [process for process, (_, seen) in self._seen.items() if now - seen > _FAILED]
        if dead:
            self._end(dead[0], "is gone: it has given no sign of life")


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=2):
            return True
    except OSError:
        return False


def _on_abort(function: Callable[[], None]) -> object:
    """Calls a function before the process aborts; the result must be kept alive.

    Where process 0 is dead, a C++ thread of JAX aborts within milliseconds, and a Python handler would never run.
    """
    libc = ctypes.CDLL(None)

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def handler(number: int) -> None:
        function()
        libc.signal(signal.SIGABRT, None)  # the default, for which `abort` raises it again

    libc.signal(signal.SIGABRT, handler)
    return handler
