"""The zoo of metrics: its tasks name what there is, and both sides of its table choose on validation."""

import json

import numpy as np
import pytest

from jaxsurr import metrics
from jaxsurr.benchmarks import results_zoo, zoo
from jaxsurr.core.spec import parse_spec
from jaxsurr.data import from_arrays, from_frame, load
from jaxsurr.training import default_config, prepare, update
from jaxsurr.training.config import CONVENTIONAL, LEARNED


def test_tasks_name_metrics_and_losses_that_there_are():
    names = {parse_spec(task.metric)[0] for task in zoo.TASKS.values()}
    assert names <= {*metrics.METRICS, zoo.early_costs_more.name} and len(names) >= 14
    for name, task in zoo.ENTRIES.items():
        assert {parse_spec(loss)[0] for loss in (task.usual, *task.fixed)} <= set(CONVENTIONAL), name
        assert {parse_spec(loss)[0] for loss in task.learned} <= set(LEARNED), name
        assert task.data.partition(" ")[0] in (*zoo.SETS, "fashion_mnist", "lsp_extended")


def test_costs_of_shoes():
    costs = zoo.costs()
    assert costs[9, 0] == 10 and costs[0, 9] == 3 and costs[5, 7] == costs[0, 1] == 1
    assert not np.diag(costs).any()


def test_both_sides_choose_on_validation():
    values = {  # of two seeds: validation, test
        "cross_entropy": ((0.5, 0.50), (0.1, 0.10)),
        "cross_entropy?tune_threshold=True": ((0.4, 0.90), (0.2, 0.30)),
        "smoothed": ((0.9, 0.99), (0.9, 0.99)),
        "correlated_gradients": ((0.6, 0.70), (0.3, 0.20)),
        "correlated_gradients?tune_threshold=True": ((0.5, 0.90), (0.4, 0.40)),
    }
    lines = [
        {"purpose": "run", "loss": loss, "seed": seed, "validation": pair[0], "test": pair[1], "higher_is_better": True}
        for loss, pairs in values.items()
        for seed, pair in enumerate(pairs)
    ]
    found = results_zoo.of_task(lines)
    assert found["fixed"] == pytest.approx((0.50 + 0.30) / 2)
    assert found["learned"]["test"] == pytest.approx((0.70 + 0.40) / 2)
    assert found["seeds"] == 2 and found["means"]["cross_entropy"] == pytest.approx(0.30)


def test_a_black_box_is_held_against_the_conventional_runs_of_the_same_seeds():
    def lines(values, calls):
        common = {"purpose": "run", "higher_is_better": True, "metric_calls": calls}
        return [
            common | {"loss": loss, "seed": seed, "validation": value, "test": value}
            for loss, of in values.items()
            for seed, value in enumerate(of)
        ]

    ours = lines({"cross_entropy": (0.1, 0.2, 0.9), "correlated_gradients": (0.4, 0.5, 0.6)}, None)
    other = lines({"cross_entropy": (0.0, 0.0), "correlated_gradients": (0.3, 0.6), "smoothed": (0.2, 0.2)}, 40)
    found = results_zoo.of_black_box(ours, other)
    assert found["ours"]["fixed"] == found["untouched"]["fixed"] == pytest.approx(0.15)
    assert found["ours"]["learned"]["test"] == pytest.approx(0.45) == found["untouched"]["learned"]["test"]
    assert found["calls"] == {"correlated_gradients": 40, "smoothed": 40}


@pytest.mark.parametrize("name", zoo.BLACK_BOXES)
def test_scikit_learns_functions_are_what_the_entries_are(name, monkeypatch):
    """As runs evaluate them: levels are decoded by the median, where the metric does not say otherwise."""
    monkeypatch.setattr(metrics, "METRICS", metrics.METRICS | {metric.name: metric for metric in zoo._own()})
    random = np.random.default_rng(0)
    predictions, targets = random.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 4
    task = zoo.TASKS[name]
    kind = "levels" if task.metric.startswith("quadratic") else "classes"
    if task.fields.get("model.head") == "logit":
        predictions, targets, kind = predictions[:, 0], targets % 2, "scores"
    source = from_arrays(random.normal(size=(60, 2)), targets, kind=kind)

    def value(metric):
        config = update(default_config(), loss=task.usual, metric=metric, batch_size=16, **task.fields)
        return prepare(config, data=load(source, seed=0))[1].metric(predictions, targets)

    np.testing.assert_allclose(value(zoo.BLACK_BOXES[name].metric), value(task.metric), rtol=1e-5)


def test_a_task_is_compared_and_its_lines_are_read(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    minutes = 20 * x[:, 0] + random.normal(size=300)
    monkeypatch.setitem(
        zoo.SETS,
        "flights",
        lambda target: from_frame({"a": x[:, 0], "b": x[:, 1], target: minutes}, target, kind="numbers"),
    )
    fields = {"epochs": 2, "batch_size": 64, "surrogate.burn_in": 2, "surrogate.num_pairs": 2}
    monkeypatch.setattr(zoo, "FIELDS", zoo.FIELDS | fields)
    out = tmp_path / "zoo.jsonl"
    zoo.main(["--tasks", "asymmetric", f"--workdir={tmp_path}", f"--out={out}", "--seeds=2", "--trials=1"])
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    task = zoo.TASKS["asymmetric"]
    assert {line["loss"] for line in lines} == {task.usual, *task.fixed, *task.learned}
    assert len(lines) == 2 * len({line["loss"] for line in lines})
    assert all(line["task"] == "asymmetric" and np.isfinite(line["test"]) for line in lines)


def test_without_the_place_of_its_data_a_task_is_left_out(tmp_path, capsys):
    zoo.main(["--tasks", "cost", f"--workdir={tmp_path}"])
    assert "cost is left out: it needs --fashion_mnist" in capsys.readouterr().out
