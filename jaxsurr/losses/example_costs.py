"""Fixed losses on the costs that each example brings for each of K decisions.

Predictions are `[B, K]`, larger for a better decision; the largest is decided for. Targets are `[B, K]`, what each
decision costs for this example, of any sign: a gain is a negative cost. Values are in the unit of the costs.
"""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.example_costs import regrets
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.targets import check_example_costs
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole
from jaxsurr.losses.classes import soft_cross_entropy

__all__ = ["cost_proportionate_cross_entropy", "expected_example_cost", "one_sided_regression"]


@whole
def expected_example_cost(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Expected cost of a decision drawn from the softmax, `sum_d softmax(z)_d C_d`.

    It is not convex, and its gradient vanishes where a wrong decision is certain.

    Args:
      predictions: `[B, K]` float logits of decisions.
      targets: `[B, K]` numbers C, the cost of each decision for the example.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, from the least to the greatest cost of the example.

    >>> import jax.numpy as jnp
    >>> expected_example_cost(jnp.zeros((2, 2)), jnp.array([[0.0, 3.0], [-8.0, 0.0]])).tolist()
    [1.5, -4.0]
    """
    z, costs, wrong = read(check_example_costs, predictions, targets, where)
    costs = costs.astype(z.dtype)
    more = jnp.sum(jax.nn.softmax(z) * regrets(costs), axis=-1)
    return of_examples(jnp.min(costs, axis=-1) + more, where, wrong)


@whole
def cost_proportionate_cross_entropy(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Cross-entropy to every decision, weighted by what it saves: `-sum_d (max_k C_k - C_d) log softmax(z)_d`.

    Of two decisions it is the cross-entropy to the cheaper one times the difference of their costs: the
    cost-proportionate weights of Zadrozny, Langford and Abe, Cost-Sensitive Learning by Cost-Proportionate Example
    Weighting, ICDM 2003. The weights of more decisions are those of the expanded data of Abe, Zadrozny and Langford, An
    Iterative Method for Multi-class Cost-sensitive Learning, KDD 2004. It is convex, and where it is least in
    expectation the largest logit is that of the least expected cost. Arguments as for `expected_example_cost`.

    Returns:
      `[B]`, at least 0; 0 where all decisions cost the same. Infinite where a decision that is not the dearest is ruled
      out by a logit of minus infinity, and refused outside `jit`.

    >>> import jax.numpy as jnp
    >>> loss = cost_proportionate_cross_entropy(jnp.zeros((2, 2)), jnp.array([[0.0, 3.0], [5.0, 4.0]]))
    >>> (loss / jnp.log(2)).tolist()
    [3.0, 1.0]
    """
    z, costs, wrong = read(check_example_costs, predictions, targets, where)
    costs = costs.astype(z.dtype)
    return of_examples(soft_cross_entropy(z, jnp.max(costs, axis=-1, keepdims=True) - costs), where, wrong)


@whole
def one_sided_regression(
    predictions: Array, targets: Array, *, where: Array | None = None, scale: float = 1.0
) -> Array:
    """Smooth one-sided regression of costs: `sum_d s log(1 + exp(a_d (r_d - C_d) / s))`, of estimated costs `r = -z`.

    `a_d` is 1 for the cheapest decisions, whose cost must not be estimated above what it is, and -1 for all others,
    whose cost must not be estimated below. A decision that is ruled out by minus infinity is left out. Source: Chung,
    Lin and Yang, Cost-aware Pre-training for Multiclass Cost-sensitive Deep Learning, IJCAI 2016, with s = 1; with s to
    0 it is the one-sided regression of Tu and Lin, One-sided Support Vector Regression for Multiclass Cost-sensitive
    Classification, ICML 2010. It is convex. Where all decisions cost the same all are cheapest.

    Args:
      predictions: `[B, K]` float, minus the estimated cost of each decision, in the unit of the costs.
      targets: `[B, K]` numbers C, the cost of each decision for the example.
      where: `[B]` bool; rows where it is False are 0.
      scale: s, positive, in the unit of the costs: the size of errors from which on it is nearly linear.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> loss = one_sided_regression(jnp.array([[0.0, -3.0]]), jnp.array([[0.0, 3.0]]))  # all costs are met
    >>> (loss / jnp.log(2)).tolist()
    [2.0]
    """
    checks.number(scale, "scale", above=0, meaning="in the unit of the costs")
    z, costs, wrong = read(check_example_costs, predictions, targets, where)
    costs, there = costs.astype(z.dtype), ~jnp.isneginf(z)
    side = jnp.where(regrets(jnp.where(there, costs, jnp.inf)) > 0, -1, 1).astype(z.dtype)
    terms = jax.nn.softplus(side * (-jnp.where(there, z, 0) - costs) / scale)
    values = scale * jnp.sum(jnp.where(there, terms, 0), axis=-1)
    return of_examples(values, where, wrong)
