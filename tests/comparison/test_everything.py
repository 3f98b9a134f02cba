"""Everything that fits is what trains: by the kind of targets, the head and the metric; and no run is made twice."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr.comparison import everything, lines
from jaxsurr.comparison.runner import Runner
from jaxsurr.comparison.runs import RESULTS, begin
from jaxsurr.training import default_config, update
from jaxsurr.training.config import LEARNED
from jaxsurr.training.kinds import KINDS, LOSS_KINDS
from jaxsurr.training.methods import of_costs

TINY = {
    "epochs": 2, "warm_epochs": 1, "batch_size": 32, "data.limit": 150, "devices": 1,
    "surrogate.burn_in": 2, "surrogate.num_pairs": 2,
}  # fmt: skip
LEVELS = {"data.source": "sklearn:diabetes", "data.levels": 4, "metric": "mean_absolute_error"}
POINTS = {"data.source": "synthetic:stick_figures?n=60&size=16", "metric": "pck"}
NUMBERS = {"data.source": "sklearn:diabetes?kind=numbers", "metric": "absolute_error"}


def config_of(losses=("auto",), **fields):
    return update(default_config(), losses=losses, seeds=2, **TINY | fields)


def found(**fields):
    return everything.expanded(Runner(config_of(**fields), lambda event: None, None, lambda: False))


def without_what_only_two_classes_have(losses):
    return {loss for loss in losses if loss not in ("auc_margin", "pairwise_auc", "smooth_average_precision")}


def test_all_fixed_losses_of_the_targets_and_all_learned_ones_fit_a_metric_of_examples():
    for kind, fields in (("classes", {}), ("levels", LEVELS), ("keypoints", POINTS)):
        losses = found(**fields)
        plain = [loss.partition("?")[0] for loss in losses]
        fixed = {loss for loss, kinds in LOSS_KINDS.items() if kind in kinds and not of_costs(loss)}
        assert set(plain) == without_what_only_two_classes_have(fixed) | set(LEARNED), kind
        assert len(set(losses)) == len(losses) == len(plain)
        starts = [start.partition("?")[0] for start in KINDS[kind].starts]
        assert plain[: len(starts)] == starts and losses[-1] == "correlated_gradients?start=auto"


def test_what_fits_numbers():
    losses = found(**NUMBERS)
    assert losses[:4] == KINDS["numbers"].starts[:4] and losses[-1] == "correlated_gradients?start=auto"
    of_intervals = found(**NUMBERS | {"metric": "interval_score"})
    assert (of_intervals[0], of_intervals[-1]) == ("interval_score", "correlated_gradients?start=auto")
    assert {loss.partition("?")[0] for loss in of_intervals[1:]} == set(LEARNED) - {"interpolation"}
    plain = {loss.partition("?")[0] for loss in losses}
    fixed = {loss for loss, kinds in LOSS_KINDS.items() if "numbers" in kinds}
    # It is not known how to rewrite the metric through comparisons, and an interval is not one number.
    assert plain == fixed - {"interval_score"} | set(LEARNED) - {"interpolation"}


def test_what_does_not_accept_the_metric_or_the_head_is_left_out():
    losses = found(**LEVELS | {"metric": "quadratic_weighted_kappa"})
    assert not {"embedding", "interpolation", "relational"} & set(losses)  # one value for each example
    assert {"coral", "smoothed", "value_fit", "set_value_fit"} <= set(losses)
    losses = found(**LEVELS | {"metric": "error_rate"})
    assert not {"coral", "corn", "or_cnn"} & set(losses) and "relational" in losses


def test_a_warm_start_that_does_not_fit_the_targets_is_the_usual_one():
    other = config_of(conventional="cross_entropy")
    assert everything._starting(other, "smoothed", "keypoints") == "smoothed?conventional=l1"
    assert everything._starting(config_of(), "smoothed", "keypoints") == "smoothed"
    assert everything._starting(config_of(conventional="wing"), "smoothed", "keypoints") == "smoothed"


def test_losses_beside_it_stay_where_they_are():
    losses = found(losses=("focal?gamma=1", "auto", "cross_entropy?decode=argmax"), **LEVELS)
    assert losses[0] == "focal?gamma=1" and losses[-1] == "cross_entropy?decode=argmax"
    assert everything.expanded(Runner(config_of(("focal",)), lambda event: None, None, lambda: False)) == ("focal",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metric": "pck"}, "pck is for keypoints"),
        ({"batch_size": 4000}, "there are only"),
        ({"metric": "pk"}, "did you mean"),
    ],
)
def test_where_nothing_fits_it_says_why(fields, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        jaxsurr.compare(config_of(**fields), workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- a comparison of everything, of few losses ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(everything, "LEARNED", ("smoothed", "correlated_gradients"))
        patch.setattr(everything, "LOSS_KINDS", {"cross_entropy": ("classes",), "coral": ("levels",)})
        yield


@pytest.fixture(scope="module")
def finished(few, tmp_path_factory):
    path, said, events = tmp_path_factory.mktemp("everything") / "run", [], []
    outcome = jaxsurr.compare(config_of(), workdir=path, figures=False, say=said.append, report=events.append)
    return path, outcome, said, events


EXPECTED = ["cross_entropy", "label_smoothing", "generalised_cross_entropy", "smoothed", everything.FROM_BEST]


def test_it_says_beforehand_how_many_runs_and_after_the_first_group_how_long(finished):
    _, outcome, said, events = finished
    assert {run["loss"] for run in outcome["runs"]} == set(EXPECTED)
    starts = f"{everything.FROM_BEST} chooses its start on validation among {', '.join(EXPECTED[:3])}."
    long = "about how long they take is said when the first have ended"
    assert said[-2:] == [starts, f"5 losses with 2 seeds: 10 runs to make; {long}."]
    kinds = [event["event"] for event in events if event["event"] != "epoch"]
    assert kinds == ["run", "run", "note", *["run"] * 8]  # seeds are side by side
    (note,) = (event["text"] for event in events if event["event"] == "note")
    assert note.startswith("The 8 runs left take about ") and note.endswith(" min.")


def test_the_learned_loss_goes_on_from_the_fixed_run_of_the_comparison(finished):
    path, outcome, _, _ = finished
    entries = lines.read_results(path / RESULTS)
    assert len(entries) == 12 and all(not lines.line_fault(entry) for entry in entries.values())
    for run in (run for run in outcome["runs"] if run["loss"] == everything.FROM_BEST):
        fixed = {loss: entries[f"run | {loss} | seed {run['seed']}"] for loss in run["starts"]}
        assert run["starts"] == {loss: entry["validation"] for loss, entry in fixed.items()}
        assert run["start"] == min(fixed, key=lambda loss: fixed[loss]["validation"])
        counts = fixed[run["start"]]
        if not run["stayed"]:
            counts = entries[f"run | correlated_gradients?conventional={run['start']} | seed {run['seed']}"]
        assert all(run[name] == counts[name] for name in ("validation", "test", "history", "setting", "config"))
        assert run["validation"] <= fixed[run["start"]]["validation"]


def test_the_table_says_what_the_learned_loss_gains_over_the_best_fixed_one(finished):
    path, outcome, _, _ = finished
    (gain,) = outcome["practice"]
    by_loss = {}
    for run in outcome["runs"]:
        by_loss.setdefault(run["loss"], {})[run["seed"]] = run
    best = [min((by_loss[loss][seed] for loss in EXPECTED[:3]), key=lambda run: run["validation"]) for seed in range(2)]
    assert gain["fixed"] == pytest.approx(np.mean([run["test"] for run in best]))
    ours = [by_loss[everything.FROM_BEST][seed]["test"] for seed in range(2)]
    assert gain["learned"]["difference"] == pytest.approx(np.mean(ours) - gain["fixed"])
    text = (path / "table.md").read_text()
    assert f"{gain['fixed']:.4f} on test. {everything.FROM_BEST}: {gain['learned']['test']:.4f}, difference" in text
    assert "chose its start on validation: " in text


def test_first_lines_name_the_starts_that_a_model_of_ones_own_cannot_take(tmp_path):
    def init(key, inputs):
        return jnp.zeros((inputs.shape[-1], 4))

    model = jaxsurr.models.Model(init, lambda params, inputs: inputs @ params)
    config, said = config_of((everything.FROM_BEST,), **LEVELS, **{"model.name": "own"}), []
    plan, _ = begin(tmp_path / "run", Runner(config, print, model, lambda: False), said.append)
    assert plan.losses == (everything.FROM_BEST, "cross_entropy", "squared_emd", "smoothed")
    assert list(plan.starts[everything.FROM_BEST]) == ["cross_entropy", "squared_emd"]
    assert said[-4].endswith("chooses its start on validation among cross_entropy, squared_emd.")
    for line, name in zip(said[-3:], ("or_cnn", "coral", "corn"), strict=True):
        assert line.startswith(f"Left out of its starts is {name}: ") and "the model's is 'logits'" in line


@pytest.mark.parametrize("kept", [7, 11])  # the last lines are those that were decided
def test_a_comparison_that_is_killed_ends_with_the_same_table(kept, finished, tmp_path):
    path, _, _, _ = finished
    whole = (path / RESULTS).read_bytes().splitlines(keepends=True)
    again = tmp_path / "again"
    again.mkdir()
    (again / "config.json").write_text((path / "config.json").read_text())
    (again / RESULTS).write_bytes(b"".join(whole[:kept]))
    events, said = [], []
    jaxsurr.compare(config_of(), workdir=again, figures=False, say=said.append, report=events.append)
    for name in ("table.md", "table.csv"):
        assert (again / name).read_text() == (path / name).read_text()
    held = {json.loads(line)["key"] for line in whole[: kept - kept % 2]}  # of two side by side both or none
    assert not held & {event["key"] for event in events if event["event"] == "run"}
    if kept == 7:  # nothing is left to train of 11
        seconds = np.mean([json.loads(line)["seconds"] for line in whole[:6]])
        long = f"about {4 * seconds / 60:.1f} min if each is as long as the 6 on record are"
        assert said[-1] == f"5 losses with 2 seeds: 4 runs to make, which take {long}."


def test_a_comparison_without_a_learned_or_a_fixed_loss_does_not_ask_the_question(finished, tmp_path):
    path = shutil.copytree(finished[0], tmp_path / "again")
    outcome = jaxsurr.compare(config_of(("cross_entropy",)), workdir=path, figures=False)
    assert outcome["practice"] == [] and "best fixed loss" not in (path / "table.md").read_text()
