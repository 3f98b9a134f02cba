"""The script for accelerators, on a CPU with a linear model: its lines, what it leaves out, the size of ResNet-50."""

import json

import jax
import jax.numpy as jnp
import pytest

from jaxsurr.benchmarks import accelerator


def test_resnet_50_has_as_many_parameters_as_published():
    shapes = jax.eval_shape(
        accelerator.ResNet50(1000).init, jax.random.key(0), jax.ShapeDtypeStruct((1, 64, 64, 3), float)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 25_557_032  # of torchvision's resnet50


def test_lines_of_a_small_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(accelerator.SHAPES, "resnet20", accelerator.Shape(8, 3))
    monkeypatch.setattr(accelerator, "_model", lambda name, images: (jnp.zeros((3, 3)), lambda p, x: x[:, 0, 0] @ p))
    monkeypatch.setattr(accelerator, "seconds_of", lambda call: call.args[-1].size)  # of updates, which others test
    monkeypatch.setattr(accelerator, "TESTS", ())
    monkeypatch.setattr(accelerator, "DTYPES", {"bfloat16": accelerator.DTYPES["bfloat16"]})
    out = tmp_path / "lines.jsonl"
    accelerator.main(["--models=resnet20", "--batch=4", "--sizes", "8", "16", "--rounds=3", f"--out={out}"])
    cost, *sets, tests = map(json.loads, out.read_text().splitlines())
    assert set(cost["over_cross_entropy"]) == {"cross-entropy", "frozen", "bilevel"}
    assert [line["metric"] for line in sets] == ["f_beta", "roc_auc"] and "clone" in tests["tests"]
    assert all(line["over_smallest_set"] == {"8": 1, "16": 2} for line in sets)
    capsys.readouterr()
    accelerator.main(["--minutes=-1"])
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 + 2 + 1 and all("left out after -1 minutes" in line for line in said)


def test_the_tests_that_it_runs_are_there(pytestconfig):
    assert all((pytestconfig.rootpath / name).exists() for name in accelerator.TESTS)
    with pytest.raises(SystemExit):
        accelerator.main(["--models=resnet21"])
