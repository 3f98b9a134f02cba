"""A learned loss with `fallback` ends no worse on validation than the loss that it starts from."""

import numpy as np
import pytest

from jaxsurr import metrics
from jaxsurr.training import default_config, loop, run, starts, update
from jaxsurr.training.methods import resolve

SMALL = {"data.limit": 400, "epochs": 6, "warm_epochs": 2, "batch_size": 64, "surrogate.burn_in": 5}
BAD = "correlated_gradients?relative_scale=300&fallback=True"  # noise that hides every decision


def config_of(loss, seed=0, **fields):
    return update(default_config(), loss=loss, seed=seed, **(SMALL | fields))


@pytest.fixture(scope="module")
def prepared():
    config = config_of(BAD)
    return config, *loop.prepare(config)


def test_a_bad_loss_stays_with_the_conventional_run(prepared):
    config, data, program = prepared
    outcome = loop.train(config, data, program)
    conventional = config_of("cross_entropy")
    wanted = loop.train(conventional, data, loop.prepare(conventional, data=data)[1])
    assert outcome["stayed"]
    for name in ("validation", "test", "best_epoch"):
        np.testing.assert_allclose(outcome[name], wanted[name], rtol=1e-6)
    alone = loop.train(config_of(BAD.replace("True", "False")), data, program)
    assert alone["validation"] > wanted["validation"]
    assert "stayed" not in alone


def test_runs_side_by_side_decide_each_for_itself(prepared):
    config, data, program = prepared
    (outcome,) = loop.train_runs([resolve(config)], [data], program)
    alone = loop.train(config, data, program)
    assert outcome["stayed"]
    np.testing.assert_allclose(outcome["validation"], alone["validation"], rtol=1e-6)


def test_a_run_with_a_work_directory_is_resumed_whole(prepared, tmp_path):
    config, data, program = prepared
    result = run(config, tmp_path / "run", data=data, program=program)
    assert result["stayed"]
    assert (tmp_path / "run" / "stayed" / "metrics.jsonl").exists()
    (tmp_path / "run" / "result.json").unlink()
    again = run(config, tmp_path / "run", data=data, program=program)
    assert again["history"] == result["history"]


def test_the_better_on_validation_counts_in_the_direction_of_the_metric():
    low, high = {"validation": 0.1, "test": 1}, {"validation": [0.2, 0.0], "test": 2}
    error, share = metrics.get("error_rate"), metrics.get("pck")
    assert starts.choose(error, low, high) == low | {"stayed": False}
    assert starts.choose(share, low, high) == high | {"stayed": True}
    assert starts.choose(error, low, dict(low, test=3)) == {"validation": 0.1, "test": 3, "stayed": True}


def test_a_run_that_diverges_loses():
    fine, diverged = {"validation": 0.1}, FloatingPointError("diverged")
    error = metrics.get("error_rate")
    assert starts.choose(error, diverged, fine) == fine | {"stayed": True}
    assert starts.choose(error, fine, diverged) == fine | {"stayed": False}
    assert starts.choose(error, diverged, diverged) is diverged


def test_a_conventional_loss_has_nothing_to_fall_back_on():
    config = config_of("cross_entropy", fallback=True)
    data, program = loop.prepare(config)
    assert "stayed" not in loop.train(config, data, program)
