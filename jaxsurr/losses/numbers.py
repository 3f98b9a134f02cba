"""Fixed losses on numbers, one or several for each example.

The loss of an example with several numbers is the mean over them, each in its own unit. Errors are in the unit of the
targets, and so are `delta` of `huber` and `scale` of `log_cosh`.
"""

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.numbers import errors, mean_output
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.targets import check_numbers
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole

__all__ = ["absolute_error", "huber", "log_cosh", "pinball", "squared_error"]


def _error(predictions: Array, targets: Array, where: Array | None) -> tuple[Array, Array | None]:
    """`z - y` of each output, `[B, D]`, and a mask of targets that are not finite."""
    z, y, wrong = read(check_numbers, predictions, targets, where)
    return errors(z, y), wrong


def _of_outputs(values: Array, where: Array | None, wrong: Array | None) -> Array:
    """Losses of the outputs `[B, D]` as those of the examples `[B]`."""
    return of_examples(mean_output(values), where, wrong)


@whole
def absolute_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Absolute error `|z - y|`, in the unit of the targets.

    Its minimum over a constant is the median. Of levels, with the head "score", it is that of one score in levels.

    Args:
      predictions: `[B]`, `[B, 1]` or `[B, D]` float.
      targets: `[B]` float or integer, or `[B, D]` as predictions.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a target is NaN or infinite.

    >>> import jax.numpy as jnp
    >>> absolute_error(jnp.array([1.0, 5.0]), jnp.array([3.0, 4.5])).tolist()
    [2.0, 0.5]
    >>> absolute_error(jnp.array([[1.0, 5.0]]), jnp.array([[3.0, 4.0]])).tolist()  # of two numbers
    [1.5]
    """
    error, wrong = _error(predictions, targets, where)
    return _of_outputs(jnp.abs(error), where, wrong)


@whole
def squared_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Squared error `(z - y)^2`, in squared units of the targets.

    Its minimum over a constant is the mean. Arguments, returns and errors are those of `absolute_error`.
    """
    error, wrong = _error(predictions, targets, where)
    return _of_outputs(error**2, where, wrong)


@whole
def huber(predictions: Array, targets: Array, *, where: Array | None = None, delta: float = 1.0) -> Array:
    """Huber loss: `e^2 / 2` of errors up to `delta`, `delta (|e| - delta / 2)` of larger ones.

    Source: Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35, 1964. `delta` is
    positive, in the unit of the targets: far below the usual error it is the absolute error times delta, far above it
    half the squared error. Other arguments, returns and errors are those of `absolute_error`.

    >>> import jax.numpy as jnp
    >>> huber(jnp.array([0.5, 3.0]), jnp.zeros(2), delta=1.0).tolist()
    [0.125, 2.5]
    """
    checks.number(delta, "delta", above=0, meaning="in the unit of the targets")
    error, wrong = _error(predictions, targets, where)
    near = jnp.minimum(jnp.abs(error), delta)
    return _of_outputs(near * (jnp.abs(error) - near / 2), where, wrong)


@whole
def log_cosh(predictions: Array, targets: Array, *, where: Array | None = None, scale: float = 1.0) -> Array:
    """Log-cosh loss `scale^2 log cosh(e / scale)`: `e^2 / 2` of small errors, `scale |e|` of large ones, and smooth.

    It neither overflows for large errors nor loses the digits of small ones. `scale` is positive, in the unit of the
    targets. Other arguments, returns and errors are those of `absolute_error`.

    >>> import jax.numpy as jnp
    >>> [f"{float(value):.4g}" for value in log_cosh(jnp.array([1e-3, 0.0, 3e6]), jnp.zeros(3))]
    ['5e-07', '0', '3e+06']
    """
    checks.number(scale, "scale", above=0, meaning="in the unit of the targets")
    error, wrong = _error(predictions, targets, where)
    size = jnp.abs(error / scale)
    near = jnp.log1p(2 * jnp.sinh(jnp.minimum(size, 1) / 2) ** 2)  # cosh x = 1 + 2 sinh^2(x / 2)
    far = size + jnp.log1p(jnp.exp(-2 * size)) - jnp.log(2.0).astype(size.dtype)
    return _of_outputs(scale**2 * jnp.where(size < 1, near, far), where, wrong)


@whole
def pinball(predictions: Array, targets: Array, *, where: Array | None = None, tau: float = 0.5) -> Array:
    """Pinball loss of the quantile `tau`: `tau (y - z)` of predictions below the target, `(1 - tau) (z - y)` above.

    Its minimum over a constant is the quantile; at 1/2 it is half the absolute error. Source: Koenker and Bassett,
    Regression Quantiles, Econometrica 46, 1978. `tau` lies in (0, 1). Other arguments, returns and errors are those of
    `absolute_error`.

    >>> import jax.numpy as jnp
    >>> pinball(jnp.array([1.0, 5.0]), jnp.array([3.0, 3.0]), tau=0.75).tolist()
    [1.5, 0.5]
    """
    checks.number(tau, "tau", above=0, below=1, meaning="a fraction of the targets below the prediction")
    error, wrong = _error(predictions, targets, where)
    return _of_outputs(jnp.maximum(-tau * error, (1 - tau) * error), where, wrong)
