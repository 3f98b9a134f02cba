"""A learned surrogate as a plain loss."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr.core import checks, renamed
from jaxsurr.core.meshes import automatic
from jaxsurr.core.reductions import masked_mean, num_valid
from jaxsurr.core.types import Array, Info, PyTree, Surrogate
from jaxsurr.core.whole import all_finite
from jaxsurr.metrics.base import Metric
from jaxsurr.smoothing.smoothed_metric import prepared, smoothing_scale
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates.compiled import compiled
from jaxsurr.surrogates.sound import kept, learned_from

__all__ = ["follow_scale", "follows", "frozen", "scale_of"]


def follows(surrogate: Surrogate) -> bool:
    """Whether a surrogate that is kept follows the scale of each batch: its space says so (`Space.scale_free`).

    The size of logits means nothing to most metrics; the unit of points is that of the metric's thresholds.
    """
    space = SPACES.get((surrogate.settings or {}).get("space") or "")
    return space is not None and space.scale_free


def scale_of(metric: Metric, state: PyTree, predictions: Array, targets: PyTree, where=None, *, follow: bool = False):
    """The smoothing scale of a surrogate, or 0.15 times the spread of the predictions where it has none.

    With `follow` the spread is that of the predictions in any case.
    """
    relative, size = getattr(state, "relative_scale", 0.15), None if follow else getattr(state, "squared_size", None)
    if size is None:
        size = masked_mean(metric.space.squared_size(predictions, targets), where)
    return smoothing_scale(relative, size, metric.space.least)


def follow_scale(surrogate: Surrogate) -> Surrogate:
    """The same surrogate with its smoothing scale taken from the batch that it sees, and not from batches before.

    The spread of the batch takes the place of the running one (without a gradient of its own), so that a surrogate
    that was learned on some logits serves logits ten times as large. A surrogate whose state knows no size is as it
    was. Where no row counts that of the state stays.

    Args:
      surrogate: in a space of this library's.

    Raises:
      ValueError: the surrogate does not say which space it is in.
    """
    name = (surrogate.settings or {}).get("space")
    if name not in SPACES:
        raise ValueError(
            "the scale of predictions can be followed in a space of jaxsurr's only, and this surrogate does not name "
            "one. Pass follow=False to keep the scale that it was learned at."
        )
    space = SPACES[name]

    def at_scale(state: PyTree, predictions: Array, targets: PyTree, where: Array | None, axis_name) -> PyTree:
        if not hasattr(state, "squared_size"):
            return state
        predictions, targets = jax.lax.stop_gradient(prepared(space, predictions, targets, where))
        size = masked_mean(space.squared_size(predictions, targets), where, axis_name=axis_name)
        known = (num_valid(where, len(predictions), axis_name) > 0) & jnp.isfinite(size)
        return state._replace(squared_size=jnp.where(known, size, state.squared_size))

    def loss(state, predictions, targets, where=None, *, axis_name=None) -> Array:
        state = at_scale(state, predictions, targets, where, axis_name)
        return surrogate.loss(state, predictions, targets, where, axis_name=axis_name)

    def update(state, key, predictions, targets, where=None, *, axis_name=None, **more: Any) -> tuple[PyTree, Info]:
        now = at_scale(state, predictions, targets, where, axis_name)
        after, info = surrogate.update(now, key, predictions, targets, where, axis_name=axis_name, **more)
        return kept(jnp.any(jnp.asarray(info.skipped) > 0), state, after), info

    def look(state: PyTree, predictions: Array, targets: PyTree, where: Array | None = None) -> None:
        prepared(space, predictions, targets, where)

    def look_with_key(state: PyTree, key: Array, *batch: Any) -> None:
        checks.typed_key(key)
        look(state, *batch)

    return surrogate._replace(
        loss=compiled(automatic(loss, of_rows=True), look, all_finite),
        update=compiled(automatic(update), look_with_key, learned_from),
    )


def frozen(surrogate: Surrogate, state: PyTree, *, follow: bool | None = None) -> Callable[..., Array]:
    """A surrogate and its state as a loss that learns nothing more, as one of `jaxsurr.losses` or optax's.

    Args:
      surrogate: what was learned.
      state: of the surrogate.
      follow: whether the smoothing scale follows the spread of each batch (`follow_scale`); by default in spaces of
        logits, whose size changes while a model trains. Otherwise it is that of the state: a metric of points has its
        thresholds in the unit of the targets, and so has the scale.

    Returns:
      `loss(predictions, targets, *, where=None, axis_name=None) -> [B]` (`[]` for a metric of sets, a trailing `[M]`
      for several metrics); lower is better.

    Raises:
      ValueError: the scale is to be followed and the space is not known.

    >>> from jaxsurr.pretraining import shipped
    >>> surrogate, state, _ = shipped("error_rate")
    >>> loss = frozen(surrogate, state)
    >>> loss(jax.numpy.zeros((8, 3)), jax.numpy.arange(8) % 3).shape
    (8,)
    """
    if follow is None:
        follow = follows(surrogate)
    used = follow_scale(surrogate) if follow else surrogate

    def loss(predictions: Array, targets: PyTree, *, where: Array | None = None, axis_name: str | None = None) -> Array:
        return used.loss(state, predictions, targets, where, axis_name=axis_name)

    return loss


def __getattr__(name: str) -> Any:
    """What is no more, for an error that says where to look."""
    return renamed.attribute(__name__, name)
