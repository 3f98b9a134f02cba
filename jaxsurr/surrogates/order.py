"""Set metrics whose value depends on the order of the examples, as surrogates notice them."""

import functools
from typing import Any

from jaxsurr.core import checks
from jaxsurr.core.types import Array, PyTree, Space, Surrogate
from jaxsurr.metrics.base import Metric
from jaxsurr.smoothing.order import notices_order
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
        if state.functions is None or not checks.is_concrete((predictions, targets, where)):
            return state
        if notices_order(metric, space, *fitting(space, predictions, targets, where), where, stacklevel=2):
            state = state._replace(functions=None)
        return state

    return surrogate._replace(init=init)
