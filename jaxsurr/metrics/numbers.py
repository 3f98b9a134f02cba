"""Metrics of numbers: errors in the unit of the targets or relative to them, hits within a tolerance.

The metric of several numbers `[B, D]` is the mean over them of what each has alone, scikit-learn's
`multioutput="uniform_average"`; each is in its own unit, so that of errors those with the largest unit count most. `r2`
and relative errors have none.

Values are finite for all finite predictions: an error of which a square or a ratio is taken counts as 1e15 where it is
larger.
"""

import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core import checks
from jaxsurr.core.numbers import errors, in_columns, mean_output, target_size
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.reductions import masked, safe_sqrt
from jaxsurr.core.targets import check_numbers
from jaxsurr.core.types import Array
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import real_numbers, relative_numbers

__all__ = [
    "absolute_error",
    "mean_absolute_percentage_error",
    "r2",
    "root_mean_squared_error",
    "within_relative_tolerance",
    "within_tolerance",
]

_LARGEST = 1e15


def _limited(error: Array) -> Array:
    return jnp.clip(error, -_LARGEST, _LARGEST)


@metric(higher_is_better=False, space=real_numbers, bounded=False)
def absolute_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Absolute error `|z - y|`; lower is better. Its mean is the mean absolute error (MAE).

    (`mean_absolute_error` is the metric of levels, which are decoded from logits.)

    Args:
      predictions: `[B]`, `[B, 1]` or `[B, D]` float.
      targets: `[B]` float or integer, or `[B, D]` as predictions.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0, in the unit of the targets.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a target is NaN or infinite.

    >>> import jax.numpy as jnp
    >>> float(absolute_error.mean(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.0])))
    1.5
    """
    return losses.absolute_error(predictions, targets, where=where)


@metric(higher_is_better=False, space=relative_numbers, bounded=False)
def mean_absolute_percentage_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Absolute error over the size of the target, `|z - y| / |y|`; lower is better. As in scikit-learn, 1 is 100 %.

    A target whose size is below 1e-6 counts as that size, so that an error at a target of 0 is very large and the mean
    means little: use `absolute_error` where targets can be 0. Arguments and errors as for `absolute_error`.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> mean_absolute_percentage_error(jnp.array([2.0, -1.0]), jnp.array([4.0, -2.0])).tolist()
    [0.5, 0.5]
    """
    z, y, wrong = checked(check_numbers, predictions, targets)
    error = jnp.abs(_limited(errors(z, y))) / target_size(in_columns(y), z.dtype)
    return of_examples(mean_output(error), where, wrong)


def _hits(error: Array, tolerance: Array | float) -> Array:
    """The fraction of hits of each example `[B]`, of errors `[B, D]`; NaN where a prediction is."""
    return mean_output(jnp.where(jnp.isnan(error), jnp.nan, (jnp.abs(error) <= tolerance).astype(error.dtype)))


@metric(higher_is_better=True, space=real_numbers)
def within_tolerance(
    predictions: Array, targets: Array, *, where: Array | None = None, tolerance: float = 1.0
) -> Array:
    """Fraction of predictions within a tolerance of their targets, `1[|z - y| <= tolerance]`; higher is better.

    Arguments and errors as for `absolute_error`; `tolerance` is positive, in the unit of the targets.

    Returns:
      `[B]`, 0 or 1.

    >>> import jax.numpy as jnp
    >>> within_tolerance(jnp.array([10.0, 17.0]), jnp.array([14.0, 10.0]), tolerance=5.0).tolist()
    [1.0, 0.0]
    """
    checks.number(tolerance, "tolerance", above=0, meaning="in the unit of the targets")
    z, y, wrong = checked(check_numbers, predictions, targets)
    return of_examples(_hits(errors(z, y), tolerance), where, wrong)


@metric(higher_is_better=True, space=relative_numbers)
def within_relative_tolerance(
    predictions: Array, targets: Array, *, where: Array | None = None, tolerance: float = 0.1
) -> Array:
    """Fraction of predictions within a fraction of their targets, `1[|z - y| <= tolerance |y|]`; higher is better.

    Arguments and errors as for `absolute_error`; `tolerance` is positive, 0.1 for 10 %. A target whose size is below
    1e-6 counts as that size.

    Returns:
      `[B]`, 0 or 1.

    >>> import jax.numpy as jnp
    >>> within_relative_tolerance(jnp.array([95.0, 1.2]), jnp.array([100.0, 1.0])).tolist()
    [1.0, 0.0]
    """
    checks.number(tolerance, "tolerance", above=0, meaning="a fraction of the target")
    z, y, wrong = checked(check_numbers, predictions, targets)
    return of_examples(_hits(errors(z, y), tolerance * target_size(in_columns(y), z.dtype)), where, wrong)


# --- of sets ----------------------------------------------------------------------------------------------------------


@set_metric(higher_is_better=False, space=real_numbers)
def root_mean_squared_error(predictions: Array, targets: Array) -> Value:
    """Root of the mean squared error (RMSE), in the unit of the targets; lower is better.

    Args:
      predictions: `[B]`, `[B, 1]` or `[B, D]` float.
      targets: `[B]` float or integer, or `[B, D]` as predictions.
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: as `predictions`: the value with each example alone replaced is returned, `[B]`.

    Returns:
      `[]`, at least 0; 0 for the empty set.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a target is NaN or infinite.

    >>> import jax.numpy as jnp
    >>> float(root_mean_squared_error(jnp.array([4.0, -2.0]), jnp.array([1.0, 1.0])))
    3.0
    """
    z, y, wrong = checked(check_numbers, predictions, targets)

    def statistics(z):
        error = _limited(errors(z, y))
        return error**2, jnp.ones_like(error)

    def value(sums):
        return mean_output(safe_sqrt(ratio(*sums)))

    return of_sums(statistics, value, z, wrong=wrong)


@set_metric(higher_is_better=True, space=real_numbers)
def r2(predictions: Array, targets: Array) -> Value:
    """Coefficient of determination, `1 - sum (z - y)^2 / sum (y - mean y)^2`; higher is better.

    1 is perfect, 0 as good as the mean of the targets of this set. Where all targets are equal there is nothing to
    explain: 1 if the predictions are exact, else 0, as in scikit-learn. Arguments and errors as for
    `root_mean_squared_error`.

    Returns:
      `[]`, at most 1; 0 for the empty set.

    >>> import jax.numpy as jnp
    >>> round(float(r2(jnp.array([1.0, 2.0, 6.0]), jnp.array([1.0, 2.0, 3.0]))), 4)  # 1 - 9 / 2
    -3.5
    """
    z, y, wrong = checked(check_numbers, predictions, targets)
    y = in_columns(y)

    def of_set_of(where: Array | None, weights: Array | None, replacements: Array | None) -> Array:
        # What the targets vary by does not depend on the predictions; in two passes, which loses no digits.
        weight = jnp.ones((len(y), 1), z.dtype) if weights is None else jnp.asarray(weights, z.dtype)[:, None]
        weight = masked(weight, where)
        mean = ratio(jnp.sum(weight * y, axis=0), jnp.sum(weight))
        variance = ratio(jnp.sum(weight * (y - mean[None]) ** 2, axis=0), jnp.sum(weight))
        varies = variance > 1e-12 * mean**2  # above rounding
        unit = jnp.sqrt(jnp.where(varies, variance, 1))

        def statistics(z):
            error = _limited(errors(z, y) / unit[None])
            return error**2, jnp.ones_like(error)

        def value(sums):
            left = ratio(*sums)
            exact = jnp.where((left == 0) & (sums[1] > 0), 1, 0)
            return mean_output(jnp.where(varies, 1 - left, exact))

        return of_sums(statistics, value, z, wrong=wrong)(where, weights, replacements)

    return of_set_of
