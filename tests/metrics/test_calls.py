"""Evaluations of black boxes, counted and foretold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, surrogates
from jaxsurr.metrics import black_box, calls_of, count_calls
from jaxsurr.smoothing import smoothed_metric

KEY, LABELS = jax.random.key(0), jnp.arange(16) % 3
LOGITS = jax.random.normal(jax.random.key(1), (16, 3)) + jax.nn.one_hot(LABELS, 3)
BOXES = {
    "set": black_box(lambda y, z: np.mean(y != z), higher_is_better=False, decode="argmax"),
    "stacked": black_box(lambda y, z: np.mean(y != z, axis=-1), higher_is_better=False, decode="argmax", stacked=True),
    "per_example": black_box(lambda y, z: y != z, higher_is_better=False, decode="argmax", per_example=True),
}


@pytest.mark.parametrize("kind", BOXES)
def test_sets_are_counted_in_every_way_of_calling(kind):
    box, several = BOXES[kind], jnp.stack([LOGITS] * 5)
    masks = jnp.stack([jnp.arange(16) < n for n in (0, 1, 5, 16, 16)])
    ways = {
        "plain": (lambda: box(LOGITS, LABELS), 1),
        "compiled": (lambda: jax.jit(box)(LOGITS, LABELS), 1),
        "vmap": (lambda: jax.jit(jax.vmap(box, (0, None)))(several, LABELS), 5),
        "one is empty": (lambda: jax.vmap(lambda w: box(LOGITS, LABELS, where=w))(masks), 4),
    }
    for name, (way, expected) in ways.items():
        with count_calls() as outer, count_calls() as inner:
            jax.block_until_ready(way())
        assert (inner.number, outer.number) == (expected, expected), name
    jax.block_until_ready(box(LOGITS, LABELS))
    assert outer.number == 4, "a count ends with its context"


@pytest.mark.parametrize("kind", BOXES)
@pytest.mark.parametrize("method", ["correlated_gradients", "smoothed"])
def test_calls_of_an_update_and_a_loss_are_known_before(kind, method):
    surrogate = getattr(surrogates, method)(BOXES[kind], num_pairs=3)
    state = surrogate.init(KEY, LOGITS, LABELS)

    def both(state, key, z, y):
        state, _ = surrogate.update(state, key, z, y)
        return surrogate.loss(state, z, y)

    arguments = state, KEY, LOGITS, LABELS
    with count_calls() as counted:
        foretold = calls_of(both, *arguments)
        assert counted.number == 0
        jax.block_until_ready(jax.jit(both)(*arguments))
    assert counted.number == foretold >= 6


def test_a_direct_call_asks_five_times_more_where_it_is_along_functions():
    def calls_by(kind, **options):
        with count_calls() as counted:
            jax.block_until_ready(smoothed_metric(BOXES[kind], LOGITS, LABELS, key=KEY, scale=0.5, **options))
        return counted.number

    assert calls_by("set", num_pairs=3) == calls_by("stacked", num_pairs=3) == 6 + 5
    assert calls_by("set", num_pairs=3, estimator="groups") == calls_by("per_example", num_pairs=3) == 6


def test_branches_loops_and_metrics_in_jax():
    box = BOXES["set"]

    def program(z):
        looped = jax.lax.fori_loop(0, 4, lambda i, total: total + box(z + i, LABELS), 0.0)
        return looped + jax.lax.cond(z[0, 0] > 0, lambda: 2 * box(z, LABELS) + box(-z, LABELS), lambda: 0.0)

    assert calls_of(program, LOGITS) == 4 + 2
    assert calls_of(metrics.f_beta, LOGITS, LABELS) == 0
    assert calls_of(lambda z: jaxsurr.metrics.error_rate.mean(z, LABELS), LOGITS) == 0
