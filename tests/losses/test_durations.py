"""Losses of durations against plain loops, finite differences and lifelines."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import Durations, losses

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=14).astype(np.float32)
TARGETS = Durations(np.round(RNG.exponential(4, 14)).astype(np.float32), (RNG.random(14) < 0.6).astype(np.float32))
WHERE = np.arange(14) < 10
NAMES = ("cox", "pairwise_concordance")


def by_loop(name, scores, time, event):
    """The value of a set, in double precision."""
    scores, number, total = scores.astype(np.float64), 0, 0.0
    for i in np.flatnonzero(event):
        if name == "cox":
            total += scores[i] + np.log(np.sum(np.exp(-scores[time >= time[i]])))
            number += 1
            continue
        for j in range(len(time)):
            if time[i] < time[j] or (time[i] == time[j] and not event[j]):
                total += np.log1p(np.exp(scores[i] - scores[j]))
                number += 1
    return total / max(number, 1)


@functools.cache
def compiled(name):
    return jax.jit(jax.value_and_grad(lambda z, y, w: jnp.sum(losses.get(name)(z, y, where=w)) / jnp.sum(w)))


@pytest.mark.parametrize("name", NAMES)
def test_value_mask_and_gradient(name):
    everyone, loss = np.ones(14, bool), losses.get(name)
    wanted = by_loop(name, SCORES, *TARGETS)
    for predictions in (SCORES, SCORES[:, None]):
        np.testing.assert_allclose(loss(predictions, TARGETS), np.full(14, wanted), rtol=1e-5)
    uncensored = by_loop(name, SCORES, TARGETS.time, np.ones(14))
    np.testing.assert_allclose(loss(SCORES, TARGETS.time), np.full(14, uncensored), rtol=1e-5)
    spoilt = np.where(WHERE, SCORES, np.nan).astype(np.float32)
    broken = Durations(*(np.where(WHERE, leaf, -np.inf).astype(np.float32) for leaf in TARGETS))
    value, gradient = compiled(name)(spoilt, broken, WHERE)
    np.testing.assert_allclose(value, by_loop(name, SCORES[:10], *(leaf[:10] for leaf in TARGETS)), rtol=1e-5)
    assert np.isfinite(gradient).all() and not np.any(gradient[10:])
    _, gradient = compiled(name)(SCORES, TARGETS, everyone)
    for place in range(14):
        step = 1e-4 * np.eye(14)[place]
        up, down = (by_loop(name, SCORES.astype(np.float64) + sign * step, *TARGETS) for sign in (1, -1))
        np.testing.assert_allclose(gradient[place], (up - down) / 2e-4, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_event_one_example_extremes_and_nobody_are_finite(name):
    everyone, one, nobody = np.ones(14, bool), np.arange(14) == 3, np.zeros(14, bool)
    censored = TARGETS._replace(event=0 * TARGETS.event)
    assert compiled(name)(SCORES, censored, everyone)[0] == 0
    assert not np.any(compiled(name)(SCORES, censored, everyone)[1])
    for scores, where in ((SCORES, one), (1e6 * SCORES, everyone), (0 * SCORES, everyone)):
        value, gradient = compiled(name)(scores, TARGETS, where)
        assert np.isfinite(value) and np.isfinite(gradient).all()
    assert losses.get(name)(SCORES, TARGETS, where=nobody).tolist() == [0.0] * 14


def test_pairwise_concordance_bounds_the_index():
    from jaxsurr.metrics import concordance_index

    for temperature in (0.1, 1.0):
        bound = losses.pairwise_concordance(SCORES, TARGETS, temperature=temperature)[0] / np.log(2)
        assert float(bound) >= 1 - float(concordance_index(SCORES, TARGETS))
    sharp = losses.pairwise_concordance(SCORES, TARGETS, temperature=0.5)
    np.testing.assert_allclose(sharp, losses.pairwise_concordance(2 * SCORES, TARGETS), rtol=1e-6)


def test_cox_is_the_partial_likelihood_of_lifelines():
    lifelines = pytest.importorskip("lifelines", reason="needs lifelines, an independent reference")
    pandas = pytest.importorskip("pandas", reason="lifelines reads frames of pandas")
    x = RNG.normal(size=(60, 2))
    time = RNG.exponential(np.exp(x @ [0.5, -1.0]))
    event = RNG.random(60) < 0.7
    frame = pandas.DataFrame({"a": x[:, 0], "b": x[:, 1], "time": time, "event": event})
    fitted = lifelines.CoxPHFitter().fit(frame, "time", "event")
    targets = Durations(jnp.asarray(time, jnp.float32), jnp.asarray(event))

    def of(weights):
        return losses.cox(-jnp.asarray(x, jnp.float32) @ weights, targets)[0]

    best = jnp.asarray(fitted.params_.to_numpy(), jnp.float32)
    value, gradient = jax.value_and_grad(of)(best)
    np.testing.assert_allclose(value, -fitted.log_likelihood_ / event.sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (
            lambda: losses.cox(SCORES, TARGETS._replace(time=-TARGETS.time)),
            ValueError,
            "time must be at least 0 and finite",
        ),
        (lambda: losses.cox(SCORES, TARGETS._replace(time=TARGETS.time + np.inf)), ValueError, "at least 0 and finite"),
        (
            lambda: losses.cox(SCORES, TARGETS._replace(event=2 * TARGETS.event)),
            ValueError,
            "event must be 1 .* got 2.0",
        ),
        (
            lambda: losses.cox(SCORES, TARGETS._replace(event=TARGETS.event[:3])),
            ValueError,
            r"targets.event must have shape",
        ),
        (
            lambda: losses.cox(np.stack([SCORES] * 2, 1), TARGETS),
            ValueError,
            r"one number for each example, got \[14, 2\]",
        ),
        (lambda: losses.cox(SCORES, [1]), TypeError, "must be an array of numbers, got list"),
        (
            lambda: losses.pairwise_concordance(SCORES, TARGETS, temperature=0),
            ValueError,
            "temperature must be positive",
        ),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()


def test_impossible_times_inside_jit_are_nan():
    broken = TARGETS._replace(time=TARGETS.time.copy() - 100 * (np.arange(14) == 2))
    for name in NAMES:
        assert np.isnan(compiled(name)(SCORES, broken, np.ones(14, bool))[0])
        assert np.isfinite(compiled(name)(SCORES, broken, np.arange(14) != 2)[0])
