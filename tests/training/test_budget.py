"""How often runs ask a black box, and budgets of it."""

import json
import time

import jax
import numpy as np
import optax
import pytest
import sklearn.metrics

from jaxsurr import bilevel, metrics, surrogates
from jaxsurr.comparison import compare
from jaxsurr.core.types import Batch
from jaxsurr.training import budget, default_config, run, update
from jaxsurr.training.loop import prepare, train
from jaxsurr.training.stopping import Stopped

PAIRS, EPOCHS, BATCH, LIMIT = 2, 3, 128, 9  # an update asks for 4 sets
FIELDS = {
    "metric": "macro_f1_on_the_host", "epochs": EPOCHS, "warm_epochs": 1, "batch_size": BATCH, "data.limit": 900,
    "surrogate.num_pairs": PAIRS, "surrogate.burn_in": 5, "surrogate.relative_scale": 0.15,
    "surrogate.family": "basis",
}  # fmt: skip


def macro_f1_on_the_host(targets, predictions):
    return sklearn.metrics.f1_score(targets, predictions, average="macro", zero_division=0.0)


@pytest.fixture(scope="module", autouse=True)
def registered():
    metrics.register(metrics.black_box(macro_f1_on_the_host, higher_is_better=True, decode="argmax"))
    yield
    metrics.METRICS.pop("macro_f1_on_the_host")


def config_of(loss, **more):
    return update(default_config(), **FIELDS | {"loss": loss} | more)


@pytest.fixture(scope="module")
def rare():
    """A run with a budget: its config, program and outcome."""
    config = config_of("correlated_gradients", **{"surrogate.metric_calls": LIMIT})
    data, program = prepare(config)
    return config, data, program, train(config, data, program)


def test_updates_keep_to_the_budget_of_an_epoch_and_every_call_is_counted(rare):
    config, data, program, outcome = rare
    steps = len(data.train.inputs) // BATCH
    assert program.asks.metric == 1 and program.asks.loss == 0
    updates = LIMIT // program.asks.update
    assert 1 <= updates < steps
    every = budget.outer_every(config, program.asks, steps)
    made = -(-steps // every)
    assert made <= updates
    # A score of the validation split an epoch; at the switch as many updates as in an epoch, and five calls to see
    # whether the order of the examples matters.
    expected = [1, 1 + 5 + (updates + made) * program.asks.update, 1 + made * program.asks.update]
    assert [entry["metric_calls"] for entry in outcome["history"]] == expected
    assert outcome["metric_calls"] == sum(expected) + 1  # the test split


def test_a_run_that_is_stopped_within_an_epoch_goes_on_with_its_count(rare, tmp_path):
    config, data, program, whole = rare
    seen = 0

    def stop():
        nonlocal seen
        seen += 1
        return seen == 10

    with pytest.raises(Stopped, match="is saved after step"):
        run(config, tmp_path, data=data, program=program, stop=stop)
    result = run(config, tmp_path, data=data, program=program)
    assert [e["metric_calls"] for e in result["history"]] == [e["metric_calls"] for e in whole["history"]]
    assert json.loads((tmp_path / "result.json").read_text())["metric_calls"] == whole["metric_calls"]


def test_between_updates_the_metric_is_not_asked_and_the_power_goes_on():
    z, y = np.eye(3, dtype=np.float32)[np.arange(12) % 3], np.arange(12) // 2 % 3
    box = metrics.black_box(
        lambda y, z: (y != z).astype(float), higher_is_better=False, decode="argmax", per_example=True
    )
    surrogate, optimizer = surrogates.correlated_gradients(box, num_pairs=2, relative_scale=1.0), optax.sgd(0.1)
    step = {
        learn: bilevel.make_step(
            lambda params, inputs: params * inputs,
            optimizer,
            surrogate,
            learn=learn,
            power=optax.linear_schedule(0.0, 1.0, 4),
        )
        for learn in (True, False)
    }
    batch = Batch(z, y)
    state = bilevel.init_state(jax.random.key(0), jax.numpy.ones(()), optimizer, surrogate, lambda p, x: p * x, batch)
    with metrics.count_calls() as calls:
        state, _ = jax.jit(step[True])(state, batch)
        asked = calls.number
        for _ in range(4):
            state, info = jax.jit(step[False])(state, batch)
            assert np.isfinite(info.loss)
        jax.block_until_ready(state.params)
    assert asked == calls.number == metrics.calls_of(step[True], state, batch) > 0
    assert metrics.calls_of(step[False], state, batch) == 0
    assert float(state.surrogate.power) == 1 and float(state.params) != 1


def test_without_a_budget_it_is_asked_in_every_update_and_metrics_in_jax_are_not_counted():
    config = config_of("correlated_gradients", **{"surrogate.outer_every": 3})
    _, program = prepare(config)
    assert budget.outer_every(config, program.asks, 7) == 3 and budget.burn_in(config, program.asks) == 5
    own = update(default_config(), **FIELDS | {"metric": "error_rate", "epochs": 1, "warm_epochs": 0})
    outcome = train(own, *prepare(own))
    assert "metric_calls" not in outcome and "metric_calls" not in outcome["history"][0]
    assert prepare(own)[1].asks == budget.Asks()


def test_a_comparison_shows_the_calls(tmp_path):
    losses = ("cross_entropy", "smoothed", "correlated_gradients?metric_calls=45")
    fields = {"epochs": 1, "warm_epochs": 0, "seeds": 2}
    outcome = compare(config_of("cross_entropy", **fields), losses, workdir=tmp_path, figures=False)
    asked = {row["loss"]: row["metric calls"] for row in outcome["rows"]}
    assert asked["cross_entropy"] == 2 < min(asked["correlated_gradients?metric_calls=45"], asked["smoothed"])
    assert "metric calls" in (tmp_path / "table.md").read_text()
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert all(line["metric_calls"] >= 2 for line in lines)


def test_the_smoothed_metric_asks_in_its_loss_so_that_a_budget_leaves_it_alone():
    config = config_of("smoothed", **{"surrogate.metric_calls": LIMIT})
    _, program = prepare(config)
    assert program.asks.loss > 0 == program.asks.update
    assert budget.outer_every(config, program.asks, 7) == 1


def test_parameters_as_the_place_to_correlate_are_counted_too():
    config = config_of("correlated_gradients?objective=parameters", **{"surrogate.outer_steps": 2})
    _, program = prepare(config)
    assert program.asks.update >= 2 * 2 * PAIRS


@pytest.mark.parametrize(
    "change, words",
    [
        (
            {"surrogate.metric_calls": 1},
            "metric_calls is 1, but the updates of correlated_gradients before one step ask",
        ),
        ({"surrogate.metric_calls": -1}, "metric_calls must be at least 0"),
        ({"surrogate.metric_calls": 2.5}, "metric_calls must be an integer"),
        ({"surrogate.metric_calls": 99, "metric": "error_rate"}, "error_rate is computed in JAX: leave it at 0"),
    ],
    ids=str,
)
def test_budgets_that_cannot_be_kept_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        prepare(config_of("correlated_gradients", **change))


def test_a_call_that_takes_longer_than_its_timeout_ends_the_run_in_a_sentence():
    def slow(targets, predictions):
        time.sleep(30)

    metrics.register(metrics.black_box(slow, higher_is_better=True, decode="argmax", timeout=0.05))
    try:
        config = config_of("cross_entropy", metric="slow")
        with pytest.raises(TimeoutError, match="slow took longer than"):
            train(config, *prepare(config))
    finally:
        metrics.METRICS.pop("slow")


def test_another_size_with_weights_is_refused_in_a_sentence():
    def each(targets, predictions, sample_weight=None):
        wrong = targets != predictions
        return np.mean(wrong) if sample_weight is None else wrong * sample_weight

    box = metrics.black_box(each, higher_is_better=False, decode="argmax")
    z, y = jax.numpy.eye(3), np.arange(3)
    assert float(box.mean(z, y)) == 0
    with pytest.raises(ValueError, match=r"one number when it is given sample_weight=, shape \[\], got \[3\]"):
        box.mean(z, y, where=jax.numpy.ones(3))
