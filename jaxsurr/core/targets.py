"""Targets of several arrays: keypoints, ranked lists, sequences, durations; their masks and their checks.

Masked entries (points that are not visible, places without an item, tokens beyond the end) never count and may hold
anything. Checks work while tracing, like those of `jaxsurr.core.checks`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import checks
from jaxsurr.core.reductions import masked, mean_weights

__all__ = [
    "AnyArray", "Durations", "Keypoints", "RankedLists", "Sequences", "check_durations", "check_heatmaps",
    "check_keypoint_targets", "check_keypoints", "check_lists", "check_sequences", "check_tokens", "cleared",
    "labels_of_steps", "mean_over_visible", "relative_distance", "visible_weights",
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


# --- masked entries ---------------------------------------------------------------------------------------------------


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


# --- checks -----------------------------------------------------------------------------------------------------------


def check_keypoints(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, J, 2]` floats, and targets that are not `Keypoints` that fit them."""
    checks.floating(predictions, 3, "[B, J, 2], (x, y) of J points")
    if predictions.shape[2] != 2:
        raise ValueError(f"predictions must have shape [B, J, 2], (x, y) of J points, got {list(predictions.shape)}.")
    return check_keypoint_targets(predictions, targets)


def check_heatmaps(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, J, H, W]` floats, and targets that are not `Keypoints` that fit them."""
    checks.floating(predictions, 4, "[B, J, H, W], a heat-map of each of J points")
    return check_keypoint_targets(predictions, targets)


def check_keypoint_targets(predictions: Any, targets: Any) -> Array | None:
    """Refuses targets that are not `Keypoints` which fit predictions `[B, J, ...]`.

    Neither points that are not visible need be numbers, nor the scale of an example without a visible point.
    """
    batch, joints = predictions.shape[:2]
    _fields(targets, Keypoints, {"points": (batch, joints, 2), "visible": (batch, joints), "scale": (batch,)})
    library = np if checks.is_concrete(targets) else jnp
    points, visible, scale = (library.asarray(leaf) for leaf in targets)
    visible = visible > 0
    unscaled = library.any(visible, axis=1) & ~((scale > 0) & library.isfinite(scale))
    unplaced = visible & ~library.all(library.isfinite(points), axis=2)
    if library is jnp:
        return unscaled | jnp.any(unplaced, axis=1)
    if unscaled.any():
        raise ValueError(
            "targets.scale must be positive and finite wherever a point is visible: it is the length that errors are "
            f"divided by; got {scale[unscaled][0]} in example {int(np.argmax(unscaled))}."
        )
    if unplaced.any():
        index = tuple(int(i) for i in np.argwhere(unplaced)[0])
        raise ValueError(
            f"targets.points hold {points[index].tolist()} at {index}, where visible says that there is a point. Let "
            "visible be 0 where points are not known."
        )
    return None


def _fields(targets: Any, kind: type, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuses targets of another kind, or whose arrays have other shapes."""
    if not isinstance(targets, kind):
        raise TypeError(
            f"targets must be jaxsurr.{kind.__name__}({', '.join(kind._fields)}), got {type(targets).__name__}."
        )
    for name, shape in shapes.items():
        got = jnp.shape(getattr(targets, name))
        if got != shape:
            raise ValueError(f"targets.{name} must have shape {list(shape)} to fit predictions, got {list(got)}.")


def check_lists(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, L]` floats, and targets that are not `RankedLists` that fit them."""
    checks.floating(predictions, 2, "[B, L], scores of L items")
    if predictions.shape[1] == 0:
        raise ValueError("predictions have shape [B, 0]: the lists have no room for an item.")
    _fields(targets, RankedLists, {"relevance": predictions.shape, "items": predictions.shape})
    library = np if checks.is_concrete(targets) else jnp
    relevance, items = (library.asarray(leaf) for leaf in targets)
    wrong = (items > 0) & ~((relevance >= 0) & library.isfinite(relevance))
    if library is jnp:
        return jnp.any(wrong, axis=1)
    if wrong.any():
        raise ValueError(
            "targets.relevance must be at least 0 and finite, no NaN, wherever there is an item, got "
            f"{relevance[wrong][0]}."
        )
    return None


def labels_of_steps(targets: Sequences) -> Array:
    """The label of each step, -1 where it has none: beyond the end, or where it is to be ignored; `[B, T]`.

    >>> labels_of_steps(Sequences(jnp.array([[3, -5, 2, 1]]), jnp.array([3]))).tolist()
    [[3, -1, 2, -1]]
    """
    tokens, lengths = jnp.asarray(targets.tokens), jnp.asarray(targets.lengths).astype(jnp.int32)
    within = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None] < lengths[:, None]
    return jnp.where(within & (tokens >= 0), tokens.astype(jnp.int32), -1)


def check_tokens(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, T, K]` floats, and `Sequences` that have not one label for each step."""
    checks.floating(predictions, 3, "[B, T, K], logits of K labels for each of T steps")
    batch, steps, count = predictions.shape
    if steps == 0 or count < 2:
        raise ValueError(f"predictions must have a step and at least two labels, got shape {list(predictions.shape)}.")
    if isinstance(targets, Sequences) and jnp.shape(targets.lengths) == (batch, steps) != (batch,):
        raise ValueError(
            f"targets.lengths must have shape [{batch}], one length for each example, got a mask [{batch}, {steps}]: "
            "pass mask.sum(axis=1), and -1 as label of a step that is to be ignored before the end."
        )
    if isinstance(targets, Sequences) and jnp.ndim(targets.tokens) == 2 and jnp.shape(targets.tokens)[1] != steps:
        raise ValueError(
            f"targets.tokens must have a label for each of the {steps} steps, shape [{batch}, {steps}], got "
            f"{list(jnp.shape(targets.tokens))}. Fill shorter ones up; sequences that have to be aligned with the "
            "steps are for edit_distance."
        )
    _fields(targets, Sequences, {"tokens": (batch, steps), "lengths": (batch,)})
    for name, leaf in targets._asdict().items():
        if not jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.integer):
            raise TypeError(f"targets.{name} must be integers, got {jnp.asarray(leaf).dtype}.")
    library: Any = np if checks.is_concrete(targets) else jnp
    tokens, lengths = (library.asarray(leaf) for leaf in targets)
    misfit = checks.outside(lengths, steps + 1)
    within = library.arange(steps, dtype=np.int32)[None] < lengths[:, None].astype(np.int32)
    unknown = within & (tokens >= 0) & checks.outside(tokens, count)
    if library is jnp:
        return misfit | jnp.any(unknown, axis=1)
    if misfit.any():
        raise ValueError(
            f"targets.lengths must lie between 0 and {steps}, the number of steps, got {int(lengths[misfit][0])}."
        )
    if unknown.any():
        raise ValueError(
            f"targets.tokens must be labels from 0 to {count - 1}, as predictions have room for {count}, or negative "
            f"where a step is to be ignored, got {int(tokens[unknown][0])}. Give the model more outputs, or shorten "
            "targets.lengths."
        )
    return None


def check_sequences(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, T, K]` floats, and targets that are not `Sequences` that fit them."""
    checks.floating(predictions, 3, "[B, T, K], logits of K tokens for each step")
    if 0 in predictions.shape:
        raise ValueError(f"predictions must have at least one step and one token, got {list(predictions.shape)}.")
    room: Any = getattr(targets, "tokens", None)
    longest = np.shape(room)[-1:]
    _fields(targets, Sequences, {"tokens": (len(predictions), *longest), "lengths": (len(predictions),)})
    if not all(jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.integer) for leaf in targets) or longest == (0,):
        raise ValueError("targets.tokens and targets.lengths must be integers, with room for at least one token.")
    count = predictions.shape[2]
    library: Any = np if checks.is_concrete(targets) else jnp
    tokens, lengths = (library.asarray(leaf) for leaf in targets)
    misfit = checks.outside(lengths, longest[0] + 1)
    within = library.arange(longest[0], dtype=np.int32)[None] < lengths[:, None].astype(np.int32)
    unknown = within & checks.outside(tokens, count)
    if library is jnp:
        return misfit | jnp.any(unknown, axis=1)
    if misfit.any():
        raise ValueError(f"targets.lengths must lie between 0 and {longest[0]}, the room that targets.tokens have.")
    if unknown.any():
        raise ValueError(
            f"targets.tokens must be tokens from 0 to {count - 1}, as predictions have room for {count}, got "
            f"{int(tokens[unknown][0])}. Give the model more outputs, or shorten targets.lengths."
        )
    return None


def check_durations(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B]` or `[B, 1]` floats, and targets that are not `Durations` that fit them."""
    checks.one_number(predictions)
    _fields(targets, Durations, {"time": predictions.shape[:1], "event": predictions.shape[:1]})
    library: Any = np if checks.is_concrete(targets) else jnp
    time, event = (library.asarray(leaf) for leaf in targets)
    impossible = ~((time >= 0) & (time < np.inf))
    unclear = ~((event == 0) | (event == 1))
    if library is jnp:
        return impossible | unclear
    if impossible.any():
        raise ValueError(
            "targets.time must be at least 0 and finite, no NaN: it runs from the start of observation; got "
            f"{time[impossible][0]} in example {int(np.argmax(impossible))}."
        )
    if unclear.any():
        raise ValueError(
            f"targets.event must be 1 (or True) where the event was seen and 0 where not, got {event[unclear][0]} in "
            f"example {int(np.argmax(unclear))}."
        )
    return None
