"""Spaces of several labels, a logit of each, which is decided by its sign.

The items of an example are its labels. The features of a label are those of its own logit, and what a metric of the
whole example may ask of the others: whether one of them is wrong, and how many are ranked before it.
"""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.products import einsum
from jaxsurr.core.targets import check_labels
from jaxsurr.core.types import Array, Pooled, Space
from jaxsurr.spaces.invariance import LEAST, LOGISTIC, columns, unit_one, unprojected

__all__ = ["label_logits", "named_label_logits"]

_SURE = 8.0  # in scales, the margin of "all other labels are right", which an example of one label has
_STEEPNESS = 1.7  # of the sigmoid that is nearest to the normal distribution function


def _there(targets: Array) -> Array:
    return targets.astype(jnp.int32) == 1


def _signed(predictions: Array, targets: Array, scale: Array) -> Array:
    """Logits in scales, positive on the right side of 0, `[B, K]`."""
    return jnp.where(_there(targets), predictions, -predictions) / scale


def _worst_other(margins: Array) -> Array:
    """The soft minimum of the margins of all other labels, `[B, K]`."""
    count = margins.shape[1]
    others = jnp.where(jnp.eye(count, dtype=bool)[None], -_SURE, -margins[:, None, :])
    return -jax.nn.logsumexp(others, axis=-1)


def _ranks(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """About how many set labels, and how many absent ones, have a higher logit than each label; `[B, K]` both."""
    there = _there(targets).astype(predictions.dtype)
    ahead = jax.nn.sigmoid(_STEEPNESS * (predictions[:, None, :] - predictions[:, :, None]) / scale)
    other = 1 - jnp.eye(predictions.shape[1], dtype=predictions.dtype)[None]
    return einsum("bkj,bj->bk", ahead * other, there), einsum("bkj,bj->bk", ahead * other, 1 - there)


def _features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, there = _signed(predictions, targets, scale), _there(targets).astype(predictions.dtype)
    fraction = jnp.broadcast_to(jnp.mean(there, axis=1, keepdims=True), there.shape)
    ranks = map(jnp.log1p, _ranks(predictions, targets, scale))
    features = jnp.stack([margins, 2 * there - 1, _worst_other(margins), *ranks, fraction], axis=-1)
    return features, _weights(margins)


def _weights(margins: Array) -> Array:
    return jnp.full_like(margins, 1 / margins.shape[1])


def _margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins = _signed(predictions, targets, scale)
    return margins[..., None], _weights(margins)


def _losses(predictions: Array, targets: Array, scale: Array) -> Array:
    return jnp.stack([loss(predictions, targets) for loss in (losses.label_cross_entropy, losses.asymmetric)], axis=-1)


def _pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    """Features for a set network, one group for each label."""
    features, label_features = predictions / scale, _there(targets).astype(predictions.dtype)
    positions = jnp.linspace(0.0, 1.0, predictions.shape[1], dtype=predictions.dtype)[:, None]
    return Pooled(
        features[:, None, :, None], label_features[:, None, :, None], jnp.ones_like(predictions[:, :1]), positions
    )


def _sample_labels(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random logits of `size` labels, each with a random frequency and a random lead of the examples that have it."""
    fraction_key, label_key, lead_key, noise_key = jax.random.split(key, 4)
    fraction = jax.random.uniform(fraction_key, (1, size), minval=0.1, maxval=0.6)
    labels = jax.random.bernoulli(label_key, fraction, (rows, size)).astype(jnp.int32)
    lead = jax.random.uniform(lead_key, (1, size), maxval=4.0)
    return lead * (labels - fraction) + jax.random.normal(noise_key, (rows, size)), labels


def _alike(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Predictions and targets as probabilities of the labels."""
    probabilities = jax.nn.sigmoid(predictions)
    return probabilities, _there(targets).astype(probabilities.dtype)


def _presence(predictions: Array, targets: Array) -> Array:
    return _there(targets).astype(predictions.dtype)[..., None]


label_logits = Space(
    name="label_logits",
    unit=unit_one,
    squared_size=lambda predictions, targets: jnp.mean(predictions**2, axis=-1),
    project=unprojected,
    features=_features,
    margins=_margins,
    margin_range=(-4.0, 4.0),
    losses=_losses,
    check=check_labels,
    pooled=_pooled,
    least=LEAST,
    sample=_sample_labels,
    scale_free=True,
    alike=_alike,
    decisions=columns(0),
    amplitudes=_presence,
    natural=LOGISTIC,
)
"""Logits `[B, K]` of K labels, positive where a label is more likely set than not; targets `[B, K]` of 0 and 1.

Features are symmetric in the labels; their memory grows as the square of K. A wrong label may cost another amount where
it is set than where it is not.
"""


def _named_amplitudes(predictions: Array, targets: Array) -> Array:
    """Which label it is, and whether it is set, `[B, K, 2 K]`."""
    count = predictions.shape[1]
    names = jnp.broadcast_to(jnp.eye(count, dtype=predictions.dtype)[None], (*predictions.shape, count))
    return jnp.concatenate([names, names * _presence(predictions, targets)], axis=-1)


def _named_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    features, weights = _features(predictions, targets, scale)
    return jnp.concatenate([features, _named_amplitudes(predictions, targets)], axis=-1), weights


named_label_logits = label_logits._replace(
    name="named_label_logits",
    features=_named_features,
    amplitudes=_named_amplitudes,
    sample=None,
    scale_free=False,
)
"""`label_logits` whose features include which label it is, for metrics in which labels cost differently.

A surrogate is then bound to its number of labels. The atoms of the basis family are the same for all labels.
"""
