"""Surrogates that are small networks on the features of the prediction space, learned by gradient steps."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxsurr import objectives
from jaxsurr.networks import Network, mlp
from jaxsurr.reductions import masked
from jaxsurr.surrogates.family import Family, Problem, slope_moments, to_parameters, value_moments
from jaxsurr.types import Array, PyTree, Space, View


class NetworkState(NamedTuple):
    """Parameters of the network and the state of their optimizer."""

    params: PyTree
    optimizer: PyTree


def network_family(
    space: Space,
    *,
    network: Callable[[int], Network] = mlp,
    optimizer: optax.GradientTransformation,
    value_weight: float,
    correlation_weight: float,
    penalty_weight: float,
    correlation: str,
) -> Family:
    """The family of networks `S(z, y) = sum_i w_i N(features_i(z, y))` over the items i of an example.

    Its objective is `value_weight * value_fit + correlation_weight * (1 - gradient_correlation) + penalty_weight *
    E (||grad S|| - 1)^2`, averaged over metrics.

    Args:
      space: supplies features.
      network: `metrics M -> Network`.
      optimizer: of the network's parameters.
      value_weight, correlation_weight, penalty_weight: of the objective's terms; at least one is positive.
      correlation: "cosine" or "pearson".
    """
    objectives.check_weights(
        value_weight=value_weight, correlation_weight=correlation_weight, penalty_weight=penalty_weight
    )
    objectives.check_kind(correlation)

    def init(key: Array, view: View, scale: Array, metrics: int) -> NetworkState:
        features, _ = space.features(view.predictions, view.targets, scale)
        params = network(metrics).init(key, features)
        return NetworkState(params, optimizer.init(params))

    def apply(params, predictions, targets, scale, metrics):
        features, weights = space.features(predictions, targets, scale)
        return jnp.einsum("bi,bim->bm", weights, network(metrics).apply(params, features))

    def values(state: NetworkState, predictions: Array, targets: PyTree, scale: Array, metrics: int) -> Array:
        return apply(state.params, predictions, targets, scale, metrics)

    def learn(state: NetworkState, problem: Problem):
        slope, fit, scale, metrics = problem.slope, problem.fit, problem.scale, problem.values.shape[-1]

        def sums(params):
            there, gradients = objectives.values_and_gradients(
                lambda z: apply(params, z, slope.targets, scale, metrics), slope.predictions
            )
            if problem.in_parameters:
                there = apply(params, fit.predictions, fit.targets, scale, metrics)
                gradients = jax.vmap(lambda one: masked(one, slope.where))(gradients)
                compared = to_parameters(slope.pullback, gradients)
            else:
                compared = slope_moments(gradients, problem.goal, slope.where)
            penalty = (
                sum(objectives.gradient_penalty(g, where=slope.where) for g in gradients) if penalty_weight else 0.0
            )
            return value_moments(there, problem), compared, penalty

        def combine(total):
            by_value, compared, penalty = total
            by_slope = slope_moments(compared, problem.goal) if problem.in_parameters else compared
            fits = jax.vmap(objectives.value_fit)(by_value)
            correlations = jax.vmap(lambda m: objectives.gradient_correlation(m, correlation))(by_slope)
            objective = (
                value_weight * jnp.mean(fits)
                + correlation_weight * (1 - jnp.mean(correlations))
                + penalty_weight * penalty / (metrics * jnp.maximum(by_value.n[0], 1))
            )
            return objective, (by_value, by_slope)

        (_, (by_value, by_slope)), gradient = objectives.value_and_gradient(
            sums, combine, state.params, problem.axis_name
        )
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        return NetworkState(optax.apply_updates(state.params, updates), optimizer_state), by_value, by_slope

    return Family(init, values, learn)
