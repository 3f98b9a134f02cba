"""What the function families of a surrogate share: the problem of one update, and what solving it returns."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxsurr.core import renamed
from jaxsurr.core.moments import Moments, moments
from jaxsurr.core.products import einsum, matmul
from jaxsurr.core.protocols import Pullback
from jaxsurr.core.reductions import are_weights, psum, weighted
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.metrics.base import Metric

__all__ = [
    "Family", "FamilyInit", "FamilyLearn", "FamilyValues", "FromOptions", "Named", "Problem", "gradient_moments",
    "inverse_root", "normal_equations", "to_parameters", "value_moments",
]  # fmt: skip


@renamed.fields
class Problem(NamedTuple):
    """What one update of a surrogate is learned from.

    Attributes:
      gradient_view: where the surrogate's gradient is taken.
      target_gradient: `[M, B, ...]` (prediction space) or `[M, D]` (parameter space), what it should correlate with.
      value_view: where the surrogate's value is compared, often the same view.
      values: `[B, M]`, the smoothed metric there, lower is better.
      mean: `[M]`, of `values` over the examples that count, on all devices. Sums are taken about it, which keeps those
        of large values exact enough in single precision.
      scale: the smoothing scale.
      axis_name: of `jax.pmap`, or None.
    """

    gradient_view: View
    target_gradient: Array
    value_view: View
    values: Array
    mean: Array
    scale: Array
    axis_name: str | None

    @property
    def in_parameters(self) -> bool:
        """Whether gradients are compared in parameter space, where they are sums over examples already."""
        return self.gradient_view.pullback is not None


class FamilyInit(Protocol):
    """`Family.init`."""

    def __call__(self, key: Array, view: View, scale: Array, metrics: int, /) -> PyTree:
        """Parameters that have learned nothing yet.

        Args:
          key: typed.
          view: predictions and targets that the surrogate begins on.
          scale: `[]`, the smoothing scale.
          metrics: M.
        """
        ...


class FamilyValues(Protocol):
    """`Family.values`."""

    def __call__(
        self,
        params: PyTree,
        predictions: Array,
        targets: PyTree,
        scale: Array,
        metrics: int,
        where: Array | None = None,
        power: Array | None = None,
        /,
    ) -> Array:
        """`[B, M]`, differentiable in the predictions `[B, ...]`; of a family of sets, the set's value in every row.

        `power` is q of `jaxsurr.surrogates.families.decisions`, and nothing to a family that has no decisions.
        """
        ...


class FamilyLearn(Protocol):
    """`Family.learn`."""

    def __call__(self, params: PyTree, problem: Problem, /) -> tuple[PyTree, Moments, Moments]:
        """New parameters, and the moments `[M]` of values and of gradients, summed over all devices.

        They are those of the surrogate as it was before the update.
        """
        ...


class Family(NamedTuple):
    """A function family for surrogates.

    Attributes:
      init: `(key, view, scale, metrics M) -> params`.
      values: `(params, predictions, targets, scale, M, where=None) -> [B, M]`; a family of sets, whose examples are
        read together, gives each the value of the set.
      learn: `(params, problem) -> (params, value moments, gradient moments)`; the moments are `[M]` sums over all
        devices, of the surrogate as it was before this update.
    """

    init: FamilyInit
    values: FamilyValues
    learn: FamilyLearn


class FromOptions(Protocol):
    """`Named.make`."""

    def __call__(self, metric: Metric, space: Space, /, **options: Any) -> Family:
        """The family for a metric.

        Args:
          metric: what is learned.
          space: supplies what the family reads.
          **options: all that `correlated_gradients` has for families: `network`, of the network family of examples, and
            `optimizer`, `value_weight`, `correlation_weight` and `correlation`, as for `trained_family`. A family
            passes over those that it does not know.

        Raises:
          ValueError: it is not for such a metric, or an option is out of its range.
        """
        ...


class Named(NamedTuple):
    """A family as its name stands for it: a value of `NAMED` of a file in `jaxsurr.surrogates.families`.

    Attributes:
      make: `(metric, space, **options) -> Family`.
      knows_power: `space -> bool`, whether its `values` take the power of the loss, for metrics of examples whose cost
        is bounded.
    """

    make: FromOptions
    knows_power: Callable[[Space], bool] = lambda space: False


def to_parameters(pullback: Pullback | None, gradients: Array) -> Array:
    """Pulls gradients `[N, B, ...]` in predictions back to parameters, flat: `[N, D]`, this device's sum.

    Raises:
      ValueError: there is no pullback.
    """
    if pullback is None:
        raise ValueError("gradients are compared in parameters, and a view has no pullback: pass both views with one.")

    def one(gradient):
        return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(pullback(gradient))])

    return jax.vmap(one)(gradients)


def value_moments(values: Array, problem: Problem) -> Moments:
    """Sums of surrogate values against metric values about `problem.mean`, a set for each metric; this device's."""
    pair = jax.vmap(lambda x, y: moments(x, y, problem.value_view.where), in_axes=1)
    return pair(values - problem.mean[None], problem.values - problem.mean[None])


def gradient_moments(gradients: Array, target: Array, where: Array | None = None) -> Moments:
    """Sums of surrogate gradient against metric gradient, one set for each metric."""
    return jax.vmap(lambda x, y: moments(x, y, where))(gradients, target)


def inverse_root(values: Array) -> Array:
    """`1 / sqrt(values)`, and 0 where they are not positive; of a Gram matrix's diagonal, the scale of each atom."""
    positive = values > 0
    return jnp.where(positive, jax.lax.rsqrt(jnp.where(positive, values, 1)), 0)


def normal_equations(gradients: Array, problem: Problem, coefficients: Array) -> tuple[Array, Array, Moments]:
    """The least-squares problem of a mixture of J functions whose gradient is to be the target gradient.

    Args:
      gradients: `[J, B, ...]`, of each example's values in its own prediction.
      problem: of the update.
      coefficients: `[J, M]`, of the mixture before it.

    Returns:
      `[J, J]` products of the gradients with each other, `[J, M]` with the target gradient, and the moments of the
      mixture's gradient and the target gradient; all summed over devices.
    """
    where, axis = problem.gradient_view.where, problem.axis_name
    if problem.in_parameters:
        rows = jax.vmap(lambda one: weighted(one, where))(gradients)
        rows, target = psum(to_parameters(problem.gradient_view.pullback, rows), axis), problem.target_gradient
    else:
        # Inner products are sums over examples, so that each of two factors has the root of the weight.
        root = jnp.sqrt(where) if are_weights(where) else where
        target, rows = (
            jax.vmap(lambda one: weighted(one, root).ravel())(part) for part in (problem.target_gradient, gradients)
        )
    gram, cross, size = (matmul(x, y.T) for x, y in ((rows, rows), (rows, target), (target, target)))
    sums, target_sums = jnp.sum(rows, axis=1), jnp.sum(target, axis=1)
    if not problem.in_parameters:
        gram, cross, size, sums, target_sums = psum((gram, cross, size, sums, target_sums), axis)
    gradient_sums = Moments(
        n=jnp.full((coefficients.shape[1],), float(rows.shape[1]), coefficients.dtype),
        x=matmul(sums, coefficients),
        y=target_sums,
        xx=einsum("jm,jk,km->m", coefficients, gram, coefficients),
        yy=jnp.diagonal(size),
        xy=jnp.sum(coefficients * cross, axis=0),
    )
    return gram, cross, gradient_sums
