"""Options of XLA: those that it knows and nobody set, and they change no result but for rounding."""

import jax
import numpy as np
import pytest

import jaxsurr
from jaxsurr.core import compiling

KEY = jax.random.key(0)
LOGITS, LABELS = jaxsurr.sample(jaxsurr.spaces.class_logits, KEY, 8, 3)


@pytest.fixture(autouse=True)
def no_flags(monkeypatch):
    """Options as a user has them: the tests set all of these flags."""
    monkeypatch.setenv("XLA_FLAGS", "")


def test_options_are_those_that_xla_knows(monkeypatch):
    monkeypatch.setattr(compiling, "_QUICK", {"xla_cpu_of_another_version": True, "xla_cpu_enable_fast_math": False})
    assert compiling.compiler_options() == {"xla_cpu_enable_fast_math": False}
    assert set(compiling.compiler_options(few_runs=True)) == {
        "xla_cpu_enable_fast_math",
        "xla_backend_optimization_level",
    }


def test_what_is_set_outside_stays(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3")
    assert "xla_backend_optimization_level" not in (compiling.compiler_options(few_runs=True) or {})


def test_there_are_none_for_an_accelerator(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiling.compiler_options() is None


@pytest.mark.parametrize("few_runs", [False, True])
def test_an_update_is_the_same_but_for_rounding(few_runs):
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate, num_pairs=2)
    state = surrogate.init(KEY, LOGITS, LABELS)
    lowered = jax.jit(surrogate.update).lower(state, KEY, LOGITS, LABELS)
    options = compiling.compiler_options(few_runs=few_runs)
    first, second = (lowered.compile(compiler_options=of)(state, KEY, LOGITS, LABELS)[1] for of in (None, options))
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(one, other, 1e-3, 1e-5)


def test_a_state_is_made_by_a_program_that_is_not_optimised(monkeypatch):
    asked = []
    monkeypatch.setattr(compiling, "_known", lambda wanted: asked.append(wanted))
    # With a weight that no other test has: a surrogate that was made before has its programs.
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate, num_pairs=2, value_weight=0.125)
    found, expected = surrogate.init(KEY, LOGITS, LABELS), jax.jit(surrogate.init)(KEY, LOGITS, LABELS)
    surrogate.update(found, KEY, LOGITS, LABELS)
    assert [wanted[compiling._LEVEL] for wanted in asked] == [0, 1]
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, 1e-5, 1e-6)


def test_outside_of_compiled_code_a_surrogate_has_them_and_its_gradient_has_none():
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate, num_pairs=2)
    state = surrogate.init(KEY, LOGITS, LABELS)

    def loss(z):
        return surrogate.loss(state, z, LABELS).mean()

    for outside in (jax.grad(loss), jax.value_and_grad(loss), jax.jacfwd(loss)):
        found, expected = outside(LOGITS), jax.jit(outside)(LOGITS)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, 1e-4, 1e-6)
