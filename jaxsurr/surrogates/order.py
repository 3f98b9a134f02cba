"""Set metrics whose value depends on the order of the examples, as surrogates notice them."""

import functools
import warnings
from typing import Any

import jax

from jaxsurr.core import checks
from jaxsurr.core.types import Array, PyTree, Space, Surrogate
from jaxsurr.metrics.base import Metric
from jaxsurr.metrics.host import own_errors
from jaxsurr.smoothing.function_directions import depends_on_order
from jaxsurr.smoothing.smoothed_metric import fitting

__all__ = ["noticing_order"]


def noticing_order(surrogate: Surrogate, metric: Metric, space: Space) -> Surrogate:
    """The surrogate whose `init` permutes the examples once, where it learns from directions that are functions.

    Only a metric that does not depend on their order has a gradient that is a function of an example. Where another is
    noticed, which takes values and so a call outside of compiled code, `init` warns, and the state has no `functions`:
    gradients are estimated from groups.

    Args:
      surrogate: whose state has a field `functions`.
      metric, space: of the surrogate.
    """

    @functools.wraps(surrogate.init)
    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> Any:
        state: Any = surrogate.init(key, predictions, targets, where)
        batch = (predictions, targets, where)
        if state.functions is None or not (checks.is_concrete(batch) and all_here(batch)):
            return state
        with own_errors():
            ordered = depends_on_order(metric, space, *fitting(space, predictions, targets, where), where)
        if ordered:
            warnings.warn(
                f"{metric.name} depends on the order of the examples: its value changes when they are permuted. Its "
                "gradient is estimated from groups of examples, which is noisier than along functions of an example. "
                "If it should not, let it read nothing but each example's own prediction and target.",
                stacklevel=2,
            )
            state = state._replace(functions=None)
        return state

    return surrogate._replace(init=init)


def all_here(batch: PyTree) -> bool:
    """Whether this process holds all rows of all arrays."""
    return all(leaf.is_fully_addressable for leaf in jax.tree.leaves(batch) if isinstance(leaf, jax.Array))
