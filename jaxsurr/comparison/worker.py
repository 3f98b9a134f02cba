"""What a worker of a comparison does: it is handed groups of runs, and gives the lines of their results.

A worker on this machine is a process that reads and writes lines of JSON (`serve`); one of a Dask cluster calls `made`
and `facts`, with text and of text.
"""

import functools
import hashlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import jax
import numpy as np

from jaxsurr.comparison.plan import Job
from jaxsurr.comparison.runner import Runner
from jaxsurr.core.versions import versions
from jaxsurr.training.config import default_config, flatten, update
from jaxsurr.training.protocols import Config

__all__ = ["answer", "answered", "config_text", "facts", "made", "read", "serve", "written"]

_PERIOD = 2.0  # seconds between questions whether a run was given up
_RAISED = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)
_ALONE = threading.Lock()  # two runs at once would share the cores of a worker


def written(jobs: Sequence[Job]) -> list[list[Any]]:
    """Runs as JSON holds them."""
    return [list(job) for job in jobs]


def read(jobs: Sequence[Sequence[Any]]) -> list[Job]:
    """The inverse of `written`."""
    return [Job(*job) for job in jobs]


def answer(make: Callable[[], Any]) -> str:
    """What a function gives, or the error that it raises, as JSON."""
    try:
        return json.dumps({"answer": make()})
    except Exception as error:
        return json.dumps({"error": [type(error).__name__, str(error)]})


def answered(text: str | bytes) -> Any:
    """The inverse of `answer`.

    Raises:
      Exception: the error, as far as it is of a kind that is foreseen; else a RuntimeError.
    """
    found = json.loads(text)
    if "error" in found:
        name, said = found["error"]
        kinds = {kind.__name__: kind for kind in _RAISED}
        raise kinds[name](said) if name in kinds else RuntimeError(f"{name}: {said}")
    return found["answer"]


def _lines(runner: Runner, jobs: Sequence[Job], workdir: str | os.PathLike | None = None) -> list[dict[str, Any]]:
    """The lines of runs, whose config says what it says in the process that hands them out."""
    runner.name_usual(workdir)
    return runner.lines(jobs)


# --- a process on this machine ----------------------------------------------------------------------------------------


def serve(
    runner: Runner, workdir: str | os.PathLike, reads: TextIO | None = None, writes: TextIO | None = None
) -> None:
    """Makes the runs that are read, until there is nothing more to read or the other process has ended.

    Args:
      runner: of the comparison.
      workdir: of the comparison, which is only read.
      reads: a line of runs, `written`, for each group; standard input by default.
      writes: gets a line, an `answer`, for each; standard output by default, which nothing else writes to from now on.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a run under way is given up: there is nothing to save
    given = reads or sys.stdin
    if writes is None:
        writes = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
    groups: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in given:
            groups.put(line)
        os._exit(0)  # within a run too

    threading.Thread(target=listen, daemon=True).start()
    while True:
        jobs = read(json.loads(groups.get()))
        print(answer(functools.partial(_lines, runner, jobs, workdir)), file=writes, flush=True)


# --- a worker of a cluster --------------------------------------------------------------------------------------------


def config_text(config: Config) -> str:
    """A config as JSON, for `made` and `facts`."""
    return json.dumps(flatten(config.to_dict()), default=list)


@functools.lru_cache(maxsize=1)
def _runner(text: str) -> Runner:
    config = default_config()
    like = flatten(config)
    fields = {
        name: tuple(value) if isinstance(like[name], tuple) else value for name, value in json.loads(text).items()
    }
    return Runner(update(config, **fields), lambda event: None, None, lambda: False)


def facts(config: str) -> str:
    """The facts in which workers and the comparison have to agree, as an `answer`.

    Args:
      config: `config_text`.

    Returns:
      `versions`, the `data` (a SHA-256 of what is read for the first seed) and the `devices` in words.
    """

    def found() -> dict[str, Any]:
        _runner.cache_clear()  # a file may have changed since an earlier comparison
        runner = _runner(config)
        digest = hashlib.sha256()
        leaves, structure = jax.tree.flatten(runner.data(runner.config.seed)[:3])
        digest.update(str(structure).encode())
        for leaf in map(np.asarray, leaves):
            digest.update(f"{leaf.dtype.str}{leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
        number = runner.config.devices or jax.local_device_count()
        devices = f"{number} of {jax.devices()[0].device_kind}"
        return {"versions": versions(), "data": digest.hexdigest(), "devices": devices}

    with _ALONE:
        return answer(found)


def made(config: str, jobs: str, event: str) -> str:
    """Makes a group of runs within a task of Dask; the lines of their results, as an `answer`.

    Args:
      config: `config_text`.
      jobs: `written`, as JSON.
      event: the name of a Dask event that is set where the runs are given up.
    """
    from distributed import Event

    given_up, asked = Event(event), time.monotonic()

    def stop() -> bool:
        nonlocal asked
        if time.monotonic() - asked < _PERIOD:
            return False
        asked = time.monotonic()
        return bool(given_up.is_set())

    with _ALONE:
        runner = _runner(config)
        runner.stop = stop
        return answer(functools.partial(_lines, runner, read(json.loads(jobs))))
