"""Surrogates that know how probable a right decision is, and so lead from a likelihood to the metric.

A metric that counts wrong decisions (a class, a threshold between levels, a keypoint) is, when smoothed, a sum of
`1 - a_i`, where a_i is the probability that decision i comes out right under the noise. One family of losses holds
that and the likelihood of the right decisions:

    B_q(a) = (1 - a^q) / q        q = 1: 1 - a, the smoothed metric        q -> 0: -log a, the likelihood

The slope of the first vanishes where a decision is far from right, that of the second does not.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr.core.products import einsum
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.metrics.base import Metric
from jaxsurr.surrogates.families.base import Family, Named
from jaxsurr.surrogates.families.mlp import Network, mlp
from jaxsurr.surrogates.families.network import NAMED as NETWORK
from jaxsurr.surrogates.families.trained import trained_family

__all__ = ["GAIN", "NAMED", "STEEPNESS", "box_cox", "decision_family"]

STEEPNESS = 1.2
"""The first slope of log odds over margins in smoothing scales: that of the difference of two noisy logits."""
GAIN = 0.3
"""The weight of the network's correction to begin with: the margins come first."""
_LEAST_POWER = 1e-6


def box_cox(log_probability: Array, power: Array | float) -> Array:
    """The loss `(1 - a^q) / q` of a probability a, from its logarithm; `-log a` at q = 0.

    Source: Box and Cox, An Analysis of Transformations, 1964, whose transformation of a it is, times -1; of a softmax
    probability the generalised cross-entropy of Zhang and Sabuncu, NeurIPS 2018.

    Args:
      log_probability: of any shape, at most 0.
      power: q in [0, 1], a scalar.

    Returns:
      As `log_probability`, at least 0. Its derivative in log a is `-a^q`, in [-1, 0]. NaN where q is not in [0, 1].

    >>> import jax.numpy as jnp
    >>> box_cox(jnp.log(jnp.array([0.5, 1.0])), 1.0).tolist(), round(float(box_cox(jnp.log(0.5), 0.0)), 4)
    ([0.5, -0.0], 0.6931)
    """
    q = jnp.asarray(power, log_probability.dtype)
    q = jnp.where((q >= 0) & (q <= 1), q, jnp.nan)
    led = jnp.maximum(q, _LEAST_POWER)
    return jnp.where(q < _LEAST_POWER, -log_probability, -jnp.expm1(led * log_probability) / led)


def decision_family(
    space: Space,
    *,
    network: Callable[[int], Network] = mlp,
    **learned: Any,
) -> Family:
    """The family `S_q = floor + sum_i w_i A_i B_q(sigmoid(u_i))` over the decisions i of an example.

    The log odds u_i rise in the margins of the decision without bound, and a bounded network on its features corrects
    them: `u_i = offset + sum_r slope_r margin_ir + gain N(features_i)` with `slope_r > 0`. So the gradient of `S_0`
    does not vanish however wrong a prediction is. The amplitude A_i > 0 is the cost of a wrong decision; it may depend
    on the target, in spaces whose networks read it (`Space.amplitudes`).

    In a space whose decisions are right or wrong together (`Space.joint`) the probability of a right example is the
    product `a = prod_i sigmoid(u_i)` over its items, and `S_q = floor + A B_q(a)`: at q = 0 the sum of `-log a_i`.

    What is learned is S_1, which is to be the smoothed metric.

    Args:
      space: supplies features, and the decisions' margins.
      network: `metrics M -> Network`.
      **learned: as for `trained_family`.
    """
    read: Any = space.decisions

    def init(key: Array, view: View, scale: Array, metrics: int) -> dict[str, PyTree]:
        features, _ = space.features(view.predictions, view.targets, scale)
        margins, dtype = read(features, view.predictions, view.targets).shape[-1], features.dtype
        known = _known(space, view.targets, view.predictions)
        return {
            "network": network(metrics).init(key, features),
            "gain": jnp.full((metrics,), GAIN if margins else 1.0, dtype),
            "slope": jnp.full((margins, metrics), math.log(math.expm1(STEEPNESS / max(margins, 1))), dtype),
            "offset": jnp.zeros((metrics,), dtype),
            "floor": jnp.zeros((metrics,), dtype),
            "amplitude": jnp.zeros((1 if known is None else 1 + known.shape[-1], metrics), dtype),
        }

    def apply(params, predictions, targets, scale, metrics, where, power=None):
        features, weights = space.features(predictions, targets, scale)
        margins = read(features, predictions, targets)
        odds = einsum("bir,rm->bim", margins, jax.nn.softplus(params["slope"]))
        corrected = params["gain"][None, None] * network(metrics).apply(params["network"], features)
        odds = odds + corrected + params["offset"][None, None]
        cost = params["amplitude"][:1][None]
        known = _known(space, targets, predictions)
        if known is not None:
            cost = cost + einsum("biq,qm->bim", known, params["amplitude"][1:])
        if space.joint:
            right = jnp.sum(jnp.where(weights[..., None] > 0, jax.nn.log_sigmoid(odds), 0), axis=1, keepdims=True)
            missed = -jnp.expm1(right) if power is None else box_cox(right, power)
            return params["floor"][None] + jnp.sum(jnp.exp(cost) * missed, axis=1)
        missed = jax.nn.sigmoid(-odds) if power is None else box_cox(jax.nn.log_sigmoid(odds), power)
        return params["floor"][None] + einsum("bi,bim->bm", weights, jnp.exp(cost) * missed)

    return trained_family(init, apply, **learned)


def _known(space: Space, targets: PyTree, predictions: Array) -> Array | None:
    """What the amplitudes may depend on, `[B, I, Q]`, or None."""
    return None if space.amplitudes is None else space.amplitudes(predictions, targets)


def _named(metric: Metric, space: Space, **options: Any) -> Family:
    """Where a metric has no decisions, the family "network"."""
    if metric.per_example and metric.bounded and space.decisions is not None:
        return decision_family(space, **options)
    return NETWORK["network"].make(metric, space, **options)


NAMED = {"decisions": Named(_named, knows_power=lambda space: space.decisions is not None)}
