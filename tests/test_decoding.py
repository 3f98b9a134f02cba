import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import decoding


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
def test_dtype_and_leading_axes_are_kept(name, dtype):
    levels = decoding.get(name)(jnp.zeros((2, 3, 5), dtype))
    assert levels.shape == (2, 3)
    assert levels.dtype == dtype


def test_get():
    def own(logits):
        return logits[:, 0]

    assert decoding.get("median") is decoding.median_level
    assert decoding.get(own) is own
    with pytest.raises(ValueError, match="did you mean 'median'"):
        decoding.get("medain")
