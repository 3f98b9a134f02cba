"""Traffic between devices is read off a program rightly, and what the surrogate adds to a ResNet-20's is little."""

import json
import subprocess
import sys

import jax
import pytest

from jaxsurr.benchmarks.collectives import traffic
from jaxsurr.benchmarks.results_measurements import surrogate_traffic
from jaxsurr.benchmarks.results_rows import lines_of, results_folder
from tests.started import simulated

PROGRAM = """
%body (state: (f32[4], s32[])) -> (f32[4], s32[]) {
  %state = (f32[4]{0}, s32[]) parameter(0)
  %part = f32[4]{0} get-tuple-element(%state), index=0
  %number = s32[] get-tuple-element(%state), index=1
  %sum = f32[4]{0} all-reduce(%part), channel_id=1, to_apply=%add
  ROOT %next = (f32[4]{0}, s32[]) tuple(%sum, %number)
}

ENTRY %main (rows: bf16[2,3], seen: pred[8]) -> bf16[4,3] {
  %rows = bf16[2,3]{1,0} parameter(0)
  %seen = pred[8]{0} parameter(1)
  %begun = (f32[4]{0}, s32[]) constant({...})
  %loop = (f32[4]{0}, s32[]) while(%begun), condition=%until, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %both = (bf16[2,3]{1,0}, /*index=1*/pred[8]{0}) all-reduce(%rows, %seen), channel_id=2, to_apply=%add
  ROOT %all = bf16[4,3]{1,0} all-gather(%rows), channel_id=3, dimensions={0}, metadata={op_name="all-reduce(%x)"}
}
"""


def test_operations_are_counted_with_their_bytes_and_as_often_as_a_loop_runs():
    assert traffic(PROGRAM) == {
        "all-reduce": {"count": 5 + 1, "bytes": 5 * 4 * 4 + 2 * 3 * 2 + 8},
        "all-gather": {"count": 1, "bytes": 4 * 3 * 2},
    }


def test_a_loop_that_does_not_say_how_often_it_runs_is_refused():
    with pytest.raises(ValueError, match="the program does not say how often it runs"):
        traffic(PROGRAM.replace('"known_trip_count"', '"unknown"'))


MEASURED = (("pmap", "error rate"), ("jit", "error rate"), ("jit", "F1"))
SOURCE = """
import json
from jaxsurr import parallel
from jaxsurr.benchmarks.collectives import measure
on = {"pmap": parallel.executor(2), "jit": parallel.executor(mesh=parallel.data_mesh(2))}
print(json.dumps([measure("mlp", step, on[engine]) for engine, step in MEASURED]))
"""


@pytest.mark.skipif(not jax.__version__.startswith("0.10."), reason="lines were written with jax 0.10")
def test_the_lines_are_those_of_the_present_programs():
    source = f"MEASURED = {MEASURED!r}\n{SOURCE}"
    done = subprocess.run([sys.executable, "-c", source], env=simulated(2), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    kept = {
        (line["engine"], line["step"]): {name: line[name] for name in ("rows", "gradient", "collectives")}
        for line in lines_of(results_folder() / "collectives.jsonl")
        if (line["model"], line["devices"]) == ("mlp", 2)
    }
    assert json.loads(done.stdout) == [kept[measured] for measured in MEASURED]


def test_the_surrogates_part_does_not_depend_on_model_or_number_of_devices():
    found = surrogate_traffic(results_folder())
    assert len(found) == 2 * 2 * 3 * 3
    for (_, engine, _, step), traffic_of_it in found.items():
        assert traffic_of_it[1] == pytest.approx(
            found["mlp", engine, 2, step][1], abs=16
        )  # a loss, and what it is over


def test_the_surrogates_part_is_a_hundredth_of_a_resnets_gradient():
    folder = results_folder()
    size = {line["step"]: line["gradient"] for line in lines_of(folder / "collectives.jsonl") if line["model"] != "mlp"}
    shares = {
        (engine, step): own[1] / size[step]
        for (model, engine, _, step), own in surrogate_traffic(folder).items()
        if model == "resnet20"
    }
    assert len(shares) == 6 and max(shares.values()) < 0.01
