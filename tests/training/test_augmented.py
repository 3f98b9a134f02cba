"""A run on augmented batches: it goes on bit for bit, judges on images as they are, and refuses what does not fit."""

import numpy as np
import pytest

from jaxsurr.training import default_config, loop, prepare, run, update
from jaxsurr.training.loading import batch_of, device_batches

SMALL = {
    "metric": "pck?threshold=0.5",
    "conventional": "l1",
    "loss": "l1",
    "epochs": 3,
    "warm_epochs": 1,
    "batch_size": 16,
    "devices": 1,
    "data.source": "synthetic:stick_figures?n=80&size=16",
    "data.label_noise": 0.0,
    "data.augment": "flip,rotate",
    "model.head": "points",
    "checkpoint.every": 1,
    "surrogate.burn_in": 2,
    "surrogate.num_pairs": 2,
}


def small(**fields):
    return update(default_config(), **SMALL | fields)


class Killed(Exception):
    pass


def test_an_interrupted_run_ends_like_a_whole_one(tmp_path):
    config = small()
    data, program = prepare(config)
    whole = run(config, tmp_path / "whole", data=data, program=program)

    def die(event):
        if event["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        run(config, tmp_path / "cut", data=data, program=program, report=die)
    resumed = run(config, tmp_path / "cut", data=data, program=program)
    assert resumed["history"] == whole["history"] and resumed["test"] == whole["test"]
    plain = run(small(**{"data.augment": ""}), tmp_path / "plain", data=data, program=program)
    assert plain["history"] != whole["history"]


def rows(batch):
    return {image.tobytes() for image in np.asarray(batch.inputs)}


def test_training_batches_are_augmented_and_held_out_ones_are_not():
    parameters = {"surrogate.family": "basis", "surrogate.objective": "parameters", "surrogate.heldout": 0.3}
    config = small(batch_size=8, loss="correlated_gradients", **parameters)
    data, program = prepare(config)
    train, heldout = loop.hold_out(config, data.train)
    batches = device_batches(config, (train, heldout), program.executor, data.names)
    pairs = [tuple(map(batch_of, pair)) for pair in batches(2, paired=True)]
    assert len(pairs) == len(train.inputs) // 8
    for batch, other in pairs:
        assert rows(other) <= rows(heldout)
        assert not rows(batch) & rows(train)  # a rotation changes every image
        assert batch.inputs.shape == other.inputs.shape and batch.inputs.dtype == other.inputs.dtype


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data.augment": "spin"}, "unknown augmentation 'spin'"),
        ({"data.augment": "crop=16"}, "from 1 to 15 pixels"),
        (
            {"data.source": "sklearn:digits", "metric": "error_rate", "conventional": "cross_entropy"},
            "is for images",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_training(fields, message):
    with pytest.raises(ValueError, match=message):
        prepare(small(**fields))
