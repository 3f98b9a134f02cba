"""ReLoss: a surrogate that keeps the metric's rank, not its value."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr.core import checks
from jaxsurr.core.moments import moments, pearson
from jaxsurr.core.products import matmul
from jaxsurr.core.reductions import log_odds_of_draws, masked, masked_mean, num_valid
from jaxsurr.core.types import Array, Info, Keypoints, PyTree, Surrogate
from jaxsurr.metrics import decoding
from jaxsurr.metrics.base import Metric, as_metric, output_shape
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.spaces import class_logits, cumulative_logits, keypoint_coordinates, level_logits
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.families.mlp import mlp
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["STEEPNESS", "RelationalState", "average_ranks", "costs", "relational", "soft_ranks", "spreading"]

STEEPNESS = 5.0
"""Of the soft comparisons, as in the released code."""


class RelationalState(NamedTuple):
    """Parameters of a surrogate network, the state of their optimizer, and the running rank correlation, in [-1, 1]."""

    params: PyTree
    optimizer: PyTree
    correlation: Array


def costs(metric: Metric, predictions: Array, targets: PyTree, where: Array | None = None) -> Array:
    """The metric of each example with its sign turned so that lower is better, `[B]`.

    Raises:
      ValueError: the metric belongs to a set, or is several at once.
    """
    if not metric.per_example or output_shape(metric, predictions, targets):
        raise ValueError(
            f"this surrogate learns one value for each example, and {metric.name} has another shape. Use a metric [B], "
            "set_value_fit for a metric of sets, or correlated_gradients for several metrics at once."
        )
    return metric.sign * metric(predictions, targets, where=where)


def average_ranks(values: Array) -> Array:
    """Ranks `[N]` from 0, equal values sharing the mean of theirs."""
    below = jnp.sum(values[None] < values[:, None], axis=1, dtype=values.dtype)
    return below + 0.5 * (jnp.sum(values[None] == values[:, None], axis=1, dtype=values.dtype) - 1)


def _bitonic(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Layers `[L, size]` of the bitonic sorting network: each position's partner, and whether it keeps the smaller."""
    position, partners, smaller = np.arange(size), [], []
    block = 2
    while block <= size:
        step = block // 2
        while step:
            partner = position ^ step
            partners.append(partner)
            smaller.append(((position & block) == 0) == (position < partner))
            step //= 2
        block *= 2
    return np.array(partners), np.array(smaller)


def soft_ranks(values: Array, steepness: float = STEEPNESS) -> Array:
    """Differentiable ranks from 0 by a bitonic sorting network with soft comparisons.

    Each comparison of a and b swaps them by the share `1 - sigmoid(steepness phi(b - a))`, `phi(x) = x / |x|^(1/4)`;
    the rank of an entry is the mean position that its mass arrives at.

    Args:
      values: `[N]`, N a power of two of at least 2.
      steepness: larger is nearer to true ranks.

    Raises:
      ValueError: N is not a power of two.

    Source: Petersen et al., Differentiable Sorting Networks, arXiv 2105.04019.

    >>> import jax.numpy as jnp
    >>> soft_ranks(jnp.array([3.0, -1.0, 7.0, 2.0]), steepness=100.0).round(2).tolist()
    [2.0, 0.0, 3.0, 1.0]
    """
    size = len(values)
    if size < 2 or size & (size - 1):
        raise ValueError(f"a bitonic network sorts 2, 4, 8, ... values, got {size}.")

    def layer(carry, network):
        at, mass = carry  # values at each position, and whose mass is there
        partner, smaller = network
        lead = jnp.where(smaller, at[partner] - at, at - at[partner])
        keep = jax.nn.sigmoid(steepness * lead / (jnp.abs(lead) + 1e-6) ** 0.25)
        mixed = keep[:, None] * mass + (1 - keep[:, None]) * mass[partner]
        return (keep * at + (1 - keep) * at[partner], mixed), None

    partners, smaller = map(jnp.asarray, _bitonic(size))
    (_, mass), _ = jax.lax.scan(layer, (values, jnp.eye(size, dtype=values.dtype)), (partners, smaller))
    return matmul(jnp.arange(size, dtype=values.dtype), mass)


# --- what is read of an example, and how targets are spread -----------------------------------------------------------


def _features(metric: Metric, predictions: Array, targets: PyTree) -> tuple[Array, Array]:
    """Items `[B, I, F]` and their weights: the true class's probability, or a space's features at scale 1."""
    if metric.space.name == class_logits.name:
        probability = jnp.take_along_axis(jax.nn.softmax(predictions), targets[:, None], axis=1)
        return probability[..., None], jnp.ones_like(probability)
    return metric.space.features(predictions, targets, jnp.ones((), predictions.dtype))


def _relabelled(decode: Callable[[Array], Array], extra: int) -> Callable[..., Array]:
    """Labels as they are decoded, then a share of the examples drawn at random."""

    def relabel(key: Array, predictions: Array, targets: Array, share: Array) -> Array:
        which, label = jax.random.split(key)
        random = jax.random.randint(label, targets.shape, 0, predictions.shape[1] + extra, targets.dtype)
        decoded = jnp.round(decode(predictions)).astype(targets.dtype)
        return jnp.where(jax.random.uniform(which, targets.shape) < share, random, decoded)

    return relabel


def _moved(key: Array, predictions: Array, targets: Keypoints, share: Array) -> Keypoints:
    """Points where they are predicted, then a share of them moved by normal noise of a size in [0, 1] scales."""
    which, how, size = jax.random.split(key, 3)
    shape = predictions.shape[:2]
    dtype = predictions.dtype
    noise = jax.random.normal(how, predictions.shape, dtype) * jax.random.uniform(size, (shape[0], 1, 1), dtype)
    wrong = (jax.random.uniform(which, shape) < share[:, None]).astype(predictions.dtype)
    return targets._replace(points=predictions + wrong[..., None] * targets.scale[:, None, None] * noise)


def _exchanged(key: Array, predictions: Array, targets: PyTree, share: Array) -> PyTree:
    """Targets of a share of the examples exchanged for others': where nothing is known of the space."""
    which, whose = jax.random.split(key)
    batch = len(predictions)
    other = jax.random.randint(whose, (batch,), 0, batch)
    taken = jnp.where(jax.random.uniform(which, (batch,)) < share, other, jnp.arange(batch))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[taken], targets)


def spreading(metric: Metric) -> Callable[[Array, Array, PyTree, Array], PyTree]:
    """`(key, predictions, targets, share [B]) -> targets` of about that share of error."""
    decode = decoding.get(dict(metric.options).get("decode", "median"))
    known = {
        class_logits.name: _relabelled(decoding.argmax_level, 0),
        level_logits.name: _relabelled(decode, 0),
        cumulative_logits.name: _relabelled(decoding.threshold_count, 1),
        keypoint_coordinates.name: _moved,
    }
    return known.get(metric.space.name, _exchanged)


# --- the surrogate ----------------------------------------------------------------------------------------------------


@described
def relational(
    metric: Callable[..., Array],
    *,
    groups: int = 64,
    group_size: int = 64,
    penalty_weight: float = 10.0,
    optimizer: optax.GradientTransformation | None = None,
) -> Surrogate:
    """A surrogate whose mean over a group of examples ranks groups as the metric does (ReLoss).

    `S(z, y) = sum_i w_i |N(features_i)|`, with a network N of three hidden layers of 128 and ELU. An update minimises

        - |spearman(S of groups, metric of groups)|  +  penalty_weight E (||grad_z S|| - 1)^2

    where ranks of S come from a bitonic sorting network with soft comparisons. Groups are drawn again from the batch,
    and targets are spread so that all values of the metric occur: they are set to what is predicted, then a random
    share of them, another one in each group, is randomised. So true targets teach it nothing, as in the original.

    Source: Huang et al., Relational Surrogate Loss Learning, arXiv 2202.13197, and its released code: the network on
    the probability of the true class, the objective and its weights, the sorting, the spreading of class targets, Adam
    at 0.01 with a weight decay of 1e-3. Theirs are 256 groups of 128 stored predictions an update; a batch of 64 to 128
    has no such number, so here 64 groups of 64 are drawn from it with replacement. The penalty is on the gradient of
    each example's own loss (theirs on that of a group's mean), so that it has unit size whatever the group. Ours: the
    absolute value of the correlation, and a loss that is S or -S, whichever ranks as the metric does. (The penalty
    resists a gradient of 0, and so holds back a surrogate that has begun to rank the wrong way round.)
    Ours too: other spaces, whose `features` take the place of the probability. Levels are randomised as classes are,
    points moved by normal noise, and in a space of which nothing is known targets are exchanged among examples.

    Args:
      metric: one value for each example.
      groups: a power of two; on several devices a group has members on each.
      group_size: members of a group, on each device.
      penalty_weight: of the gradient penalty, at least 0.
      optimizer: by default Adam at 0.01 with a weight decay of 1e-3 added to the gradient.

    Returns:
      `Surrogate(init, loss, update)`. The loss is a rank: its values have no unit. `Info.metric` is the metric of the
      batch, the rest NaN.

    Raises:
      ValueError: an option is out of its range, or the metric is not one value for each example.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = relational(jaxsurr.metrics.error_rate, groups=8, group_size=8)
    >>> logits, labels = jax.random.normal(jax.random.key(0), (16, 4)), jnp.arange(16) % 4
    >>> state = surrogate.init(jax.random.key(1), logits, labels)
    >>> surrogate.loss(state, logits, labels).shape
    (16,)
    """
    metric = as_metric(metric)
    checks.positive_integer(groups, "groups")
    checks.positive_integer(group_size, "group_size")
    if groups < 2 or groups & (groups - 1):
        raise ValueError(f"groups must be a power of two of at least 2, as the sorting network needs, got {groups}.")
    objectives.check_weights(rank_weight=1.0, penalty_weight=penalty_weight)
    optimizer = optax.chain(optax.add_decayed_weights(1e-3), optax.adam(0.01)) if optimizer is None else optimizer
    network = mlp(1, hidden=(128, 128, 128), activation=jax.nn.elu)
    spread = spreading(metric)

    def apply(params: PyTree, predictions: Array, targets: PyTree) -> Array:
        features, weights = _features(metric, predictions, targets)
        return jnp.sum(weights * jnp.abs(network.apply(params, features)[..., 0]), axis=1)

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> RelationalState:
        costs(metric, predictions, targets)
        params = network.init(key, _features(metric, predictions, targets)[0])
        return RelationalState(params, optimizer.init(params), jnp.float32(0))

    def loss(
        state: RelationalState, predictions: Array, targets: PyTree, where: Array | None = None, **_: Any
    ) -> Array:
        turn = jnp.where(state.correlation < 0, -1, 1)
        return masked(turn * apply(state.params, predictions, targets), where)

    def update(
        state: RelationalState,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        **more: Any,
    ) -> tuple[RelationalState, Info]:
        batch = len(predictions)
        info = Info.unknown(metric=masked_mean(metric(predictions, targets, where=where), where, axis_name=axis_name))
        share_key, own = jax.random.split(key)  # groups span the devices: they share the share, not the noise
        own = own if axis_name is None else jax.random.fold_in(own, jax.lax.axis_index(axis_name))
        member_key, noise_key = jax.random.split(own)
        allowed, odds = log_odds_of_draws(where, batch)
        member = jax.random.categorical(member_key, odds, shape=(groups * group_size,))
        share = jnp.repeat(jax.random.uniform(share_key, (groups,)), group_size)
        z, y, counts = jax.tree.map(lambda leaf: jnp.asarray(leaf)[member], (predictions, targets, allowed))
        y = spread(noise_key, z, y, share)

        def by_group(values):
            return jnp.sum(masked(values, counts).reshape(groups, group_size), axis=1)

        each = costs(metric, z, y)
        info = info._replace(skipped=jnp.any(~jnp.isfinite(each)).astype(jnp.float32))  # a rank would hide it
        cost = by_group(each)

        def sums(params):
            values, gradients = objectives.values_and_gradients(lambda z: apply(params, z, y), z)
            penalty = objectives.gradient_penalty(gradients, where=counts)
            return by_group(values), cost, penalty, num_valid(counts, len(z))

        def combine(total):
            surrogate, cost, penalty, number = total
            number = jnp.maximum(number, 1)
            ranks = soft_ranks(surrogate * groups / number)
            correlation = pearson(moments(ranks, average_ranks(jax.lax.stop_gradient(cost))))
            return penalty_weight * penalty / number - jnp.abs(correlation), correlation

        state, correlation = objectives.learning_step(optimizer, state, sums, combine, axis_name)
        correlation = 0.9 * state.correlation + 0.1 * correlation.astype(state.correlation.dtype)
        return state._replace(correlation=correlation), info

    return of_sound_batches(functools.partial(prepared, metric.space), init, loss, update)
