"""What stands for points, items and tokens that are absent: nothing of them counts, so that they may hold anything."""

import jax.numpy as jnp

from jaxsurr.core.reductions import masked
from jaxsurr.core.types import Array, Keypoints, PyTree, RankedLists, Sequences


def cleared(predictions: Array, targets: PyTree) -> tuple[Array, PyTree]:
    """Zeros at each point that is not visible, each place without an item, each token beyond the end.

    They replace whatever was there, a NaN too, whose product with a weight of 0 would be NaN. An example without a
    visible point has a scale of 1. Other kinds of targets, and shapes that do not fit, are returned as they are.

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
