"""Stacks of metrics: several metrics as one."""

import jax.numpy as jnp

from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics.base import Metric, as_metric, output_shape

__all__ = ["stack"]


def stack(*metrics: Metric, space: Space | None = None, name: str | None = None) -> Metric:
    """Stacks M metrics of the same predictions and targets into one; its values have a last axis of M.

    A surrogate of it learns all M at once; weights between them are given to the training step
    (`jaxsurr.bilevel.TrainState.metric_weights`) and may change while it trains.

    Args:
      *metrics: each with one value, all of one direction. Where one of them is a set metric, the stack is one: the
        others enter by their mean.
      space: the prediction space, by default that of the metrics.
      name: by default their names, joined by commas.

    Returns:
      A `Metric`: `[B, M]` where all are per example, else `[M]`.

    Raises:
      ValueError: there are fewer than two metrics, or their directions or spaces differ; when called, one has several
        values.

    >>> import jax.numpy as jnp, jaxsurr
    >>> both = stack(jaxsurr.metrics.error_rate, jaxsurr.metrics.top_k_error.bind(k=2))
    >>> both.name
    'error_rate, top_k_error(k=2)'
    >>> both(jnp.array([[3.0, 2.0, 1.0]]), jnp.array([1])).tolist()
    [[1.0, 0.0]]
    """
    parts = [as_metric(one) for one in metrics]
    if len(parts) < 2:
        raise ValueError(f"stack makes one metric of two or more, got {len(parts)}.")
    if len({one.higher_is_better for one in parts}) > 1:
        high = ", ".join(one.name for one in parts if one.higher_is_better)
        low = ", ".join(one.name for one in parts if not one.higher_is_better)
        raise ValueError(
            f"metrics that are stacked must have one direction; higher is better in {high}, lower in {low}. Turn one "
            "round, as by a metric that returns 1 minus its value."
        )
    if space is None:
        space = parts[0].space
        for one in parts[1:]:
            if one.space.name != space.name:
                raise ValueError(
                    f"metrics that are stacked must share a prediction space; {parts[0].name} has {space.name}, "
                    f"{one.name} has {one.space.name}. Pass space= for all of them."
                )
    per_example = all(one.per_example for one in parts)

    def stacked(predictions: Array, targets: PyTree, *, where: Array | None = None) -> Array:
        values = []
        for one in parts:
            if output_shape(one, predictions, targets):
                raise ValueError(f"{one.name} is several metrics by itself: stack metrics with one value each.")
            if per_example:
                values.append(one(predictions, targets, where=where))
            else:
                values.append(one.mean(predictions, targets, where=where))
        return jnp.stack(values, axis=-1)

    return Metric(stacked, name or ", ".join(one.name for one in parts), parts[0].higher_is_better, space, per_example)
