"""Workers on this machine: processes that are handed groups of runs, each on its share of the cores."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

from jaxsurr.comparison.executors import Ended
from jaxsurr.comparison.plan import Job
from jaxsurr.comparison.worker import answered, written
from jaxsurr.training.protocols import Stop

__all__ = ["Local", "share"]

_WAIT = 5.0  # seconds after which what other comparisons have made is looked at
_PERIOD = 0.2  # seconds between questions whether to stop


class _Worker:
    """A worker process; what it prints but for answers goes where this process's errors go."""

    def __init__(self, number: int, command: Sequence[str], environment: Mapping[str, str], answers: queue.SimpleQueue):
        self.number, self.jobs, self.alive = number, (), True
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(environment), start_new_session=True
        )
        self.reads, self.writes = cast(IO[bytes], self.process.stdin), cast(IO[bytes], self.process.stdout)
        threading.Thread(target=self._listen, args=(answers,), daemon=True).start()

    def _listen(self, answers: queue.SimpleQueue) -> None:
        """Hands on lines, and None at the end."""
        for line in self.writes:
            answers.put((self, line if line.endswith(b"\n") else None))
        answers.put((self, None))

    def begin(self, jobs: Sequence[Job]) -> None:
        self.jobs: Sequence[Job] = jobs
        with contextlib.suppress(OSError):  # it has died, as its listener says
            self.reads.write(json.dumps(written(jobs)).encode() + b"\n")
            self.reads.flush()

    def end(self) -> str:
        """Sees that the process has ended; how, in words."""
        self.alive = False
        with contextlib.suppress(OSError):
            self.reads.close()
        try:
            code = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"Worker {self.number} (process {self.process.pid}) has died {how}"


class Local:
    """An `Executor` of processes on this machine; one is started when there is something for it to do.

    The cores of this process are divided among those that are started, where the system is Linux, which can bind
    processes to cores. Each has as many threads as one process would have, on fewer cores: sums over threads, and so
    all results, are the same.

    Args:
      number: of workers, at most.
      command: of a worker, which calls `jaxsurr.comparison.worker.serve`.
      environment: of the workers.
    """

    def __init__(self, number: int, command: Sequence[str], environment: Mapping[str, str]):
        self.size, self.command = number, command
        self.environment = {"NPROC": str(len(_cores())), **environment}  # of XLA's threads
        self.workers: list[_Worker] = []
        self.answers: queue.SimpleQueue[tuple[_Worker, Any]] = queue.SimpleQueue()

    def free(self) -> bool:
        return self._idle() is not None or len(self.workers) < self.size

    def _idle(self) -> _Worker | None:
        return next((worker for worker in self.workers if worker.alive and not worker.jobs), None)

    def begin(self, jobs: Sequence[Job]) -> None:
        worker = self._idle()
        if worker is None:
            worker = _Worker(len(self.workers) + 1, self.command, self.environment, self.answers)
            self.workers.append(worker)
            self._divide()
        worker.begin(jobs)

    def _divide(self) -> None:
        """Divides the cores among the workers that there are."""
        there = [worker for worker in self.workers if worker.alive]
        for place, worker in enumerate(there):
            _bind(worker.process.pid, share(_cores(), len(there), place))

    def ended(self, stop: Stop) -> list[Ended]:
        until = time.monotonic() + _WAIT
        if len(self.workers) == self.size and not any(worker.alive for worker in self.workers):
            raise ChildProcessError(
                f"all {self.size} workers have died. What they said is above; where nothing is, the system may have "
                "ended them for want of memory, and fewer --workers need less. What was made before is kept, and the "
                "same command goes on."
            )
        while time.monotonic() < until and not stop():
            try:
                worker, line = self.answers.get(timeout=_PERIOD)
            except queue.Empty:
                continue
            if not worker.alive:
                continue
            jobs, worker.jobs = worker.jobs, ()
            if line is None:
                if stop():  # all were sent the same signal
                    return []
                how = worker.end()
                self._divide()
                return [Ended(jobs, None, how)]
            return [Ended(jobs, answered(line))]
        return []

    def close(self) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.process.kill()
        for worker in self.workers:
            worker.end()


def _cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share(cores: Sequence[int], number: int, index: int) -> list[int]:
    """The cores of one of several workers: neighbours, each of one worker as long as there are enough.

    >>> share([0, 1, 2, 3, 4], 2, 0), share([0, 1, 2, 3, 4], 2, 1), share([0, 1], 3, 2)
    ([0, 1], [2, 3, 4], [0])
    """
    if number > len(cores):
        return [cores[index % len(cores)]]
    return list(cores[index * len(cores) // number : (index + 1) * len(cores) // number])


def _bind(process: int, cores: Sequence[int]) -> None:
    """Binds all threads of a process to cores, where the system knows how; those that they start are bound too."""
    with contextlib.suppress(OSError):  # it has died, as its listener says, or the system does not allow it
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), cores)
