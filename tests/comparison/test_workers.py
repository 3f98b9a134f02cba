"""Workers on this machine and of a Dask cluster: the table of one process, whoever dies; what is wrong is said."""

import contextlib
import importlib.util
import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxsurr.comparison import worker
from jaxsurr.comparison.cluster import Cluster
from jaxsurr.comparison.local import Local
from jaxsurr.comparison.runs import RESULTS, compare, read_results
from jaxsurr.training import update
from jaxsurr.training.default import get_config
from tests.started import QUICK

FIELDS = {
    "data.source": "csv:mine.csv?target=grade&kind=classes",
    "data.label_noise": 0.0,
    "epochs": 2,
    "warm_epochs": 1,
    "batch_size": 16,
    "surrogate.burn_in": 2,
    "surrogate.num_pairs": 2,
}
LOSSES = ("cross_entropy",)  # and the baselines of classes: three groups of two seeds side by side
FLAGS = [f"--config.{name}={value}" for name, value in FIELDS.items()] + ["--losses=cross_entropy", "--seeds=2"]
ROWS = "".join(f"{i % 7},{i * i % 5},{i % 3}\n" for i in range(120))


def config():
    return update(get_config(), **FIELDS)


def compared(path, **options):
    return compare(config(), LOSSES, 2, workdir=path, figures=False, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the data, in which everything runs."""
    path = tmp_path_factory.mktemp("workers")
    (path / "mine.csv").write_text("a,b,grade\n" + ROWS)
    return path


@pytest.fixture(autouse=True)
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def alone(folder):
    """What one process makes."""
    with contextlib.chdir(folder):
        compared(folder / "alone")
    return folder / "alone"


def assert_same(path, alone):
    assert (path / "table.csv").read_bytes() == (alone / "table.csv").read_bytes()
    found, expected = (read_results(place / RESULTS) for place in (path, alone))
    for entry in (*found.values(), *expected.values()):
        del entry["seconds"], entry["sha256"]
    assert found == expected


class Told:
    """A report that collects notes and does something at the first event of the second group."""

    def __init__(self, at_second=lambda: None):
        self.at_second, self.runs, self.notes = at_second, [], []

    def __call__(self, event):
        if event["event"] == "note":
            self.notes.append(event["text"])
        if event["event"] == "run":
            self.runs.append(event["key"])
            if len(self.runs) == 3:
                self.at_second()


# --- on this machine --------------------------------------------------------------------------------------------------


def test_the_table_is_that_of_one_process_though_a_worker_dies(alone, tmp_path):
    command = [sys.executable, "-m", "jaxsurr.compare", *FLAGS, "--worker"]
    executor = Local(4, command, QUICK)
    told = Told(lambda: executor.workers[0].process.kill())
    compared(tmp_path / "run", report=told, executor=executor)
    assert_same(tmp_path / "run", alone)
    (died,) = (note for note in told.notes if "has died" in note)
    keys = [f"run | cross_entropy | seed {seed}" for seed in (0, 1)]
    assert re.fullmatch(r"Worker 1 \(process \d+\) has died by SIGKILL; its runs go to others: (.*), (.*)\.", died)
    assert died.endswith(f"{', '.join(keys)}.")
    assert told.runs.count(keys[0]) == 2 and len(told.runs) == 4 * 2
    assert any(note.startswith("Of 4 workers 3 are used now, as no more runs") for note in told.notes)
    assert all(made.process.returncode is not None for made in executor.workers)


def fake(answer):
    """The command of a worker that gives one answer to all groups."""
    return [sys.executable, "-c", f"import sys\nfor line in sys.stdin:\n  {answer}"]


FAKE = {
    "all die": (2, "sys.exit(3)", ChildProcessError, "all 2 workers have died"),
    "all die at the same runs": (9, "sys.exit(3)", ChildProcessError, "3 workers have died at run | "),
    "an error": (2, """print('{"error": ["ValueError", "x is 3"]}', flush=True)""", ValueError, "x is 3"),
    "an error of another kind": (
        2,
        """print('{"error": ["KeyError", "x"]}', flush=True)""",
        RuntimeError,
        "KeyError: x",
    ),
    "lines of something else": (
        2,
        """print('{"answer": [{}, {}]}', flush=True)""",
        ValueError,
        "is of another comparison: its loss is missing",
    ),
}


@pytest.mark.parametrize("case", FAKE)
def test_workers_that_cannot_go_on(case, folder, tmp_path):
    number, answer, kind, message = FAKE[case]
    executor, told = Local(number, fake(answer), QUICK), Told()
    with pytest.raises(kind, match=re.escape(message)):
        compared(tmp_path / "run", report=told, executor=executor)
    assert not (tmp_path / "run" / RESULTS).exists()
    assert all(made.process.returncode is not None for made in executor.workers)
    assert (sum("has died with exit code 3" in note for note in told.notes) >= 2) == ("die" in case)


def test_lines_of_another_config_are_refused(alone, tmp_path):
    lines = [{**json.loads(line)} for line in (alone / RESULTS).read_text().splitlines()[:2]]
    for line in lines:
        line["config"]["epochs"] = 9
    answer = f"print({json.dumps({'answer': lines})!r}, flush=True)"
    with pytest.raises(ValueError, match=r"is of another comparison: epochs \(9 there, 2 here\). Was a file changed"):
        compared(tmp_path / "run", executor=Local(2, fake(answer), QUICK))
    assert not (tmp_path / "run" / RESULTS).exists()


def test_what_cannot_be_sent_is_refused(tmp_path):
    with pytest.raises(ValueError, match="executor is given, and so is data= or model="):
        compared(tmp_path / "run", model=lambda **options: None, executor=Local(2, (), {}))
    assert not (tmp_path / "run").exists()


def running(workdir):
    """The worker processes of a work directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"--workdir={workdir}\0--worker".encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_command(number, folder, tmp_path):
    command = [sys.executable, "-m", "jaxsurr.compare", *FLAGS, "--nofigures", "--workers=2"]
    command.append(f"--workdir={tmp_path}/run")
    process = subprocess.Popen(command, cwd=folder, env=QUICK, stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    while process.poll() is None and len(running(f"{tmp_path}/run")) < 2:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert first.startswith("run | cross_entropy | seed 0: 6 runs left"), first + err
    if number == signal.SIGTERM:
        assert process.returncode == 143
        said = (
            r"\nEnded by SIGTERM: \d runs were under way on workers and are made again. The same command goes on from "
        )
        assert re.search(said, err)
    assert "Traceback" not in err
    until = time.monotonic() + 30
    while (left := running(f"{tmp_path}/run")) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left


def test_flags_that_do_not_fit_together(launch):
    both = ["--workers=2", "--scheduler=tcp://127.0.0.1:1"]
    code, out, err = launch(*FLAGS, *both, "--workdir=run", module="jaxsurr.compare")
    assert code == 1 and "--workers are of this machine and --scheduler is of a cluster" in err
    code, out, err = launch(*FLAGS, "--workers=0", module="jaxsurr.compare")
    assert code == 1 and "workers" in out + err and "Traceback" not in out + err


# --- a cluster --------------------------------------------------------------------------------------------------------

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs distributed, pip install 'jaxsurr[cluster]'"
)


def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Dask:
    """A scheduler and workers on localhost, each a process; workers run in folders of their own with the data."""

    def __init__(self, folder, number):
        self.folder, self.address = folder, f"tcp://127.0.0.1:{port()}"
        self.environment = {**QUICK, "DASK_CONFIG": str(folder / "dask")}
        own = ["--host=127.0.0.1", f"--port={self.address.rpartition(':')[2]}"]
        self.scheduler = self.start("scheduler", folder, *own)
        self.workers = {}
        for index in range(number):
            place, listens = folder / f"worker{index}", port()
            place.mkdir()
            (place / "mine.csv").write_text("a,b,grade\n" + ROWS)
            own = ["--no-nanny", "--nthreads=1", "--host=127.0.0.1", f"--worker-port={listens}"]
            own.append(f"--local-directory={place}")
            self.workers[f"tcp://127.0.0.1:{listens}"] = self.start("worker", place, self.address, *own)

    def start(self, what, place, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, "--no-dashboard"]
        with open(self.folder / "log", "a") as log:
            return subprocess.Popen(command, cwd=place, env=self.environment, stdout=log, stderr=log)

    def listens(self):
        """Waits until the scheduler does."""
        until = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(self.address[len("tcp://") :].split(":")):
                return
            assert time.monotonic() < until
            time.sleep(0.1)

    def end(self):
        for process in (*self.workers.values(), self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    cluster = Dask(tmp_path_factory.mktemp("dask"), 2)
    yield cluster
    cluster.end()


def connect(address, **options):
    until = time.monotonic() + 60
    while True:  # the scheduler may not listen yet
        try:
            return Cluster(address, config(), **options)
        except ConnectionError:
            if time.monotonic() > until:
                raise


@needs_dask
def test_workers_of_other_versions_are_refused(dask, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "versions", lambda: {"python": "3.9", "jax": "0.1.0"})
    with pytest.raises(ValueError, match=r"the worker at tcp://.* has other versions: jax .* there, 0\.1\.0 here\."):
        compared(tmp_path / "run", executor=connect(dask.address))
    assert not (tmp_path / "run" / RESULTS).exists()


@needs_dask
def test_workers_that_read_other_data_or_none_are_refused(dask, tmp_path):
    places = [dask.folder / f"worker{index}" / "mine.csv" for index in range(2)]
    for place in places:
        place.write_text("a,b,grade\n" + ROWS.replace("1", "2"))
    try:
        with pytest.raises(ValueError, match=r"the worker at .* reads other data: the SHA-256"):
            compared(tmp_path / "run", executor=connect(dask.address))
        for place in places:
            place.unlink()
        with pytest.raises(ValueError, match=r"the worker at .* cannot make the runs: .* there is no csv file"):
            compared(tmp_path / "run", executor=connect(dask.address))
    finally:
        for place in places:
            place.write_text("a,b,grade\n" + ROWS)
    assert not (tmp_path / "run" / RESULTS).exists()


@needs_dask
def test_the_table_of_a_cluster_is_that_of_one_process_though_a_worker_dies(dask, alone, tmp_path):
    executor = connect(dask.address)

    def kill_one():
        (busy, *_) = [address for address, at in executor.workers.items() if at.jobs]
        dask.workers[busy].kill()

    told = Told(kill_one)
    compared(tmp_path / "run", report=told, executor=executor)
    assert_same(tmp_path / "run", alone)
    died = [note for note in told.notes if "has died" in note]
    assert len(died) == 1 and re.match(r"The worker at tcp://.* has died; its runs go to others: run | ", died[0])


@needs_dask
def test_a_scheduler_that_dies_is_said_and_what_is_written_stays(dask, alone, tmp_path):
    (tmp_path / "run").mkdir()
    lines = (alone / RESULTS).read_bytes().splitlines(keepends=True)[:2]
    for name, content in (("config.json", (alone / "config.json").read_bytes()), (RESULTS, b"".join(lines))):
        (tmp_path / "run" / name).write_bytes(content)
    executor = connect(dask.address)

    def kill_it(event):
        if event["event"] == "run" and dask.scheduler.poll() is None:
            dask.scheduler.kill()

    with pytest.raises(ConnectionError, match=r"the scheduler at tcp://.* is gone .* the same command goes on"):
        compared(tmp_path / "run", report=kill_it, executor=executor)
    assert (tmp_path / "run" / RESULTS).read_bytes() == b"".join(lines)
    compared(tmp_path / "run")
    assert_same(tmp_path / "run", alone)


@needs_dask
def test_a_command_whose_scheduler_dies_says_one_sentence(folder, tmp_path):
    cluster = Dask(tmp_path, 1)
    command = [sys.executable, "-m", "jaxsurr.compare", *FLAGS, "--nofigures", f"--scheduler={cluster.address}"]
    command.append(f"--workdir={tmp_path}/run")
    try:
        cluster.listens()
        process = subprocess.Popen(command, cwd=folder, env=QUICK, stderr=subprocess.PIPE, text=True)
        said = process.stderr.readline()
        cluster.scheduler.kill()
        said += process.communicate(timeout=60)[1]
    finally:
        cluster.end()
    first, *runs, last = said.splitlines()
    assert process.returncode == 1 and first == "run | cross_entropy | seed 0: 6 runs left", said
    assert re.fullmatch(r"ConnectionError: the scheduler at tcp://.* is gone .* and the same command goes on\.", last)
    assert all(line.startswith("run | ") for line in runs), said  # neither a traceback nor that a worker has died


@needs_dask
def test_a_scheduler_without_workers_is_said(tmp_path):
    cluster = Dask(tmp_path, 0)
    try:
        with pytest.raises(ConnectionError, match=r"has had no workers for 1 s. Start some with `dask worker tcp://"):
            compared(tmp_path / "run", executor=connect(cluster.address, patience=1.0))
    finally:
        cluster.end()


@needs_dask
@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1", "http://127.0.0.1:1", "tcp://127.0.0.1:1"])
def test_a_scheduler_that_is_not_there_is_said(address, monkeypatch):
    monkeypatch.setattr("jaxsurr.comparison.cluster._CONNECT", 0.5)
    with pytest.raises(ConnectionError, match=rf"there is no Dask scheduler at '{address}' \(.*`dask scheduler`"):
        Cluster(address, config())


def test_a_cluster_without_distributed_is_said(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else found(name))
    with pytest.raises(ImportError, match=r"not installed: pip install 'jaxsurr\[cluster\]'. On one machine --workers"):
        Cluster("tcp://127.0.0.1:1", config())
