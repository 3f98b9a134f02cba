"""Set metrics that are functions of sums over examples: confusion counts, moments, bins.

The value of such a metric with one example replaced costs next to nothing, since only the example's terms of the sums
change. `jaxsurr.smoothing` estimates gradients from these differences (`replacements`), which metrics of other
libraries do not offer; so set metrics are implemented here, and tested against scikit-learn's.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import of_set
from jaxsurr.core.reductions import masked, wide
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics.base import ARRAYS, Metric, metric

__all__ = ["Value", "of_sums", "ratio", "set_metric"]

Value = Callable[[Array | None, Array | None, Array | None], Array]
"""`(where, weights, replacements) -> []`, the metric of one set of predictions; with replacements `[B]`."""


def set_metric(*, higher_is_better: bool, space: Space) -> Callable[[Callable[..., Value]], Metric]:
    """Makes a set metric from its formula, as a decorator.

    The formula is `(predictions, targets, *, options) -> Value`, where a `Value` is the result of `of_sums` or a
    function like it. The metric takes three more arguments:

      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: `[B, ...]` as predictions: the value with each example alone replaced is returned, `[B]`.

    Args:
      higher_is_better: the direction.
      space: the prediction space.

    >>> from jaxsurr.spaces import generic
    >>> @set_metric(higher_is_better=True, space=generic)
    ... def mean(predictions, targets):
    ...     return of_sums(lambda z: (z, jnp.ones_like(z)), lambda sums: ratio(*sums), predictions)
    >>> float(mean(jnp.array([1.0, 3.0]), None, weights=jnp.array([3.0, 1.0])))
    1.5
    >>> mean(jnp.array([1.0, 3.0]), None, replacements=jnp.array([5.0, 7.0])).tolist()
    [4.0, 4.0]
    """

    def decorate(formula: Callable[..., Value]) -> Metric:
        @functools.wraps(formula)
        def function(predictions, targets, *, where=None, weights=None, replacements=None, **options):
            return formula(predictions, targets, **options)(where, weights, replacements)

        signature = inspect.signature(formula)
        predictions, targets, *options = signature.parameters.values()
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Array | None)
            for name in ARRAYS
        ]
        named: Any = function  # a function may declare its signature
        named.__signature__ = signature.replace(
            parameters=[predictions, targets, *added, *options], return_annotation=Array
        )
        return metric(function, higher_is_better=higher_is_better, space=space, per_example=False)

    return decorate


def of_sums(
    statistics: Callable[[Array], PyTree],
    value: Callable[[PyTree], Array],
    predictions: Array,
    *,
    wrong: Array | None = None,
    clear: Callable[[Array], Array] = lambda z: z,
) -> Value:
    """The metric `value(sum_i w_i statistics(predictions)_i)`, NaN where a prediction that is not masked holds a NaN.

    Args:
      statistics: `[B, ...] -> pytree of [B, ...]`, of each example alone.
      value: `pytree of [...] -> []`.
      predictions: `[B, ...]` float.
      wrong: `[B]` bool, targets that are out of range, which make the value NaN; None: there are none.
      clear: puts zeros into masked entries of an example's predictions.
    """
    batch = predictions.shape[0]

    def of_set_of(where: Array | None, weights: Array | None, replacements: Array | None) -> Array:
        unsound = checks.weights(weights, batch)

        def parts(z):
            z = clear(z)
            broken = jnp.any(jnp.isnan(z.reshape(batch, -1)), axis=1)
            each = (statistics(masked(z, ~broken)), broken)  # a NaN is counted, and does not enter a sum
            each = jax.tree.map(lambda leaf: leaf.astype(wide(leaf.dtype)), each)
            if weights is not None:
                each = jax.tree.map(lambda leaf, weights=weights: leaf * _like(weights, leaf), each)
            return jax.tree.map(lambda leaf: masked(leaf, where), each)

        def finish(sums):
            return of_set(jnp.where(sums[1] > 0, jnp.nan, value(sums[0])), unsound)

        each = parts(predictions)
        sums = jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), each)
        if replacements is None:
            return of_set(finish(sums), wrong)
        changes = jax.tree.map(jnp.subtract, parts(jnp.asarray(replacements)), each)
        return of_set(jax.vmap(lambda change: finish(jax.tree.map(jnp.add, sums, change)))(changes), wrong)

    return of_set_of


def _like(weights: Array, leaf: Array) -> Array:
    """Weights of examples, broadcast against `leaf`, `[B, ...]`."""
    return jnp.asarray(weights, leaf.dtype).reshape((-1,) + (1,) * (leaf.ndim - 1))


def ratio(numerator: Array, denominator: Array, otherwise: float = 0.0) -> Array:
    """`numerator / denominator`, or a given value where the denominator is 0 (or below, by rounding)."""
    usable = denominator > 0
    return jnp.where(usable, numerator / jnp.where(usable, denominator, 1), otherwise)
