"""Surrogates of numbers, intervals and durations: learned without a model, saved, loaded, diagnosed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics

KEY = jax.random.key(0)


@pytest.mark.parametrize("name", ["within_tolerance?tolerance=2", "concordance_index"])
def test_fit_save_load_and_diagnose(name, tmp_path):
    metric = metrics.get(name)
    surrogate, state, card = jaxsurr.fit(metric, key=KEY, steps=60, batch_size=32, pairs=32, num_pairs=8)
    (found,) = card["fidelity"]
    assert found["gradient"] > 0.5 and card["follows_scale"] == metric.space.scale_free
    predictions, targets = jaxsurr.sample(metric.space, jax.random.key(1), 40, 2)
    file = tmp_path / "loss.jaxsurr"
    jaxsurr.save(file, surrogate, state, card=card, example=(predictions, targets))
    again, restored = jaxsurr.load(file)[:2]
    values = surrogate.loss(state, predictions, targets)
    assert values.shape == ((40,) if metric.per_example else ())
    np.testing.assert_array_equal(again.loss(restored, predictions, targets), values)
    diagnosis = jaxsurr.diagnose(again, restored, predictions, targets, key=KEY, pairs=32, follow=card["follows_scale"])
    assert "40 examples" in str(diagnosis) and np.isfinite(diagnosis.gradient).all()


def test_a_loss_of_stored_predictions_in_their_own_unit():
    """A tolerance of 5,000 dollars is learned from predictions in dollars."""
    targets = 2e5 + 5e4 * jax.random.normal(KEY, (300,))
    predictions = targets + 8e3 * jax.random.normal(jax.random.key(1), (300,))
    metric = metrics.within_tolerance.bind(tolerance=5000.0)
    fitted = jaxsurr.fit(metric, predictions, targets, key=KEY, steps=80, pairs=64, relative_scale=0.5)
    assert fitted.card["fidelity"][0]["gradient"] > 0.8
    loss = jaxsurr.frozen(fitted.surrogate, fitted.state)
    at = targets[0] + jnp.array([0.0, 3e3, 9e3, -9e3])
    near, nearer, far, below = loss(at, jnp.full((4,), targets[0])).tolist()
    assert max(near, nearer) < min(far, below)
