"""Tuning trials: as many for every loss, the default first, within their ranges, and nothing that a text fixes."""

import pytest

from jaxsurr.comparison import tuning
from jaxsurr.core.spec import parse_spec
from jaxsurr.training import default_config, methods, update
from jaxsurr.training.methods import resolve

LEADING = ("correlated_gradients", "value_fit", "smoothed")


def config(loss):
    return update(default_config(), loss=loss)


def test_every_loss_gets_as_many_trials_and_the_first_is_its_default():
    for loss in ("cross_entropy", "generalised_cross_entropy", "smoothed?relative_scale=0.2", "correlated_gradients"):
        found = tuning.trials(loss, 5, 1e-3)
        assert len(found) == len(set(found)) == 5 and found[0] == loss
        assert found == tuning.trials(loss, 5, 1e-3) and found[:3] == tuning.trials(loss, 3, 1e-3)
        for text in found:
            resolve(config(text))


def test_trials_stay_within_their_ranges_and_leave_what_is_fixed():
    for text in tuning.trials("generalised_cross_entropy?learning_rate=0.5", 40, 1e-3)[1:]:
        method = resolve(config(text))
        assert method.config.learning_rate == 0.5
        assert 0.2 <= parse_spec(text)[1]["q"] <= 1.0
    rates = [resolve(config(text)).config.learning_rate for text in tuning.trials("cross_entropy", 40, 1e-3)[1:]]
    assert 0.2e-3 <= min(rates) < 0.4e-3 and 2.5e-3 < max(rates) <= 5e-3


def test_tuned_options_exist():
    for name, space in tuning.OPTIONS.items():
        assert set(space) <= set(methods.known_options(name)), name


@pytest.mark.parametrize("loss", LEADING)
def test_power_and_path_of_a_loss_that_leads_are_tuned_and_its_scale_is_not(loss):
    settings = [parse_spec(text)[1] for text in tuning.trials(loss, 60, 1e-3)[1:]]
    assert {setting["power"] for setting in settings} == {0, 0.3, 0.7, 1}
    assert {setting["path"] for setting in settings} == {"linear", "constant"}
    assert all(set(setting) == {"learning_rate", "power", "path"} for setting in settings)
    found = {resolve(config(text)).config.surrogate.power for text in tuning.trials(loss, 60, 1e-3)}
    assert found == {0, 0.3, 0.7, 1}
    fixed = [parse_spec(text)[1] for text in tuning.trials(f"{loss}?power=0.5", 20, 1e-3)]
    assert {setting["power"] for setting in fixed} == {0.5} and {len(setting) for setting in fixed} == {1, 3}


def test_of_a_few_settings_none_is_tried_twice_before_all_were():
    loss = "smoothed?learning_rate=0.01"  # four powers and two paths are left, and the loss as it stands
    assert len(set(tuning.trials(loss, 9, 1e-3))) == 9
    again = tuning.trials(loss, 12, 1e-3)
    assert len(again) == 12 and len(set(again)) == 9
    assert tuning.trials(loss + "&power=0&path=late", 3, 1e-3) == [loss + "&power=0&path=late"] * 3
