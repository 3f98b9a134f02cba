"""The smoothed metric as a loss, with nothing learned between."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core import renamed
from jaxsurr.core.types import Array, Info, PyTree, Space, Surrogate, View
from jaxsurr.metrics.base import as_metric, output_shape
from jaxsurr.smoothing.function_directions import chosen_estimator
from jaxsurr.smoothing.goal import DEFAULT, Estimation, check_options, estimated_goal
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.families import decides
from jaxsurr.surrogates.families.decisions import box_cox
from jaxsurr.surrogates.objectives import check_power
from jaxsurr.surrogates.order import noticing_order
from jaxsurr.surrogates.sound import of_sound_batches
from jaxsurr.surrogates.state import first_squared_size, natural_scale, power_of, scale_of, settled

__all__ = ["SmoothedState", "smoothed"]


@renamed.fields
class SmoothedState(NamedTuple):
    """The key of the noise, and `squared_size`, `step`, `relative_scale` and `power` as in `SurrogateState`.

    `functions` is an empty array where the gradient of a set metric is estimated along functions, and None elsewhere.
    """

    key: Array
    squared_size: Array
    step: Array
    relative_scale: Array
    power: Array | None
    functions: Array | None = None


@described
def smoothed(
    metric: Callable[..., Array],
    *,
    space: Space | None = None,
    num_pairs: int = 16,
    relative_scale: float | None = 0.15,
    power: float = 1.0,
    estimation: Estimation = DEFAULT,
) -> Surrogate:
    """The smoothed metric itself as a loss, without a network: its gradient is the estimate from antithetic pairs.

    The loss has the value of the smoothed metric (negative where higher is better) and, by a custom linear term, the
    estimated gradient. `update` draws the noise of the next loss and settles the scale; it learns nothing.

    With `power` q < 1 the fraction a of an example's decisions that come out right, `1 - m_s` over their number, enters
    as `(1 - a^q) / q`, with the gradient `a^(q - 1) g`. It is known to one of 2 `num_pairs` perturbations, and is kept
    above that: where all come out wrong there is no gradient, for any q.

    `init` notices a metric of sets that depends on the order of its examples, and not within `jax.jit`, as for
    `correlated_gradients`.

    Args:
      metric, space, num_pairs, relative_scale, power, estimation: as for `correlated_gradients`.

    Returns:
      `Surrogate(init, loss, update)`.
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    check_options(num_pairs, relative_scale, estimation)
    leads = decides("auto", metric, space)
    check_power(power, leads, metric.name)
    chosen = functools.partial(chosen_estimator, estimation.estimator, metric, space)

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> SmoothedState:
        size, relative = first_squared_size(space, View(predictions, targets, where), relative_scale)
        state = SmoothedState(key, size, jnp.int32(0), relative, power_of(power if leads else None))
        if chosen(predictions, targets) == "functions":
            state = state._replace(functions=jnp.zeros((0,)))
        return state

    def loss(
        state: SmoothedState,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        fixed = jax.lax.stop_gradient(predictions)
        goal = estimated_goal(
            metric,
            View(fixed, targets, where),
            key=state.key,
            scale=scale_of(state, space),
            num_pairs=num_pairs,
            space=space,
            chunk_size=estimation.chunk_size,
            estimator=chosen(fixed, targets, state.functions is not None),
            unit=space.unit(fixed, targets),
            axis_name=axis_name,
        )
        change = goal.gradient * (predictions - fixed)[None]
        change = jnp.sum(change.reshape(*change.shape[:2], -1), axis=-1).T  # [B, M], all 0
        values = goal.values + change if metric.per_example else goal.values[0] + jnp.sum(change, axis=0)
        if state.power is not None:
            weights = space.features(fixed, targets, scale_of(state, space))[1]
            decisions = jnp.sum(weights, axis=1, keepdims=True)  # of an example, the most that it can cost
            best = -decisions if metric.higher_is_better else jnp.zeros_like(decisions)
            right = 1 - (goal.values - best) / jnp.maximum(decisions, 1e-6)
            right = jnp.clip(right, 1 / (2 * num_pairs + 2), 1)  # [B, M]
            led = best + decisions * box_cox(jnp.log(right), state.power) + right ** (state.power - 1) * change
            values = jnp.where(state.power == 1, values, led)
        return values if output_shape(metric, predictions, targets) else values[..., 0]

    def update(
        state: SmoothedState,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        **more: Any,
    ):
        if natural_scale(space, relative_scale) is None:
            state = settled(state, space, View(predictions, targets, where), estimation.decay, axis_name)
        return state._replace(key=key, step=state.step + 1), Info.unknown()

    return noticing_order(of_sound_batches(functools.partial(prepared, space), init, loss, update), metric, space)
