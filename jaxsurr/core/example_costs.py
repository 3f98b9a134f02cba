"""What a decision costs an example more than its cheapest one."""

import jax.numpy as jnp
from jax import Array

from jaxsurr.core.reductions import safe_divide

__all__ = ["regrets", "relative_regrets"]


def regrets(costs: Array) -> Array:
    """What each decision costs more than the cheapest of its example, `[B, K]`, at least 0.

    >>> regrets(jnp.array([[1.0, 4.0], [-2.0, -3.0]])).tolist()
    [[0.0, 3.0], [1.0, 0.0]]
    """
    return costs - jnp.min(costs, axis=-1, keepdims=True)


def relative_regrets(costs: Array) -> Array:
    """Regrets over the largest of the example, `[B, K]` in [0, 1]; 0 where all decisions cost the same.

    >>> relative_regrets(jnp.array([[1.0, 4.0, 2.5], [7.0, 7.0, 7.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]
    """
    more = regrets(costs)
    largest = jnp.max(more, axis=-1, keepdims=True)
    return safe_divide(more, largest)
