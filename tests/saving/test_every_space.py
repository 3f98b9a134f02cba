"""Of every kind of targets: a learned surrogate has exact products, is saved, comes back the same, and is diagnosed."""

import jax
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, spaces
from tests.long.inputs import Recipe, make, shapes
from tests.products import exact

KEY = jax.random.key(0)
ALSO = (
    metrics.get("mean_absolute_error?decode=thresholds"),
    metrics.get("mean_absolute_error?decode=rounded&levels=4"),
    metrics.error_rate.bind(space=spaces.binary_scores),
)
"""Metrics of the spaces that no metric has by default."""
METRIC_OF = {
    metric.space.name: metric
    for metric in sorted((*ALSO, *reversed(metrics.METRICS.values())), key=lambda metric: metric.per_example)
}


def test_every_space_has_a_metric():
    left = set(spaces.SPACES) - set(METRIC_OF)
    assert left == {"generic", "named_class_logits", "named_label_logits"}  # of metrics that users make


@pytest.mark.parametrize("space", METRIC_OF)
def test_a_learned_surrogate_is_saved_loaded_and_diagnosed(space, tmp_path):
    joint = space == "joint_token_logits"  # whose long sequences are never right by chance
    shape, kind = (shapes(space)[1], "small") if joint else (shapes(space)[-1], "ordinary")
    predictions, targets, _ = make(space, Recipe(shape, "float32", kind, "mixed", "all", 0), 1.0)
    surrogate = jaxsurr.correlated_gradients(METRIC_OF[space])
    state = exact(surrogate.init, KEY, predictions, targets)(KEY, predictions, targets)
    update = exact(surrogate.update, state, KEY, predictions, targets)
    for number in range(10):
        state, info = update(state, jax.random.key(number), predictions, targets)
    assert np.all(np.isfinite(info.gradient_correlation))

    path = jaxsurr.save(tmp_path / "it.jaxsurr", surrogate, state, example=(predictions, targets))
    again, back = jaxsurr.load(path)
    assert again.settings == surrogate.settings
    slopes = exact(jax.grad(lambda z, state: surrogate.loss(state, z, targets).sum()), predictions, state)
    before = slopes(predictions, state)
    assert np.all(np.isfinite(before)) and np.any(before)
    np.testing.assert_array_equal(slopes(predictions, back), before)

    found = jaxsurr.diagnose(again, back, predictions, targets, key=KEY, pairs=16, regions=2)
    assert np.all(np.isfinite(found.gradient)) and np.all(np.isfinite(found.losses)) and str(found)
