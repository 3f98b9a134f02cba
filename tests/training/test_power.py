"""The power of a loss over a run, and that one without an effect is said."""

import numpy as np
import pytest

from jaxsurr import metrics
from jaxsurr.comparison import study
from jaxsurr.training import default_config, run, update
from jaxsurr.training.methods import resolve
from jaxsurr.training.power import power_schedule, without_effect

TINY = {
    "data.source": "sklearn:diabetes", "data.kind": "numbers", "data.limit": 128, "metric": "absolute_error",
    "epochs": 1, "warm_epochs": 0, "devices": 1, "surrogate.burn_in": 2, "surrogate.num_pairs": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("linear", [0.0, 0.15, 0.3, 0.45, 0.6]),
        ("late", [0.0, 0.0, 0.0, 0.3, 0.6]),
        ("steps", [0.0, 0.2, 0.4, 0.6, 0.6]),
        ("constant", [0.6] * 5),
    ],
)
def test_paths(path, wanted):
    schedule = power_schedule(update(default_config(), **{"surrogate.power": 0.6, "surrogate.path": path}), 4)
    np.testing.assert_allclose([schedule(step) for step in range(5)], wanted, atol=1e-6)


def said(loss, metric, **fields):
    return without_effect(resolve(update(default_config(), loss=loss, **fields)), metrics.get(metric))


POWER, PATH = {"surrogate.power": 0.3}, {"surrogate.path": "late"}


@pytest.mark.parametrize(
    ("loss", "metric", "fields", "wanted"),
    [
        (
            "correlated_gradients?power=0.3",
            "normalised_mean_error",
            {},
            "power of correlated_gradients has no effect on normalised_mean_error, whose values have no bound, as "
            "those of a distance: any give the same loss.",
        ),
        ("smoothed", "absolute_error", POWER, "power of smoothed has no effect on absolute_error, whose values"),
        (
            "value_fit",
            "f_beta",
            PATH,
            "path of value_fit has no effect on f_beta, which belongs to a set of examples: any",
        ),
        (
            "correlated_gradients?family=network&power=1",
            "error_rate",
            PATH,
            "power and path of correlated_gradients have no effect on error_rate, of which the family network knows no",
        ),
    ],
)
def test_a_power_that_is_chosen_and_has_no_effect_is_said(loss, metric, fields, wanted):
    (sentence,) = said(loss, metric, **fields)
    assert sentence.startswith(wanted)


@pytest.mark.parametrize(
    ("loss", "metric", "fields"),
    [
        ("correlated_gradients?power=0.3", "error_rate", {}),
        ("correlated_gradients", "normalised_mean_error", {}),
        ("correlated_gradients?power=1&path=constant", "normalised_mean_error", {}),
        ("cross_entropy", "f_beta", POWER),
        ("embedding", "absolute_error", POWER),
    ],
)
def test_where_it_has_one_or_none_was_chosen_nothing_is_said(loss, metric, fields):
    assert said(loss, metric, **fields) == []


def test_runs_and_tables_say_it(tmp_path):
    loss, lines = "correlated_gradients?power=0.3", []
    result = run(update(default_config(), loss=loss, **TINY), tmp_path / "run", say=lines.append)
    (sentence,) = result["ignored"]
    assert sentence.startswith(
        "power of correlated_gradients has no effect on absolute_error, whose values have no bound"
    )
    assert lines.count(sentence) == 1
    run(update(default_config(), loss=loss, **TINY), tmp_path / "run", say=lines.append)  # it is there already
    assert lines.count(sentence) == 2

    lines, losses = [], (loss, "correlated_gradients?power=0.9", "squared_error")
    outcome = study(update(default_config(), losses=losses, **TINY), tmp_path / "study", say=lines.append)
    assert lines.count(sentence) == 1
    assert (tmp_path / "study" / "table.md").read_text().count(sentence) == 1
    tests = {run["loss"]: run["test"] for run in outcome["runs"]}
    assert tests[losses[0]] == tests[losses[1]] != tests[losses[2]]
