"""Surrogates of set metrics: deep sets, invariant to the order of examples, for sets of any size."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxsurr.core.products import Dense, einsum, matmul
from jaxsurr.core.reductions import masked, num_valid, safe_divide, weighted
from jaxsurr.core.types import Array, Pooled, PyTree, Space, View
from jaxsurr.surrogates.families.base import Family
from jaxsurr.surrogates.families.mlp import applied
from jaxsurr.surrogates.families.trained import trained_family

__all__ = ["set_network_family"]

_MOST_EVENTS = 2**18  # soft events that are held at once: 1 MiB for each copy


def _group_features(read: Pooled) -> Array:
    """What f reads of each example and group, `[B, I, G, F]`."""
    where = jnp.broadcast_to(read.positions, (*read.features.shape[:-1], read.positions.shape[-1]))
    return jnp.concatenate([nn.tanh(read.features / 8) * 8, read.label_features, where], axis=-1)


def _pooled(read: Pooled, shares: Array, kernel: Array, bias: Array) -> Array:
    """Soft counts of the events of each group, counts of its labels, and joint counts, `[G, ...]`.

    Groups do not depend on each other: where they have many events in all, some are pooled at a time, and their events
    are computed again for the gradient.
    """

    def of_groups(features: Array, label_features: Array, positions: Array) -> Array:
        group = read._replace(features=features, label_features=label_features, positions=positions)
        each = nn.sigmoid(matmul(_group_features(group), kernel) + bias.reshape(1, 1, 1, -1))
        # Units are soft events, marks true ones: pooled they are soft counts, and their products joint counts.
        pooled = [einsum("bi,bigu->gu", shares, each), einsum("bi,bigq->gq", shares, label_features)]
        joint = einsum("bi,bigu,bigq->guq", shares, each, label_features)
        return jnp.concatenate([*pooled, joint.reshape(len(joint), -1)], axis=-1)

    groups = len(read.positions)
    size = max(1, _MOST_EVENTS // (shares.size * len(bias)))
    if size >= groups:
        return of_groups(read.features, read.label_features, read.positions)
    chunks = -(-groups // size)

    def cut(array: Array, axis: int) -> Array:
        """The axis of groups as chunks of one size, the last filled with zeros, in front."""
        padding = [(0, chunks * size - groups if at == axis else 0) for at in range(array.ndim)]
        shape = (*array.shape[:axis], chunks, size, *array.shape[axis + 1 :])
        return jnp.moveaxis(jnp.pad(array, padding).reshape(shape), axis, 0)

    parts = (cut(read.features, 2), cut(read.label_features, 2), cut(read.positions, 0))
    counts = jax.checkpoint(lambda parts: jax.lax.map(lambda part: jax.checkpoint(of_groups)(*part), parts))(parts)
    return counts.reshape(chunks * size, -1)[:groups]


class _DeepSet(nn.Module):
    outputs: int
    units: int
    hidden: Sequence[int]

    @nn.compact
    def __call__(self, read: Pooled, shares: Array) -> Array:
        """`shares` `[B, I]` are the parts that items have in the set; they sum to 1."""
        dense = Dense(self.units)
        dense(_group_features(read._replace(features=read.features[:1], label_features=read.label_features[:1])))
        weights = dense.variables["params"]
        counts = _pooled(read, shares, weights["kernel"], weights["bias"]) / read.fraction
        # Two classes have counts of at most 2. Beyond, counts grow slowly, or those of a hundred classes saturate h.
        slow = jnp.where(counts <= 2, counts, 2 + jnp.log(jnp.maximum(counts, 2) / 2))
        code = jnp.concatenate([slow, jnp.log(counts + 1e-2), read.positions], axis=-1)  # logarithms make ratios easy
        for width in self.hidden:
            code = nn.tanh(Dense(width)(code))
        whole = jnp.mean(code, axis=0)
        mixed = nn.tanh(Dense(self.hidden[-1])(whole))
        return Dense(self.outputs)(jnp.concatenate([whole, mixed]))


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
