"""Workers of a Dask cluster, which need no file system in common with this process.

Runs are sent as text, the config and what is to be run, and come back as lines of results, which this process writes.
Assumed of the workers, and checked of each before it gets a run: the same versions of jaxsurr, JAX, flax, optax and
NumPy; the same data under `data.source` (by the SHA-256 of what is read for the first seed); the same number and kind
of devices on all of them. Each process of a worker makes one group of runs at a time, with all cores that it may use.

Dask sends functions by pickle: who can reach a scheduler can have its workers run anything. It knows TLS for that.
"""

import asyncio
import contextlib
import importlib.util
import json
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jaxsurr.comparison import worker
from jaxsurr.comparison.executors import Ended
from jaxsurr.comparison.plan import Job
from jaxsurr.training.protocols import Config, Stop

__all__ = ["Cluster"]

_CONNECT = 5.0  # seconds in which a scheduler has to answer
_PATIENCE = 30.0  # seconds without any worker
_LOOK = 1.0  # seconds between looks at which workers there are
_PERIOD = 0.1  # seconds between looks at what has ended
_WAIT = 5.0  # seconds after which what other comparisons have made is looked at
_KEPT = "What was made before is kept, and the same command goes on."
_IGNORED = ("python",)  # versions that may differ
_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado.application")  # Dask sets each by itself


async def _greet(address: str) -> None:
    """Exchanges the greetings of Dask with a scheduler, and hangs up."""
    from distributed.comm import connect

    (await asyncio.wait_for(connect(address, timeout=_CONNECT), 2 * _CONNECT)).abort()


class _Worker:
    """A worker: the task that it is at, `jobs` where that is a group of runs, and whether it was found to fit."""

    def __init__(self, future: Any):
        self.future, self.fits = future, False
        self.jobs: Sequence[Job] = ()


class Cluster:
    """An `Executor` of the workers of a Dask cluster, those that join later among them.

    Args:
      address: of the scheduler, "tcp://HOST:PORT".
      config: of the comparison.
      patience: seconds to wait for a worker, where there is none.

    Raises:
      ImportError: `distributed` is not installed.
      ConnectionError: there is no scheduler.
    """

    def __init__(self, address: str, config: Config, *, patience: float = _PATIENCE):
        if importlib.util.find_spec("distributed") is None:
            raise ImportError(
                "--scheduler needs Dask's distributed, which is not installed: pip install 'jaxsurr[cluster]'. On one "
                "machine --workers=4, say, needs nothing."
            )
        import distributed

        for name in _LOGGERS:  # what is wrong is said here, in a sentence
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.address, self.config, self.patience = address, worker.config_text(config), patience
        try:
            asyncio.run(_greet(address))  # a client that found nobody would not let this process end
            self.client = distributed.Client(address, timeout=_CONNECT, set_as_default=False, name="jaxsurr.compare")
        except (OSError, ValueError, TypeError) as error:
            reason = str(error)[:200] or "no answer"
            raise ConnectionError(
                f"there is no Dask scheduler at {address!r} ({reason}). Start one with `dask scheduler`, which prints "
                "its address, tcp://HOST:PORT. Nothing was changed."
            ) from error
        self.event = distributed.Event(f"jaxsurr-{secrets.token_hex(8)}", client=self.client)
        self.workers: dict[str, _Worker] = {}
        self.here: dict[str, Any] | None = None
        self.devices: tuple[str, str] | None = None
        self.looked, self.seen = 0.0, time.monotonic()

    @property
    def size(self) -> int:
        return len(self.workers)

    def free(self) -> bool:
        return bool(self._idle())

    def _idle(self) -> list[str]:
        return [name for name, at in self.workers.items() if at.fits and at.future is None]

    def begin(self, jobs: Sequence[Job]) -> None:
        address = self._idle()[0]
        at = self.workers[address]
        at.jobs = jobs
        at.future = self._submit(address, worker.made, json.dumps(worker.written(jobs)), self.event.name)

    def _submit(self, address: str, function: Any, *texts: str) -> Any:
        """Has a worker, and no other one, call a function of `jaxsurr.comparison.worker`."""
        with self._connected():
            return self.client.submit(
                function, self.config, *texts, workers=[address], allow_other_workers=False, pure=False, retries=0
            )

    def ended(self, stop: Stop) -> list[Ended]:
        until = time.monotonic() + _WAIT
        while time.monotonic() < until and not stop():
            died = self._look()
            found, freed = self._collect()
            if died or found or freed:
                return found + died
            time.sleep(_PERIOD)
        return []

    def _look(self) -> list[Ended]:
        """Looks which workers there are; those that have gone."""
        if time.monotonic() - self.looked < _LOOK:
            return []
        with self._connected():
            threads: Any = self.client.nthreads()  # asks the scheduler, unlike scheduler_info, whose answer may be old
            there = set(threads)
        self.looked = time.monotonic()
        died = []
        for address in self.workers.keys() - there:
            at = self.workers.pop(address)
            died.append(Ended(at.jobs, None, f"The worker at {address} has died"))
            with contextlib.suppress(Exception):
                at.future.cancel()
        for address in sorted(there - self.workers.keys()):
            self.workers[address] = _Worker(self._submit(address, worker.facts))
        if self.workers:
            self.seen = time.monotonic()
        elif time.monotonic() - self.seen > self.patience:
            raise ConnectionError(
                f"the scheduler at {self.address} has had no workers for {self.patience:.0f} s. Start some with `dask "
                f"worker {self.address} --nthreads=1`. {_KEPT}"
            )
        return died

    def _collect(self) -> tuple[list[Ended], bool]:
        """Takes what tasks have given: groups of runs, and whether a worker was found to fit."""
        found: list[Ended] = []
        freed = False
        for address, at in self.workers.items():
            if at.future is None or not at.future.done():
                continue
            future, jobs = at.future, at.jobs
            if future.status not in ("finished", "error"):  # lost with its worker, or with the scheduler
                with self._connected():
                    self.client.nthreads()
                found.append(Ended(jobs, None, f"The worker at {address} has lost what it was at"))
            else:
                try:
                    answer = worker.answered(future.result())
                except Exception as error:
                    if found:  # is written first; this is found again
                        break
                    if at.fits and future.status == "finished":
                        raise  # of a run, as here
                    raise ValueError(
                        f"the worker at {address} cannot make the runs: {type(error).__name__}: {str(error)[:300]} It "
                        f"needs jaxsurr and its versions of here, and must be able to read data.source. {_KEPT}"
                    ) from error
                if at.fits:
                    found.append(Ended(jobs, answer))
                else:
                    self._check(address, answer)
                    at.fits = freed = True
            at.future, at.jobs = None, ()
        return found, freed

    def _check(self, address: str, there: Mapping[str, Any]) -> None:
        """Refuses a worker whose results would not be those of here or of the other workers.

        Raises:
          ValueError: something differs; what is said.
        """
        self.here = here = self.here or worker.answered(worker.facts(self.config))
        differ = [
            f"{name} {there['versions'].get(name)} there, {version} here"
            for name, version in here["versions"].items()
            if name not in _IGNORED and there["versions"].get(name) != version
        ]
        if differ:
            raise ValueError(f"the worker at {address} has other versions: {'; '.join(differ)}. {_KEPT}")
        if there["data"] != here["data"]:
            raise ValueError(
                f"the worker at {address} reads other data: the SHA-256 of the rows of the first seed is "
                f"{there['data'][:16]}... there, {here['data'][:16]}... here. See that data.source is the same there. "
                f"{_KEPT}"
            )
        self.devices = self.devices or (address, there["devices"])
        if there["devices"] != self.devices[1]:
            raise ValueError(
                f"workers have different devices: {there['devices']} at {address}, {self.devices[1]} at "
                f"{self.devices[0]}. {_KEPT}"
            )

    @contextlib.contextmanager
    def _connected(self):
        """Within which errors of the connection are said in a sentence."""
        try:
            if self.client.status != "running":
                raise OSError(f"the connection is {self.client.status}")
            yield
        except (OSError, TimeoutError, RuntimeError) as error:
            raise ConnectionError(f"the scheduler at {self.address} is gone ({str(error)[:200]}). {_KEPT}") from error

    def close(self) -> None:
        with contextlib.suppress(Exception):
            if self.client.status == "running":
                if any(at.jobs for at in self.workers.values()):
                    self.event.set()
                self.client.cancel([at.future for at in self.workers.values() if at.future is not None])
        with contextlib.suppress(Exception):
            self.client.close(timeout=2)
