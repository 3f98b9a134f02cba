"""The space of class logits whose items are the decisions, for metrics that price each wrong class on its own."""

import jax
import jax.numpy as jnp

from jaxsurr.core.types import Array
from jaxsurr.spaces.classes import class_logits, one_against_all
from jaxsurr.spaces.invariance import columns

__all__ = ["decision_logits"]

_PAIRS = 24  # classes up to which each pair of true class and decision has an amplitude of its own
_MARGINS = 2


def _rivals(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """One-hot true classes `[B, K]`, and weights `[B, K]` of the wrong decisions, which sum to 1."""
    true = jax.nn.one_hot(targets, predictions.shape[-1], dtype=predictions.dtype)
    return true, (1 - true) / (predictions.shape[-1] - 1)


def _margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    scaled = predictions / scale
    margins = jnp.stack([-one_against_all(scaled, temperature) for temperature in (1.0, 0.25)], axis=-1)
    return margins, _rivals(predictions, targets)[1]


def _features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, weights = _margins(predictions, targets, scale)
    true, _ = _rivals(predictions, targets)
    of_true = jnp.sum(true[..., None] * margins, axis=1, keepdims=True)
    classes = true.shape[-1]
    shape = (*true.shape, classes)
    named = [jnp.broadcast_to(true[:, None], shape), jnp.broadcast_to(jnp.eye(classes, dtype=true.dtype)[None], shape)]
    return jnp.concatenate([margins, jnp.broadcast_to(of_true, margins.shape), *named], axis=-1), weights


def _amplitudes(predictions: Array, targets: Array) -> Array:
    """The pair of true class and decision, one-hot; of many classes each by itself, whose amplitudes multiply."""
    true, _ = _rivals(predictions, targets)
    classes = true.shape[-1]
    decided = jnp.eye(classes, dtype=true.dtype)
    if classes <= _PAIRS:
        pairs = true[:, None, :, None] * decided[None, :, None, :]
        return pairs.reshape(len(true), classes, classes * classes)
    shape = (*true.shape, classes)
    return jnp.concatenate([jnp.broadcast_to(true[:, None], shape), jnp.broadcast_to(decided[None], shape)], axis=-1)


decision_logits = class_logits._replace(
    name="decision_logits",
    features=_features,
    margins=_margins,
    decisions=columns(*range(_MARGINS)),
    amplitudes=_amplitudes,
    scale_free=False,
)
"""Logits `[B, K]` of K classes, targets `[B]` integers, for metrics whose cost depends on which wrong class is decided.

An example has an item for each class but the true one: the decision against it, which is right where another class is
the largest. Each pair of true class and decision has an amplitude, what it costs (beyond 24 classes: the product of one
for the true class and one for the decision). A surrogate is bound to its number of classes.
"""
