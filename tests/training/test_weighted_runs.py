"""Rows of weight 0 change nothing in a run, whatever is in them, and metrics are those of the weights."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr.data import from_arrays
from jaxsurr.training import default_config, run, update
from jaxsurr.training.one_run import OneRun

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = (X[:, 0] + X[:, 1] > 0.3).astype(int)
WEIGHTS = np.where(RNG.random(400) < 0.3, 0, RNG.random(400) * 3)


def small(loss):
    fields = {"surrogate.burn_in": 5, "learning_rate": 0.05}
    return update(default_config(), loss=loss, epochs=3, warm_epochs=1, batch_size=32, devices=1, **fields)


@pytest.mark.parametrize("loss", ["cross_entropy", "correlated_gradients"])
def test_rows_of_weight_0_do_not_count(loss, tmp_path, monkeypatch):
    found, score = [], OneRun.score

    def seen(self, part, runs):
        (value,) = score(self, part, runs)
        split, params = getattr(runs[0].data, part), self.executor.place(runs[0].params)
        wrong = np.asarray(self.program.predict(params, jnp.asarray(split.inputs))).argmax(1) != split.targets
        np.testing.assert_allclose(value, np.average(wrong, weights=split.weights), rtol=1e-5)
        return [value]

    monkeypatch.setattr(OneRun, "score", seen)
    for place, labels in (("right", Y), ("turned", np.where(WEIGHTS == 0, 1 - Y, Y))):
        result = run(small(loss), tmp_path / place, data=from_arrays(X, labels, weights=WEIGHTS))
        found.append((result["validation"], result["test"], [entry["validation"] for entry in result["history"]]))
    assert found[0] == found[1]
    assert found[0][0] < 0.4
