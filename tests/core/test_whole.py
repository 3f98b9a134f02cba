"""Losses and metrics outside of compiled code: one program, the same values, gradients and words, exact products."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import losses, metrics
from jaxsurr.core.whole import whole
from tests.core.test_reading import SUBJECTS, kind_of, sound
from tests.products import exact

COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **more: COMPILED.append(more) if event.endswith("backend_compile_duration") else None
)
LOGITS = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = np.arange(6, dtype=np.int32) % 4


def as_it_is(function):
    """What is compiled: a loss below its decorator, or what a metric does with the function that it was made of."""
    return function._values if isinstance(function, jaxsurr.Metric) else function.__wrapped__


@pytest.mark.parametrize("subject", SUBJECTS)
def test_one_program_and_the_values_of_the_function(subject):
    function, kind = SUBJECTS[subject], kind_of(subject)
    (z, y), (later, others) = (jax.tree.map(jnp.asarray, sound(kind, seed)) for seed in (3, 4))
    where = jnp.arange(len(z)) > 0
    options = dict(function.options) if isinstance(function, jaxsurr.Metric) else {}
    wanted = exact(lambda z, y, where: as_it_is(function)(z, y, where=where, **options), z, y, where)(z, y, where)
    jaxsurr.compiler_options(few_runs=True)  # which are tried out when they are first asked for
    COMPILED.clear()
    values = function(z, y, where=where)
    assert len(COMPILED) <= 1  # none where a test before had the same
    np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-6)
    assert values.dtype == wanted.dtype
    function(later, others, where=where)
    assert len(COMPILED) <= 1


@pytest.mark.parametrize("name", losses.LOSSES)
def test_gradients_are_those_of_the_function_and_two_programs(name):
    loss, (z, y) = losses.LOSSES[name], jax.tree.map(jnp.asarray, sound(kind_of(f"loss {name}"), 5))
    wanted = exact(jax.grad(lambda z: loss.__wrapped__(z, y).sum()), z)(z)
    slope, later = jax.grad(lambda z: loss(z, y).sum()), 0.9 * z
    COMPILED.clear()
    np.testing.assert_allclose(slope(z), wanted, rtol=1e-5, atol=1e-6)
    once = len(COMPILED)
    slope(later)
    assert len(COMPILED) == once <= 8  # of them, the sum, its own gradient, and what joins them


def test_what_is_wrong_is_said_in_words():
    with pytest.raises(ValueError, match="targets must be classes from 0 to 3"):
        losses.cross_entropy(LOGITS, LABELS + 1)
    with pytest.raises(ValueError, match="targets must be classes from 0 to 3"):
        jax.grad(lambda z: losses.cross_entropy(z, LABELS + 1).sum())(LOGITS)
    with pytest.raises(ValueError, match="got values from 0 to 4294967296"):  # 0 in the integers of a program
        losses.cross_entropy(LOGITS, np.where(LABELS == 1, np.int64(2**32), LABELS))
    for function in (losses.cross_entropy, metrics.error_rate, metrics.f_beta):
        with pytest.raises(ValueError, match="weights in where must be finite numbers of at least 0, got -1"):
            function(LOGITS, LABELS, where=np.float32([1, 1, -1, 1, 1, 1]))
    with pytest.raises(TypeError, match="predictions must be an array, got list"):
        losses.cross_entropy(LOGITS.tolist(), LABELS)
    with pytest.raises(TypeError, match="no_such"):
        losses.focal(LOGITS, LABELS, no_such=1)


@pytest.mark.parametrize("function", [losses.cross_entropy, metrics.f_beta])
def test_weights_may_be_traced_by_a_gradient(function):
    def total(weights):
        return jnp.sum(function(LOGITS, LABELS, where=weights))

    weights = jnp.linspace(0.5, 2.0, 6)
    np.testing.assert_allclose(jax.grad(total)(weights), jax.jit(jax.grad(total))(weights), rtol=1e-5, atol=1e-7)


def test_options_make_programs_of_their_own_and_are_refused_as_ever():
    first = losses.focal(LOGITS, LABELS, gamma=1)
    np.testing.assert_allclose(first, losses.focal(LOGITS, LABELS, gamma=1.0))
    assert np.all(first > losses.focal(LOGITS, LABELS, gamma=3.0))
    with pytest.raises(ValueError, match="gamma must be"):  # True == 1, whose program there is
        losses.focal(LOGITS, LABELS, gamma=True)


def test_a_search_among_many_options_does_not_compile_for_each():
    @whole
    def raised(predictions, *, power):
        return predictions**power

    for power in np.linspace(1, 3, 40).tolist():
        np.testing.assert_allclose(raised(jnp.abs(LOGITS), power=power), np.abs(LOGITS) ** power, rtol=1e-5)
    COMPILED.clear()
    for power in np.linspace(1.1, 2.9, 40).tolist():
        raised(jnp.abs(LOGITS), power=power)
    assert not COMPILED


@pytest.mark.parametrize("function", [losses.cross_entropy, metrics.error_rate])
def test_constants_of_a_function_that_is_traced(function):
    wanted = np.asarray(function(LOGITS, LABELS))

    def times(factor):
        return factor * function(jnp.asarray(LOGITS), jnp.asarray(LABELS))

    np.testing.assert_allclose(jax.jit(times)(2.0), 2 * wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(times)(jnp.ones(3)), np.tile(wanted, (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda factor: times(factor).sum())(1.0), wanted.sum(), rtol=1e-6)
    assert jax.eval_shape(times, 1.0).shape == (6,)
    constants = (LOGITS, LABELS)
    assert jax.jit(lambda: function(*constants))().shape == (6,)
    with pytest.raises(ValueError, match="targets must be classes"):
        jax.jit(lambda: function(LOGITS, LABELS + 1))()


def test_a_metric_of_the_user_runs_as_it_was_written():
    calls = []

    @jaxsurr.metric(higher_is_better=False)
    def distance(predictions, targets):
        calls.append(isinstance(predictions, jax.core.Tracer))
        return jnp.abs(predictions[:, 0] - np.asarray(targets))

    for _ in range(2):
        distance(jnp.asarray(LOGITS), LABELS)
    assert calls == [False, False]


def test_metrics_show_what_their_functions_say():
    assert metrics.f_beta.__doc__.startswith("F-beta of precision and recall")
    assert list(inspect.signature(metrics.error_rate).parameters) == ["predictions", "targets", "where"]
    assert "average" in inspect.signature(metrics.f_beta.bind(beta=2.0)).parameters
    assert losses.focal.__name__ == "focal" and "gamma" in inspect.signature(losses.focal).parameters
