"""Spaces of logits of steps that have a label each: mean over the labels, and all labels of an example together."""

import jax
import jax.numpy as jnp

from jaxsurr.core.targets import check_tokens, cleared, labels_of_steps
from jaxsurr.core.types import Array, Pooled, Sequences, Space
from jaxsurr.spaces.classes import class_logits
from jaxsurr.spaces.pixels import pixel_logits

__all__ = ["joint_token_logits", "token_logits"]

_STEPS = 6  # of the longest sequence that is sampled


def _clear(predictions: Array, targets: Sequences) -> tuple[Array, Sequences]:
    """Predictions with zeros in steps without a label; what does not fit is left for the check to refuse."""
    predictions, targets = cleared(predictions, targets)
    fits = isinstance(targets, Sequences) and jnp.shape(targets.tokens) == jnp.shape(predictions)[:-1]
    if not fits or jnp.shape(targets.lengths) != jnp.shape(predictions)[:1]:
        return predictions, targets
    return pixel_logits.clear(predictions, labels_of_steps(targets))[0], targets  # pyright: ignore  # it has one


def _pooled(predictions: Array, targets: Sequences, scale: Array, where: Array | None) -> Pooled:
    return pixel_logits.pooled(predictions, labels_of_steps(targets), scale, where)  # pyright: ignore  # it has one


def _ruled_out(predictions: Array, targets: Sequences) -> Array:
    return pixel_logits.ruled_out(predictions, labels_of_steps(targets))  # pyright: ignore  # it has one


def _sample(key: Array, rows: int, size: int) -> tuple[Array, Sequences]:
    """Steps that are sampled as classes are, and random lengths from 1."""
    step_key, length_key = jax.random.split(key)
    logits, labels = class_logits.sample(step_key, rows * _STEPS, size)  # pyright: ignore  # it has one
    lengths = jax.random.randint(length_key, (rows,), 1, _STEPS + 1)
    return logits.reshape(rows, _STEPS, size), Sequences(labels.reshape(rows, _STEPS), lengths)


token_logits = Space(
    name="token_logits",
    unit=lambda predictions, targets: pixel_logits.unit(predictions, labels_of_steps(targets)),
    squared_size=lambda predictions, targets: pixel_logits.squared_size(predictions, labels_of_steps(targets)),
    project=pixel_logits.project,
    features=lambda predictions, targets, scale: pixel_logits.features(predictions, labels_of_steps(targets), scale),
    margins=lambda predictions, targets, scale: pixel_logits.margins(predictions, labels_of_steps(targets), scale),
    margin_range=pixel_logits.margin_range,
    losses=lambda predictions, targets, scale: pixel_logits.losses(predictions, labels_of_steps(targets), scale),
    check=check_tokens,
    pooled=_pooled,
    clear=_clear,
    ruled_out=_ruled_out,
    least=pixel_logits.least,
    sample=_sample,
    scale_free=True,
    decisions=pixel_logits.decisions,
    natural=pixel_logits.natural,
)
"""Logits `[B, T, K]` of K labels for each step, targets `Sequences` with a label for each of the T steps.

Steps beyond the end of a sequence, and those whose label is negative, are not perturbed and do not count. An example's
value is a mean over its steps.
"""

joint_token_logits = token_logits._replace(name="joint_token_logits", joint=True)
"""`token_logits` for metrics that ask for all labels of an example to be right together, as `exact_match`.

The probability of a right example is the product of those of its steps, so that the loss leads from the likelihood of
the whole sequence, the sum of the cross-entropies of its steps, to the metric.
"""
