"""The generic space: predictions of any shape, without structure."""

import jax
import jax.numpy as jnp

from jaxsurr.core.targets import check_any
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.spaces.invariance import unit_one, unprojected

__all__ = ["generic"]


def _flat(tree: PyTree, dtype) -> Array:
    """All leaves of a batch, concatenated: `[B, F]`."""
    leaves = [jnp.reshape(leaf, (leaf.shape[0], -1)).astype(dtype) for leaf in map(jnp.asarray, jax.tree.leaves(tree))]
    return jnp.concatenate(leaves, axis=-1)


def _generic_features(predictions: Array, targets: PyTree, scale: Array) -> tuple[Array, Array]:
    flat = _flat(predictions, predictions.dtype)
    parts = [flat / scale, _flat(targets, predictions.dtype)]
    if _same_shape(predictions, targets):
        parts.append((flat - parts[1]) / scale)
    features = jnp.concatenate(parts, axis=-1)
    return features[:, None], jnp.ones_like(features[:, :1])


def _same_shape(predictions: Array, targets: PyTree) -> bool:
    return hasattr(targets, "shape") and targets.shape == predictions.shape


def _need_same_shape(predictions: Array, targets: PyTree) -> None:
    if not _same_shape(predictions, targets):
        raise ValueError(
            "the basis family measures the error of a prediction: in the generic space it needs targets of the shape "
            f"of predictions {list(predictions.shape)}. Use family='network', or a space that fits your predictions."
        )


def _generic_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    _need_same_shape(predictions, targets)
    error = _flat(predictions - targets, predictions.dtype) / scale
    return -jnp.sqrt(error**2 + 1e-12)[..., None], jnp.full_like(error, 1 / error.shape[-1])


def _generic_decisions(features: Array, predictions: Array, targets: PyTree) -> Array:
    """The distance of a prediction from a target of the same shape; no margin where targets are of another."""
    if not _same_shape(predictions, targets):
        return features[..., :0]
    error = features[..., -predictions[0].size :]
    return -jnp.sqrt(jnp.sum(error**2, axis=-1, keepdims=True) + 1e-12)


def taken_as_one(space: Space, predictions: Array, targets: PyTree) -> str:
    """What an example counts as in this space where its items cannot be told apart, in words; "" where they can be.

    Args:
      space: another space, or one with features or decisions of its own, can tell them.
      predictions, targets: of which the shapes count.
    """
    if (space.features, space.decisions) != (_generic_features, _generic_decisions):
        return ""
    if not _same_shape(predictions, targets):
        shapes = [list(jnp.shape(leaf)) for leaf in jax.tree.leaves(targets)]
        return (
            f"one decision without a margin, since targets {', '.join(map(str, shapes))} are not of the shape of "
            f"predictions {list(predictions.shape)}"
        )
    if predictions[0].size > 1:
        return (
            "one decision, whose margin is the distance of the whole prediction from its target, both "
            f"{list(predictions.shape[1:])}"
        )
    return ""


def _generic_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    _need_same_shape(predictions, targets)
    error = _flat(predictions - targets, predictions.dtype)
    return jnp.stack([jnp.mean(error**2, axis=-1), jnp.mean(jnp.abs(error), axis=-1)], axis=-1)


def _alike(predictions: Array, targets: PyTree) -> tuple[Array, Array]:
    if not _same_shape(predictions, targets):
        raise ValueError(
            f"a distance between predictions and targets needs targets in the form of predictions, "
            f"{list(predictions.shape)}. Use a space that fits your predictions, or pass read= (embedding)."
        )
    return predictions.reshape(len(predictions), -1), targets.astype(predictions.dtype).reshape(len(predictions), -1)


generic = Space(
    name="generic",
    unit=unit_one,
    squared_size=lambda predictions, targets: jnp.mean(_flat(predictions, predictions.dtype) ** 2, axis=-1),
    project=unprojected,
    features=_generic_features,
    margins=_generic_margins,
    margin_range=(-16.0, 0.0),
    losses=_generic_losses,
    check=check_any,
    alike=_alike,
    decisions=_generic_decisions,
)
"""Predictions `[B, ...]` and targets of any shape, without known invariances; a surrogate must learn all structure.

An example is one item, whose decision has a margin where targets have the shape of predictions: their distance. For an
item of each part of a prediction `_replace` its `features` (`[B, I, F]`) and `decisions` (`[B, I, R]`).
"""
