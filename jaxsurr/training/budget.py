"""The budget of a metric that is dear: how often a black box is asked, and how rarely a learned loss has to ask it.

A learned loss amortises: between its updates the model trains on what it knows, its power goes on along its path, and
the metric is not asked. `surrogate.metric_calls` bounds the evaluations of a black box in the updates of an epoch; how
many steps lie between two updates follows. (Scoring the validation split is one more.) The smoothed metric has no such
updates: its loss asks at every step.
"""

import math
from typing import Any, NamedTuple

import jax

from jaxsurr.core.types import Surrogate, View
from jaxsurr.metrics import Metric, calls_of
from jaxsurr.training.config import compares_parameters
from jaxsurr.training.protocols import Config

__all__ = ["Asks", "asks_of", "burn_in", "outer_every", "updates"]


class Asks(NamedTuple):
    """The number of evaluations of a black box that are asked for; all 0 for a metric in JAX.

    Attributes:
      metric: in an evaluation of the metric, 1 of a black box.
      update: in the updates of the surrogate before a step of the model.
      loss: in a step of the model.
    """

    metric: int = 0
    update: int = 0
    loss: int = 0


def asks_of(config: Config, metric: Metric, surrogate: Surrogate | None, batch: Any, devices: int) -> Asks:
    """What is asked for by a metric and by the learned loss of a run.

    Args:
      config: of the run.
      metric: that is learned.
      surrogate: the learned loss, or None.
      batch: structures of predictions and targets of all rows of a batch.
      devices: that share a batch and ask each for its own part; 1 where the whole batch is asked for.

    Raises:
      ValueError: `surrogate.metric_calls` allows not even one update, or the metric is no black box.
    """

    def share(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct((leaf.shape[0] // devices, *leaf.shape[1:]), leaf.dtype)

    z, y = jax.tree.map(share, batch)
    limit = config.surrogate.metric_calls
    asked = calls_of(metric.mean, z, y)
    if not asked:
        if limit and surrogate is not None:
            raise ValueError(
                f"surrogate.metric_calls is {limit}, a budget of evaluations of a black box, and {metric.name} is "
                "computed in JAX: leave it at 0. To update the loss rarely, set surrogate.outer_every."
            )
        return Asks()
    if surrogate is None:
        return Asks(asked)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(surrogate.init, key, z, y)

    def update(state: Any, key: Any, z: Any, y: Any) -> Any:
        back = {"pullback": _same, "heldout": View(z, y, None, _same)} if compares_parameters(config) else {}
        return surrogate.update(state, key, z, y, **back)[0]

    found = Asks(
        asked,
        calls_of(update, state, key, z, y) * config.surrogate.outer_steps * devices,
        calls_of(surrogate.loss, state, z, y) * devices,
    )
    if 0 < limit < found.update:
        raise ValueError(
            f"surrogate.metric_calls is {limit}, but the updates of {config.loss} before one step ask for "
            f"{metric.name} {found.update} times: allow at least that, or lower surrogate.num_pairs "
            f"({config.surrogate.num_pairs}) or surrogate.outer_steps ({config.surrogate.outer_steps})."
        )
    return found


def _same(cotangent: Any) -> Any:
    return cotangent


def updates(config: Config, asks: Asks) -> int | None:
    """The most updates in an epoch; None where nothing limits them."""
    limit = config.surrogate.metric_calls
    return limit // asks.update if limit and asks.update else None


def outer_every(config: Config, asks: Asks, steps: int) -> int:
    """The surrogate is updated before every so many steps of the model.

    >>> from jaxsurr.training import default_config, update
    >>> config = update(default_config(), **{"surrogate.metric_calls": 320})
    >>> outer_every(config, Asks(1, 32, 0), steps=95)  # 10 updates in 95 steps
    10
    """
    most = updates(config, asks)
    return max(config.surrogate.outer_every, 1 if most is None else math.ceil(steps / most))


def burn_in(config: Config, asks: Asks) -> int:
    """The number of updates at the switch to the learned loss, at most those of an epoch."""
    most = updates(config, asks)
    return config.surrogate.burn_in if most is None else min(config.surrogate.burn_in, most)
