"""Several losses and seeds: the table and its statistics, and a study that goes on where it stopped."""

import json
import shutil

import numpy as np
import pytest
from scipy import stats

from jaxsurr.comparison import from_config, study, table
from jaxsurr.training import default_config, update
from jaxsurr.training.config import as_dict

CONFIG = {
    "epochs": 2,
    "warm_epochs": 1,
    "losses": ("cross_entropy", "generalised_cross_entropy"),
    "seeds": 2,
    "seed": 3,
    "devices": 1,
    "data.limit": 160,
}


def made_up(loss, seed, test, **fields):
    base = {"validation": 0.5, "gradient_correlation": None, "ceiling": None, "higher_is_better": False}
    return {"loss": loss, "seed": seed, "test": test, **base, **fields}


# --- statistics -------------------------------------------------------------------------------------------------------


def test_a_table_of_made_up_runs():
    runs = [made_up("a", seed, test) for seed, test in enumerate((0.25, 0.5, 0.75))]
    runs += [
        made_up("b", seed, test, gradient_correlation=0.5 + 0.25 * seed, ceiling=0.75, validation=0.25 * seed)
        for seed, test in ((2, 0.5), (0, 0.125), (1, 0.25))  # in another order
    ]
    second, first = table(runs)  # the best first
    assert first == {
        "loss": "a", "seeds": 3, "validation": 0.5, "test": 0.5, "std": 0.25, "difference": None, "low": None,
        "high": None, "p (Holm)": None, "verdict": "reference", "won": 0, "tied": 0, "lost": 1,
        "gradient correlation": None, "ceiling": None,
    }  # fmt: skip
    differences = np.array([0.125 - 0.25, 0.25 - 0.5, 0.5 - 0.75])
    assert second["difference"] == pytest.approx(differences.mean())
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert second["low"] == pytest.approx(differences.mean() - half)
    assert second["high"] == pytest.approx(differences.mean() + half)
    assert second["verdict"] == "better"
    assert second["gradient correlation"] == pytest.approx((1.0 + 0.5 + 0.75) / 3)
    assert second["ceiling"] == 0.75
    assert second["validation"] == pytest.approx((0.5 + 0.0 + 0.25) / 3)


def test_of_several_metrics_the_first_counts():
    fields = {"higher_is_better": True, "validation": [0.5, 0.0]}
    runs = [made_up("a", seed, [0.5, seed], **fields) for seed in range(2)]
    runs += [made_up("b", seed, [0.75, -seed], **fields) for seed in range(2)]
    row = table(runs)[0]
    assert (row["test"], row["validation"], row["difference"], row["std"]) == (0.75, 0.5, 0.25, 0.0)
    assert row["verdict"] == "tie" and row["low"] is None  # the same for both seeds


def test_one_seed_has_no_deviation():
    second, first = table([made_up("a", 0, 0.5), made_up("b", 0, 0.25)])
    assert first["std"] is second["std"] is None
    assert second["verdict"] == "one seed"


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config():
    return update(default_config(), **CONFIG)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    return path, study(config, path)


def test_a_study_leaves_a_directory_a_line_a_run_and_the_table(finished, config):
    path, outcome = finished
    names = [
        "cross_entropy-seed3",
        "cross_entropy-seed4",
        "generalised_cross_entropy-seed3",
        "generalised_cross_entropy-seed4",
    ]
    assert sorted(p.name for p in path.iterdir() if p.is_dir()) == names
    assert all((path / name / "checkpoints").exists() for name in names)
    lines = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
    assert [f"{line['loss']}-seed{line['seed']}" for line in lines] == names
    for line, result in zip(lines, outcome["runs"], strict=True):
        assert line == result
        assert line["config"]["losses"] == []
        kept = json.loads((path / f"{line['loss']}-seed{line['seed']}" / "result.json").read_text())
        assert all(kept[name] == line[name] for name in kept.keys() - {"sha256"})
    assert outcome["rows"] == table(outcome["runs"])
    said = (path / "table.md").read_text().split("\n\n")[1]
    assert said.startswith("Data: 1098 of 1258 rows to train and validate on are left out (limit=160); ")
    assert all(line["data"][0] in said for line in lines)


def test_what_a_study_leaves_is_a_comparison(finished, config):
    path, outcome = finished
    events, more = [], ("cross_entropy", "generalised_cross_entropy", "expected_error")
    found = study(update(config.copy_and_resolve_references(), losses=more), path, report=events.append)
    assert {event["loss_name"] for event in events} == {"expected_error"}
    assert found["runs"][:4] == outcome["runs"] and len(found["rows"]) == 3
    assert study(config, path)["rows"] == outcome["rows"]


def test_seeds_differ_and_losses_share_them(finished):
    runs = {(result["loss"], result["seed"]): result for result in finished[1]["runs"]}
    first = {key: result["history"][0]["loss"] for key, result in runs.items()}
    assert first["cross_entropy", 3] != first["cross_entropy", 4]
    data = [result["config"]["data"] for result in runs.values()]
    assert data == [data[0]] * 4


def test_an_interrupted_study_goes_on(finished, config, tmp_path):
    def interrupt(event):
        if (event["loss_name"], event["seed"], event["epoch"]) == ("generalised_cross_entropy", 3, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(config, tmp_path, report=interrupt)
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 2
    made = []
    outcome = study(config, tmp_path, report=lambda event: made.append((event["loss_name"], event["seed"])))
    assert set(made) == {("generalised_cross_entropy", 3), ("generalised_cross_entropy", 4)}
    assert outcome["rows"] == finished[1]["rows"]


def test_a_complete_study_trains_nothing(finished, config):
    path, outcome = finished
    events = []
    assert study(config, path, report=events.append) == outcome
    assert events == []


def test_the_directory_of_another_study_is_refused(finished):
    path, _ = finished
    before = (path / "results.jsonl").read_bytes()
    other = update(default_config(), **CONFIG | {"epochs": 3})
    with pytest.raises(ValueError, match=r"another config: epochs \(2 there, 3 here\)"):
        study(other, path)
    assert (path / "results.jsonl").read_bytes() == before


def test_the_directory_of_an_earlier_version_is_refused_and_its_runs_are_taken_over(finished, config, tmp_path):
    path, outcome = finished
    shutil.copytree(path, tmp_path / "earlier")
    earlier = tmp_path / "earlier"
    left = ("config.json", "results.jsonl", "table.md", "study.json")
    for name in left:
        (earlier / name).write_text(json.dumps(as_dict(config)) + "\n")
    with pytest.raises(ValueError, match=r"an earlier version compared.* delete config\.json, results"):
        study(config, earlier)
    assert (earlier / "study.json").exists()
    for name in left:
        (earlier / name).unlink()
    events = []
    assert study(config, earlier, report=events.append)["rows"] == outcome["rows"]
    assert events == []


def test_a_study_that_cannot_begin_leaves_the_directory_free(config, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no csv file"):
        study(update(default_config(), **CONFIG | {"data.source": "csv:none.csv?target=y"}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_study_needs_losses(tmp_path):
    with pytest.raises(ValueError, match="a comparison needs losses: losses="):
        study(default_config(), tmp_path)


# --- the job of the launcher ------------------------------------------------------------------------------------------


def test_a_job_of_conventional_losses_draws_learning_curves(finished, config):
    path, outcome = finished
    text = from_config.make(config, path)
    assert text.startswith("error_rate on sklearn:digits (lower is better)\n\n| loss")
    assert text.endswith(f"Results: {path}")
    assert all(f"{row['test']:.4f}" in text for row in outcome["rows"])
    assert text.index("| cross_entropy") < text.index("| generalised_cross_entropy")
    assert sorted(file.name for file in (path / "figures").iterdir()) == ["differences.png", "learning_curves.png"]


def test_a_job_of_a_learned_loss_draws_it(tmp_path):
    fields = {"surrogate.num_pairs": 2, "surrogate.burn_in": 0, "data.limit": 160, "devices": 1}
    config = update(default_config(), epochs=2, warm_epochs=1, **fields)
    text = from_config.make(config, tmp_path)
    assert "| correlated_gradients |" in text
    names = ["gradient_correlation", "gradient_fields", "learning_curves", "value_slice"]
    figures = sorted((tmp_path / "figures").iterdir())
    assert [file.name for file in figures] == [f"{name}.png" for name in names]
    for file in figures:
        assert file.read_bytes().startswith(b"\x89PNG")
        file.unlink()
    # Without a sound checkpoint there is the table, and what can be drawn of results.
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "_CHECKPOINT_METADATA").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="the learned loss is not drawn: no checkpoint in .* can be read"):
        assert from_config.make(config, tmp_path) == text
    drawn = [file.name for file in (tmp_path / "figures").iterdir()]
    assert sorted(drawn) == ["gradient_correlation.png", "learning_curves.png"]
