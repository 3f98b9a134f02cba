"""Costs of the decisions for classes."""

from typing import Literal

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.costs import Matrix, costs_of
from jaxsurr.core.products import matmul
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.types import Array
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import decision_logits

__all__ = ["cost"]


@metric(higher_is_better=False, space=decision_logits)
def cost(
    predictions: Array,
    targets: Array,
    *,
    where: Array | None = None,
    matrix: Matrix | None = None,
    decode: Literal["argmax", "expected"] = "argmax",
) -> Array:
    """Mean cost of the decisions, `C[y, d]` by a cost matrix; lower is better.

    The decision d is the most probable class; or, with `decode="expected"`, the class of least expected cost,
    `argmin_d sum_y softmax(z)_y C[y, d]`, the rule of textbooks for a model of probabilities (Elkan, The Foundations of
    Cost-Sensitive Learning, IJCAI 2001). Of equal ones the first.

    Args:
      predictions: `[B, K]` float logits.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.
      matrix: C `[K, K]`, rows or an array: a row for each true class y, a column for each decision d, at least 0. The
        diagonal, what right decisions cost, need not be 0. None: 1 for each wrong decision, as `error_rate`. In a
        config a file, `cost?matrix=FILE`, csv or npy (`jaxsurr.core.costs.read_costs`).
      decode: "argmax" or "expected".

    Returns:
      `[B]`, at least 0; NaN for a prediction that holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, labels are out of range (outside `jit`), or the matrix is of
        another size, negative or not finite.

    >>> import jax.numpy as jnp
    >>> missed = cost.bind(matrix=[[0, 1], [5, 0]])  # to miss class 1 costs 5
    >>> missed(jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), jnp.array([0, 0, 1])).tolist()
    [0.0, 1.0, 5.0]
    >>> missed.bind(decode="expected")(jnp.array([[1.0, 0.0]]), jnp.array([1])).tolist()
    [0.0]
    """
    checks.one_of(decode, "decode", ("argmax", "expected"))
    z, labels, wrong = checked(decision_logits.check, predictions, targets)
    costs = costs_of(matrix, z.shape[-1]).astype(z.dtype)
    decided = jnp.argmax(z if decode == "argmax" else -matmul(jax.nn.softmax(z), costs), axis=-1)
    values = jnp.where(jnp.any(jnp.isnan(z), axis=-1), jnp.nan, costs[labels, decided])
    return of_examples(values, where, wrong)
