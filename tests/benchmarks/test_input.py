"""Input benchmarked: a line for each set and one for the table, from sets as small as a test has."""

import json
import sys

import numpy as np
import pytest

from jaxsurr.benchmarks import input as measured


def test_steps_with_each_input_are_timed(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    np.savez(path, x=random.integers(0, 255, (60, 5, 5, 1), dtype=np.uint8), y=np.arange(60) % 3)
    found = measured.steps(f"npz:{path}", {"model.hidden": (2,), "batch_size": 16}, rounds=2, number=3)
    assert set(found) == {"gathered", "streamed", "augmented"} and all(value > 0 for value in found.values())


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc of Linux, where the memory in use is read")
def test_the_table_is_written_read_and_measured(tmp_path):
    out = tmp_path / "input.jsonl"
    measured.main(["--rows=200", "--rounds=1", "--steps=3", f"--out={out}"])
    used, line = map(json.loads, out.read_text().splitlines())
    assert used["set"] == "csv of 200 rows" and set(used["over_one_batch"]) == {"gathered", "streamed"}
    assert line["set"] == "table" and line["rows"] == 200 and line["bytes"] > 200 * 8 * 7
    path = tmp_path / "table.csv"
    measured.write_table(path, 50)
    rows = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(8))
    assert rows.shape == (50, 8) and measured.used("bytearray(2**26)", path)[1] > 64
