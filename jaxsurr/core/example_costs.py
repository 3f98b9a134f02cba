"""Costs that each example brings for each decision: their check, and what a decision costs more than the cheapest."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import checks
from jaxsurr.core.reductions import safe_divide

__all__ = ["check_example_costs", "regrets", "relative_regrets"]


def check_example_costs(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, K]` floats, and targets that are not a finite cost for each decision.

    Targets are `[B, K]` floats or integers of any sign; a gain is a negative cost. For traced targets a mask `[B]` of
    the examples with a cost that is NaN or infinite is returned.

    >>> check_example_costs(jnp.zeros((2, 3)), jnp.array([[0.0, 1.5, 2.0], [-3.0, 0.0, 0.0]]))
    """
    checks.floating(predictions, 2, "[B, K], a logit of each of K decisions")
    if predictions.shape[1] < 2:
        raise ValueError(
            f"predictions must have a logit for each of at least 2 decisions, got shape {list(predictions.shape)}. For "
            "one logit z of the second of two decisions pass jnp.stack([jnp.zeros_like(z), z], axis=1)."
        )
    if not hasattr(targets, "dtype"):
        raise TypeError(f"targets must be an array with the cost of each decision, got {type(targets).__name__}.")
    if targets.shape != predictions.shape:
        advice = ""
        if targets.shape == predictions.shape[:1]:
            advice = " Costs of pairs of a true class and a decision are a matrix of the metric cost."
        raise ValueError(
            f"targets must be the cost of each decision, shape {list(predictions.shape)} as predictions, got "
            f"{list(targets.shape)}.{advice}"
        )
    if not jnp.issubdtype(targets.dtype, jnp.floating) and not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be costs, floats or integers, got dtype {targets.dtype}.")
    if not checks.is_concrete(targets):
        return jnp.any(~jnp.isfinite(targets.astype(jnp.float32)), axis=1)
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(np.asarray(targets, np.float32))
    if wrong.any():
        raise ValueError(
            f"targets hold {int(wrong.sum())} costs that are NaN or infinite, the first at index "
            f"{tuple(int(i) for i in np.argwhere(wrong)[0])}. Leave examples whose costs are not known out by where=; "
            "rule a decision out by its logit, not by its cost."
        )
    return None


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
