"""The space of scores of two classes."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.reductions import masked, masked_mean
from jaxsurr.core.targets import check_score
from jaxsurr.core.types import Array, Pooled, Space
from jaxsurr.spaces.invariance import LEAST, LOGISTIC, columns, unprojected

__all__ = ["binary_scores"]

# Places on the scale of scores, in standard deviations about the mean: close together where scores are dense, and far
# enough out for the tail in which the positives of an imbalanced set lie.
_PLACES = np.sinh(np.linspace(-2.0, 2.0, 24)).astype(np.float32)


def _signed(predictions: Array, targets: Array) -> Array:
    """Signed score `[B]`, positive on the right side of 0."""
    scores = predictions.reshape(-1)
    return jnp.where(_positive(targets), scores, -scores)


def _positive(targets: Array) -> Array:
    return targets.reshape(-1).astype(jnp.int32) == 1


def _features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    mark = jnp.where(_positive(targets), 1.0, -1.0).astype(predictions.dtype)
    features = jnp.stack([_signed(predictions, targets) / scale, mark], axis=-1)
    return features[:, None], jnp.ones_like(features[:, :1, None])[:, :, 0]


def _margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins = _signed(predictions, targets)[:, None] / scale
    return margins[..., None], jnp.ones_like(margins)


def _losses(predictions: Array, targets: Array, scale: Array) -> Array:
    return jax.nn.softplus(-_signed(predictions, targets))[:, None]


def pooled_scores(
    scores: Array, targets: Array, scale: Array, where: Array | None, decided: Array | None = None
) -> Pooled:
    """Features of scores `[B]` for a set network: margins to 0, and to places on the scale of the set's scores.

    The first are for metrics that decide by a threshold, the others for those that order examples. Scores that are
    `decided` `[B]`, since one of two classes is ruled out, do not count in mean and deviation.
    """
    open_ = where
    if decided is not None:
        open_ = ~decided if where is None else masked(jnp.asarray(where), ~decided)
    mean = masked_mean(scores, open_)
    variance = masked_mean((scores - mean[None]) ** 2, open_)
    deviation = jnp.sqrt(jnp.maximum(variance, 1e-12))
    places = jnp.asarray(_PLACES, scores.dtype)
    margins = jnp.concatenate([scores[:, None], scores[:, None] - mean - deviation * places[None]], axis=-1) / scale
    label_features = jnp.broadcast_to((targets == 1).astype(scores.dtype)[:, None], margins.shape)
    at_zero = jnp.eye(1, len(places) + 1, dtype=scores.dtype)[0]
    positions = jnp.stack([at_zero, jnp.concatenate([jnp.zeros((1,), scores.dtype), places / 3])], axis=-1)
    return Pooled(
        masked(margins, where)[:, None, :, None],
        label_features[:, None, :, None],
        jnp.ones_like(scores)[:, None],
        positions,
        decided=1,
    )


def _pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    return pooled_scores(predictions.reshape(-1), targets.reshape(-1).astype(jnp.int32), scale, where)


def _alike(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Predictions and targets as probabilities of class 1."""
    probabilities = jax.nn.sigmoid(predictions.reshape(-1, 1))
    return probabilities, _positive(targets)[:, None].astype(probabilities.dtype)


def _sample_scores(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random scores of a set, with a random fraction of positives and a random lead."""
    fraction_key, label_key, lead_key, noise_key = jax.random.split(key, 4)
    fraction = jax.random.uniform(fraction_key, (), minval=0.05, maxval=0.5)
    labels = jax.random.bernoulli(label_key, fraction, (rows,)).astype(jnp.int32)
    lead = jax.random.uniform(lead_key, (), maxval=2.0)
    return lead * (labels - fraction) + jax.random.normal(noise_key, (rows,)), labels


binary_scores = Space(
    name="binary_scores",
    unit=lambda predictions, targets: jnp.ones((), predictions.dtype),
    squared_size=lambda predictions, targets: predictions.reshape(-1) ** 2,
    project=unprojected,
    features=_features,
    margins=_margins,
    margin_range=(-4.0, 4.0),
    losses=_losses,
    check=check_score,
    pooled=_pooled,
    least=LEAST,
    sample=_sample_scores,
    alike=_alike,
    decisions=columns(0),
    amplitudes=lambda predictions, targets: _positive(targets).astype(predictions.dtype)[:, None, None],
    natural=LOGISTIC,
)
"""One logit of two classes, `[B]` or `[B, 1]`: the score of the class 1, positive where that is more probable than the
class 0; targets `[B]` (or `[B, 1]`), 0 and 1 or bool.

The size of a score is its distance from 0, where the decision changes; scores that lie on one side far from 0, and are
only to be ordered, should be centred first.
"""
