"""A set network that is fitted to the metric of the whole batch (Grabocka et al.)."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.moments import moments
from jaxsurr.core.products import einsum
from jaxsurr.core.reductions import log_odds_of_draws, masked, masked_mean, psum
from jaxsurr.core.types import Array, Info, PyTree, Space, Surrogate
from jaxsurr.metrics.base import as_metric, output_shape
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.families.mlp import mlp
from jaxsurr.surrogates.objectives import LearnedState
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["set_value_fit"]


@described
def set_value_fit(
    metric: Callable[..., Array],
    *,
    space: Space | None = None,
    sets: int = 8,
    code: int = 16,
    hidden: tuple[int, ...] = (32, 32),
    optimizer: optax.GradientTransformation | None = None,
) -> Surrogate:
    """A deep set fitted by squared error to the metric of a set of predictions.

    `S = g(mean_i f(y_i, z_i))` with networks f and g, whatever the order of the examples; f reads the `features` of the
    space at scale 1. An update is one step on the squared error between S and the metric over `sets` sets: the batch
    itself, and others of its size drawn from it with replacement.

    Source: Grabocka, Scholz, Schmidt-Thieme, Learning Surrogate Losses, arXiv 1905.10108, from the abstract: a network
    that is invariant to the order of a set and approximates its true loss, learned in turn with the model. Ours: the
    networks, what f reads, the optimizer, and the resampled sets, without which an update sees a single value.

    Args:
      metric: of examples or of sets; one value.
      space: the prediction space, by default the metric's.
      sets: sets in an update; 1 is the batch alone.
      code: dimensions of what f gives.
      hidden: widths of the hidden layers of f and of g.
      optimizer: by default `optax.adam(0.003)`.

    Returns:
      `Surrogate(init, loss, update)`. For a metric of sets the loss is `[]`; for a metric of examples `[B]`, each with
      the value of the set, so that their mean is that value and its gradient that of the set. The set is this
      device's part of the batch; an update fits the sets of all devices. `Info` knows `value_error` (over the sets of
      the update) and `metric`, the rest is NaN.

    Raises:
      ValueError: an option is out of its range, or the metric is several at once.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = set_value_fit(jaxsurr.metrics.error_rate)
    >>> logits, labels = jnp.zeros((4, 3)), jnp.array([0, 1, 2, 0])
    >>> state = surrogate.init(jax.random.key(0), logits, labels)
    >>> surrogate.loss(state, logits, labels).shape
    (4,)
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    checks.positive_integer(sets, "sets")
    checks.positive_integer(code, "code")
    optimizer = optax.adam(3e-3) if optimizer is None else optimizer
    of_example, of_set = mlp(code, hidden=hidden), mlp(1, hidden=hidden)

    def codes(params: PyTree, predictions: Array, targets: PyTree) -> Array:
        features, weights = space.features(predictions, targets, jnp.ones((), predictions.dtype))
        return einsum("bi,bic->bc", weights, of_example.apply(params["of_example"], features))

    def value(params: PyTree, mean_code: Array) -> Array:
        return of_set.apply(params["of_set"], mean_code)[..., 0]

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> LearnedState:
        if output_shape(metric, predictions, targets):
            raise ValueError(f"set_value_fit learns one value, and {metric.name} has several. Fit one at a time.")
        first, second = jax.random.split(key)
        features, _ = space.features(predictions, targets, jnp.ones((), predictions.dtype))
        params = {
            "of_example": of_example.init(first, features),
            "of_set": of_set.init(second, jnp.zeros((1, code), features.dtype)),
        }
        return LearnedState(params, optimizer.init(params))

    def loss(state: LearnedState, predictions: Array, targets: PyTree, where: Array | None = None, **_: Any) -> Array:
        of_batch = value(state.params, masked_mean(codes(state.params, predictions, targets), where))
        if not metric.per_example:
            return of_batch
        return masked(jnp.broadcast_to(of_batch, predictions.shape[:1]), where)

    def update(
        state: LearnedState,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        **more: Any,
    ) -> tuple[LearnedState, Info]:
        key = key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        batch = len(predictions)
        allowed, odds = log_odds_of_draws(where, batch)
        drawn = jax.random.categorical(key, odds, shape=(sets - 1, batch))
        members = jnp.concatenate([jnp.arange(batch)[None], drawn])
        filled = jnp.broadcast_to(jnp.any(allowed), (sets,))  # a device without an example has no set

        def goal_of(member):
            z, y, counts = jax.tree.map(lambda leaf: jnp.asarray(leaf)[member], (predictions, targets, allowed))
            return metric.sign * metric.mean(z, y, where=counts)

        goal = masked(jax.vmap(goal_of)(members), filled)

        def sums(params):
            of_each = codes(params, predictions, targets)
            mean_code = jax.vmap(lambda member: masked_mean(of_each[member], allowed[member]))(members)
            return moments(value(params, mean_code), goal, filled)

        def combine(fit):
            return (fit.xx - 2 * fit.xy + fit.yy) / jnp.maximum(fit.n, 1), fit

        state, fit = objectives.learning_step(optimizer, state, sums, combine, axis_name)
        devices = jnp.maximum(psum(filled[0].astype(jnp.float32), axis_name), 1)
        info = Info.unknown(
            value_error=objectives.value_fit(fit), metric=metric.sign * psum(goal[0], axis_name) / devices
        )
        return state, info

    return of_sound_batches(functools.partial(prepared, space), init, loss, update)
