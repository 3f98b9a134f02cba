"""The power q of a learned loss over the steps of a run: from the likelihood (0) towards the metric (1)."""

import jax.numpy as jnp
import optax

from jaxsurr.metrics import Metric
from jaxsurr.surrogates.families import decides
from jaxsurr.training.config import default_config
from jaxsurr.training.methods import Method
from jaxsurr.training.protocols import Config

__all__ = ["LEADING", "STEPS", "leads", "power_schedule", "without_effect"]

STEPS = 4
LEADING = ("correlated_gradients", "smoothed", "value_fit")
"""Losses that lead from a likelihood to the metric, where it has decisions: their state has a `power`."""


def leads(config: Config, metric: Metric) -> bool:
    """Whether the loss of a config leads from a likelihood to the metric."""
    family = config.surrogate.family if config.loss == "correlated_gradients" else "auto"
    return config.loss in LEADING and decides(family, metric, metric.space)


def without_effect(method: Method, metric: Metric) -> list[str]:
    """That a power or a path was chosen for a loss that has none, in a sentence, else nothing.

    The power 1 from the beginning, the metric itself, is what such a loss has.

    Args:
      method: of a run.
      metric: that it learns.
    """
    if method.config.loss not in LEADING or leads(method.config, metric):
        return []
    own, usual = method.config.surrogate, default_config().surrogate
    chosen = [
        name for name in ("power", "path") if name in method.options or getattr(own, name) != getattr(usual, name)
    ]
    if not chosen or (own.power, own.path) == (1, "constant"):
        return []
    why = f"of which the family {own.family} knows no decisions"
    if not metric.bounded:
        why = "whose values have no bound, as those of a distance"
    if not metric.per_example:
        why = "which belongs to a set of examples"
    have = "have" if len(chosen) > 1 else "has"
    return [
        f"{' and '.join(chosen)} of {method.name} {have} no effect on {metric.name}, {why}: any give the same loss."
    ]


def power_schedule(config: Config, steps: int) -> optax.Schedule:
    """The power at each step of a run, up to `surrogate.power`.

    Its path is "linear" (from 0 at the first step to the end), "late" (0 for the first half, then linear), "steps" (in
    four equal steps) or "constant".

    Args:
      config: of the run.
      steps: of all its epochs.
    """
    end = config.surrogate.power
    if config.surrogate.path == "constant":
        return optax.constant_schedule(end)
    if config.surrogate.path == "steps":
        return lambda step: end * jnp.minimum(jnp.asarray(step) * STEPS // steps, STEPS - 1) / (STEPS - 1)
    begin = steps // 2 if config.surrogate.path == "late" else 0
    return optax.linear_schedule(0.0, end, max(steps - begin, 1), transition_begin=begin)
