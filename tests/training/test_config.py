"""Configs: fields and their types, what is refused with which sentence, what a loss's own options change."""

import copy
import json

import numpy as np
import pytest

from jaxsurr.data import from_arrays
from jaxsurr.training import default, default_config, records, update, validate
from jaxsurr.training.config import LEAST, as_dict, flatten, warm_epochs
from jaxsurr.training.loop import named
from jaxsurr.training.methods import resolve


def test_the_default_is_valid():
    validate(default_config())


def test_update_sets_fields_by_path():
    config = update(default_config(), epochs=3, losses=("a", "b"), **{"data.source": "idx:DIR", "model.hidden": [4]})
    assert (config.epochs, config.data.source, tuple(config.model.hidden)) == (3, "idx:DIR", (4,))
    assert config.losses == ("a", "b")
    assert config.data.kind == default_config().data.kind


@pytest.mark.parametrize(
    ("field", "nearest"),
    [("epoch", "epochs"), ("data.sorce", "data.source"), ("surrogate.num_pair", "surrogate.num_pairs")],
)
def test_an_unknown_field_is_refused_with_the_nearest(field, nearest):
    with pytest.raises(ValueError, match=f"no field '{field}'; did you mean '{nearest}'"):
        update(default_config(), **{field: 1})


def test_an_unknown_field_without_a_near_one_gets_the_list():
    with pytest.raises(ValueError, match=r"no field 'zzz'; Known: batch_size, .*, weight_decay\."):
        update(default_config(), zzz=1)


def test_fields_of_a_config_made_by_hand():
    config = default_config()
    config.data.sorce = "idx:DIR"
    with pytest.raises(ValueError, match=r"no field 'data.sorce'; did you mean 'data.source'"):
        validate(config)
    del config.data.sorce, config.data.source
    with pytest.raises(ValueError, match=r"lacks the field 'data.source'; start from"):
        validate(config)


WRONG = {
    "loss": ("cross_entrop", "loss is 'cross_entrop', which is unknown; did you mean 'cross_entropy'"),
    "losses": (("cross_entropy", "smoothd"), "did you mean 'smoothed'"),
    "conventional": ("smoothed", "conventional is 'smoothed', which is unknown"),
    "metric": ("eror_rate", "did you mean 'error_rate'"),
    "engine": ("jti", "did you mean 'jit'"),
    "optimizer": ("adamw", "did you mean 'adam'"),
    "model.name": ("liner", "did you mean 'linear'"),
    "model.head": ("logots", "did you mean 'logits'"),
    "surrogate.family": ("bases", "did you mean 'basis'"),
    "surrogate.objective": ("prediction", "did you mean 'predictions'"),
    "surrogate.part": ("tail", "Known: all, head"),
    "epochs": ("10", "epochs must be an integer such as 60, got '10'"),
    "batch_size": (8.5, "batch_size must be an integer such as 64, got 8.5"),
    "learning_rate": ("0.1", "learning_rate must be a number such as 0.003, got '0.1'"),
    "surrogate.calibrate": (1, "surrogate.calibrate must be a bool such as True, got 1"),
    "seed": (True, "seed must be an integer such as 0, got True"),
    "data.source": (3, "data.source must be a string such as 'sklearn:digits', got 3"),
    "model.hidden": ((4, 0), r"model.hidden must hold integers of at least 1, got \(4, 0\)"),
    "warm_epochs": (61, "warm_epochs must lie between 0 and epochs = 60, got 61"),
    "mixture": (1.5, r"mixture must be a weight in \[0, 1\], got 1.5"),
    "surrogate.heldout": (1.0, r"surrogate.heldout must be a fraction in \[0, 1\), got 1.0"),
    "seeds": (2, "seeds is 2, but one run has one seed"),
    "surrogate.relative_scale": (-0.1, r"surrogate.relative_scale must be positive, 0 .* got -0.1"),
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value_is_refused_in_words(field):
    value, message = WRONG[field]
    with pytest.raises((ValueError, TypeError), match=message):
        validate(update(default_config(), **{field: value}))


@pytest.mark.parametrize("field", LEAST)
def test_a_number_below_its_least_is_refused(field):
    default = flatten(default_config())[field]
    for value in (LEAST[field] - 1, float("nan")):
        if isinstance(default, float):
            with pytest.raises(ValueError, match=f"{field} must be (at least|above) {LEAST[field]}, got"):
                validate(update(default_config(), **{field: float(value)}))
    if isinstance(default, int):
        with pytest.raises(ValueError, match=f"{field} must be at least {LEAST[field]}, got {LEAST[field] - 1}"):
            validate(update(default_config(), **{field: LEAST[field] - 1}))


@pytest.mark.parametrize("power", [-0.1, 1.5, float("nan")])
def test_a_power_out_of_its_range_is_refused(power):
    with pytest.raises(ValueError, match=f"surrogate.power must be a number from 0 to 1, got {power}"):
        validate(update(default_config(), **{"surrogate.power": power}))


def test_a_warm_start_is_a_third_of_the_epochs_unless_it_is_given():
    for epochs in (*range(1, 12), 60):
        config = update(default_config(), epochs=epochs)
        validate(config)
        assert abs(warm_epochs(config) - epochs / 3) <= 0.5
        assert as_dict(config)["warm_epochs"] == resolve(config).config.warm_epochs == warm_epochs(config)
    assert as_dict(default_config())["warm_epochs"] == 20
    given = update(default_config(), epochs=9, warm_epochs=0)
    assert as_dict(given)["warm_epochs"] == resolve(given).config.warm_epochs == 0
    own = update(default_config(), loss="smoothed?warm_epochs=4", epochs=9)
    assert resolve(own).config.warm_epochs == 4


def test_fields_that_follow_others_belong_to_the_directory_of_what_they_come_to(tmp_path):
    records.open_workdir(tmp_path, as_dict(update(default_config(), epochs=60, warm_epochs=20)))
    records.open_workdir(tmp_path, as_dict(default_config()))


def test_the_default_job_redraws_labels_and_the_default_config_none():
    assert default.get_config().data.label_noise == 0.4
    assert default_config().data.label_noise == 0


@pytest.mark.parametrize("field", default.OWN)
@pytest.mark.parametrize("other", [{"data.source": "csv:mine.csv"}, {"data.label_noise": 0.1}])
def test_what_was_chosen_for_the_data_of_the_default_job_is_for_no_others(field, other):
    chosen = other | ({} if field in other else {field: default.OWN[field]})
    plain = flatten(default_config())
    expected = {name: chosen.get(name, plain[name]) for name in default.OWN}
    for copied in (lambda config: config, copy.deepcopy):
        for order in (chosen, dict(reversed(chosen.items()))):
            config = update(copied(default.get_config()), **order)
            for found in map(flatten, (config, config.copy_and_resolve_references(), as_dict(config))):
                assert {name: found[name] for name in default.OWN} == expected
    usual = {name: flatten(default.get_config())[name] for name in default.OWN}
    assert usual == default.OWN and flatten(update(default.get_config(), epochs=9)).items() >= usual.items()


def test_data_handed_over_are_not_those_of_the_default_job():
    mine = from_arrays(np.zeros((4, 2)), np.array([0, 1, 0, 1]))
    config = default.get_config()
    found = named(config, mine)
    assert found.data.label_noise == 0 and found.data.source == mine.text and config.data.label_noise == 0.4
    assert named(config, None).data.label_noise == 0.4
    config.data.label_noise = 0.4
    assert named(config, mine).data.label_noise == 0.4


@pytest.mark.parametrize(
    "path", [path for path, value in flatten(default_config()).items() if type(value) in (int, float)]
)
def test_a_number_that_no_device_holds_is_refused(path):
    whole = type(flatten(default_config())[path]) is int
    with pytest.raises(ValueError, match=rf"{path} must be (at most \d+|a finite number|a number from 0 to 1), got"):
        validate(update(default_config(), **{path: 2**32 if whole else 1e39}))


def test_a_loss_twice_is_refused():
    with pytest.raises(ValueError, match="losses must name each loss once"):
        validate(update(default_config(), losses=("smoothed", "smoothed")))


def test_a_whole_number_is_a_number_and_a_list_a_tuple():
    validate(update(default_config(), learning_rate=1, losses=["smoothed"], seeds=2, **{"model.hidden": []}))


def test_plain_data_goes_through_json_unchanged():
    config = update(default_config(), losses=("smoothed",))
    plain = as_dict(config)
    assert plain == json.loads(json.dumps(plain))
    assert (plain["losses"], plain["data"]["source"]) == (["smoothed"], "sklearn:digits")
