"""The space of scores of the items of lists."""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.gains import gains as gains_of
from jaxsurr.core.products import einsum
from jaxsurr.core.reductions import mean_weights
from jaxsurr.core.targets import check_lists, cleared
from jaxsurr.core.types import Array, RankedLists, Space
from jaxsurr.spaces.invariance import LEAST, need_two, unprojected
from jaxsurr.spaces.ruling_out import finite_below, ruled_out

__all__ = ["ranked_lists"]


def _present(targets: RankedLists, dtype) -> Array:
    return (jnp.asarray(targets.items) > 0).astype(dtype)


def _ruled_out(predictions: Array, targets: RankedLists) -> Array:
    return ruled_out(predictions, jnp.asarray(targets.items) > 0)


def _unit(predictions: Array, targets: RankedLists) -> Array:
    return jnp.where(_ruled_out(predictions, targets), 0, _present(targets, predictions.dtype))


def _centred(predictions: Array, targets: RankedLists) -> tuple[Array, Array]:
    """Scores minus the mean of their list, 0 where there is no item, and the weights of the items in the mean.

    Items that are ruled out keep their scores and do not count in the mean.
    """
    present = _present(targets, predictions.dtype)
    weights = mean_weights(_unit(predictions, targets))
    scores = jnp.where(present > 0, predictions, 0)
    mean = jnp.sum(jnp.where(weights > 0, weights * scores, 0), axis=1, keepdims=True)
    return present * (scores - mean), weights


def _squared_size(predictions: Array, targets: RankedLists) -> Array:
    centred, weights = _centred(predictions, targets)
    return jnp.sum(jnp.where(weights > 0, weights * centred**2, 0), axis=1)


def _features(predictions: Array, targets: RankedLists, scale: Array) -> tuple[Array, Array]:
    """Features of each item: its score, its soft rank, its gain, and the gains of the items ranked above it."""
    scores, _ = _centred(predictions, targets)
    present = _present(targets, predictions.dtype)
    gains = gains_of(jnp.asarray(targets.relevance, predictions.dtype) * present)
    gains = gains / jnp.maximum(jnp.max(gains, axis=1, keepdims=True), 1e-6)
    other = present[:, None, :] * (1 - jnp.eye(scores.shape[1], dtype=scores.dtype))[None]
    ahead = other * jax.nn.sigmoid(1.2 * (scores[:, None, :] - scores[:, :, None]) / scale)
    rank, better = jnp.sum(ahead, axis=2), einsum("bij,bj->bi", ahead, gains)
    features = jnp.stack(
        [scores / scale, 1 / jnp.log2(2 + rank), jnp.log1p(rank), gains, gains / jnp.log2(2 + rank), jnp.log1p(better)],
        axis=-1,
    )
    return features, mean_weights(present)


def _margins(predictions: Array, targets: RankedLists, scale: Array) -> tuple[Array, Array]:
    """Margins of each pair of items, the score of the better one minus the other's, weighted by the gain difference."""
    scores, _ = _centred(predictions, targets)
    present = _present(targets, predictions.dtype)
    gains = gains_of(jnp.asarray(targets.relevance, predictions.dtype) * present)
    weights = jnp.maximum(gains[:, :, None] - gains[:, None, :], 0) * present[:, :, None] * present[:, None, :]
    margins = (scores[:, :, None] - scores[:, None, :]) / scale
    weights = weights / jnp.maximum(jnp.sum(weights, axis=(1, 2), keepdims=True), 1e-6)
    return margins.reshape(len(scores), -1, 1), weights.reshape(len(scores), -1)


def _losses(predictions: Array, targets: RankedLists, scale: Array) -> Array:
    return jnp.stack([losses.list_softmax(predictions, targets), losses.list_logistic(predictions, targets)], axis=-1)


def _clear(predictions: Array, targets: RankedLists) -> tuple[Array, RankedLists]:
    predictions, targets = cleared(predictions, targets)
    if not isinstance(targets, RankedLists) or jnp.shape(targets.items) != predictions.shape:
        return predictions, targets
    return finite_below(predictions, jnp.asarray(targets.items) > 0), targets


def _sample_lists(key: Array, rows: int, size: int) -> tuple[Array, RankedLists]:
    """Random relevance from 0 to 4, seldom high, and scores that correlate with it; 9 of 10 places hold an item."""
    need_two(size)
    relevance_key, item_key, slope_key, noise_key = jax.random.split(key, 4)
    items = jax.random.bernoulli(item_key, 0.9, (rows, size)).at[:, :2].set(True).astype(jnp.float32)
    relevance = items * jnp.floor(5 * jax.random.uniform(relevance_key, (rows, size)) ** 2)
    slope = jax.random.uniform(slope_key, (rows, 1), maxval=2.0)
    return slope * relevance + jax.random.normal(noise_key, (rows, size)), RankedLists(relevance, items)


ranked_lists = Space(
    name="ranked_lists",
    unit=_unit,
    squared_size=_squared_size,
    project=unprojected,
    features=_features,
    margins=_margins,
    margin_range=(-4.0, 4.0),
    losses=_losses,
    check=check_lists,
    spanned=True,
    clear=_clear,
    ruled_out=_ruled_out,
    least=LEAST,
    sample=_sample_lists,
)
"""Scores `[B, L]` of the items of B lists, targets `RankedLists`; invariant to a shift and to the order of items.

An item is ruled out as a class is (`class_logits`): it ranks last, is not perturbed, and does not count in the spread.
"""
