"""What is public works under strict promotion of dtypes, with double precision enabled, and with both."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import bilevel, decoding, metrics, spaces
from jaxsurr.pretraining import ready
from jaxsurr.smoothing import smoothed_metric

KEY = jax.random.key(0)
LOGITS = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
LABELS = (np.arange(24) % 4).astype(np.int32)


@contextlib.contextmanager
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


@contextlib.contextmanager
def both():
    with jax.enable_x64(True), strict():
        yield


MODES = {"strict": strict, "double": lambda: jax.enable_x64(True), "both": both}


@pytest.fixture(params=MODES)
def mode(request):
    with MODES[request.param]():
        yield request.param


@pytest.mark.parametrize("space", [name for name, space in spaces.SPACES.items() if space.sample is not None])
def test_samples_of_every_space(space, mode):
    predictions, _ = jax.eval_shape(lambda key: jaxsurr.sample(spaces.SPACES[space], key, 4, 5), KEY)
    assert jnp.issubdtype(predictions.dtype, jnp.floating)


@pytest.mark.parametrize("mode", ["double", "both"], indirect=True)
@pytest.mark.parametrize("name", ["error_rate", "mean_absolute_error?decode=median"])
def test_ready_losses(name, mode):
    ready.shipped.cache_clear()  # which another test may have read in another mode
    loss = jaxsurr.pretrained(name)
    slope = jax.jit(jax.grad(lambda z: loss(z, jnp.asarray(LABELS)).sum()))(jnp.asarray(LOGITS))
    assert slope.dtype == jnp.float32 and np.any(slope)


@pytest.mark.parametrize(("name", "mode"), [("mean_absolute_error", "both"), ("f_beta", "double")], indirect=["mode"])
def test_fitted_saved_loaded_and_diagnosed(name, mode, tmp_path):
    surrogate, state, card = jaxsurr.fit(name, key=KEY, steps=2, sizes=4, pairs=4)
    path = jaxsurr.save(tmp_path / "it.jaxsurr", surrogate, state, card=card)
    again, back = jaxsurr.load(path)[:2]
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(back), strict=True):
        np.testing.assert_array_equal(one, other)
    found = jaxsurr.diagnose(again, back, LOGITS, LABELS, key=KEY, pairs=4, regions=1)
    assert np.all(np.isfinite(found.gradient))


def test_files_of_another_mode_are_read(tmp_path):
    with jax.enable_x64(True):
        surrogate, state, card = jaxsurr.fit("error_rate", key=KEY, steps=2, sizes=4, pairs=4)
        path = jaxsurr.save(tmp_path / "it.jaxsurr", surrogate, state, card=card)
    again, back = jaxsurr.load(path)[:2]
    values = jax.jit(again.loss)(back, LOGITS, LABELS)
    assert values.dtype == jnp.float32 and np.all(np.isfinite(values))


@pytest.mark.parametrize("mode", ["both"], indirect=True)
def test_steps_scales_estimates_and_decisions(mode):
    logits, labels = jnp.asarray(LOGITS), jnp.asarray(LABELS)
    metric = metrics.error_rate
    assert jaxsurr.matched_scale(metric, logits, labels, 0.9, key=KEY) > 0
    for one in (metric, metrics.cohen_kappa):
        found = smoothed_metric(one, logits, labels, key=KEY, scale=1.0, num_pairs=4)
        assert np.all(np.isfinite(found.gradient))
    tuned = decoding.tune(metrics.cohen_kappa, LOGITS, LABELS)
    assert np.all(np.isfinite(tuned.shifts))

    surrogate = jaxsurr.correlated_gradients(metric, num_pairs=4)
    apply, optimizer = (lambda params, inputs: inputs @ params), optax.sgd(0.1)
    batch, params = jaxsurr.Batch(logits, labels), jnp.zeros((4, 4), jnp.float32)
    state = bilevel.init_state(KEY, params, optimizer, surrogate, apply, batch)
    step = jax.jit(bilevel.make_step(apply, optimizer, surrogate))
    after, info = step(state, batch)
    assert after.params.dtype == jnp.float32 and np.any(after.params) and np.isfinite(info.loss)


@pytest.mark.parametrize("name", ["error_rate", "mean_absolute_error"])
def test_labels_of_few_bits_beside_more_classes_than_they_can_count(name):
    logits, labels = jax.random.normal(KEY, (6, 300)), np.arange(6)
    surrogate = jaxsurr.correlated_gradients(name)
    state = surrogate.init(KEY, logits, labels.astype(np.int32))
    expected, *others = (surrogate.loss(state, logits, labels.astype(kind)) for kind in (np.int32, np.uint8, np.int8))
    for values in others:
        np.testing.assert_array_equal(values, expected)
