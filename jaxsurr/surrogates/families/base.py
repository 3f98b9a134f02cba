"""What the function families of a surrogate share: the problem of one update, and what solving it returns."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core.moments import Moments, moments
from jaxsurr.core.types import Array, PyTree, View


class Problem(NamedTuple):
    """What one update of a surrogate is learned from.

    Attributes:
      slope: where the surrogate's gradient is taken.
      goal: `[M, B, ...]` (prediction space) or `[M, D]` (parameter space): the gradient that it should correlate with.
      fit: where the surrogate's value is compared, often the same view.
      values: `[B, M]`, the smoothed metric there, lower is better.
      shift: `[M]`, its mean over the examples that count, on all devices. Sums are taken about it, which keeps those of
        large values exact enough in single precision.
      scale: the smoothing scale.
      axis_name: of `jax.pmap`, or None.
    """

    slope: View
    goal: Array
    fit: View
    values: Array
    shift: Array
    scale: Array
    axis_name: str | None

    @property
    def in_parameters(self) -> bool:
        """Whether gradients are compared in parameter space, where they are sums over examples already."""
        return self.slope.pullback is not None


class Family(NamedTuple):
    """A function family for surrogates.

    Attributes:
      init: `(key, view, scale, metrics M) -> params`.
      values: `(params, predictions, targets, scale, M, where=None) -> [B, M]`; a family of sets, whose examples are
        read together, gives each the value of the set.
      learn: `(params, problem) -> (params, value moments, slope moments)`; the moments are `[M]` sums over all devices,
        of the surrogate as it was before this update.
    """

    init: Callable[..., PyTree]
    values: Callable[..., Array]
    learn: Callable[[PyTree, Problem], tuple[PyTree, Moments, Moments]]


def to_parameters(pullback: Callable[[Array], PyTree], gradients: Array) -> Array:
    """Pulls gradients `[N, B, ...]` in predictions back to parameters, flat: `[N, D]`, this device's sum."""

    def one(gradient):
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(pullback(gradient))])

    return jax.vmap(one)(gradients)


def value_moments(values: Array, problem: Problem) -> Moments:
    """Sums of surrogate values against metric values about `problem.shift`, a set for each metric; this device's."""
    pair = jax.vmap(lambda x, y: moments(x, y, problem.fit.where), in_axes=1)
    return pair(values - problem.shift[None], problem.values - problem.shift[None])


def slope_moments(gradients: Array, goal: Array, where: Array | None = None) -> Moments:
    """Sums of surrogate gradient against metric gradient, one set for each metric."""
    return jax.vmap(lambda x, y: moments(x, y, where))(gradients, goal)
