"""Metrics of intervals for targets that are numbers: coverage, width, and the score that counts both."""

import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.targets import check_intervals
from jaxsurr.core.types import Array
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import number_intervals

__all__ = ["interval_coverage", "interval_score", "interval_width"]

_LARGEST = 1e15  # that an end counts as, so that the score is finite for all finite predictions


@metric(higher_is_better=True, space=number_intervals)
def interval_coverage(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Fraction of intervals that hold their targets, `1[l <= y <= u]`; higher is better.

    To be read beside `interval_width`: endless intervals hold everything, and a model that is trained for coverage
    alone makes them. `interval_score` counts both.

    Args:
      predictions: `[B, 2]` float, the lower and the upper end; an interval whose ends cross holds nothing.
      targets: `[B]` float or integer.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, 0 or 1.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a target is NaN or infinite.

    >>> import jax.numpy as jnp
    >>> interval_coverage(jnp.array([[0.0, 2.0], [2.0, 0.0], [0.0, 2.0]]), jnp.array([1.0, 1.0, 3.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    z, y, wrong = checked(check_intervals, predictions, targets)
    held = ((z[:, 0] <= y) & (y <= z[:, 1])).astype(z.dtype)
    return of_examples(jnp.where(jnp.any(jnp.isnan(z), axis=1), jnp.nan, held), where, wrong)


@metric(higher_is_better=False, space=number_intervals, bounded=False)
def interval_width(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Width of intervals, `|u - l|`, in the unit of the targets; lower is better at the same `interval_coverage`.

    Arguments and errors as for `interval_coverage`.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> interval_width(jnp.array([[0.0, 2.0], [2.0, -1.0]]), jnp.array([1.0, 1.0])).tolist()
    [2.0, 3.0]
    """
    z, _, wrong = checked(check_intervals, predictions, targets)
    return of_examples(jnp.abs(z[:, 1] - z[:, 0]), where, wrong)


@metric(higher_is_better=False, space=number_intervals, bounded=False)
def interval_score(predictions: Array, targets: Array, *, where: Array | None = None, level: float = 0.9) -> Array:
    """Interval score (Winkler score): width, and a penalty where the target is missed; lower is better.

    Formula, sources, arguments and errors are those of `jaxsurr.losses.interval_score`.

    >>> import jax.numpy as jnp
    >>> interval_score(jnp.array([[0.0, 2.0]]), jnp.array([3.0]), level=0.5).tolist()
    [6.0]
    """
    limited = jnp.clip(predictions, -_LARGEST, _LARGEST) if hasattr(predictions, "dtype") else predictions
    return losses.interval_score(limited, targets, where=where, level=level)
