"""LS-ED: an embedding of predictions and targets in which their distance is the metric."""

import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.moments import moments
from jaxsurr.core.reductions import masked, masked_mean, num_valid
from jaxsurr.core.types import Array, Info, PyTree, Surrogate
from jaxsurr.metrics.base import as_metric
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.families.mlp import mlp
from jaxsurr.surrogates.objectives import LearnedState
from jaxsurr.surrogates.peers.relational import costs
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["Reader", "embedding"]

Reader = Callable[[Array, PyTree], tuple[Array, Array]]
"""`(predictions, targets) -> ([B, F], [B, F])`: both in one form, the same where a prediction is the target."""


@described
def embedding(
    metric: Callable[..., Array],
    *,
    best: float | None = None,
    size: int = 16,
    hidden: tuple[int, ...] = (64, 64),
    penalty_weight: float = 10.0,
    optimizer: optax.GradientTransformation | None = None,
    read: Reader | None = None,
) -> Surrogate:
    """A loss that is the distance between embeddings of prediction and target, `||h(z) - h(y)||` (LS-ED).

    The embedding h is a network fitted so that the distance is how far the metric is from its best. An update is one
    step on

        E (||h(z) - h(y)|| - |m(z, y) - best|)^2  +  penalty_weight E (||grad_z ||h(z) - h(y)|| || - 1)^2.

    h reads class and level logits as their softmax and targets one-hot; cumulative logits as their sigmoid; points
    about the mean of the true ones, in scales. The gradient of the penalty is that in what h reads. The loss is 0 where
    both read the same, with gradient 0.

    Source: Patel, Hodan, Matas, Learning Surrogates via Deep Embedding, arXiv 2007.00799, from the abstract: the
    distance between learned embeddings that equals the metric, used to tune a trained model further. The gradient
    penalty and its weight of 10 are taken to be theirs, unconfirmed. Ours: network, optimizer, readers, and learning
    on the model's predictions only; for a first stage on generated pairs, call `update` with such pairs.

    Args:
      metric: one value for each example, best where the prediction is the target.
      best: the metric's best value, by default 0 where lower is better and 1 where higher is.
      size: dimensions of the embedding.
      hidden: widths of the hidden layers of h.
      penalty_weight: of the gradient penalty, at least 0. It draws the loss to one unit of metric in each unit of what
        h reads; where the metric is not so steep, a smaller weight fits its value better.
      optimizer: by default `optax.adam(0.001)`.
      read: `(predictions, targets) -> ([B, F], [B, F])` in place of `Space.alike` of the metric's.

    Returns:
      `Surrogate(init, loss, update)`; `Info` knows `value_error` and `metric`, the rest is NaN.

    Raises:
      ValueError: an option is out of its range, the metric is not one value for each example, or the space does not
        say how both are read alike.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = embedding(jaxsurr.metrics.error_rate)
    >>> logits, labels = jnp.array([[200.0, 0.0], [0.0, 200.0]]), jnp.array([0, 0])
    >>> state = surrogate.init(jax.random.key(0), logits, labels)
    >>> losses = surrogate.loss(state, logits, labels)
    >>> float(losses[0]), bool(losses[1] > 0)
    (0.0, True)
    """
    metric = as_metric(metric)
    best = float(metric.higher_is_better) if best is None else best
    objectives.check_weights(value_weight=1.0, penalty_weight=penalty_weight)
    checks.positive_integer(size, "size")
    if read is None:
        read = metric.space.alike
    if read is None:
        known = [space.name for space in SPACES.values() if space.alike]
        raise ValueError(
            f"embedding's space is {metric.space.name!r}, which is unknown; {checks.nearest(metric.space.name, known)}"
        )
    network = mlp(size, hidden=hidden)
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer

    def distance(params: PyTree, read_prediction: Array, read_target: Array) -> Array:
        apart = network.apply(params, read_prediction) - network.apply(params, read_target)
        squared = jnp.sum(apart**2, axis=-1)
        return jnp.where(squared == 0, 0, jnp.sqrt(jnp.where(squared == 0, 1, squared)))  # a NaN is not 0 and stays

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> LearnedState:
        costs(metric, predictions, targets)
        params = network.init(key, read(predictions, targets)[0])
        return LearnedState(params, optimizer.init(params))

    def loss(state: LearnedState, predictions: Array, targets: PyTree, where: Array | None = None, **_: Any) -> Array:
        return masked(distance(state.params, *read(predictions, targets)), where)

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
        here, there = read(predictions, targets)
        goal = costs(metric, predictions, targets) - metric.sign * best

        def sums(params):
            values, gradients = objectives.values_and_gradients(lambda z: distance(params, z, there), here)
            penalty = objectives.gradient_penalty(gradients, where=where)
            return moments(values, goal, where), penalty, num_valid(where, len(here))

        def combine(total):
            fit, penalty, number = total
            squared_error = fit.xx - 2 * fit.xy + fit.yy
            return (squared_error + penalty_weight * penalty) / jnp.maximum(number, 1), fit

        state, fit = objectives.learning_step(optimizer, state, sums, combine, axis_name)
        info = Info.unknown(
            value_error=objectives.value_fit(fit),
            metric=masked_mean(metric(predictions, targets, where=where), where, axis_name=axis_name),
        )
        return state, info

    return of_sound_batches(functools.partial(prepared, metric.space), init, loss, update)
