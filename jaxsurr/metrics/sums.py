"""Metrics of sets that are functions of sums over examples: confusion counts, moments, bins.

Of such a metric it costs next to nothing to say what it would be if one example were predicted otherwise: its part of
the sums is taken out, and another put in. `jaxsurr.smoothing` estimates gradients from these differences, which no
other library's metrics give (`replacements`); so metrics of sets are written here, and tested against scikit-learn's.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import of_set
from jaxsurr.core.reductions import masked, wide
from jaxsurr.core.types import Array, PyTree


def of_sums(
    statistics: Callable[[Array], PyTree],
    value: Callable[[PyTree], Array],
    predictions: Array,
    where: Array | None,
    weights: Array | None = None,
    replacements: Array | None = None,
) -> Array:
    """`value(sum_i w_i statistics(predictions)_i)`, NaN where a prediction that counts holds a NaN.

    Args:
      statistics: `[B, ...] -> pytree of [B, ...]`, of each example alone.
      value: `pytree of [...] -> []`.
      predictions: `[B, ...]` float.
      where: `[B]` bool; other rows count nowhere, whatever they hold.
      weights: `[B]`, of the examples, by default 1.
      replacements: `[B, ...]` as `predictions`, or None.

    Returns:
      `[]`; with `replacements` `[B]`: entry b is the value of the set in which prediction b alone is replaced.

    >>> import jax.numpy as jnp
    >>> mean = lambda z, **more: of_sums(lambda z: (z, jnp.ones_like(z)), lambda s: s[0] / s[1], z, None, **more)
    >>> float(mean(jnp.array([1.0, 3.0]))), mean(jnp.array([1.0, 3.0]), replacements=jnp.array([5.0, 7.0])).tolist()
    (2.0, [4.0, 4.0])
    """
    batch = predictions.shape[0]
    unsound = checks.weights(weights, batch)

    def parts(z):
        broken = jnp.any(jnp.isnan(z.reshape(batch, -1)), axis=1)
        each = (statistics(masked(z, ~broken)), broken)  # a NaN is counted, and spoils no sum
        each = jax.tree.map(lambda leaf: leaf.astype(wide(leaf.dtype)), each)
        if weights is not None:
            each = jax.tree.map(lambda leaf, weights=weights: leaf * _like(weights, leaf), each)
        return jax.tree.map(lambda leaf: masked(leaf, where), each)

    def finish(sums):
        return of_set(jnp.where(sums[1] > 0, jnp.nan, value(sums[0])), unsound)

    each = parts(predictions)
    sums = jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), each)
    if replacements is None:
        return finish(sums)
    changes = jax.tree.map(jnp.subtract, parts(replacements), each)
    return jax.vmap(lambda change: finish(jax.tree.map(jnp.add, sums, change)))(changes)


def _like(weights: Array, leaf: Array) -> Array:
    """Weights of examples as numbers that multiply `leaf`, `[B, ...]`."""
    return jnp.asarray(weights, leaf.dtype).reshape((-1,) + (1,) * (leaf.ndim - 1))


def ratio(numerator: Array, denominator: Array, otherwise: float = 0.0) -> Array:
    """`numerator / denominator`, a fixed value where the denominator is 0 (or below, by rounding)."""
    usable = denominator > 0
    return jnp.where(usable, numerator / jnp.where(usable, denominator, 1), otherwise)
