"""The space of logits of the pixels of an image."""

import jax.numpy as jnp

from jaxsurr.core.products import einsum
from jaxsurr.core.reductions import mean_weights
from jaxsurr.core.targets import check_pixels
from jaxsurr.core.types import Array, Pooled, Space
from jaxsurr.spaces.classes import class_logits, class_pooled, class_unit, read_items
from jaxsurr.spaces.ruling_out import finite_below, ruled_out

__all__ = ["pixel_logits"]


def _counted(targets: Array, dtype) -> tuple[Array, Array]:
    """Labels `[B, H, W, ...]` as `[B, I]`, 0 where ignored, and the pixels' weights in their image."""
    labels = targets.reshape(len(targets), -1)
    return jnp.maximum(labels, 0), mean_weights((labels >= 0).astype(dtype))


def _pixel_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    labels, weights = _counted(targets, predictions.dtype)
    return read_items(class_logits.features, predictions, labels, scale), weights


def _pixel_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    labels, weights = _counted(targets, predictions.dtype)
    return read_items(class_logits.margins, predictions, labels, scale), weights


def _pixel_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    labels, weights = _counted(targets, predictions.dtype)
    flat = predictions.reshape(-1, predictions.shape[-1])
    each = class_logits.losses(flat, labels.reshape(-1), scale).reshape(*labels.shape, -1)
    return einsum("bi,bil->bl", weights, each)


def _pixel_pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    labels, weights = _counted(targets, predictions.dtype)
    flat = predictions.reshape(-1, predictions.shape[-1])
    each = class_pooled(flat, labels.reshape(-1), scale, None)
    features, label_features = (
        array.reshape(*labels.shape, *array.shape[2:]) for array in (each.features, each.label_features)
    )
    return each._replace(features=features, label_features=label_features, weights=weights)


def _pixel_squared_size(predictions: Array, targets: Array) -> Array:
    """Mean squared size over the pixels that are not ignored."""
    counted = (targets >= 0).reshape(len(predictions), -1)
    sizes = jnp.where(counted, class_logits.squared_size(predictions, targets).reshape(counted.shape), 0)
    return jnp.sum(sizes, axis=1) / jnp.maximum(jnp.sum(counted, axis=1), 1).astype(sizes.dtype)


def _without_ignored(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Predictions with zeros in ignored pixels."""
    if jnp.shape(targets) != predictions.shape[:-1]:
        return predictions, targets
    return finite_below(jnp.where((jnp.asarray(targets) >= 0)[..., None], predictions, 0)), targets


pixel_logits = Space(
    name="pixel_logits",
    unit=lambda predictions, targets: jnp.where((targets >= 0)[..., None], class_unit(predictions, targets), 0),
    squared_size=_pixel_squared_size,
    project=class_logits.project,
    features=_pixel_features,
    margins=_pixel_margins,
    margin_range=class_logits.margin_range,
    losses=_pixel_losses,
    check=check_pixels,
    pooled=_pixel_pooled,
    clear=_without_ignored,
    ruled_out=lambda predictions, targets: ruled_out(predictions) & (targets >= 0)[..., None],
    least=class_logits.least,
    decisions=class_logits.decisions,
    natural=class_logits.natural,
)
"""Logits `[B, H, W, K]` of K classes for each pixel, targets `[B, H, W]` integers, negative where ignored."""
