"""Metrics whose decisions are not what a surrogate takes them for, as surrogates notice them."""

import functools
import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Array, PyTree, Space, Surrogate
from jaxsurr.metrics.base import Metric, is_ready
from jaxsurr.metrics.calls import calls_of
from jaxsurr.smoothing.smoothed_metric import fitting
from jaxsurr.spaces.generic import taken_as_one

__all__ = ["noticing_decisions"]

_FAR = (1e2, 1e4, 1e6)  # times the size of the predictions
_RISE = 1.2  # from one of these distances to the next; that of a logarithm is 1.5
_RULED_OUT = 1e8


def noticing_decisions(surrogate: Surrogate, metric: Metric, space: Space, *, of_items: bool) -> Surrogate:
    """The surrogate whose `init`, called outside of compiled code, warns where its decisions are not the metric's.

    That is: where the space cannot tell the items of an example apart, so that an example is one decision; and where a
    metric of the user's own is declared bounded, and its values rise without an end as predictions move away. (A black
    box is not asked.)

    Args:
      surrogate: with a family that has decisions.
      metric, space: of the surrogate.
      of_items: whether these are on the items of `Space.features`, and not on those of `Space.margins`.
    """
    looked = is_ready(metric.function)  # at values far away; once, as it takes a program of its own

    @functools.wraps(surrogate.init)
    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> Any:
        nonlocal looked
        state, batch = surrogate.init(key, predictions, targets, where), (predictions, targets, where)
        here = (batch, jnp.zeros(()))  # the last is traced where constants are not
        if not (checks.is_concrete(here) and checks.all_here(batch)):
            return state
        if of_items and (one := taken_as_one(space, predictions, targets)):
            warnings.warn(
                f"{metric.name} is learned in the space {space.name!r}, which knows no items: each example counts as "
                f"{one}. If the metric counts several decisions, name a space that has them, space=jaxsurr.spaces."
                "class_logits for classes or keypoint_coordinates for points, say, or make one with a row for each, "
                "jaxsurr.spaces.generic._replace(features=..., decisions=...). family='network' learns the value "
                "without decisions.",
                stacklevel=2,
            )
        if not looked:
            looked = True
            near, far = _values_far_away(metric, space, *jax.tree.map(np.asarray, batch))
            if far > near:
                warnings.warn(
                    f"{metric.name} is declared bounded, which is the default, but its values rise from {near:.3g} to "
                    f"{far:.3g} where predictions are moved by {_FAR[0]:,.0f} and by {_FAR[-1]:,.0f} times their size. "
                    "It is learned as decisions that are right or wrong, whose cost far from right is level. Declare "
                    "it with jaxsurr.metric(..., bounded=False), and its value is learned.",
                    stacklevel=2,
                )
        return state

    return surrogate._replace(init=init)


def _values_far_away(
    metric: Metric, space: Space, predictions: Array, targets: PyTree, where: Array | None
) -> tuple[float, float]:
    """The largest values, without sign, at the least and the greatest distance; 0 twice unless they rise all along."""
    predictions, targets = fitting(space, predictions, targets, where)
    if calls_of(metric.mean, predictions, targets):
        return 0.0, 0.0
    size = np.abs(np.asarray(predictions))
    noise = np.random.default_rng(0).standard_normal(size.shape) * max(
        np.max(size, where=size < _RULED_OUT, initial=1), 1
    )
    noise = jnp.asarray(noise, predictions.dtype) * space.unit(predictions, targets)

    @jax.jit
    def largest(distance: Array) -> Array:
        both = (metric(predictions + step * noise, targets, where=where) for step in (distance, -distance))
        return jnp.max(jnp.abs(jnp.stack(list(both))))

    near, between, far = (float(largest(jnp.asarray(distance, predictions.dtype))) for distance in _FAR)
    rise = 0 < _RISE * near < between and (_RISE * between < far or far == math.inf)
    return (near, far) if rise else (0.0, 0.0)
