"""Parts of several spaces: units and natural sizes of noise, the projection for invariance to a shift, sample sizes."""

import math

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.protocols import DecisionMargins
from jaxsurr.core.types import Array, PyTree

__all__ = ["FAR", "GUMBEL", "LEAST", "LOGISTIC", "centred", "columns", "need_two", "unit_one", "unprojected"]

FAR = -1e30  # stands in for minus infinity where a gradient must stay finite
LEAST = 0.1  # of the spread of logits: a head that starts at zero has none, and the gradient is one over it

GUMBEL = math.pi / math.sqrt(6)
"""Standard deviation of Gumbel noise, under which the largest of logits is drawn as softmax says."""
LOGISTIC = math.pi / math.sqrt(3)
"""Standard deviation of logistic noise, under which a score is positive with the probability that sigmoid says."""


def columns(first: int, *more: int, sign: int = 1) -> DecisionMargins:
    """Columns of the features that are margins, or distances (`sign=-1`), as `Space.decisions`; evenly spaced."""
    # An array of indices would be a gather, and a scatter in the gradient.
    chosen = slice(first, (first, *more)[-1] + 1, more[0] - first if more else 1)
    return lambda features, predictions, targets: sign * features[..., chosen]


def unit_one(predictions: Array, targets: PyTree) -> Array:
    """Unit of noise 1 in every coordinate."""
    return jnp.ones((), predictions.dtype)


def centred(array: Array) -> Array:
    """The array minus its mean along the last axis: the projection for invariance to a shift."""
    return array - jnp.mean(array, axis=-1, keepdims=True)


def unprojected(gradient: Array) -> Array:
    """The gradient itself: the projection of a space without an invariance to a shift."""
    return gradient


def need_two(size: int) -> None:
    """Refuses a sample of predictions of fewer than two classes, levels or items."""
    checks.integer(size, "size", least=2, meaning="classes, levels or items")
