"""A comparison: every loss has every seed on the same data, what is lost is made again, tables say what was found."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

import jaxsurr
from jaxsurr import data
from jaxsurr.comparison.runs import RESULTS, read_results
from jaxsurr.training import default_config, update
from jaxsurr.training.kinds import KINDS


def tiny(**fields):
    data = {"data.limit": 150, "data.label_noise": 0.0}
    return update(default_config(), epochs=2, warm_epochs=1, trials=2, batch_size=32, **data, **fields)


LOSSES = ("cross_entropy", "expected_error")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A comparison of two losses (and the baselines) with two seeds, and what it left."""
    path = tmp_path_factory.mktemp("comparison") / "digits"
    events = []
    config = tiny(**{"surrogate.burn_in": 2, "surrogate.num_pairs": 2})
    outcome = jaxsurr.compare(config, LOSSES, 2, workdir=path, report=events.append)
    return path, config, outcome, events


def table(path):
    return (path / "table.csv").read_text()


def test_baselines_join_and_every_loss_has_every_seed(finished):
    path, _, outcome, _ = finished
    losses = {row["loss"] for row in outcome["rows"]}
    assert losses == {*LOSSES, *KINDS["classes"].baselines}
    assert all(row["seeds"] == 2 for row in outcome["rows"])
    rows = list(csv.DictReader(table(path).splitlines()))
    assert [row["loss"] for row in rows] == [row["loss"] for row in outcome["rows"]]
    assert {file.name for file in (path / "figures").iterdir()} == {"learning_curves.png", "differences.png"}
    assert "2 tuning trials for each loss" in (path / "table.md").read_text()


def test_it_says_what_the_learned_losses_add_to_a_choice_on_validation(finished):
    path, _, outcome, _ = finished
    found = outcome["selection"]
    everything = {row["loss"] for row in outcome["rows"]}
    for kind, losses in (("known", everything - {"smoothed"}), ("all", everything)):
        best = {}
        for run in (run for run in outcome["runs"] if run["loss"] in losses):
            best.setdefault(run["seed"], []).append((run["validation"], run["test"]))
        assert found[kind] == pytest.approx(np.mean([min(runs, key=lambda pair: pair[0])[1] for runs in best.values()]))
    assert sum(found["picked"].values()) == 2
    assert f"{found['known']:.4f} with the conventional losses" in (path / "table.md").read_text()


def test_equal_trials_and_no_test_figure_in_tuning(finished):
    path, _, _, _ = finished
    entries = read_results(path / RESULTS).values()
    tuned = [entry for entry in entries if entry["purpose"] == "tune"]
    assert all(entry["test"] is None for entry in tuned)
    per_loss = {}
    for entry in tuned:
        per_loss.setdefault(entry["loss"], []).append((entry["seed"], entry["setting"]))
    # digits have no official test split, so each seed is tuned on its own rows: 2 seeds times 2 trials
    assert {len(set(trials)) for trials in per_loss.values()} == {4}
    assert all(entry["test"] is not None for entry in entries if entry["purpose"] == "run")


def test_the_chosen_setting_is_the_best_on_validation(finished):
    path, _, _, _ = finished
    entries = read_results(path / RESULTS).values()
    for ended in (entry for entry in entries if entry["purpose"] == "run"):
        trials = [
            e for e in entries if e["purpose"] == "tune" and (e["loss"], e["seed"]) == (ended["loss"], ended["seed"])
        ]
        assert ended["setting"] == min(trials, key=lambda entry: entry["validation"])["setting"]
        # the run of the chosen setting repeats its trial, and reads the test rows besides
        assert ended["validation"] == min(entry["validation"] for entry in trials)


def test_same_call_again_runs_nothing(finished):
    path, config, _, _ = finished
    before, lines = table(path), (path / RESULTS).read_bytes()
    events = []
    jaxsurr.compare(config, LOSSES, 2, workdir=path, report=events.append, figures=False)
    assert table(path) == before and (path / RESULTS).read_bytes() == lines and events == []


def begun(path, again, results):
    """A directory of the same comparison with other results in it."""
    again.mkdir()
    (again / "config.json").write_text((path / "config.json").read_text())
    (again / RESULTS).write_bytes(results)
    return again


def test_lost_and_half_written_lines_are_made_again(finished, tmp_path):
    path, config, _, _ = finished
    lines = (path / RESULTS).read_bytes().splitlines(keepends=True)
    again = begun(path, tmp_path / "again", b"".join(lines[:-2]) + lines[-2][:40])
    events = []
    jaxsurr.compare(config, LOSSES, 2, workdir=again, report=events.append, figures=False)
    assert table(again) == table(path)
    assert sum(event["event"] == "run" for event in events) == 2
    assert any("is not whole; its run will be made again" in event.get("text", "") for event in events)
    assert len(read_results(again / RESULTS)) == len(lines)


def test_a_line_that_is_left_out_is_a_warning_where_nothing_reports(finished, tmp_path):
    path, config, _, _ = finished
    again = begun(path, tmp_path / "again", b'{"key": "odd"}\n' + (path / RESULTS).read_bytes())
    with pytest.warns(UserWarning, match="line 1 is not whole; its run will be made again") as told:
        jaxsurr.compare(config, LOSSES, 2, workdir=again, figures=False)
    assert len(told) == 1 and table(again) == table(path)


def test_runs_side_by_side_that_were_cut_apart_are_made_again_together(finished, tmp_path):
    path, config, _, _ = finished
    lines = (path / RESULTS).read_bytes().splitlines(keepends=True)
    assert len(json.loads(lines[-1])["group"]) == 2
    again = begun(path, tmp_path / "again", b"".join(lines[:-1]))
    events = []
    jaxsurr.compare(config, LOSSES, 2, workdir=again, report=events.append, figures=False)
    assert [event["key"] for event in events if event["event"] == "run"] == json.loads(lines[-1])["group"]
    assert any("of 2 runs trained side by side" in event.get("text", "") for event in events)
    assert table(again) == table(path)
    made, expected = ([*read_results(place / RESULTS).values()] for place in (again, path))
    for entry in (*made, *expected):
        del entry["seconds"], entry["sha256"]
    assert made == expected


def test_a_line_of_another_config_is_refused_and_stays(finished, tmp_path):
    path, config, _, _ = finished
    first, *others = (path / RESULTS).read_bytes().splitlines(keepends=True)
    entry = json.loads(first)
    entry["config"]["epochs"] = 9
    again = begun(path, tmp_path / "again", json.dumps(entry).encode() + b"\n" + b"".join(others))
    before = (again / RESULTS).read_bytes()
    with pytest.raises(ValueError, match=r"line 1 \(tune .*\) is of another config: epochs \(9 there, 2 here\)"):
        jaxsurr.compare(config, LOSSES, 2, workdir=again, figures=False)
    assert (again / RESULTS).read_bytes() == before


def test_what_is_left_is_counted_without_results_of_other_losses(finished, tmp_path):
    path, config, _, _ = finished
    lines = (path / RESULTS).read_bytes().splitlines(keepends=True)
    kept = b"".join(line for line in lines if b'"key": "run | cross_entropy |' not in line)
    again = begun(path, tmp_path / "again", kept)
    events = []
    fewer = [loss for loss in LOSSES if loss != "expected_error"]
    jaxsurr.compare(config, fewer, 2, workdir=again, report=events.append, figures=False)
    assert [event["left"] for event in events if event["event"] == "run"] == [2, 2]  # side by side, so said at once


def test_results_of_another_config_are_refused(finished):
    path, config, _, _ = finished
    before = (path / RESULTS).read_bytes()
    other = update(config.copy_and_resolve_references(), epochs=3)
    with pytest.raises(ValueError, match="belongs to a run with another config: epochs"):
        jaxsurr.compare(other, LOSSES, 2, workdir=path)
    assert (path / RESULTS).read_bytes() == before


def test_a_run_that_diverges_is_recorded_and_ranked_last(tmp_path):
    config = update(tiny(), trials=1, optimizer="sgd")
    found = jaxsurr.compare(
        config, ("cross_entropy", "cross_entropy?learning_rate=1e38"), 2, workdir=tmp_path / "d", figures=False
    )
    last = found["rows"][-1]
    assert last["loss"] == "cross_entropy?learning_rate=1e38" and last["verdict"] == "diverged (2 of 2)"
    diverged = [run for run in found["runs"] if run["diverged"]]
    assert len(diverged) == 2 and all("diverged in epoch" in run["reason"] for run in diverged)


@pytest.mark.parametrize(
    ("losses", "seeds", "fields", "message"),
    [
        (LOSSES, 1, {}, "at least 2 seeds"),
        ((), 2, {}, "needs losses"),
        (("squared_wing",), 2, {}, "unknown; did you mean 'squared_emd'"),
        (("wing",), 2, {}, "wing does not fit"),
        (LOSSES, 2, {"reference": "cross_entropi"}, "reference is 'cross_entropi', .* did you mean 'cross_entropy'"),
        ((*LOSSES, "focal?gamma=x"), 2, {}, "focal: the option gamma must be like 2.0, its default, got 'x'"),
        (LOSSES, 2, {"metric": "pck?threshold=0.5"}, "pck is for keypoints"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(losses, seeds, fields, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        jaxsurr.compare(tiny(**fields), losses, seeds, workdir=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_with_a_split_seed_all_seeds_share_their_test_rows_and_are_tuned_once(tmp_path):
    first, second = (data.load("sklearn:digits", seed=seed, split_seed=7) for seed in (0, 1))
    assert np.array_equal(first.test.targets, second.test.targets) and not first.official_test
    assert not np.array_equal(first.train.targets, second.train.targets)
    rows = [len(split.inputs) for split in (first.train, first.validation, first.test)]
    assert sum(rows) == 1797  # no row of the test split is left in the others
    config = update(tiny(**{"data.split_seed": 7, "surrogate.burn_in": 2}), epochs=1, warm_epochs=0)
    jaxsurr.compare(config, LOSSES[:1], 2, workdir=tmp_path / "c", figures=False)
    tuned = [e for e in read_results(tmp_path / "c" / RESULTS).values() if e["purpose"] == "tune"]
    assert {entry["seed"] for entry in tuned} == {0} and len(tuned) == 2 * 3  # trials times losses with baselines


def test_command_line(tmp_path):
    rows = [f'{i % 7},5;{i * i % 5 or ""};"{"red" if i % 2 else "gr;een"}";K{i};{i % 3}' for i in range(120)]
    (tmp_path / "mine.csv").write_text("\n".join(["a;b;color;id;grade", *rows]), encoding="utf-8-sig")
    command = [
        *(sys.executable, "-m", "jaxsurr.compare", "--losses=cross_entropy,squared_emd", "--seeds=2"),
        *("--config.metric=mean_absolute_error", f"--config.data.source=csv:{tmp_path}/mine.csv?target=grade&drop=id"),
        *("--config.epochs=2", "--config.warm_epochs=1", "--config.data.label_noise=0.0", "--config.batch_size=16"),
        *("--config.surrogate.burn_in=2", f"--workdir={tmp_path}/run", "--nofigures"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mean_absolute_error" in done.stdout and "squared_emd" in done.stdout
    assert done.stdout.startswith(
        "Data: numbers of mine.csv are read with decimal commas; 1 column left out as asked for (id); 1 column of "
        "words as 2 columns of 0 and 1 (color 2); 24 missing numbers in 1 column filled with the median"
    )
    assert len([json.loads(line) for line in (tmp_path / "run" / RESULTS).read_text().splitlines()]) == 2 * 3
