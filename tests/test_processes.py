import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxsurr

WORKER = Path(__file__).with_name("process_worker.py")
TIMEOUT = 240


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def start(out, address, number, index, devices):
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(Path(jaxsurr.__file__).parents[1]),
    }
    command = [sys.executable, str(WORKER), "processes", str(out), address, str(number), str(index)]
    log = out.with_suffix(".log").open("w")
    return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


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
    return [pickle.loads(out.read_bytes()) for out in outs]


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


def test_every_process_has_all_predictions_in_order(runs):
    (alone, labels, _), first, second = (run["predictions"] for run in runs)
    rows = 2 * 64 + 21
    for predictions, targets, traced in (first, second):
        assert predictions.shape == (rows, 10)
        np.testing.assert_allclose(predictions, alone, atol=1e-5)
        assert targets.tolist() == labels.tolist()
        assert traced == [(64 // 4, 8)]
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
