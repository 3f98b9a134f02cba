"""Checks of what the function of a metric returns."""

import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Array, PyTree

__all__ = ["UNTRACEABLE", "FlatMetricWarning", "refuse_pairs", "tell_if_flat", "untraceable"]

UNTRACEABLE = (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError)
"""Errors of a function that JAX cannot trace."""


def untraceable(name: str) -> TypeError:
    """The error of a metric that JAX cannot trace."""
    return TypeError(
        f"{name} cannot be traced by JAX: it turns its arguments into NumPy arrays or Python numbers, or branches on "
        "their values. Write it in jax.numpy, or make it a metric by jaxsurr.metrics.black_box(function, "
        "higher_is_better=...), whose function is called as (targets, predictions) on NumPy arrays."
    )


class FlatMetricWarning(UserWarning):
    """Warning of a metric that is differentiated, and whose gradient is 0."""


def tell_if_flat(metric: Any, predictions: Array, targets: PyTree, options: dict[str, Any]) -> None:
    """Warns where a metric is differentiated outside of compiled code, and its gradient is 0 in all predictions.

    There alone is the value of predictions known that are traced: it is what `stop_gradient` returns.
    """
    if checks.is_concrete(predictions) or not checks.is_concrete(known := jax.lax.stop_gradient(predictions)):
        return
    gradient = jax.grad(lambda z: jnp.sum(metric.function(z, targets, **options)))(known)
    if not np.any(gradient):
        warnings.warn(
            f"{metric.name} is differentiated, and its gradient is 0 in all of these predictions, as a metric is that "
            "counts decisions. Train on a surrogate of it, jaxsurr.correlated_gradients(metric).",
            FlatMetricWarning,
            stacklevel=4,
        )


def refuse_pairs(metric: Any, predictions: Array, targets: PyTree) -> None:
    """Refuses a metric of examples whose values are `[B, B]` because arrays were broadcast against each other.

    B metrics of each example can have that shape too, but keep their number where there are other examples.

    Raises:
      ValueError: it is one.
    """
    batch = len(predictions)

    def longer(leaf: Any) -> Any:
        shape = np.shape(leaf)
        return jax.ShapeDtypeStruct((batch + 1, *shape[1:]) if shape[:1] == (batch,) else shape, jnp.result_type(leaf))

    function = functools.partial(metric.function, where=None, **dict(metric.options))
    values = jax.eval_shape(function, *jax.tree.map(longer, (predictions, targets)))
    if values.shape == (batch + 1, batch + 1):
        shapes = [list(np.shape(leaf)) for leaf in jax.tree.leaves(targets)]
        raise ValueError(
            f"{metric.name} returned {[batch, batch]} for B = {batch} examples, a value for each pair, as where [B, 1] "
            f"and [B] are compared: predictions are {list(np.shape(predictions))}, targets "
            f"{shapes[0] if len(shapes) == 1 else shapes}. Give both one shape in the metric, as predictions[:, 0]."
        )
