"""Kills runs, studies, comparisons and pairs of processes at random times, and compares their final results.

  python -m tests.long.kills --kills=50

Each kind of job (`JOBS`) is run once without interruption. Then it is started repeatedly in another directory, and sent
SIGKILL or SIGTERM, alternately, after a random time of up to 0.6 of the duration of the uninterrupted job, until it
ends by itself; this is repeated in new directories until the number of signals is reached. Of two processes one gets
the signal, once they train.

A line of JSON is printed for each kind: signals by name; exit codes; the longest time from a SIGTERM to the end; the
number of jobs, and of those with bitwise the same figures and tables as the uninterrupted one; the number of runs that
are in `results.jsonl` twice; and anomalies: a traceback, an abort, a process that outlives the other one.
"""

import contextlib
import json
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from absl import app, flags

KILLS = flags.DEFINE_integer("kills", 50, "How many signals are sent, over all kinds.", lower_bound=1)
KINDS = flags.DEFINE_list("kinds", [], "The kinds of jobs, by default all.")
SEED = flags.DEFINE_integer("seed", 0, "Of the moments.")
LIMIT = 100  # seconds in which a process has to end after a signal to it or to another one

_TINY = {
    "data.limit": 150, "data.label_noise": 0.0, "epochs": 2, "warm_epochs": 1, "batch_size": 32,
    "surrogate.burn_in": 2, "surrogate.num_pairs": 2,
}  # fmt: skip
_RUN = {"losses": "()", "loss": "correlated_gradients", "epochs": 60, "warm_epochs": 20, "checkpoint.every": 7}
_COMPARED = ["--losses=cross_entropy,expected_error", "--seeds=3", "--trials=2"]
# Module, fields of the config, other flags, number of processes.
JOBS: dict[str, tuple[str, dict[str, Any], Sequence[str], int]] = {
    "run": ("jaxsurr", _RUN, (), 1),
    "study": ("jaxsurr", {"losses": "cross_entropy,smoothed", "seeds": 2, "epochs": 20}, (), 1),
    "comparison, side by side": ("jaxsurr.compare", {}, _COMPARED, 1),
    "chosen start": (
        "jaxsurr.compare",
        {},
        ["--losses=cross_entropy,correlated_gradients?start=auto", "--seeds=3", "--trials=2"],
        1,
    ),
    "comparison, one by one": ("jaxsurr.compare", {"surrogate.outer_every": 2}, _COMPARED, 1),
    "workers": ("jaxsurr.compare", {"surrogate.outer_every": 2}, [*_COMPARED, "--workers=2"], 1),
    "two processes": ("jaxsurr", _RUN, (), 2),
}


class Job:
    """The processes of one attempt at a job."""

    def __init__(self, kind: str, workdir: pathlib.Path):
        module, fields, others, number = JOBS[kind]
        self.workdir, self.began = workdir, time.monotonic()
        self.before = self._lines()
        values = [f"--config.{name}={value}" for name, value in (_TINY | fields).items()]
        command = [sys.executable, "-m", module, *values, *others, "--nofigures", f"--workdir={workdir}"]
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            address = f"localhost:{probe.getsockname()[1]}"
        together = [f"--coordinator_address={address}", f"--num_processes={number}"] if number > 1 else []
        each = [[f"--process_id={index}"] if number > 1 else [] for index in range(number)]
        self.processes = [
            subprocess.Popen([*command, *together, *own], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for own in each
        ]

    def _lines(self) -> Any:
        file = self.workdir / "metrics.jsonl"
        return (file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else None

    def running(self) -> bool:
        return any(process.poll() is None for process in self.processes)

    def wait_for_work(self) -> None:
        """Waits until the processes train together; before that JAX waits up to five minutes for missing ones."""
        while self._lines() == self.before and self.running():
            time.sleep(0.02)
        self.began = time.monotonic()

    def wait(self, seconds: float) -> None:
        until = self.began + seconds
        while self.running() and time.monotonic() < until:
            time.sleep(0.02)

    def end(self, seconds: float | None = None) -> tuple[list[int], list[str]]:
        """Exit codes and outputs when all have ended; those that do not end in time are killed."""
        try:
            said = [process.communicate(timeout=seconds)[1] for process in self.processes]
        except subprocess.TimeoutExpired:
            for process in self.processes:
                process.kill()
            said = [process.communicate()[1] for process in self.processes]
        return [process.returncode for process in self.processes], said


def entries_of(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Complete entries; a line that was cut off by a kill is made again below it."""
    for text in filter(None, texts):
        with contextlib.suppress(ValueError):
            yield json.loads(text)


def left(workdir: pathlib.Path) -> tuple[dict[str, Any], int]:
    """Results of a job, without times and checkpoints, and the number of runs that are there twice."""
    found, twice = {}, 0
    for file in sorted(workdir.rglob("*")):
        name = str(file.relative_to(workdir))
        if file.suffix not in (".json", ".jsonl", ".csv", ".md") or "checkpoints" in name or name == "running.json":
            continue
        text = file.read_text()
        if file.suffix in (".json", ".jsonl"):
            entries = list(entries_of(text.splitlines() if file.suffix == ".jsonl" else [text]))
            keys = [entry["key"] for entry in entries if "key" in entry]
            twice += len(keys) - len(set(keys))
            kept = [{field: entry[field] for field in entry if field not in ("seconds", "sha256")} for entry in entries]
            text = json.dumps(sorted(kept, key=lambda entry: str(entry.get("key"))))
        found[name] = text
    return found, twice


def study(kind: str, kills: int, seed: int, place: pathlib.Path) -> dict[str, Any]:
    """Sends signals to a kind of job, and returns the line of the report."""
    moments, number = random.Random(f"{seed} {kind}"), JOBS[kind][3]
    job = Job(kind, place / "undisturbed")
    if number > 1:
        job.wait_for_work()
    codes, said = job.end()
    if any(codes):
        raise RuntimeError(f"the undisturbed {kind} ended with {codes}: {said[0]}")
    whole, expected = time.monotonic() - job.began, left(place / "undisturbed")[0]
    sent, ended, odd, same, twice, slowest, jobs = Counter(), Counter(), [], 0, 0, 0.0, 0
    while sum(sent.values()) < kills:
        jobs += 1
        workdir = place / f"job {jobs}"
        while True:
            job = Job(kind, workdir)
            if number > 1:
                job.wait_for_work()
            enough = sum(sent.values()) >= kills
            job.wait(float("inf") if enough else moments.uniform(0, 0.6) * whole)
            if not job.running():
                codes, said = job.end()
                odd += [] if not any(codes) else [f"{codes} without a signal: {said[0][-300:]}"]
                if not any(codes):
                    break
                continue
            name = ("SIGKILL", "SIGTERM")[sum(sent.values()) % 2]
            sent[name] += 1
            now, chosen = time.monotonic(), job.processes[moments.randrange(number)]
            chosen.send_signal(getattr(signal, name))
            codes, said = job.end(LIMIT)
            seconds = time.monotonic() - now
            # Processes that have no handler yet die of the signal itself; a finished job is not affected.
            ended[" ".join(str(code) for code in sorted(set(codes)))] += 1
            if name == "SIGTERM":
                slowest = max(slowest, seconds)
            if seconds >= LIMIT or any(
                "Traceback" in text or code == -signal.SIGABRT for text, code in zip(said, codes, strict=True)
            ):
                odd.append(f"{name}: {codes} after {seconds:.0f} s: {said[0][-300:]}")
            if not any(codes):
                break
        found, again = left(workdir)
        same, twice = same + (found == expected), twice + again
    return {
        "kind": kind, **sent, "exit codes": dict(ended), "seconds of the slowest SIGTERM": round(slowest, 1),
        "jobs": jobs, "same": same, "twice": twice, "odd": odd,
    }  # fmt: skip


def main(argv: list[str]) -> None:
    """Prints the lines."""
    kinds, failed = KINDS.value or list(JOBS), False
    for index, kind in enumerate(kinds):
        kills = KILLS.value * (index + 1) // len(kinds) - KILLS.value * index // len(kinds)
        with tempfile.TemporaryDirectory() as place:
            found = study(kind, kills, SEED.value, pathlib.Path(place))
        print(json.dumps(found), flush=True)
        failed = failed or found["same"] < found["jobs"] or found["twice"] > 0 or bool(found["odd"])
    sys.exit(failed)


if __name__ == "__main__":
    app.run(main)
