"""A learned surrogate as a plain loss, and the ready ones that come with the library."""

import functools
import importlib.resources
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr import artefact, checks
from jaxsurr.meshes import automatic
from jaxsurr.reductions import count, masked_mean
from jaxsurr.smoothing import prepared
from jaxsurr.spaces import SPACES, class_logits, cumulative_logits, level_logits
from jaxsurr.surrogates.sound import kept
from jaxsurr.types import Array, Info, PyTree, Surrogate

FOLLOWING = (class_logits.name, level_logits.name, cumulative_logits.name)
"""Spaces of logits, whose size means nothing to most metrics. The unit of points is that of the metric's thresholds."""


def follow_scale(surrogate: Surrogate) -> Surrogate:
    """The same surrogate with its smoothing scale taken from the batch that it sees, and not from batches before.

    The spread of the batch takes the place of the running one (without a gradient of its own), so that a surrogate
    that was learned on some logits serves logits ten times as large. A surrogate whose state knows no spread is as it
    was. Where no row counts the spread of the state stays.

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
        if not hasattr(state, "spread"):
            return state
        predictions, targets = jax.lax.stop_gradient(prepared(space, predictions, targets, where))
        spread = masked_mean(space.spread(predictions, targets), where, axis_name=axis_name)
        known = (count(where, len(predictions), axis_name) > 0) & jnp.isfinite(spread)
        return state._replace(spread=jnp.where(known, spread, state.spread))

    def loss(state, predictions, targets, where=None, *, axis_name=None) -> Array:
        state = at_scale(state, predictions, targets, where, axis_name)
        return surrogate.loss(state, predictions, targets, where, axis_name=axis_name)

    def update(state, key, predictions, targets, where=None, *, axis_name=None, **more: Any) -> tuple[PyTree, Info]:
        now = at_scale(state, predictions, targets, where, axis_name)
        after, info = surrogate.update(now, key, predictions, targets, where, axis_name=axis_name, **more)
        return kept(jnp.any(jnp.asarray(info.skipped) > 0), state, after), info

    return surrogate._replace(loss=automatic(loss, of_rows=True), update=automatic(update))


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

    >>> surrogate, state, _ = shipped("error_rate")
    >>> loss = frozen(surrogate, state)
    >>> loss(jax.numpy.zeros((8, 3)), jax.numpy.arange(8) % 3).shape
    (8,)
    """
    if follow is None:
        follow = (surrogate.settings or {}).get("space") in FOLLOWING
    used = follow_scale(surrogate) if follow else surrogate

    def loss(predictions: Array, targets: PyTree, *, where: Array | None = None, axis_name: str | None = None) -> Array:
        return used.loss(state, predictions, targets, where, axis_name=axis_name)

    return loss


PRETRAINED = (
    "error_rate",
    "top_k_error?k=5",
    "mean_absolute_error?decode=median",
    "mean_absolute_error?decode=argmax",
    "pck?threshold=0.5",
    "pck?threshold=0.2",
)
"""Ready losses, named as `jaxsurr.metrics.get` names their metrics.

`within_one_level` is not among them: it is no sum over the thresholds between levels, as the network's value is, and
its gradient was learned with a correlation of 0.2 to 0.8 only.
"""


def file_name(name: str) -> str:
    """What the file of a ready loss is called, without characters that a file system may refuse."""
    return re.sub(r"[?&=,]", "-", name) + ".jaxsurr"


@functools.cache
def shipped(name: str) -> tuple[Surrogate, PyTree, dict[str, Any]]:
    """A ready surrogate, its state and what its file says of it.

    Raises:
      ValueError: there is none of this name.
    """
    several = [known for known in PRETRAINED if known.split("?")[0] == name]
    if several and name not in several:
        raise ValueError(
            f"{name!r} names no single ready loss: write {' or '.join(map(repr, several))}, a metric with its options."
        )
    checks.one_of(name, "pretrained loss", PRETRAINED)
    file = importlib.resources.files("jaxsurr") / "pretrained" / file_name(name)
    with importlib.resources.as_file(file) as path:
        return (*artefact.load(path), artefact.read_card(path))


def pretrained(name: str) -> Callable[..., Array]:
    """A ready loss that was learned for a common metric, for any number of classes, levels or points.

    It was learned on predictions that were drawn at random (`jaxsurr.sampling`), not on those of a model, by
    `python -m jaxsurr.studies.pretrain`; what its gradients are worth is in the card that `shipped` gives. It is a
    start: one that is learned beside the model knows the model's predictions. Losses of logits follow the scale of each
    batch; those of points have the scale that they were learned at.

    Args:
      name: one of `PRETRAINED`, a metric with its options.

    Returns:
      `loss(predictions, targets, *, where=None, axis_name=None) -> [B]`, as `frozen` makes it; lower is better.

    Raises:
      ValueError: there is none of this name.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> loss = jaxsurr.pretrained("error_rate")
    >>> logits, labels = jnp.array([[3.0, 0.0, -1.0], [0.2, 0.0, -1.0]]), jnp.array([1, 1])
    >>> gradient = jax.grad(lambda z: jnp.mean(loss(z, labels)))(logits)
    >>> bool(gradient[1, 1] < 0)  # the true class is pushed up, where that could decide
    True
    """
    return frozen(*shipped(name)[:2])
