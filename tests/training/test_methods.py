"""A loss by its text: the method, its options, its own settings."""

import jax.numpy as jnp
import pytest

from jaxsurr import losses
from jaxsurr.training import default_config, update
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
    assert given.loss == "smoothed?relative_scale=0.4"
    assert given.surrogate.relative_scale == default_config().surrogate.relative_scale


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
