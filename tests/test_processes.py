"""Two processes that train together train like one, end together, and name one that is gone."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxsurr import processes as watched
from tests import process_worker
from tests.started import simulated

WORKER = Path(__file__).with_name("process_worker.py")
TIMEOUT = 240


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def start(out, address, number, index, devices):
    command = [sys.executable, str(WORKER), "processes", str(out), address, str(number), str(index)]
    log = out.with_suffix(".log").open("w")
    return subprocess.Popen(command, env=simulated(devices), stdout=log, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What one process with one device finds, and each of two processes with two devices."""
    folder = tmp_path_factory.mktemp("processes")
    address = f"localhost:{free_port()}"
    outs = [folder / name for name in ("alone", "first", "second")]
    processes = [
        start(outs[0], address, 1, 0, devices=1),
        start(outs[1], address, 2, 0, devices=2),
        start(outs[2], address, 2, 1, devices=2),
    ]
    try:
        codes = [process.wait(timeout=TIMEOUT) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    logs = "\n".join(out.with_suffix(".log").read_text() for out in outs)
    assert codes == [0, 0, 0], logs
    return [process_worker.read(out) for out in outs]


def assert_same(found, expected, tolerance):
    """Equal within `tolerance` of the largest entry of each array; see test_parallel.py for 1e-5."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        size = np.max(np.abs(array.astype(np.float64)), initial=0)
        np.testing.assert_allclose(
            found[name].astype(np.float64), array, rtol=tolerance, atol=tolerance * size, err_msg=name
        )


def test_devices_of_all_processes_are_used(runs):
    assert [run["devices"] for run in runs] == [(1, 1), (4, 2), (4, 2)]


def test_processes_train_the_same(runs):
    alone, first, second = (run["trained"] for run in runs)
    assert_same(second, first, tolerance=0)  # the two hold copies of one state
    assert_same(first, alone, tolerance=1e-5)


@pytest.mark.parametrize("what", ["meshed", "sharded"])
def test_processes_train_the_same_on_a_mesh(runs, what):
    alone, first, second = (run[what] for run in runs)
    assert_same(second, first, tolerance=0)
    assert process_worker.largest_difference(first, alone) < 1e-5


def test_every_process_has_all_predictions_in_order(runs):
    (alone, labels, _), first, second = (run["predictions"] for run in runs)
    rows = 2 * 64 + 21
    for predictions, targets, traced in (first, second):
        assert predictions.shape == (rows, 10)
        np.testing.assert_allclose(predictions, alone, atol=1e-5)
        assert targets.tolist() == labels.tolist()
        assert traced == [(64 // 4, 8)]
    for run in runs:
        predictions, targets, traced = run["predictions on a mesh"]
        np.testing.assert_allclose(predictions, alone, atol=1e-5)
        assert targets.tolist() == labels.tolist()
        assert traced == [(64, 8)]
    assert np.array_equal(first[0], second[0])


def test_all_processes_get_the_state_of_the_first(runs):
    alone, first, second = (run["placed"] for run in runs)
    assert_same(first, alone, tolerance=0)
    assert_same(second, alone, tolerance=0)


def test_rows_of_all_processes_keep_double_precision(runs):
    assert runs[1]["doubles"].tolist() == runs[2]["doubles"].tolist() == [1e-12, 1 + 1e-12]


def test_the_error_counts_rows_of_all_processes(runs):
    assert runs[1]["error"] == (
        "ValueError: a batch of 14 rows cannot be shared equally among 4 devices of 2 processes: "
        "use a batch size of 12 or 16."
    )


# --- signals ----------------------------------------------------------------------------------------------------------

FLAGS = [
    "--config.losses=()", "--config.loss=cross_entropy", "--config.data.limit=160", "--config.batch_size=32",
    "--config.epochs=60", "--config.warm_epochs=1", "--config.checkpoint.every=30", "--nofigures",
    "--grace=60",
]  # fmt: skip


class Job:
    """The same job in two processes of one device each, or in one process of two devices."""

    def __init__(self, workdir, processes=2):
        self.workdir = workdir
        command = [sys.executable, "-m", "jaxsurr", *FLAGS, f"--workdir={workdir}"]
        together = [f"--coordinator_address=localhost:{free_port()}", "--num_processes=2"] * (processes > 1)
        self.processes = [
            subprocess.Popen(
                [*command, *together, f"--process_id={index}"],
                env=simulated(2 // processes),
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(processes)
        ]

    def epochs(self):
        lines = self.workdir / "metrics.jsonl"
        return len(lines.read_bytes().splitlines()) if lines.exists() else 0

    def send(self, index, number):
        """A signal to one of them, in the midst of the run; the exit codes and the last lines that they print."""
        start, until = self.epochs(), time.monotonic() + TIMEOUT
        while self.epochs() <= start and time.monotonic() < until:
            assert all(process.poll() is None for process in self.processes), "they ended too early"
            time.sleep(0.02)
        self.processes[index].send_signal(number)
        return self.end()

    def end(self):
        try:
            said = [process.communicate(timeout=TIMEOUT)[1] for process in self.processes]
        finally:
            for process in self.processes:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        codes = [process.returncode for process in self.processes]
        assert not any("Traceback" in text for text in said) and -signal.SIGABRT not in codes, "\n\n".join(said)
        return codes, [(text.splitlines() or [""])[-1] for text in said]

    def found(self):
        result = json.loads((self.workdir / "result.json").read_text())
        return result | {"seconds": 0, "sha256": ""}, (self.workdir / "metrics.jsonl").read_text()


def test_processes_end_together_or_name_the_one_that_is_gone_and_go_on_bit_for_bit(tmp_path):
    whole = Job(tmp_path / "whole", processes=1)
    codes, said = Job(tmp_path / "again").send(1, signal.SIGTERM)
    assert codes == [143, 143]
    assert said[0] == said[1]
    assert said[0].startswith("Ended by SIGTERM: cross_entropy, seed 0, is saved after ")
    codes, said = Job(tmp_path / "again").send(1, signal.SIGKILL)
    assert codes == [watched.LOST, -signal.SIGKILL]
    assert said[0].startswith("Process 1 of 2 is gone: it has given no sign of life for 5 s. Process 0 ends with it.")
    assert said[0].endswith("The same command, started in all of them, goes on from the last checkpoint.")
    again = Job(tmp_path / "again", processes=1)
    assert whole.end()[0] == again.end()[0] == [0]
    assert again.found() == whole.found()


def test_the_process_that_all_talk_to_is_named_when_it_is_gone(tmp_path):
    source = (
        "import sys, time; from jaxsurr import parallel, processes\n"
        "address, index = sys.argv[1], int(sys.argv[2])\n"
        "together = processes.Processes(address, 2, index)\n"
        "parallel.initialise_distributed(address, 2, index)\n"
        "together.watch()\n"
        "print('now', flush=True); time.sleep(100)"
    )
    command = [sys.executable, "-c", source, f"localhost:{free_port()}"]
    both = [
        subprocess.Popen([*command, str(index)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for index in range(2)
    ]
    with both[0], both[1]:
        assert [process.stdout.readline() for process in both] == ["now\n", "now\n"]
        both[0].kill()
        assert both[1].wait(timeout=TIMEOUT) == watched.LOST
        assert both[1].stderr.read().splitlines()[-1].startswith("Process 0 of 2 is gone: it no longer answers at ")
