"""A model that is sharded on a mesh trains as on one device, and a metric of sets sees the whole batch there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jax.sharding import AxisType

from jaxsurr import parallel
from tests import process_worker, sharded_worker
from tests.started import simulated

WORKER = Path(__file__).with_name("sharded_worker.py")
MESHES = [f"{kind} {data}x{model}" for kind, (data, model) in sharded_worker.MESHES]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("sharded") / "results"
    done = subprocess.run(
        [sys.executable, "-m", "tests.sharded_worker", str(out)],
        env=simulated(8),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return process_worker.read(out)


@pytest.mark.parametrize("mesh", MESHES)
def test_a_sharded_model_trains_as_on_one_device(found, mesh):
    # Sums of 32 rows, and of 16 hidden units, in another order: 1e-7 of their terms, divided by the smoothing scale.
    assert process_worker.largest_difference(found["trained"][mesh], found["trained"]["one"]) < 1e-5


def test_training_moved_the_model(found):
    before, after = sharded_worker.first_params(), found["trained"]["one"]
    for name in before:
        assert np.abs(after[f"[0].params['{name}']"] - before[name]).max() > 1e-2


@pytest.mark.parametrize("mesh", MESHES)
def test_parameters_and_their_averages_stay_sharded(found, mesh):
    kept = found["kept"][mesh]
    assert kept.pop("axes") == mesh.split()[0]
    assert all(kept.values()), kept


def test_a_metric_of_sets_sees_the_whole_batch_on_a_mesh(found):
    one, mesh, pmap = (found["sets"][name] for name in ("one", "mesh", "pmap"))
    # Sums in another order differ by 1e-7 of their terms, and the solution for counts by that over its ridge of 0.01.
    assert process_worker.largest_difference(mesh, one) < 1e-4
    difference = pmap["[0].params['in']"] - one["[0].params['in']"]
    assert np.abs(difference).max() > 1e-3  # whose sets are the devices' shares


@pytest.mark.parametrize("name", sharded_worker.SCENARIOS)
def test_steps_on_a_mesh_are_those_of_one_device(found, name):
    one, mesh = found["scenarios"][name]
    assert process_worker.largest_difference(mesh, one) < 1e-5


def test_devices_of_one_cpu_have_no_queue_of_steps(found):
    assert found["ended"]


def test_predictions_of_a_sharded_model(found):
    (one, targets), *others = found["predictions"]
    assert one.shape == (sharded_worker.ROWS, 4)
    for predictions, same in others:
        np.testing.assert_allclose(predictions, one, atol=1e-6)
        assert same.tolist() == targets.tolist()


def test_rows_are_shared_out_along_the_axis(found):
    gathered, first, key = found["rows"]
    assert gathered.tolist() == np.arange(24.0).reshape(12, 2).tolist()
    assert first.tolist() == gathered[:3].tolist()
    assert key["['key']"].tolist() == [0, 3]


def test_meshes_that_do_not_fit_are_refused_in_words(found):
    errors = found["errors"]
    assert errors["rows"] == (
        "ValueError: a batch of 9 rows cannot be shared equally among 4 parts of the axis 'data': use a batch size of "
        "8 or 12."
    )
    assert errors["axis"] == (
        "ValueError: the mesh has no axis 'dat' for the rows of a batch; did you mean 'data'? Known: data, model."
    )
    assert errors["mixed"].startswith("ValueError: the axes of the mesh must be all automatic or all explicit, got ")
    assert errors["both"].startswith("ValueError: num_devices is 4, but the mesh says which devices are used")
    assert errors["devices"].startswith("ValueError: num_devices is 9, but a process has only 8 of kind 'cpu'")
    assert errors["another mesh"].startswith("ValueError: an array of shape [8] is sharded on another mesh")


class Device:
    """A device of a process, for meshes of several."""

    platform = "cpu"

    def __init__(self, process_index):
        self.process_index = process_index


class Mesh:
    """What is read of a mesh before anything is compiled for it."""

    def __init__(self, processes):
        self.devices = np.array([[Device(process) for process in row] for row in processes])
        self.axis_names, self.axis_types = ("data", "model"), (AxisType.Auto,) * 2
        self.shape = dict(zip(self.axis_names, self.devices.shape, strict=True))


@pytest.mark.parametrize("processes", [[[0, 1]], [[0], [1], [0], [1]], [[1], [0]], [[0], [0], [1]], [[0], [0]]])
def test_each_process_holds_one_stretch_of_the_axis(monkeypatch, processes):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    with pytest.raises(ValueError, match="each of 2 processes reads one slice of every batch"):
        parallel.executor(mesh=Mesh(processes))
