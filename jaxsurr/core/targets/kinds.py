"""Targets of several arrays: keypoints, ranked lists, sequences, durations; their masks and the geometry of points.

Masked entries (points that are not visible, places without an item, tokens beyond the end) never count and may hold
anything.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxsurr.core.reductions import masked, mean_weights

__all__ = [
    "AnyArray", "Durations", "Keypoints", "RankedLists", "Sequences", "cleared", "labels_of_steps", "mean_over_visible",
    "relative_distance", "visible_weights",
]  # fmt: skip

AnyArray = Array | Any
"""An array of JAX or NumPy. (`Any`: functions of JAX take both.)"""


class Keypoints(NamedTuple):
    """Targets of pose estimation: coordinates, visibility, and the scale of the subject.

    Attributes:
      points: `[B, J, 2]` float, (x, y) of J points, in the unit of the predictions.
      visible: `[B, J]` float or bool, 1 where the point is annotated. Other points never count.
      scale: `[B]` float > 0, the length that errors are divided by (torso, head or inter-ocular distance), in the
        same unit as `points`.
    """

    points: AnyArray
    visible: AnyArray
    scale: AnyArray


class RankedLists(NamedTuple):
    """Targets of lists that are to be ordered by score.

    Attributes:
      relevance: `[B, L]` float or integer of at least 0, how good each item of a list is.
      items: `[B, L]` float or bool, 1 where there is an item; lists of fewer than L items are filled up with zeros.
    """

    relevance: AnyArray
    items: AnyArray


class Sequences(NamedTuple):
    """Targets that are sequences of tokens, to be aligned with the predicted ones or compared with them step by step.

    Attributes:
      tokens: `[B, U]` integers. Where each of T steps has a label, U is T, and a negative label is to be ignored.
      lengths: `[B]` integers from 0 to U; later tokens never count.
    """

    tokens: AnyArray
    lengths: AnyArray


class Durations(NamedTuple):
    """Targets of survival analysis: times to an event, some of them censored.

    Attributes:
      time: `[B]` float or integer of at least 0, until the event, or until observation ended.
      event: `[B]` bool, or 0 and 1: whether the event was seen; where it is 0 it came later than `time`, if at all.
    """

    time: AnyArray
    event: AnyArray


# --- masked entries --------------------------------------------------------------------------------------------------


def cleared(predictions: Array, targets: Any) -> tuple[Array, Any]:
    """Predictions and targets with zeros in points that are not visible, places without an item, tokens beyond the end.

    A NaN is replaced too, since its product with a weight of 0 would be NaN. An example without a visible point has a
    scale of 1. Other kinds of targets, and shapes that do not fit, are returned unchanged.

    Args:
      predictions: `[B, ...]`.
      targets: `Keypoints`, `RankedLists`, `Sequences`, or anything else.

    >>> import jax.numpy as jnp
    >>> lists = RankedLists(jnp.array([[2.0, jnp.nan]]), jnp.array([[1.0, 0.0]]))
    >>> predictions, lists = cleared(jnp.array([[0.5, jnp.inf]]), lists)
    >>> predictions.tolist(), lists.relevance.tolist()
    ([[0.5, 0.0]], [[2.0, 0.0]])
    """
    if isinstance(targets, Keypoints):
        return _without_points(predictions, targets)
    if isinstance(targets, RankedLists):
        return _without_items(predictions, targets)
    if isinstance(targets, Sequences):
        return predictions, _without_tokens(targets)
    return predictions, targets


def _only(values: Array, present: Array) -> Array:
    return masked(jnp.asarray(values), present)


def _without_points(predictions: Array, targets: Keypoints) -> tuple[Array, Keypoints]:
    shape = jnp.shape(targets.visible)
    fits = len(shape) == 2 and jnp.shape(targets.points)[:2] == shape and jnp.shape(targets.scale) == shape[:1]
    if not fits or jnp.shape(predictions)[:2] != shape:
        return predictions, targets
    seen = jnp.asarray(targets.visible) > 0
    scale = jnp.asarray(targets.scale)
    scale = jnp.where(jnp.any(seen, axis=1), scale, jnp.ones((), scale.dtype))
    return _only(predictions, seen), Keypoints(_only(targets.points, seen), _only(targets.visible, seen), scale)


def _without_items(predictions: Array, targets: RankedLists) -> tuple[Array, RankedLists]:
    shape = jnp.shape(targets.items)
    if jnp.shape(targets.relevance) != shape or jnp.shape(predictions) != shape:
        return predictions, targets
    here = jnp.asarray(targets.items) > 0
    return _only(predictions, here), RankedLists(_only(targets.relevance, here), _only(targets.items, here))


def _without_tokens(targets: Sequences) -> Sequences:
    shape = jnp.shape(targets.tokens)
    if len(shape) != 2 or jnp.shape(targets.lengths) != shape[:1]:
        return targets
    within = jnp.arange(shape[1], dtype=jnp.int32)[None] < jnp.asarray(targets.lengths).astype(jnp.int32)[:, None]
    return targets._replace(tokens=_only(targets.tokens, within))


# --- distances of points ----------------------------------------------------------------------------------------------


def relative_distance(predictions: Array, targets: Keypoints) -> Array:
    """Euclidean distance of each point from its target over the example's scale; its gradient at distance 0 is 0.

    It is 0 for points that are not visible, whatever they hold.

    Args:
      predictions: `[B, J, 2]` float, in the unit of the targets.
      targets: `Keypoints`.

    Returns:
      `[B, J]`, in scales.
    """
    visible = jnp.asarray(targets.visible) > 0
    apart = jnp.where(visible[..., None], predictions - targets.points, 0)
    # In units of the larger coordinate, so that the square of no size overflows or vanishes.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(apart), axis=-1, keepdims=True))
    positive = largest != 0  # a NaN is not 0 and stays
    unit = jnp.where(positive, largest, 1)
    squared = jnp.where(positive[..., 0], jnp.sum((apart / unit) ** 2, axis=-1), 1)
    scale = jnp.where(jnp.any(visible, axis=1), targets.scale, 1)
    return jnp.where(positive[..., 0], unit[..., 0] * jnp.sqrt(squared), 0) / scale[:, None]


def visible_weights(targets: Keypoints, dtype=jnp.float32) -> Array:
    """Weights of an example's points: one over the number of visible ones, 0 for the others; `[B, J]`."""
    return mean_weights((jnp.asarray(targets.visible) > 0).astype(dtype))


def mean_over_visible(values: Array, targets: Keypoints) -> Array:
    """Mean over the visible points, 0 where there is none: `[B, J]` or `[B, J, M]` to `[B]` or `[B, M]`."""
    weights = visible_weights(targets, values.dtype)
    weights = weights.reshape(weights.shape + (1,) * (values.ndim - 2))
    return jnp.sum(jnp.where(weights > 0, weights * values, 0), axis=1)


# --- labels of steps --------------------------------------------------------------------------------------------------


def labels_of_steps(targets: Sequences) -> Array:
    """The label of each step, -1 where it has none: beyond the end, or where it is to be ignored; `[B, T]`.

    >>> labels_of_steps(Sequences(jnp.array([[3, -5, 2, 1]]), jnp.array([3]))).tolist()
    [[3, -1, 2, -1]]
    """
    tokens, lengths = jnp.asarray(targets.tokens), jnp.asarray(targets.lengths).astype(jnp.int32)
    within = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None] < lengths[:, None]
    return jnp.where(within & (tokens >= 0), tokens.astype(jnp.int32), -1)
