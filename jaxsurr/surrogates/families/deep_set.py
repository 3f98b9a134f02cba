"""Surrogates of set metrics: deep sets, invariant to the order of examples, for sets of any size."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxsurr.core.reductions import masked, num_valid, safe_divide, weighted
from jaxsurr.core.types import Array, Pooled, PyTree, Space, View
from jaxsurr.surrogates.families.base import Family
from jaxsurr.surrogates.families.mlp import applied
from jaxsurr.surrogates.families.network import trained_family


class _DeepSet(nn.Module):
    outputs: int
    units: int
    hidden: Sequence[int]

    @nn.compact
    def __call__(self, read: Pooled, shares: Array) -> Array:
        """`shares` `[B, I]` are the parts that items have in the set; they sum to 1."""
        features, label_features = nn.tanh(read.features / 8) * 8, read.label_features
        where = jnp.broadcast_to(read.positions, (*features.shape[:-1], read.positions.shape[-1]))
        each = nn.sigmoid(nn.Dense(self.units)(jnp.concatenate([features, label_features, where], axis=-1)))
        # Units are soft events, marks true ones: pooled they are soft counts, and their products joint counts.
        pooled = [jnp.einsum("bi,bigu->gu", shares, each), jnp.einsum("bi,bigq->gq", shares, label_features)]
        joint = jnp.einsum("bi,bigu,bigq->guq", shares, each, label_features)
        counts = jnp.concatenate([*pooled, joint.reshape(len(joint), -1)], axis=-1) / read.fraction
        # Two classes have counts of at most 2. Beyond, counts grow slowly, or those of a hundred classes saturate h.
        slow = jnp.where(counts <= 2, counts, 2 + jnp.log(jnp.maximum(counts, 2) / 2))
        code = jnp.concatenate([slow, jnp.log(counts + 1e-2), read.positions], axis=-1)  # logarithms make ratios easy
        for width in self.hidden:
            code = nn.tanh(nn.Dense(width)(code))
        whole = jnp.mean(code, axis=0)
        mixed = nn.tanh(nn.Dense(self.hidden[-1])(whole))
        return nn.Dense(self.outputs)(jnp.concatenate([whole, mixed]))


def _without_groups(space: Space, predictions: Array, targets: PyTree, scale: Array) -> Pooled:
    """The features of a space as a single group."""
    features, weights = space.features(predictions, targets, scale)
    nothing = jnp.zeros((*features.shape[:2], 1, 0), features.dtype)
    return Pooled(features[:, :, None], nothing, weights, jnp.zeros((1, 0), features.dtype))


def set_network_family(space: Space, *, units: int = 12, hidden: Sequence[int] = (32, 32), **learned: Any) -> Family:
    """The family of deep sets `S = g(mean_k h(mean_i f(z_i, y_i)_k))`.

    f gives each example a few soft events in each group k of what the space reads: a class against all others, a
    threshold, a place on the scale of scores. Their means over the set are soft counts, as those of which the metric
    is a function; h reads them and their logarithms, and the mean over groups lets one surrogate serve any number of
    classes. Nothing depends on the order of the examples or, but through means, on their number.

    Source of the form `g(sum_i f(x_i))`: Zaheer et al., Deep Sets, NeurIPS 2017. Groups, soft events and logarithms are
    this library's.

    Args:
      space: supplies `pooled`, or else `features` as a single group.
      units: soft events in a group.
      hidden: widths of h.
      **learned: as for `trained_family`.
    """

    def read(predictions: Array, targets: PyTree, scale: Array, where: Array | None) -> tuple[Pooled, Array]:
        if space.pooled is None:
            pooled = _without_groups(space, predictions, targets, scale)
        else:
            pooled = space.pooled(predictions, targets, scale, where)
        return pooled, safe_divide(weighted(pooled.weights, where), num_valid(where, len(predictions)))

    def init(key: Array, view: View, scale: Array, metrics: int) -> PyTree:
        return _DeepSet(metrics, units, hidden).init(key, *read(view.predictions, view.targets, scale, view.where))

    def apply(params: PyTree, predictions: Array, targets: PyTree, scale: Array, metrics: int, where, power=None):
        value = applied(_DeepSet(metrics, units, hidden), params, *read(predictions, targets, scale, where))
        return masked(jnp.broadcast_to(value[None], (len(predictions), metrics)), where)

    return trained_family(init, apply, of_sets=True, **learned)
