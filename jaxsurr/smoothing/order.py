"""Set metrics whose value depends on the order of the examples: they have no gradient along functions of an example."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics.base import Metric
from jaxsurr.metrics.host import own_errors

__all__ = ["depends_on_order", "notices_order"]


def notices_order(
    metric: Metric, space: Space, predictions: Array, targets: PyTree, where: Array | None, *, stacklevel: int
) -> bool:
    """Whether a set metric depends on the order of the examples, which is warned of.

    False where it cannot be seen: within a function that is traced (`jax.jit`), where the metric has no values, and
    where other processes hold some of the rows.

    Args:
      metric: of sets.
      space: whose unit the noise has.
      predictions, targets, where: of a batch, fit for the space.
      stacklevel: of the warning, counted from the caller.
    """
    batch = (predictions, targets, where, jnp.zeros(()))  # the last is traced where constants are not
    if not (checks.is_concrete(batch) and checks.all_here(batch)):
        return False
    with own_errors():
        ordered = depends_on_order(metric, space, predictions, targets, where)
    if ordered:
        warnings.warn(
            f"{metric.name} depends on the order of the examples: its value changes when they are permuted. Its "
            "gradient is estimated from groups of examples, which is noisier than along functions of an example. "
            "If it should not, let it read nothing but each example's own prediction and target.",
            stacklevel=stacklevel + 1,
        )
    return ordered


def depends_on_order(metric: Metric, space: Space, predictions: Array, targets: PyTree, where: Array | None) -> bool:
    """Whether the value of a set metric is another one after a permutation of the examples.

    The metric is asked five times, at predictions that are moved by noise, as those of a model that starts at zero are
    all equal.

    Args:
      metric: of sets.
      space: whose unit the noise has.
      predictions, targets, where: of a batch, with values.
    """
    batch, random = predictions.shape[0], np.random.default_rng(0)
    noise = random.standard_normal(predictions.shape).astype(np.float32) * space.unit(predictions, targets)
    orders = np.stack([np.arange(batch), *(random.permutation(batch) for _ in range(4))])

    def each(leaf):
        leaf = np.asarray(leaf)  # whichever devices its rows are on
        return leaf[orders] if leaf.shape[:1] == (batch,) else np.stack([leaf] * len(orders))

    sets = jax.tree.map(each, (predictions + noise.astype(predictions.dtype), targets, where))
    values = np.asarray(jax.jit(jax.vmap(lambda z, y, counts: metric(z, y, where=counts)))(*sets))
    return not np.allclose(values[1:], values[:1], rtol=1e-3, atol=1e-5, equal_nan=True)
