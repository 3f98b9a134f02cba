"""Surrogates of set metrics that are linear in soft counts, solved in closed form.

A metric of a set that does not depend on the order of its examples changes, to first order, with means over the set:
the shares of examples in which class k leads and is the true one, or whose score is above a place, by true class. Here
S is linear in soft counts of such events, `S = sum_j c_j mean_i e_j(z_i, y_i)`, whose gradient is the influence of an
example. The c whose gradient is nearest to the metric's solve a least-squares problem

    min_c || sum_j c_j grad mean(e_j) - g ||^2

in running averages, so that one update tells nearly all that its pairs show. c is the metric's derivative in the
counts, which changes as the model does: where a deep set also learns how, this family has to be updated, and is not for
losses that are learned once and kept.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core.products import matmul
from jaxsurr.core.reductions import are_weights, masked, num_valid, psum, safe_divide, weighted
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.metrics.base import Metric
from jaxsurr.smoothing.function_directions import MOST_ATOMS, atoms_of, events_are_few, number_of_atoms
from jaxsurr.surrogates.families.base import Family, Named, Problem, inverse_root, normal_equations, value_moments

__all__ = ["NAMED", "CountState", "count_family", "counts_or", "least_squares"]

_MOST_EVENTS = 2**20  # of examples, counts and gradients that are in memory at once


class CountState(NamedTuple):
    """The running sums of the least-squares problem, and its solution.

    Attributes:
      gram: `[J, J]`, running `G G^T` of the gradients G of J counts.
      cross: `[J, M]`, running `G g`.
      coefficients: `[J, M]`.
    """

    gram: Array
    cross: Array
    coefficients: Array


def least_squares(gram: Array, cross: Array, *, ridge: float = 1e-2) -> Array:
    """Minimises `c^T gram c - 2 cross^T c + ridge c^T D c`, D being the diagonal of `gram` and its mean on top.

    The mean keeps the coefficient of an event small that a batch hardly shows, and that another may show well.

    >>> least_squares(jnp.diag(jnp.array([4.0, 0.0])), jnp.array([[14.0], [0.0]]), ridge=0.5).tolist()
    [[2.0], [0.0]]
    """
    diagonal = jnp.diagonal(gram)
    penalty = diagonal + jnp.mean(diagonal)
    unit = inverse_root(penalty)
    scaled = gram * unit[:, None] * unit[None] + ridge * jnp.eye(len(gram), dtype=gram.dtype)
    return unit[:, None] * jnp.linalg.solve(scaled, unit[:, None] * cross)


def count_family(space: Space, *, decay: float = 0.95) -> Family:
    """The family of functions that are linear in soft counts, of metrics of sets.

    The events are those of `jaxsurr.smoothing.function_directions.atoms_of`.

    Args:
      space: supplies `pooled`, or else `features`, of which there are random events.
      decay: of the running sums; 0.95 averages over about 20 updates.
    """

    def means(predictions: Array, targets: PyTree, scale: Array, where: Array | None) -> Array:
        each = weighted(atoms_of(space, predictions, targets, scale, where), where)
        return jnp.sum(each, axis=0) / jnp.maximum(num_valid(where, len(predictions)), 1)

    def init(key: Array, view: View, scale: Array, metrics: int) -> CountState:
        counts = number_of_atoms(space, view.predictions, view.targets)
        if counts > MOST_ATOMS:
            raise ValueError(
                f"family='counts' has {counts} counts of such predictions, and solves for at most {MOST_ATOMS}: use "
                "'network', a deep set, which serves any number of classes, or the default, which chooses."
            )
        dtype = view.predictions.dtype
        return CountState(jnp.zeros((counts, counts), dtype), *(jnp.zeros((counts, metrics), dtype),) * 2)

    def values(
        state: CountState,
        predictions: Array,
        targets: PyTree,
        scale: Array,
        metrics: int,
        where: Array | None = None,
        power: Array | None = None,
    ) -> Array:
        value = matmul(means(predictions, targets, scale, where), state.coefficients)
        return masked(jnp.broadcast_to(value[None], (len(predictions), metrics)), where)

    def learn(state: CountState, problem: Problem):
        view, scale = problem.gradient_view, problem.scale
        a, batch = state.coefficients, len(view.predictions)
        there, pull = jax.vjp(lambda z: means(z, view.targets, scale, view.where), view.predictions)
        together = max(1, _MOST_EVENTS // (batch * len(there)))  # or each would have the events of all in memory
        rows = jax.lax.map(lambda one: pull(one)[0], jnp.eye(len(there), dtype=there.dtype), batch_size=together)
        rows = rows * num_valid(view.where, batch)  # as `jaxsurr.smoothing.goal.goal_of_each` has the metric's
        if are_weights(view.where):
            rows = safe_divide(rows, view.where.reshape(1, batch, *(1,) * (view.predictions.ndim - 1)))
        gram, cross, gradient_sums = normal_equations(rows, problem, a)
        at = problem.value_view
        value_sums = values(state, at.predictions, at.targets, scale, a.shape[1], at.where)
        value_sums = psum(value_moments(value_sums, problem), problem.axis_name)
        gram, cross = decay * state.gram + gram, decay * state.cross + cross
        return CountState(gram, cross, least_squares(gram, cross)), value_sums, gradient_sums

    return Family(init, values, learn)


def counts_or(space: Space, other: Family) -> Family:
    """The family of counts where every event is counted alone, and another family where there are too many."""
    counted = count_family(space)

    def of(state: PyTree) -> Family:
        return counted if isinstance(state, CountState) else other

    def init(key: Array, view: View, scale: Array, metrics: int) -> PyTree:
        few = events_are_few(space, view.predictions, view.targets)
        return (counted if few else other).init(key, view, scale, metrics)

    def values(state: PyTree, *arguments: Any) -> Array:
        return of(state).values(state, *arguments)

    def learn(state: PyTree, problem: Problem):
        return of(state).learn(state, problem)

    return Family(init, values, learn)


def _named(metric: Metric, space: Space, **learned: Any) -> Family:
    if metric.per_example:
        raise ValueError(
            f"family='counts' is for metrics of sets, and {metric.name} has a value for each example: use 'basis', "
            "which is solved in closed form too, or the default."
        )
    return count_family(space)


NAMED = {"counts": Named(_named)}
