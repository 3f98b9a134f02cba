"""Which scores a mask rules out, against the definition row by row, for generated rows."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr.spaces.ruling_out import APART, BEYOND, finite_below, ruled_out

MASKS = (-600.0, -1e4, -1e9, -np.inf)


def defined(row, present):
    """The definition of the module's docstring, one row at a time."""
    out, scores = np.zeros(len(row), bool), row[present]
    if not len(scores) or not np.isfinite(scores.max()):
        return out
    out |= present & (row == -np.inf)
    low = present & ~out & (row < scores.max() - BEYOND)
    near = row[present & ~out & ~low]
    if low.any():
        gap, spread = near.min() - row[low].max(), np.ptp(near) if len(near) > 1 else np.ptp(row[low])
        out |= low & bool(gap > APART * spread)
    return out


@pytest.mark.parametrize("classes", [1, 2, 3, 9])
def test_what_is_ruled_out_is_what_the_definition_says(classes):
    draw = np.random.default_rng(classes)
    found = 0
    for unit in (1.0, 30.0, 300.0):
        scores = draw.normal(0, unit, (400, classes)).astype(np.float32)
        scores[::3] = np.round(scores[::3])  # with ties
        for value in (*MASKS, np.nan, np.inf):
            scores[draw.random(scores.shape) < 0.06] = value
        for present in (None, draw.random(scores.shape) < 0.7):
            here = np.ones(scores.shape, bool) if present is None else present
            expected = np.array([defined(row, some) for row, some in zip(scores, here, strict=True)])
            np.testing.assert_array_equal(ruled_out(jnp.asarray(scores), present), expected)
            below = np.asarray(finite_below(jnp.asarray(scores), present))
            put = expected & (scores == -np.inf)
            np.testing.assert_array_equal(below[~put], scores[~put])
            assert np.isfinite(below[put]).all()
            # Beside scores that are as low and no mask's, what is finite cannot be told from them.
            far = here & (scores < np.max(scores, axis=1, initial=-np.inf, where=here)[:, None] - BEYOND)
            alone = ~(far & ~expected).any(axis=1, keepdims=True)
            np.testing.assert_array_equal(ruled_out(below, present)[put & alone], True)
            found += expected.sum()
    assert found > 50 or classes == 1
