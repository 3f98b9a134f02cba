"""A loss by its text: the method, its options, its own settings."""

import jax.numpy as jnp
import pytest

from jaxsurr import losses
from jaxsurr.comparison import tuning
from jaxsurr.core.spec import parse_spec
from jaxsurr.training import default_config, methods, update
from jaxsurr.training.methods import resolve


def config(loss, **fields):
    return update(default_config(), loss=loss, **fields)


def test_options_of_a_conventional_loss_reach_its_function():
    method = resolve(config("generalised_cross_entropy?q=0.3&learning_rate=0.01"))
    logits, labels = jnp.array([[1.0, -1.0], [0.5, 0.0]]), jnp.array([1, 0])
    expected = losses.generalised_cross_entropy(logits, labels, q=0.3)
    assert method.loss.loss((), logits, labels).tolist() == expected.tolist()
    assert method.config.learning_rate == 0.01 and method.config.loss == "generalised_cross_entropy"


def test_options_of_a_learned_loss_reach_its_surrogate():
    method = resolve(config("correlated_gradients?relative_scale=0.4&warm_epochs=3&decode=argmax"))
    assert method.loss is None and method.decode == "argmax"
    assert method.config.surrogate.relative_scale == 0.4 and method.config.warm_epochs == 3


def test_the_config_stays_as_it_was():
    given = config("smoothed?relative_scale=0.4")
    resolve(given)
    assert given.loss == "smoothed?relative_scale=0.4" and given.surrogate.relative_scale == 0.15


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("crossentropy", "did you mean 'cross_entropy'"),
        ("generalised_cross_entropy?p=1", "generalised_cross_entropy has no option 'p'"),
        ("smoothed?relativ_scale=1", "did you mean 'relative_scale'"),
        ("wing?width", "key=value"),
    ],
)
def test_bad_losses(loss, message):
    with pytest.raises(ValueError, match=message):
        resolve(config(loss))


def test_every_loss_gets_as_many_trials_and_the_first_is_its_default():
    for loss in ("cross_entropy", "generalised_cross_entropy", "smoothed?relative_scale=0.2", "correlated_gradients"):
        found = tuning.trials(loss, 5, 1e-3)
        assert len(found) == len(set(found)) == 5 and found[0] == loss
        assert found == tuning.trials(loss, 5, 1e-3)
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
