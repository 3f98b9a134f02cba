"""Decodings against plain loops, their ties, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr.metrics import decoding


def logits_of(*rows):
    return jnp.log(jnp.array(rows))


def test_argmax_takes_the_lowest_of_equal_levels():
    assert decoding.argmax_level(jnp.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])).tolist() == [1.0, 0.0]


def test_median_against_a_loop():
    logits = 2 * jax.random.normal(jax.random.key(0), (200, 7))
    expected = []
    for row in np.asarray(logits, np.float64):
        shares = np.exp(row) / np.exp(row).sum()
        level, reached = 0, shares[0]
        while reached < 0.5:
            level += 1
            reached += shares[level]
        expected.append(level)
    assert decoding.median_level(logits).tolist() == expected
    assert len(set(expected)) == 7  # every level occurs


def test_median_reaches_one_half_exactly():
    # 0.25 + 0.25 = 0.5 and 0.5 = 0.5: equality counts as reached, so the lower of the two medians is taken.
    assert decoding.median_level(logits_of([0.25, 0.25, 0.5], [0.5, 0.25, 0.25])).tolist() == [1.0, 0.0]


def test_median_minimises_the_expected_absolute_error():
    logits = jax.random.normal(jax.random.key(1), (100, 6))
    shares, levels = np.asarray(jax.nn.softmax(logits), np.float64), np.arange(6)
    cost = np.abs(levels[:, None] - levels[None]) @ shares.T  # [level, example]
    chosen = np.asarray(decoding.median_level(logits), int)
    # 1e-6: the shares are single precision.
    np.testing.assert_array_less(cost[chosen, np.arange(100)], cost.min(axis=0) + 1e-6)


def test_median_of_extreme_logits():
    logits = jnp.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [0.0, 1e4, 1e4]])
    assert decoding.median_level(logits).tolist() == [0.0, 2.0, 1.0]


def test_expected_level():
    np.testing.assert_allclose(
        decoding.expected_level(logits_of([0.1, 0.2, 0.7], [0.5, 0.25, 0.25])),
        [0.2 * 1 + 0.7 * 2, 0.25 * 1 + 0.25 * 2],
        rtol=1e-6,
    )


def test_threshold_count():
    logits = jnp.array([[3.0, 0.5, -2.0], [-1.0, -2.0, -3.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 2.0, -1.0]])
    assert decoding.threshold_count(logits).tolist() == [2.0, 0.0, 3.0, 0.0, 1.0]


@pytest.mark.parametrize("name", decoding.DECODERS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_levels_are_in_single_precision_and_leading_axes_are_kept(name, dtype):
    levels = decoding.get(name)(jnp.zeros((2, 3, 1 if name == "rounded" else 5), dtype))
    assert levels.shape == (2, 3)
    assert levels.dtype == jnp.float32


def test_rounded_level():
    scores = jnp.array([[-3.0], [0.49], [0.5], [1.5], [2.4], [7.2]])
    assert decoding.rounded_level(scores).tolist() == [0.0, 0.0, 1.0, 2.0, 2.0, 7.0]
    assert decoding.rounded_level(scores, levels=4).tolist() == [0.0, 0.0, 1.0, 2.0, 2.0, 3.0]
    with pytest.raises(ValueError, match=r"one score for each example, \[B, 1\], got shape \[6, 2\]"):
        decoding.rounded_level(jnp.zeros((6, 2)))


def test_cumulative_logits_of_extreme_logits():
    logits = jnp.array([[200.0, -200.0, 0.0], [-200.0, 200.0, 200.0], [200.0, 200.0, 200.0]])
    found, slope = jax.jvp(decoding.cumulative_logits, (logits,), (jnp.ones_like(logits),))
    np.testing.assert_allclose(found[:, 0], logits[:, 0], rtol=1e-6)  # P(level > 0) is not conditional
    assert bool(jnp.all(jnp.isfinite(found))) and bool(jnp.all(jnp.isfinite(slope)))
    assert decoding.threshold_count(found).tolist() == [1.0, 0.0, 3.0]
    assert bool(jnp.all(jnp.diff(found, axis=-1) <= 0))


def test_soft_argmax():
    maps = jax.random.normal(jax.random.key(0), (2, 3, 4, 6))
    for temperature in (1.0, 0.1):
        power = np.exp(np.asarray(maps, np.float64) / temperature)
        shares = power / power.sum(axis=(2, 3), keepdims=True)
        y, x = np.indices((4, 6))
        expected = np.stack([(shares * x).sum(axis=(2, 3)), (shares * y).sum(axis=(2, 3))], axis=-1)
        np.testing.assert_allclose(decoding.soft_argmax(maps, temperature), expected, rtol=1e-4)
    assert decoding.soft_argmax(jnp.zeros((3, 5))).tolist() == pytest.approx([2.0, 1.0], abs=1e-5)
    with pytest.raises(ValueError, match="temperature must be positive"):
        decoding.soft_argmax(maps, 0.0)


def test_get():
    def own(logits):
        return logits[:, 0]

    assert decoding.get("median") is decoding.median_level
    assert decoding.get(own) is own
    with pytest.raises(ValueError, match="did you mean 'median'"):
        decoding.get("medain")
