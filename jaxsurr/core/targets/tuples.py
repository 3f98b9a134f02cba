"""Checks of targets of several arrays: keypoints, ranked lists, sequences, durations.

They work while tracing and return masks of traced examples, like those of one array (`jaxsurr.core.targets.arrays`).
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import checks
from jaxsurr.core.targets.arrays import check_one_number, outside
from jaxsurr.core.targets.kinds import Durations, Keypoints, RankedLists, Sequences

__all__ = [
    "check_durations", "check_heatmaps", "check_keypoint_targets", "check_keypoints", "check_lists", "check_sequences",
    "check_tokens",
]  # fmt: skip


def _fields(targets: Any, kind: type, shapes: dict[str, tuple[int, ...]]) -> list[Any]:
    """The arrays of targets; refuses targets of another kind, or whose arrays have other shapes."""
    if not isinstance(targets, kind):
        raise TypeError(
            f"targets must be jaxsurr.{kind.__name__}({', '.join(kind._fields)}), got {type(targets).__name__}."
        )
    for name, shape in shapes.items():
        got = jnp.shape(getattr(targets, name))
        if got != shape:
            raise ValueError(f"targets.{name} must have shape {list(shape)} to fit predictions, got {list(got)}.")
    return [checks.in_numpy(leaf) for leaf in targets]


def check_keypoints(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, J, 2]` floats, and targets that are not `Keypoints` that fit them."""
    checks.floating(predictions, 3, "[B, J, 2], (x, y) of J points", last=2)
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
    shapes = {"points": (batch, joints, 2), "visible": (batch, joints), "scale": (batch,)}
    points, visible, scale = _fields(targets, Keypoints, shapes)
    visible = visible > 0
    return checks.either(
        checks.refuse(
            visible.any(axis=1) & ~((scale > 0) & (scale < np.inf)),
            lambda index: (
                "targets.scale must be positive and finite wherever a point is visible: it is the length that errors "
                f"are divided by; got {scale[index]} in example {index[0]}."
            ),
        ),
        checks.refuse(
            visible & ~(abs(points) < np.inf).all(axis=2),
            lambda index: (
                f"targets.points hold {points[index].tolist()} at {index}, where visible says that there is a point. "
                "Let visible be 0 where points are not known."
            ),
        ),
    )


def check_lists(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, L]` floats, and targets that are not `RankedLists` that fit them."""
    checks.floating(predictions, 2, "[B, L], scores of L items")
    if predictions.shape[1] == 0:
        raise ValueError("predictions have shape [B, 0]: the lists have no room for an item.")
    relevance, items = _fields(targets, RankedLists, {"relevance": predictions.shape, "items": predictions.shape})
    return checks.refuse(
        (items > 0) & ~((relevance >= 0) & (relevance < np.inf)),
        lambda index: (
            "targets.relevance must be at least 0 and finite, no NaN, wherever there is an item, got "
            f"{relevance[index]}."
        ),
    )


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
    return _sequence_values(targets, (batch, steps), count, ignored=True)


def check_sequences(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, T, K]` floats, and targets that are not `Sequences` that fit them."""
    checks.floating(predictions, 3, "[B, T, K], logits of K tokens for each step")
    if 0 in predictions.shape:
        raise ValueError(f"predictions must have at least one step and one token, got {list(predictions.shape)}.")
    longest = np.shape(getattr(targets, "tokens", ()))[-1:]
    if isinstance(targets, Sequences) and longest == (0,):
        raise ValueError("targets.tokens must have room for at least one token, got shape [B, 0].")
    return _sequence_values(targets, (len(predictions), *longest), predictions.shape[2])


def _sequence_values(targets: Any, shape: tuple[int, ...], count: int, *, ignored: bool = False) -> Array | None:
    """Refuses `Sequences` whose tokens are not of `shape` and below `count`; negative ones may be `ignored`."""
    tokens, lengths = _fields(targets, Sequences, {"tokens": shape, "lengths": shape[:1]})
    room = shape[-1]
    for name, leaf in zip(Sequences._fields, (tokens, lengths), strict=True):
        if not jnp.issubdtype(leaf.dtype, jnp.integer):
            raise TypeError(f"targets.{name} must be integers, got {leaf.dtype}.")
    within = np.arange(room, dtype=np.int32)[None] < lengths[:, None].astype(np.int32)
    unknown = within & outside(tokens, count)
    what, also, size = "tokens", "", "the room that targets.tokens have"
    if ignored:
        what, also, size = "labels", ", or negative where a step is to be ignored", "the number of steps"
    return checks.either(
        checks.refuse(
            outside(lengths, room + 1),
            lambda index: f"targets.lengths must lie between 0 and {room}, {size}, got {lengths[index]}.",
        ),
        checks.refuse(
            unknown & (tokens >= 0) if ignored else unknown,
            lambda index: (
                f"targets.tokens must be {what} from 0 to {count - 1}, as predictions have room for {count}{also}, got "
                f"{tokens[index]}. Give the model more outputs, or shorten targets.lengths."
            ),
        ),
    )


def check_durations(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B]` or `[B, 1]` floats, and targets that are not `Durations` that fit them."""
    check_one_number(predictions)
    time, event = _fields(targets, Durations, {"time": predictions.shape[:1], "event": predictions.shape[:1]})
    return checks.either(
        checks.refuse(
            ~((time >= 0) & (time < np.inf)),
            lambda index: (
                "targets.time must be at least 0 and finite, no NaN: it runs from the start of observation; got "
                f"{time[index]} in example {index[0]}."
            ),
        ),
        checks.refuse(
            ~((event == 0) | (event == 1)),
            lambda index: (
                "targets.event must be 1 (or True) where the event was seen and 0 where not, got "
                f"{event[index]} in example {index[0]}."
            ),
        ),
    )
