"""Metrics of segmentation masks against scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from jaxsurr import metrics


def images(seed=0, batch=4, classes=3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, classes, (batch, 3, 5))
    return rng.normal(size=(batch, 3, 5, classes)).astype(np.float32), labels


def test_mean_iou_against_scikit_learn_masked_and_replaced():
    value = jax.jit(lambda z, y, where: metrics.mean_iou(z, y, where=where))
    replaced = jax.jit(lambda z, y, where, other: metrics.mean_iou(z, y, where=where, replacements=other))
    for seed in range(5):
        logits, labels = images(seed)
        where = np.arange(4) != seed % 4
        counted = where[:, None, None] & (labels >= 0)
        wanted = sklearn.metrics.jaccard_score(labels[counted], np.argmax(logits, -1)[counted], average="macro")
        spoilt = np.where(where[:, None, None, None], logits, np.nan)
        np.testing.assert_allclose(value(spoilt, labels, where), wanted, rtol=1e-5)
        other = images(seed + 50)[0]
        got = replaced(logits, labels, where, other)
        for row in range(4):
            moved = np.where((np.arange(4) == row)[:, None, None, None], other, logits)
            np.testing.assert_allclose(got[row], value(moved, labels, where), rtol=1e-5)
    assert float(value(logits, labels, np.zeros(4, bool))) == 0
    assert float(value(logits, np.full_like(labels, -1), np.ones(4, bool))) == 0
    assert np.isnan(value(np.full_like(logits, np.nan), labels, where))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: metrics.mean_iou(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 3), int)), ValueError, "for each pixel"),
        (lambda: metrics.mean_iou(jnp.zeros((1, 2, 2, 3)), jnp.full((1, 2, 2), 3)), ValueError, "from 0 to 2"),
        (lambda: metrics.mean_iou(jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 2))), TypeError, "must be integers"),
    ],
)
def test_bad_input_is_named(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()
