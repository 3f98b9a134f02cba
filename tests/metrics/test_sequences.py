"""Metrics of sequences against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import Sequences, metrics


def edits(first, second):
    table = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, table = table, [i]
        for j, b in enumerate(second, 1):
            table.append(min(before[j] + 1, table[-1] + 1, before[j - 1] + (a != b)))
    return table[-1]


def collapse(tokens, blank):
    return [t for i, t in enumerate(tokens) if t != blank and (i == 0 or t != tokens[i - 1])]


@pytest.mark.parametrize("decode", ["all", "blank", "end"])
def test_edit_distance_against_a_loop(decode):
    options = {} if decode == "all" else {decode: 0}
    distance = jax.jit(lambda z, y: metrics.edit_distance(z, y, relative=False, **options))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        logits, tokens = rng.normal(size=(8, 7, 4)).astype(np.float32), rng.integers(0, 4, (8, 5))
        lengths = rng.integers(0, 6, 8)
        got = distance(logits, Sequences(jnp.asarray(tokens), jnp.asarray(lengths)))
        for value, row, wanted, length in zip(got, np.argmax(logits, -1).tolist(), tokens, lengths, strict=True):
            decoded = {"all": row, "blank": collapse(row, 0), "end": row[: row.index(0)] if 0 in row else row}[decode]
            assert float(value) == edits(decoded, wanted[:length].tolist())


def test_edit_distance_relative_masked_and_nan():
    logits = 9 * jnp.eye(4)[jnp.array([[1, 2, 3], [1, 2, 3], [0, 0, 0]])]
    targets = Sequences(jnp.array([[1, 3], [2, 2], [1, 1]]), jnp.array([2, 0, 1]))
    assert metrics.edit_distance(logits, targets).tolist() == [1 / 2, 3 / 1, 3 / 1]
    assert metrics.edit_distance(logits, targets, where=jnp.array([True, False, True])).tolist() == [1 / 2, 0, 3]
    broken = logits.at[0, 0, 0].set(jnp.nan)
    assert np.isnan(metrics.edit_distance(broken, targets)).tolist() == [True, False, False]


SEQUENCES = Sequences(jnp.zeros((6, 2), int), jnp.ones(6, int))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: metrics.edit_distance(jnp.zeros((6, 3, 2)), jnp.zeros(6)), TypeError, "must be jaxsurr.Sequences"),
        (
            lambda: metrics.edit_distance(jnp.zeros((6, 3, 2)), SEQUENCES._replace(lengths=jnp.full(6, 3))),
            ValueError,
            "between 0 and 2",
        ),
        (lambda: metrics.edit_distance(jnp.zeros((6, 3, 2)), SEQUENCES, blank=0, end=1), ValueError, "one of them"),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()
