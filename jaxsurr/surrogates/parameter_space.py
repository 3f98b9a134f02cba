"""The target gradient in the space of the model's parameters, of `objective="parameters"`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsurr.core.reductions import mean_one, num_valid, psum, weighted
from jaxsurr.core.types import Space, View
from jaxsurr.smoothing.goal import Goal
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.surrogates.families.base import to_parameters

__all__ = ["goal_in_parameters", "heldout_view"]


def heldout_view(space: Space, heldout: View | None, pullback: Callable | None, axis_name: str | None = None) -> View:
    """The view of held-out examples, fit for its space.

    Raises:
      ValueError: a pullback is missing, without which gradients have no way to the model's parameters.
    """
    if pullback is None or heldout is None or heldout.pullback is None:
        raise ValueError(
            "objective='parameters' compares gradients of the model's parameters: pass pullback= of the "
            "training predictions and heldout=jaxsurr.View(predictions, targets, where, pullback). "
            "jaxsurr.bilevel.make_step does it for you."
        )
    batch = prepared(space, heldout.predictions, heldout.targets, heldout.where)
    predictions, targets = jax.lax.stop_gradient(batch)
    return heldout._replace(predictions=predictions, targets=targets, where=mean_one(heldout.where, axis_name))


def goal_in_parameters(goal: Goal, gradient_view: View, value_view: View, axis_name: str | None) -> Goal:
    """The goal with its gradient and error pulled back to the model's parameters, `[M, D]`, summed over devices.

    They are scaled from the examples of `value_view` to those of `gradient_view`, so that both sides are means over
    examples and coefficients mean the same for any two batch sizes.
    """
    here, there = (num_valid(at.where, len(at.predictions), axis_name) for at in (gradient_view, value_view))
    ratio, pullback, where = here / jnp.maximum(there, 1), value_view.pullback, value_view.where
    gradient, error = (
        psum(to_parameters(pullback, ratio * jax.vmap(lambda one: weighted(one, where))(part)), axis_name)
        for part in (goal.gradient, goal.error)
    )
    return Goal(goal.values, gradient, error)
