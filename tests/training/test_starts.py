"""A start that is chosen is the fixed loss that is best on validation, and what counts is no worse there than it."""

import json
import types

import numpy as np
import pytest

from jaxsurr import metrics, models
from jaxsurr.training import default_config, loop, run, starts, update
from jaxsurr.training.kinds import KINDS
from jaxsurr.training.methods import resolve

TINY = {
    "data.limit": 200, "epochs": 2, "warm_epochs": 1, "batch_size": 32, "devices": 1,
    "surrogate.burn_in": 2, "surrogate.num_pairs": 2,
}  # fmt: skip
LEVELS = {"data.source": "sklearn:diabetes", "data.levels": 4, "metric": "mean_absolute_error"}
OURS = "correlated_gradients?start=auto"
STARTS = KINDS["classes"].starts
BAD = f"{OURS}&relative_scale=300"  # noise that hides every decision


def config_of(loss=OURS, **fields):
    return update(default_config(), loss=loss, **TINY | fields)


# --- texts ------------------------------------------------------------------------------------------------------------


def texts(loss=OURS, kind="levels", **fields):
    return starts.starts_of(resolve(config_of(loss, **fields)), kind)


def test_a_start_is_a_fixed_loss_and_the_learned_loss_on_it():
    found = texts(metric="mean_absolute_error")
    assert found == {
        name: f"correlated_gradients?conventional={name}"
        for name in ("cross_entropy", "squared_emd", "or_cnn", "coral", "corn")
    }
    decoded = texts(metric="mean_absolute_error?decode=argmax")
    assert decoded["cross_entropy?decode=median"] == "correlated_gradients?conventional=cross_entropy&decode=median"
    assert decoded["coral"] == "correlated_gradients?conventional=coral"


def test_options_of_training_count_for_the_fixed_loss_too():
    found = texts("smoothed?start=auto&learning_rate=0.01&power=1&warm_epochs=1", "classes")
    learned = "smoothed?conventional=label_smoothing&learning_rate=0.01&power=1&warm_epochs=1"
    assert found["label_smoothing?learning_rate=0.01"] == learned
    for fixed, text in found.items():
        assert resolve(config_of(fixed)).config.learning_rate == resolve(config_of(text)).config.learning_rate == 0.01


def test_the_learned_loss_on_a_start_chooses_none_and_falls_back_on_nothing_by_itself():
    fields = {"start": "auto", "fallback": True}
    for text in texts("value_fit", "keypoints", **fields).values():
        method = resolve(config_of(text, **fields))
        assert not starts.chooses(method) and not method.config.fallback
    assert starts.chooses(resolve(config_of("value_fit", **fields)))
    assert not starts.chooses(resolve(config_of("l1", **fields)))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (f"{OURS}&conventional=coral", "start chooses the conventional loss; leave one of the two options out"),
        ("smoothed?start=best", "start is 'best', which is unknown.*auto"),
        ("smoothed?start=1", "start must be a string"),
    ],
)
def test_bad_starts(loss, message):
    with pytest.raises(ValueError, match=message):
        resolve(config_of(loss))


# --- choices ----------------------------------------------------------------------------------------------------------


def test_each_run_goes_on_from_its_own_best_start_and_those_with_the_same_one_together():
    methods = [resolve(config_of(seed=seed, **LEVELS)) for seed in range(4)]
    values = {  # of the fixed run and of the learned run from it, for each seed
        "cross_entropy": ([0.3, 0.2, 0.5, None], [0.25, 0.1, 0.9, 0.9]),
        "coral": ([0.2, 0.2, None, None], [0.3, 0.9, 0.9, 0.1]),
    }
    made = []

    def train(methods, datas, program, folder):
        made.append((folder, [method.text for method in methods], [method.config.seed for method in methods]))
        name = methods[0].config.conventional if methods[0].loss is None else methods[0].name
        assert program.name == name and len(datas) == len(methods)
        found = [values[name][methods[0].loss is None][method.config.seed] for method in methods]
        return [FloatingPointError() if value is None else {"validation": value} for value in found]

    each = {name: types.SimpleNamespace(metric=metrics.get("error_rate"), name=name) for name in values}
    program = types.SimpleNamespace(starts=each, metric=metrics.get("error_rate"))
    found = starts.train_from_best(methods, [types.SimpleNamespace(kind="levels")] * 4, program, train)
    assert made == [
        ("starts/cross_entropy", ["cross_entropy"] * 4, [0, 1, 2, 3]),
        ("starts/coral", ["coral"] * 4, [0, 1, 2, 3]),
        # of equal starts the first, and the first where all diverged
        ("", ["correlated_gradients?conventional=cross_entropy"] * 3, [1, 2, 3]),
        ("", ["correlated_gradients?conventional=coral"], [0]),
    ]
    assert [run["start"] for run in found] == ["coral", "cross_entropy", "cross_entropy", "cross_entropy"]
    assert [run["stayed"] for run in found] == [True, False, True, False]
    assert [run["validation"] for run in found] == [0.2, 0.1, 0.5, 0.9]
    assert found[2]["starts"] == {"cross_entropy": 0.5, "coral": None}


def test_the_best_start_is_chosen_in_the_direction_of_the_metric():
    outcomes = {"a": FloatingPointError(), "b": {"validation": 0.1}, "c": {"validation": [0.2, 0.0]}}
    assert starts.best(metrics.get("error_rate"), outcomes) == "b"
    assert starts.best(metrics.get("pck"), outcomes) == "c"


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared():
    config = config_of(BAD)
    return config, *loop.prepare(config)


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory):
    config, data, program = prepared
    path, said, events = tmp_path_factory.mktemp("starts") / "run", [], []
    result = run(config, path, data=data, program=program, say=said.append, report=events.append)
    return path, result, said, events


def test_a_bad_learned_loss_stays_with_the_best_fixed_loss(finished, prepared):
    result = finished[1]
    _, data, _ = prepared
    alone = {}
    for loss in STARTS:
        config = config_of(loss)
        alone[loss] = loop.train(config, data, loop.prepare(config, data=data)[1])
    assert result["stayed"] and result["loss"] == BAD
    assert result["starts"] == pytest.approx({loss: outcome["validation"] for loss, outcome in alone.items()})
    best = min(alone, key=lambda loss: alone[loss]["validation"])
    assert result["start"] == best
    assert (result["validation"], result["test"]) == pytest.approx((alone[best]["validation"], alone[best]["test"]))


def test_it_says_how_many_runs_it_makes_and_how_long_they_take(finished):
    _, _, said, events = finished
    names = [event.get("loss_name", event.get("text")) for event in events]
    assert names.pop(2).startswith("The 3 runs left take about ")
    learned = f"correlated_gradients?conventional={finished[1]['start']}&relative_scale=300"
    assert names == [loss for loss in (*STARTS, learned) for _ in range(2)]
    assert said[-2:] == [
        f"{BAD} chooses its start on validation among {', '.join(STARTS)}.",
        "These and the learned loss are 4 runs; about how long they take is said when the first has ended.",
    ]


def test_a_run_with_a_work_directory_is_resumed_whole(finished, prepared, tmp_path):
    path, result, *_ = finished
    config, data, program = prepared
    kept = json.loads((path / "result.json").read_text())
    assert (kept["start"], kept["starts"], kept["stayed"]) == (result["start"], result["starts"], True)
    assert sorted(folder.name for folder in (path / "starts").iterdir()) == sorted(STARTS)
    (path / "result.json").unlink()
    events = []
    again = run(config, path, data=data, program=program, report=events.append)
    assert events == []  # every epoch is in a checkpoint
    assert {**again, "seconds": 0} == {**result, "seconds": 0}


def test_runs_side_by_side_choose_each_for_itself(finished, prepared):
    result = finished[1]
    config, data, program = prepared
    other = update(config.copy_and_resolve_references(), seed=1)
    datas = [data, loop.prepare(other, program=program)[0]]
    first, second = loop.train_runs([resolve(config), resolve(other)], datas, program)
    for name in ("validation", "test", "start", "stayed"):
        assert first[name] == pytest.approx(result[name]), name
    assert second["start"] == min(second["starts"], key=second["starts"].get)


# --- models that have a head ------------------------------------------------------------------------------------------


def own_model():
    def init(key, inputs):
        return {"kernel": np.zeros((inputs.shape[-1], 4), np.float32)}

    return models.Model(init, lambda params, inputs: inputs @ params["kernel"])


def test_a_start_whose_head_the_model_does_not_have_is_left_out_and_named():
    config = config_of(**LEVELS, **{"model.name": "own"})
    _, program = loop.prepare(config, model=own_model())
    assert list(program.starts) == ["cross_entropy", "squared_emd"]
    assert list(program.left_out) == ["or_cnn", "coral", "corn"]
    first, *others = starts.sentences(resolve(config), program)
    assert first == f"{OURS} chooses its start on validation among cross_entropy, squared_emd."
    for line, name in zip(others, program.left_out, strict=True):
        assert line.startswith(f"Left out of its starts is {name}: conventional={name}, which ")
        assert "but the model's is 'logits'" in line


def test_a_start_that_the_metric_cannot_read_is_left_out():
    _, program = loop.prepare(config_of(**LEVELS | {"metric": "error_rate"}))
    assert list(program.starts) == ["cross_entropy", "squared_emd"]
    assert all("reads logits" in reason for reason in program.left_out.values())


def test_without_any_start_there_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"there is no start that fits model, data and metric. cross_entropy: .* head"):
        run(config_of(**LEVELS, **{"model.head": "score"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=r"^model.name is 'own', but there is no model"):  # said once
        run(config_of(**{"model.name": "own"}), tmp_path / "run")
