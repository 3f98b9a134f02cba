"""Runs side by side end as they would alone, each with its own data, rates, best epoch and fate."""

import types

import numpy as np
import pytest

from jaxsurr import metrics
from jaxsurr.bilevel import StepInfo
from jaxsurr.core.types import Info
from jaxsurr.training import budget, default_config, loading, prepare, schedule, side_by_side, update
from jaxsurr.training.loop import train, train_runs
from jaxsurr.training.methods import resolve
from jaxsurr.training.side_by_side import capacity

IN_PARAMETERS = "family=basis&objective=parameters&heldout=0.3&burn_in=0"
LOSSES = ("cross_entropy", "smoothed?relative_scale=0", f"correlated_gradients?{IN_PARAMETERS}")
SMALL = {"data.limit": 160, "surrogate.num_pairs": 2, "surrogate.burn_in": 3, "devices": 1}


def small(**fields):
    mlp = {"model.name": "mlp", "model.hidden": (8,)}
    return update(default_config(), **{"epochs": 3, "warm_epochs": 1, "batch_size": 32, **SMALL, **mlp, **fields})


def together(configs, **options):
    datas, program = [], None
    for config in configs:
        data, program = prepare(config, program=program)
        datas.append(data)
    return datas, program, train_runs([resolve(config) for config in configs], datas, program, **options)


def assert_close(found, expected):
    """Numbers to rounding, all else exactly."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value), name


def assert_as_alone(found, expected):
    assert_close({**found, "history": None}, {**expected, "history": None})
    for entry, other in zip(found["history"], expected["history"], strict=True):
        assert_close(entry, other)


@pytest.mark.parametrize("loss", LOSSES)
def test_runs_end_as_they_would_alone_and_one_that_diverges_spoils_no_other(loss):
    diverges = f"{loss}{'&' if '?' in loss else '?'}learning_rate=1e38"
    configs = [small(loss=diverges), small(loss=loss), small(loss=loss, seed=1)]
    events = []
    datas, program, found = together(configs, report=events.append)
    assert isinstance(found[0], FloatingPointError) and "diverged in epoch 1" in str(found[0])
    for config, data, outcome in zip(configs[1:], datas[1:], found[1:], strict=True):
        alone = []
        assert_as_alone(outcome, train(config, data, program, report=alone.append))
        mine = [event for event in events if (event["seed"], event["loss_name"]) == (config.seed, loss)]
        assert [event.keys() for event in mine] == [event.keys() for event in alone]
    assert found[1]["history"] != found[2]["history"]


def test_runs_keep_their_own_rates():
    losses = ("cross_entropy?learning_rate=0.01&weight_decay=0.1", "cross_entropy")
    configs = [small(loss=loss, optimizer="sgd") for loss in losses]
    datas, _, found = together(configs)
    for config, data, outcome in zip(configs, datas, found, strict=True):
        _, own = prepare(config, data=data)  # a program that was built with the rates of this run
        assert_as_alone(outcome, train(config, data, own))
    assert found[0]["history"] != found[1]["history"]


def test_without_test_rows_none_are_read():
    config = small(loss="cross_entropy", epochs=1)
    data, program = prepare(config)
    (outcome,) = train_runs([resolve(config)], [data._replace(test=None)], program)
    assert outcome["test"] is None and np.isfinite(outcome["validation"])


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, side_by_side.MOST),
        ({"model.name": "linear"}, side_by_side.MOST),
        ({"engine": "jit"}, side_by_side.MOST),
        ({"loss": "smoothed", "surrogate.outer_every": 2}, 0),
        (
            {"model.name": "cnn", "data.source": "synthetic:stick_figures?n=64&size=16", "metric": "pck", "loss": "l1"},
            0,
        ),
    ],
)
def test_what_can_be_trained_side_by_side(fields, most):
    config = small(**{"data.label_noise": 0.0, "loss": "cross_entropy", "batch_size": 16, **fields})
    data, program = prepare(config)
    assert capacity(resolve(config), data, program) == most


def test_sets_share_the_bytes_that_are_kept(monkeypatch):
    config = small(loss="cross_entropy")
    data, program = prepare(config)
    size = loading.size_of((data.train, data.train))
    for limit, most in ((3 * size, 3), (3 * size - 1, 2), (size - 1, 0)):
        monkeypatch.setattr(side_by_side, "RESIDENT_BYTES", limit)
        assert capacity(resolve(config), data, program) == most


# --- the loop, whatever the engine ------------------------------------------------------------------------------------


class Recorded:
    """An engine that trains nothing: what it is asked for, in order, and made-up losses and metrics by epoch."""

    def __init__(self, runs, losses, validation):
        self.runs, self.losses, self.validation, self.asked = runs, losses, validation, []
        self.program = types.SimpleNamespace(surrogate=(), metric=metrics.get("error_rate"), asks=budget.Asks())

    def start(self):
        self.asked.append("start")

    def switch(self, epoch):
        self.asked.append(f"switch before {epoch}")

    def train(self, epoch, learned):
        self.asked.append(f"{'learned' if learned else 'conventional'} {epoch}")
        for run, losses in zip(self.runs, self.losses, strict=True):
            run.steps = [StepInfo(np.float32(losses[epoch - 1]), Info.unknown())]
            run.params = {"epoch": np.float32(epoch)}

    def score(self, part, runs):
        self.asked.append(f"{part} of {len(runs)}")
        return [self.validation[int(run.params["epoch"]) - 1] for run in runs]

    def record(self, run):
        self.asked.append(f"record {len(run.history)}")


def made_up(seed, history=(), steps=()):
    config = small(loss="smoothed", epochs=4, warm_epochs=1, seed=seed)
    data = types.SimpleNamespace(test=())
    return schedule.Run(resolve(config), data, (), history=list(history), steps=list(steps))


def test_the_schedule_of_any_engine():
    engine = Recorded([made_up(0), made_up(1)], [[4, 3, 2, 1], [4, 3, np.nan, np.nan]], [0.5, 0.3, 0.4, 0.3])
    found, diverged = schedule.follow(engine)
    assert engine.asked == [
        "start",
        *("conventional 1", "validation of 2", "record 1", "record 1"),
        *("switch before 2", "learned 2", "validation of 2", "record 2", "record 2"),
        *("learned 3", "validation of 2", "record 3"),
        *("learned 4", "validation of 2", "record 4"),
        "test of 1",
    ]
    assert isinstance(diverged, FloatingPointError) and "diverged in epoch 3" in str(diverged)
    assert (found["best_epoch"], found["validation"], found["test"]) == (2, 0.3, 0.3)  # the first of equals
    assert [entry["loss"] for entry in found["history"]] == [4, 3, 2, 1]


@pytest.mark.parametrize(("steps", "expected"), [((), ["switch before 2"]), ((None,), [])])
def test_a_run_within_the_epoch_of_the_switch_has_switched(steps, expected):
    first = {"epoch": 1, "phase": "conventional", "loss": 4.0, "validation": 0.5}
    engine = Recorded([made_up(0, [first], steps)], [[4, 3, 2, 1]], [0.5, 0.3, 0.4, 0.3])
    (found,) = schedule.follow(engine)
    assert [asked for asked in engine.asked if "switch" in asked] == expected
    assert [entry["epoch"] for entry in found["history"]] == [1, 2, 3, 4]


def test_what_is_alike_in_two_programs_is_compiled_once():
    learned, smoothed, other = (
        prepare(small(loss=loss, **fields))[1]
        for loss, fields in (("correlated_gradients", {}), ("smoothed", {}), ("smoothed", {"model.hidden": (9,)}))
    )
    assert learned.predict_each is smoothed.predict_each is not other.predict_each
    fixed, also, another = (program.scanned_epochs["conventional"] for program in (learned, smoothed, other))
    assert fixed is also is not another
    assert learned.scanned_epochs["surrogate"] is not smoothed.scanned_epochs["surrogate"]
    assert learned.model.init is smoothed.model.init
