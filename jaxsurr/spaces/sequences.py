"""The space of logits of the steps of a sequence."""

import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.targets import check_sequences, cleared
from jaxsurr.core.types import Array, Sequences, Space
from jaxsurr.spaces.classes import class_logits, class_unit, read_items
from jaxsurr.spaces.ruling_out import finite_below

__all__ = ["sequence_logits"]


def _aligned(predictions: Array, targets: Sequences) -> tuple[Array, Array]:
    """The target token of each step (the last one beyond the end), and a mask of the steps that have one, `[B, T]`."""
    steps, longest = predictions.shape[1], targets.tokens.shape[1]
    place = jnp.minimum(jnp.arange(steps, dtype=jnp.int32), longest - 1)
    return targets.tokens[:, place], jnp.arange(steps, dtype=jnp.int32)[None] < targets.lengths[:, None].astype(
        jnp.int32
    )


def _sequence_features(predictions: Array, targets: Sequences, scale: Array) -> tuple[Array, Array]:
    labels, within = _aligned(predictions, targets)
    within = within.astype(predictions.dtype)
    features = read_items(class_logits.features, predictions, labels, scale)
    features = jnp.concatenate([features * within[..., None], within[..., None]], axis=-1)
    return features, jnp.full_like(within, 1 / within.shape[1])


def _mean_over_steps(within: Array, dtype) -> Array:
    return within / jnp.maximum(jnp.sum(within, axis=1, keepdims=True), 1).astype(dtype)


def _sequence_margins(predictions: Array, targets: Sequences, scale: Array) -> tuple[Array, Array]:
    labels, within = _aligned(predictions, targets)
    return read_items(class_logits.margins, predictions, labels, scale), _mean_over_steps(within, predictions.dtype)


def _sequence_losses(predictions: Array, targets: Sequences, scale: Array) -> Array:
    labels, within = _aligned(predictions, targets)
    each = losses.cross_entropy(predictions.reshape(-1, predictions.shape[-1]), labels.reshape(-1))
    weights = _mean_over_steps(within, predictions.dtype)
    return jnp.sum(weights * each.reshape(labels.shape), axis=1, keepdims=True)


sequence_logits = Space(
    name="sequence_logits",
    unit=class_unit,
    squared_size=lambda predictions, targets: jnp.mean(class_logits.squared_size(predictions, targets), axis=1),
    project=class_logits.project,
    features=_sequence_features,
    margins=_sequence_margins,
    margin_range=class_logits.margin_range,
    losses=_sequence_losses,
    check=check_sequences,
    clear=lambda predictions, targets: (finite_below(predictions), cleared(predictions, targets)[1]),
    ruled_out=class_logits.ruled_out,
    least=class_logits.least,
    decisions=class_logits.decisions,
    natural=class_logits.natural,
)
"""Logits `[B, T, K]` of K tokens for each step, targets `Sequences`.

A surrogate compares each step with the target token of the same step, not with the one that the alignment of an edit
distance would give.
"""
