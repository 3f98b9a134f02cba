"""One run: what it leaves, that it goes on where it was interrupted, and how it fails."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxsurr
from jaxsurr.core import files
from jaxsurr.training import checkpoint, default_config, epochs, loop, prepare, run, update
from tests.started import QUICK

SMALL = {"data.limit": 160, "surrogate.num_pairs": 2, "surrogate.burn_in": 3, "checkpoint.every": 2, "devices": 1}
SCHEDULE = {"epochs": 5, "warm_epochs": 2, "batch_size": 32}
IN_PARAMETERS = {"surrogate.family": "basis", "surrogate.objective": "parameters", "surrogate.heldout": 0.3}
KINDS = {
    "network": {"loss": "correlated_gradients"},
    "basis in parameters": {"loss": "correlated_gradients", **IN_PARAMETERS},
    "smoothed": {"loss": "smoothed"},
    "conventional": {"loss": "cross_entropy"},
}


def small(kind="conventional", **fields):
    return update(default_config(), **{**SMALL, **SCHEDULE, **KINDS[kind], **fields})


class Whole:
    """An undisturbed run of a kind, with the data and the program that others of its kind can share."""

    def __init__(self, kind, path):
        self.config, self.path, self.events = small(kind), path, []
        self.data, self.program = prepare(self.config)
        self.result = self.run(path, report=self.events.append)
        self.final = final_arrays(self, path)

    def run(self, path, **options):
        return run(self.config, path, **{"data": self.data, "program": self.program, **options})


def final_arrays(whole, path):
    checkpoints = checkpoint.Checkpoints(path / "checkpoints")
    train, _ = loop.hold_out(whole.config, whole.data.train)
    template = epochs.state_after(whole.config, train, whole.program, whole.config.epochs)
    arrays, _ = checkpoints.restore({"state": template, "best": template.params})
    checkpoints.close()
    return [np.asarray(leaf) for leaf in jax.tree.leaves(checkpoint._without_keys(arrays))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = Whole(kind, tmp_path_factory.mktemp("runs") / kind)
        return made[kind]

    return of


class Interrupted(Exception):
    pass


def interrupt_after(epoch):
    def report(event):
        if event["epoch"] == epoch:
            raise Interrupted

    return report


def assert_same_end(found, expected):
    """All but the time that it took."""
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}


# --- what a run leaves -----------------------------------------------------------------------------------------------


def test_metrics_has_a_line_an_epoch(whole):
    entries = [json.loads(line) for line in (whole("network").path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry["phase"] for entry in entries] == ["conventional"] * 2 + ["surrogate"] * 3
    assert entries == whole("network").result["history"]
    for entry in entries:
        assert 0 <= entry["validation"] <= 1
        assert np.isfinite(entry["loss"])
    assert "gradient_correlation" not in entries[1]
    for entry in entries[2:]:
        assert -1 <= entry["gradient_correlation"] <= 1
        assert 0 <= entry["ceiling"] <= 1
        assert 0 <= entry["zero_gradient_fraction"] <= 1
        assert entry["scale"] > 0
        assert entry["value_error"] >= 0


def test_result_holds_figures_seed_config_and_versions(whole):
    made = whole("network")
    result = json.loads((made.path / "result.json").read_text())
    assert len(result.pop("sha256")) == 64
    assert result == made.result
    assert result["config"] == json.loads((made.path / "config.json").read_text())
    assert result["config"]["surrogate"]["burn_in"] == 3
    assert (result["loss"], result["seed"], result["metric"]) == ("correlated_gradients", 0, "error_rate")
    assert result["higher_is_better"] is False
    assert result["devices"] == 1
    assert result["versions"]["jax"] == jax.__version__
    assert result["gradient_correlation"] == result["history"][-1]["gradient_correlation"]
    assert 0 <= result["test"] <= 1


def test_the_best_epoch_is_the_first_lowest_on_validation(whole):
    result = whole("network").result
    values = [entry["validation"] for entry in result["history"]]
    assert result["best_epoch"] == 1 + values.index(min(values))
    assert result["validation"] == min(values)


def test_the_newest_checkpoints_are_kept(whole):
    kept = sorted(path.name for path in (whole("network").path / "checkpoints").iterdir())
    assert kept == ["4", "5"]


def test_the_test_figure_is_that_of_the_best_parameters(whole):
    made = whole("network")
    checkpoints = checkpoint.Checkpoints(made.path / "checkpoints")
    template = epochs.state_after(made.config, made.data.train, made.program, 5)
    arrays, progress = checkpoints.restore({"state": template, "best": template.params})
    checkpoints.close()
    logits = made.program.model.apply(arrays["best"], made.data.test.inputs)
    errors = np.argmax(np.asarray(logits), axis=-1) != made.data.test.targets
    assert made.result["test"] == pytest.approx(np.mean(errors), abs=1e-6)
    assert progress["best"]["epoch"] == made.result["best_epoch"]
    assert int(arrays["state"].step) == 5 * (len(made.data.train.inputs) // 32)


def test_tensorboard_events_hold_the_metrics(whole):
    made = whole("network")
    (file,) = (made.path / "tensorboard").iterdir()
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    content, found = file.read_bytes(), {}
    while content:  # a record: length (8 bytes), its check sum (4), the event, its check sum (4)
        length = int.from_bytes(content[:8], "little")
        event = event_pb2.Event.FromString(content[12 : 12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        content = content[16 + length :]
    for entry in made.result["history"]:
        assert found["validation", entry["epoch"]] == pytest.approx(entry["validation"])
    assert ("gradient_correlation", 2) not in found
    assert found["gradient_correlation", 5] == pytest.approx(made.result["gradient_correlation"])


def test_report_is_called_after_every_epoch(whole):
    made = whole("network")
    assert [event["epoch"] for event in made.events] == [1, 2, 3, 4, 5]
    assert {event["loss_name"] for event in made.events} == {"correlated_gradients"}
    assert made.events[-1]["epochs"] == 5


# --- interruptions ----------------------------------------------------------------------------------------------------

# With a checkpoint every 2 epochs and the switch after epoch 2. The report comes before the checkpoint of its epoch.
EPOCHS = {
    "before any checkpoint": [1],
    "at the switch, before its checkpoint": [2],
    "after the switch, right after a checkpoint": [3],
    "after the switch, in between": [4],
    "at the end": [5],
    "again and again": [1, 3, 4, 5],
}


@pytest.mark.parametrize("when", EPOCHS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_ends_bit_for_bit_like_a_whole_one(kind, when, whole, tmp_path):
    expected = whole(kind)
    for epoch in EPOCHS[when]:
        with pytest.raises(Interrupted):
            expected.run(tmp_path, report=interrupt_after(epoch))
        assert not (tmp_path / "result.json").exists()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "lo')  # a line that was cut off
    assert_same_end(expected.run(tmp_path), expected.result)
    for found, array in zip(final_arrays(expected, tmp_path), expected.final, strict=True):
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)
    assert (tmp_path / "metrics.jsonl").read_bytes() == (expected.path / "metrics.jsonl").read_bytes()


def test_damaged_lines_do_not_change_how_a_run_goes_on(whole, tmp_path):
    expected = whole("conventional")
    with pytest.raises(Interrupted):
        expected.run(tmp_path, report=interrupt_after(5))
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1')
    assert_same_end(expected.run(tmp_path), expected.result)


def test_a_killed_process_goes_on(whole, tmp_path):
    expected = whole("conventional")
    source = (
        "import sys; from jaxsurr.training import *\n"
        f"config = update(default_config(), **{ {**SMALL, **SCHEDULE, **KINDS['conventional']}!r})\n"
        "def report(event):\n"
        "    if event['epoch'] == 4: print('now', flush=True); sys.stdin.read()\n"
        "run(config, sys.argv[1], report=report)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)],
        env=QUICK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "now\n"
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert not (tmp_path / "result.json").exists()
    assert checkpoint.Checkpoints(tmp_path / "checkpoints").epoch() == 2
    assert_same_end(expected.run(tmp_path), expected.result)


def test_a_complete_run_is_returned_without_training(whole):
    made, events = whole("network"), []
    before = {path: path.stat().st_mtime_ns for path in made.path.rglob("*")}
    assert run(made.config, made.path, report=events.append) == made.result
    assert events == []
    assert {path: path.stat().st_mtime_ns for path in made.path.rglob("*")} == before


# --- other configs, faults and damage ---------------------------------------------------------------------------------


def test_the_directory_of_another_config_is_refused(whole):
    made = whole("conventional")
    before = {path: path.read_bytes() for path in made.path.rglob("*") if path.is_file()}
    other = small(learning_rate=0.5, **{"data.limit": 200})
    message = (
        r"belongs to a run with another config: data.limit \(160 there, 200 here\), "
        r"learning_rate \(0.003 there, 0.5 here\). Nothing was changed"
    )
    with pytest.raises(ValueError, match=message):
        run(other, made.path)
    assert {path: path.read_bytes() for path in made.path.rglob("*") if path.is_file()} == before


def test_a_config_that_does_not_fit_its_data_leaves_the_directory_free(whole, tmp_path):
    with pytest.raises(ValueError, match="batch_size is 400, but there are only 136 training rows; set batch_size to"):
        run(small(batch_size=400), tmp_path / "new")
    assert not (tmp_path / "new").exists()


FAULTS = {
    "no space": OSError(errno.ENOSPC, "No space left on device"),
    "no permission": PermissionError(errno.EACCES, "Permission denied"),
}


def fail_once(monkeypatch, owner, name, error, accepts):
    """The first call of `owner.name` whose arguments are accepted raises."""
    original, raised = getattr(owner, name), []

    def broken(*args, **options):
        if not raised and accepts(*args):
            raised.append(True)
            raise error
        return original(*args, **options)

    monkeypatch.setattr(owner, name, broken)


def fault(monkeypatch, where, error):
    if where == "checkpoint":
        import orbax.checkpoint as ocp

        fail_once(monkeypatch, ocp.CheckpointManager, "save", error, lambda manager, epoch: epoch == 4)
    elif where == "a line of metrics":
        # Half of the line is written before the process cannot even take it back.
        def accepts(path, lines):
            if path.name == "metrics.jsonl" and path.read_text().count("\n") == 3:
                path.write_text(path.read_text() + '{"epoch"')
                return True
            return False

        fail_once(monkeypatch, files, "append", error, accepts)
    elif where == "directory":
        fail_once(monkeypatch, Path, "mkdir", error, lambda path: True)
    else:
        fail_once(monkeypatch, os, "replace", error, lambda old, new: Path(new).name == where)


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize(
    "where",
    [
        "directory",
        "config.json",
        "metrics.jsonl",
        "a line of metrics",
        "checkpoint",
        "result.json",
    ],
)
def test_a_fault_of_the_disk_is_said_and_the_run_goes_on_after_it(where, error, whole, tmp_path, monkeypatch):
    expected, path = whole("conventional"), tmp_path / "run"
    with monkeypatch.context() as patch:
        fault(patch, where, FAULTS[error])
        with pytest.raises(OSError, match=r"could not be written.*(Permission denied|No space left)") as caught:
            expected.run(path)
    assert "run" in str(caught.value)
    assert "untouched" in str(caught.value)
    assert not list(path.rglob("*.part"))
    assert not (path / "result.json").exists()
    assert_same_end(expected.run(path), expected.result)
    assert (path / "metrics.jsonl").read_bytes() == (expected.path / "metrics.jsonl").read_bytes()


def interrupted(expected, path):
    with pytest.raises(Interrupted):
        expected.run(path, report=interrupt_after(5))


def test_a_damaged_checkpoint_is_said_and_an_older_one_serves(whole, tmp_path):
    expected = whole("conventional")
    interrupted(expected, tmp_path)
    newest = tmp_path / "checkpoints" / "4"
    for path in newest.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match=r"passed over what is not sound \(.*checkpoints/4: .*that of epoch 2 is used"):
        found = expected.run(tmp_path)
    assert_same_end(found, expected.result)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["4", "5"]


@pytest.mark.parametrize("content", ['{"seed": 0', "\x00\xff", ""])
def test_a_damaged_config_is_said(content, whole, tmp_path):
    expected = whole("conventional")
    interrupted(expected, tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config.json is damaged, .* Put back a whole copy"):
        expected.run(tmp_path)


def test_results_of_an_unknown_config_are_refused(whole, tmp_path):
    expected = whole("conventional")
    interrupted(expected, tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"holds metrics.jsonl and checkpoints, but no config.json"):
        expected.run(tmp_path)


def test_a_damaged_result_is_said_and_made_again(whole, tmp_path):
    expected = whole("conventional")
    expected.run(tmp_path)
    (tmp_path / "result.json").write_text('{"epochs": 5,')
    with pytest.raises(ValueError, match=r"result.json is damaged, .* Delete it, and the same command makes it again"):
        expected.run(tmp_path)
    (tmp_path / "result.json").unlink()
    events = []
    assert_same_end(expected.run(tmp_path, report=events.append), expected.result)
    assert events == []


# --- the method in the loop -------------------------------------------------------------------------------------------


def test_warm_epochs_are_the_same_for_every_loss(whole):
    histories = {kind: whole(kind).result["history"] for kind in ("network", "smoothed", "conventional")}
    assert histories["network"][:2] == histories["smoothed"][:2] == histories["conventional"][:2]
    losses = [histories[kind][2]["loss"] for kind in histories]
    assert len(set(losses)) == 3


@pytest.mark.parametrize("kind", ["network", "basis in parameters"])
def test_test_rows_decide_nothing(kind, whole, tmp_path):
    expected = whole(kind)
    test = expected.data.test
    corrupted = expected.data._replace(test=test._replace(inputs=-test.inputs, targets=(test.targets + 1) % 10))
    result = expected.run(tmp_path, data=corrupted)
    assert result["test"] != expected.result["test"]
    assert_same_end({**result, "test": 0}, {**expected.result, "test": 0})


def test_held_out_rows_are_not_trained_on(whole):
    made = whole("basis in parameters")
    train, heldout = loop.hold_out(made.config, made.data.train)
    assert len(heldout.inputs) == round(0.3 * 136)
    assert len(train.inputs) + len(heldout.inputs) == 136
    rows = {row.tobytes() for row in train.inputs} & {row.tobytes() for row in heldout.inputs}
    assert not rows


def test_only_some_steps_learn(tmp_path):
    config = small(
        "network",
        epochs=1,
        warm_epochs=0,
        **{"surrogate.outer_every": 3, "surrogate.burn_in": 0, "surrogate.num_pairs": 1},
        **{"surrogate.relative_scale": 0.15},
    )
    data, program = prepare(config)
    called = {name: 0 for name in program.steps}

    def counting(name):
        def step(*args):
            called[name] += 1
            return program.steps[name](*args)

        return step

    counted = program._replace(steps={name: counting(name) for name in program.steps})
    result = run(config, tmp_path, data=data, program=counted)
    assert called == {"conventional": 0, "burn_in": 0, "surrogate": 2, "frozen": 2}  # of 136 // 32 = 4 steps
    assert np.isfinite(result["gradient_correlation"])
    assert result["ceiling"] is None  # a single pair cannot tell


def test_a_metric_without_gradient_is_warned_of(tmp_path):
    config = small("network", epochs=2, warm_epochs=1, **{"surrogate.relative_scale": 1e-7})
    with pytest.warns(UserWarning, match="Raise surrogate.relative_scale .* or lengthen the warm start"):
        result = run(config, tmp_path)
    assert result["history"][-1]["zero_gradient_fraction"] == 1.0
    assert len(result["history"]) == 2


def test_divergence_is_said(tmp_path):
    with pytest.raises(FloatingPointError, match=r"diverged in epoch 1: .* Lower learning_rate \(1e\+38\)"):
        run(small(learning_rate=1e38, optimizer="sgd"), tmp_path)
    assert not (tmp_path / "result.json").exists()


UNFIT = {
    "metric of points": ({"metric": "pck"}, "pck is for keypoints, and the targets of .* are classes: use"),
    "loss of points": (
        {"loss": "l1"},
        "the loss l1 does not fit the targets of .* which are classes: it is for keypoints",
    ),
    "head of points": ({"model.head": "points"}, "model.head is 'points', but the targets .* are classes: use logits"),
    "model of images": ({"model.name": "cnn"}, "the model 'cnn' reads images"),
    "no such file": ({"data.source": "csv:none.csv?target=y"}, "there is no csv file 'none.csv'"),
    "noise on levels": (
        {"data.source": "sklearn:diabetes", "metric": "mean_absolute_error", "data.label_noise": 0.4},
        "label_noise is for kinds 'classes' and 'scores', the kind here is 'levels'",
    ),
    "nearly all held out": (
        {**KINDS["network"], **IN_PARAMETERS, "surrogate.heldout": 0.9},
        "only 14 training rows",
    ),
    "no rows left to train on": (
        {**KINDS["network"], **IN_PARAMETERS, "surrogate.heldout": 0.001},
        "surrogate.heldout = 0.001 of 136 training rows leaves one part empty",
    ),
    "too many devices": ({"devices": 10**6}, "num_devices is 1000000, but a process has only"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_said_before_anything_is_written(case, tmp_path):
    fields, message = UNFIT[case]
    with pytest.raises((ValueError, OSError), match=message):
        run(small(**fields), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_of_several_metrics_the_first_decides(tmp_path):
    points = {"data.source": "synthetic:stick_figures?n=64&size=16", "data.label_noise": 0.0, "model.head": "points"}
    config = small("network", metric="pck?threshold=0.2,0.5", conventional="l1", epochs=3, warm_epochs=2, batch_size=8)
    result = run(update(config, **points, **{"surrogate.burn_in": 0}), tmp_path)
    values = [entry["validation"] for entry in result["history"]]
    assert all(len(value) == 2 and value[0] <= value[1] for value in values)
    first = [value[0] for value in values]
    assert result["best_epoch"] == 1 + first.index(max(first))
    assert len(result["test"]) == 2


@pytest.mark.parametrize("loss", ["correlated_gradients", "smoothed"])
def test_a_relative_scale_of_0_is_matched_to_validation(loss):
    config = small(loss=f"{loss}?relative_scale=0", epochs=2, warm_epochs=1)
    data, program = prepare(config)
    params = {"params": {"head": {"kernel": np.eye(64, 10, dtype=np.float32), "bias": np.zeros(10, np.float32)}}}
    assert jax.tree.structure(params) == jax.tree.structure(
        program.model.init(jax.random.key(0), data.train.inputs[:1])
    )

    def with_wrong(split, share):
        """The split with labels that the model predicts, but for a share of them."""
        predicted = np.asarray(program.model.apply(params, split.inputs).argmax(1))
        return split._replace(targets=(predicted + (np.arange(len(predicted)) < share * len(predicted))) % 10)

    scales, validation = [], with_wrong(data.validation, 0.3)
    value = program.metric.mean(program.model.apply(params, validation.inputs), validation.targets)
    for share in (0.0, 0.2):  # the gap between training and validation closes
        train = with_wrong(data.train, share)
        state = epochs.learning_state(config, train, validation, program, params).surrogate
        scale = jaxsurr.smoothing.smoothing_scale(state.relative_scale, state.squared_size)
        z, many = program.model.apply(params, train.inputs), dict(key=jax.random.key(1), num_pairs=64)
        found = np.mean(jaxsurr.smoothed_metric(program.metric, z, train.targets, scale=scale, **many).value)
        assert found == pytest.approx(float(value), abs=0.03)
        scales.append(float(state.relative_scale))
    assert 0.05 < scales[1] < scales[0]
    assert np.isfinite(loop.train(config, data, program)["validation"])


def test_a_relative_scale_that_is_given_is_kept():
    config = small(loss="smoothed?relative_scale=0.4")
    data, program = prepare(config)
    params = program.model.init(jax.random.key(0), data.train.inputs[:1])
    state = epochs.learning_state(config, data.train, data.validation, program, params)
    assert float(state.surrogate.relative_scale) == pytest.approx(0.4)
