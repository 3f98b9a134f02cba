"""Surrogates that are differentiable functions, learned by gradient steps on their parameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxsurr.core.moments import Moments
from jaxsurr.core.ravelled import ravelled, unravelled
from jaxsurr.core.reductions import are_weights, safe_divide, weighted
from jaxsurr.core.types import Array, PyTree, View
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.families.base import Family, Problem, gradient_moments, to_parameters, value_moments
from jaxsurr.surrogates.objectives import LearnedState

__all__ = ["trained_family"]


def _set_fit(value_sums: Moments, gradient_sums: Moments, scale: Array) -> Array:
    """How far a set's value and gradient are from the metric's, over what they would vary by, for each metric.

    A batch is one set and has one value, which has no variance to compare its error with. In its place stands what the
    metric would vary by if each prediction moved by its spread, about seven smoothing scales: `49 s^2 sum_i |g_i|^2`.
    Its logarithm keeps a value that is far off, as at the start, from drowning the gradient's correlation. The error of
    the gradient over its size keeps the size of the surrogate where it belongs, which correlation alone leaves to
    drift.
    """
    n = jnp.maximum(value_sums.n, 1)
    known = gradient_sums.yy > 0
    size = jnp.where(known, gradient_sums.yy, 1)
    error = (value_sums.xx - 2 * value_sums.xy + value_sums.yy) / n
    variance = jnp.where(known, 49 * scale**2 * size / n**2, 1)
    return jnp.log1p(error / variance) + jnp.where(known, 1 + (gradient_sums.xx - 2 * gradient_sums.xy) / size, 0)


def trained_family(
    init_params: Callable[..., PyTree],
    apply: Callable[..., Array],
    *,
    optimizer: optax.GradientTransformation | None,
    value_weight: float,
    correlation_weight: float,
    correlation: str,
    of_sets: bool = False,
) -> Family:
    """A family of differentiable functions that is learned by gradient steps on its parameters.

    Its objective is `value_weight * value_fit + correlation_weight * (1 - gradient_correlation)`, averaged over
    metrics.

    Args:
      init_params: `(key, view, scale, metrics M) -> params`.
      apply: `(params, predictions, targets, scale, M, where, power=None) -> [B, M]`.
      optimizer: of the parameters; None: `optax.adam(0.01)`, which sees all of them as one vector (`Ravelled`), as it
        treats each entry alone.
      value_weight, correlation_weight: of the objective's terms; at least one is positive.
      correlation: "cosine" or "pearson".
      of_sets: whether `apply` gives each example the value of the set, which is a single one; the fit is then
        `_set_fit`.
    """
    objectives.check_weights(value_weight=value_weight, correlation_weight=correlation_weight)
    objectives.check_kind(correlation)
    form, used = (ravelled, optax.adam(1e-2)) if optimizer is None else (lambda tree: tree, optimizer)

    def init(key: Array, view: View, scale: Array, metrics: int) -> LearnedState:
        params = form(init_params(key, view, scale, metrics))
        return LearnedState(params, used.init(params))

    def values(
        state: LearnedState,
        predictions: Array,
        targets: PyTree,
        scale: Array,
        metrics: int,
        where: Array | None = None,
        power: Array | None = None,
    ) -> Array:
        return apply(unravelled(state.params), predictions, targets, scale, metrics, where, power)

    def learn(state: LearnedState, problem: Problem):
        view, scale, metrics = problem.gradient_view, problem.scale, problem.values.shape[-1]

        def sums(params):
            there, gradients = objectives.values_and_gradients(
                lambda z: apply(params, z, view.targets, scale, metrics, view.where), view.predictions
            )
            if of_sets and are_weights(view.where):  # as `jaxsurr.smoothing.goal.goal_of_each` has the metric's
                gradients = safe_divide(gradients, view.where.reshape(1, -1, *(1,) * (view.predictions.ndim - 1)))
            if problem.in_parameters:
                at = problem.value_view
                there = apply(params, at.predictions, at.targets, scale, metrics, at.where)
                gradients = jax.vmap(lambda one: weighted(one, view.where))(gradients)
                compared = to_parameters(view.pullback, gradients)
            else:
                compared = gradient_moments(gradients, problem.target_gradient, view.where)
            return value_moments(there, problem), compared

        def combine(total):
            value_sums, compared = total
            gradient_sums = gradient_moments(compared, problem.target_gradient) if problem.in_parameters else compared
            fits = jax.vmap(objectives.value_fit)(value_sums)
            if of_sets:
                fits = _set_fit(value_sums, gradient_sums, jnp.ones_like(scale) if problem.in_parameters else scale)
            correlations = jax.vmap(lambda m: objectives.gradient_correlation(m, correlation))(gradient_sums)
            objective = value_weight * jnp.mean(fits) + correlation_weight * (1 - jnp.mean(correlations))
            return objective, (value_sums, gradient_sums)

        state, (value_sums, gradient_sums) = objectives.learning_step(used, state, sums, combine, problem.axis_name)
        return state, value_sums, gradient_sums

    return Family(init, values, learn)
