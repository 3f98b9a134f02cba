"""The space of logits of decisions whose costs each example brings.

An example has an item for each decision, which is wrong where it is taken; its weight is what it costs more than the
cheapest one. So the sum over wrong decisions is the cost of the decision as it is, and what is learned is how probable
each decision is under the noise. One more item, which is always wrong, has the cost of the cheapest decision as weight.
"""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.example_costs import regrets, relative_regrets
from jaxsurr.core.targets import check_example_costs
from jaxsurr.core.types import Array
from jaxsurr.spaces.classes import class_logits, one_against_all
from jaxsurr.spaces.invariance import columns, need_two
from jaxsurr.spaces.ruling_out import ruled_out

__all__ = ["example_cost_logits"]

_LOST = -16.0  # in scales, the margin of what is always wrong
_MARGINS = 2


def _costs(predictions: Array, targets: Array) -> Array:
    """Costs of the decisions; those that are ruled out are never taken, and cost what the cheapest other does."""
    costs = targets.astype(predictions.dtype)
    out = ruled_out(predictions)
    return jnp.where(out, jnp.min(jnp.where(out, jnp.inf, costs), axis=-1, keepdims=True), costs)


def _margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """Margins of the best other decision over each, which are positive where it is not taken; and their regrets."""
    scaled = predictions / scale
    margins = jnp.stack([-one_against_all(scaled, temperature) for temperature in (1.0, 0.25)], axis=-1)
    return margins, regrets(_costs(predictions, targets))


def _with_cheapest(items: Array, value: Array | float) -> Array:
    """An item more than the decisions, `[B, K, ...]` to `[B, K + 1, ...]`."""
    return jnp.concatenate([items, jnp.broadcast_to(jnp.asarray(value, items.dtype), items[:, :1].shape)], axis=1)


def _features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, weights = _margins(predictions, targets, scale)
    costs = _costs(predictions, targets)
    relative = relative_regrets(costs)[..., None]
    cheapest = jax.nn.softmax(-8 * relative, axis=1)  # the margin of the cheapest decisions, about
    of_cheapest = jnp.broadcast_to(jnp.sum(cheapest * margins, axis=1, keepdims=True), margins.shape)
    features = jnp.concatenate([_with_cheapest(margins, _LOST), _with_cheapest(of_cheapest, 0.0)], axis=-1)
    features = jnp.concatenate([features, _with_cheapest(relative, 0.0)], axis=-1)
    return features, _with_cheapest(weights, jnp.min(costs, axis=-1, keepdims=True))


def _amplitudes(predictions: Array, targets: Array) -> Array:
    """What a decision costs more than the cheapest, over the most that one does, and which item is no decision.

    `[B, K + 1, 2]`; a metric of regret leaves out what the cheapest decision costs.
    """
    relative = relative_regrets(_costs(predictions, targets))
    return jnp.stack([_with_cheapest(relative, 0.0), _with_cheapest(jnp.zeros_like(relative), 1.0)], axis=-1)


def _losses(predictions: Array, targets: Array, scale: Array) -> Array:
    """With the dearest cost for decisions that are ruled out, which then have no weight in the cross-entropy."""
    costs = targets.astype(predictions.dtype)
    out = ruled_out(predictions)
    costs = jnp.where(out, jnp.max(jnp.where(out, -jnp.inf, costs), axis=-1, keepdims=True), costs)
    atoms = (losses.cost_proportionate_cross_entropy, losses.expected_example_cost)
    return jnp.stack([loss(predictions, costs) for loss in atoms], axis=-1)


def _sample(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Costs of many sizes, in a third of the examples equal but for one decision, and logits that know of them.

    How much they know is random for each example; some have it the wrong way round.
    """
    need_two(size)
    unit_key, least_key, cost_key, *few_keys, noise_key, lead_key, power_key = jax.random.split(key, 8)
    unit, least = jnp.exp(jax.random.normal(unit_key, (rows, 1))), jax.random.normal(least_key, (rows, 1))
    costs = jax.random.exponential(cost_key, (rows, size))
    one = jax.random.randint(few_keys[0], (rows, 1), 0, size) == jnp.arange(size)[None]
    costs = jnp.where(jax.random.uniform(few_keys[1], (rows, 1)) < 1 / 3, 1 - one.astype(costs.dtype), costs)
    noise, lead = jax.random.normal(noise_key, (rows, size)), 1 + 2 * jax.random.normal(lead_key, (rows, 1))
    power, width = jax.random.uniform(power_key, (2, rows, 1), minval=jnp.array([1.0, -2.0])[:, None, None], maxval=2.0)
    logits = jnp.sign(noise) * jnp.abs(noise) ** power - jnp.exp(width) * lead * relative_regrets(costs)
    return logits, unit * costs + least


def _alike(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """The distribution over decisions, and the even one over the cheapest."""
    cheapest = (regrets(targets) == 0).astype(predictions.dtype)
    return jax.nn.softmax(predictions), cheapest / jnp.sum(cheapest, axis=-1, keepdims=True)


example_cost_logits = class_logits._replace(
    name="example_cost_logits",
    features=_features,
    margins=_margins,
    losses=_losses,
    check=check_example_costs,
    pooled=None,
    spanned=True,
    sample=_sample,
    alike=_alike,
    decisions=columns(*range(_MARGINS)),
    amplitudes=_amplitudes,
)
"""Logits `[B, K]` of K decisions, targets `[B, K]` their costs for this example; invariant to a shift of the logits.

Symmetric in the decisions, and proportional to the costs, so that a surrogate serves any number of decisions and any
unit of the costs.
"""
