"""What a learned surrogate is compared with, as the same triple: conventional loss, value fit, smoothed metric."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr.core.reductions import filled, masked, masked_mean
from jaxsurr.core.targets import cleared
from jaxsurr.core.types import Array, PyTree, Space, Surrogate
from jaxsurr.metrics.base import as_metric, output_shape
from jaxsurr.smoothing.smoothed_metric import (
    check_options,
    normal_directions,
    prepared,
    smoothed_metric,
    smoothing_scale,
    table_directions,
)
from jaxsurr.surrogates.correlated_gradients import correlated_gradients
from jaxsurr.surrogates.description import Settings, described
from jaxsurr.surrogates.sound import NOTHING, of_sound_batches
from jaxsurr.surrogates.state import first_spread, settling


def _without_what_is_absent(predictions: Array, targets: PyTree, where: Array | None) -> tuple[Array, PyTree]:
    """A batch for a loss of whose space nothing is known; what does not fit is left for the loss to refuse."""
    if not hasattr(predictions, "dtype"):
        return predictions, targets
    if where is not None and jnp.shape(where) == predictions.shape[:1] and jnp.asarray(where).dtype == jnp.bool_:
        predictions, targets = masked(predictions, where), filled(targets, where)
    return cleared(predictions, targets)


@described
def conventional(loss: Callable[..., Array]) -> Surrogate:
    """A fixed loss as a `Surrogate` whose update learns nothing; its `Info` is NaN throughout.

    Args:
      loss: `(predictions, targets, *, where=None) -> [B]`, as in `jaxsurr.losses`; where it compares the rows of a
        batch with each other it takes an `axis_name` too.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = conventional(jaxsurr.losses.cross_entropy)
    >>> state = surrogate.init(jax.random.key(0), jnp.zeros((2, 3)), jnp.array([0, 1]))
    >>> surrogate.loss(state, jnp.zeros((2, 3)), jnp.array([0, 1])).shape
    (2,)
    """
    reads_axis = "axis_name" in inspect.signature(loss).parameters

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> tuple:
        return ()

    def value(
        state: tuple,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        return loss(predictions, targets, where=where, **({"axis_name": axis_name} if reads_axis else {}))

    def update(state: tuple, key: Array, predictions: Array, targets: PyTree, where: Array | None = None, **_: Any):
        return state, NOTHING

    return of_sound_batches(_without_what_is_absent, init, value, update)


def value_fit(metric: Callable[..., Array], **options: Any) -> Surrogate:
    """A surrogate that fits the metric's value and nothing else: `correlated_gradients` with `correlation_weight=0`.

    Args:
      metric: what to learn.
      **options: as for `correlated_gradients`, of the network family.

    Raises:
      ValueError: another family, or an option out of its range.
    """
    if options.get("family", "network") != "network":
        raise ValueError(
            f"value_fit needs family='network', got {options['family']!r}: the closed form fits gradients, not values."
        )
    surrogate = correlated_gradients(metric, **(dict(value_weight=1.0) | options | dict(correlation_weight=0.0)))
    return surrogate._replace(settings=Settings({**(surrogate.settings or {}), "method": "value_fit"}))


class SmoothedState(NamedTuple):
    """The key of the noise, and `spread`, `step` and `relative_scale` as in `SurrogateState`."""

    key: Array
    spread: Array
    step: Array
    relative_scale: Array


@described
def smoothed(
    metric: Callable[..., Array],
    *,
    space: Space | None = None,
    num_pairs: int = 16,
    relative_scale: float = 0.15,
    decay: float = 0.95,
    scale_updates: int = 50,
    chunk_size: int = 16,
    exact_noise: bool = False,
) -> Surrogate:
    """The smoothed metric itself as a loss, without a network: its gradient is the estimate from antithetic pairs.

    The loss has the value of the smoothed metric (negative where higher is better) and, by a custom linear term, the
    estimated gradient. `update` draws the noise of the next loss and settles the scale; it learns nothing.

    Args:
      metric, space, num_pairs, relative_scale, decay, scale_updates, chunk_size, exact_noise: as for
        `correlated_gradients`.

    Returns:
      `Surrogate(init, loss, update)`.
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    counts = dict(num_pairs=num_pairs, chunk_size=chunk_size, scale_updates=scale_updates)
    check_options(relative_scale=relative_scale, decay=decay, **counts)
    directions = normal_directions if exact_noise else table_directions()

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> SmoothedState:
        size = first_spread(space.spread(predictions, targets), where)
        return SmoothedState(key, size, jnp.int32(0), jnp.float32(relative_scale))

    def estimate(state, predictions, targets, where, axis_name=None):
        first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * predictions.shape[0]
        return smoothed_metric(
            metric,
            predictions,
            targets,
            key=state.key,
            scale=smoothing_scale(state.relative_scale, state.spread, space.least),
            num_pairs=num_pairs,
            where=where,
            space=space,
            chunk_size=chunk_size,
            first_example=first,
            directions=directions,
        )

    def loss(
        state: SmoothedState,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        fixed = jax.lax.stop_gradient(predictions)
        out = estimate(state, fixed, targets, where, axis_name)
        several = bool(output_shape(metric, predictions, targets))
        gradient = out.gradient if several else out.gradient[None]
        change = jnp.sum(
            (gradient * (predictions - fixed)[None]).reshape(*gradient.shape[:2], -1), axis=-1
        ).T  # [B, M], all 0
        change = change if metric.per_example else jnp.sum(change, axis=0)
        return metric.sign * (out.value + (change if several else change[..., 0]))

    def update(
        state: SmoothedState,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        **_: Any,
    ):
        size = masked_mean(space.spread(predictions, targets), where, axis_name=axis_name)
        size = settling(state.spread, size, state.step, decay, scale_updates)
        return state._replace(key=key, spread=size, step=state.step + 1), NOTHING

    return of_sound_batches(functools.partial(prepared, space), init, loss, update)
