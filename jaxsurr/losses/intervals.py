"""Fixed losses on intervals: of their two ends, for targets that are numbers."""

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.targets import check_intervals
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole

__all__ = ["interval_score"]


@whole
def interval_score(predictions: Array, targets: Array, *, where: Array | None = None, level: float = 0.9) -> Array:
    """Interval score (Winkler score): the width of an interval, and a penalty where it misses the target.

    `(u - l) + 2 / a (l - y)^+ + 2 / a (y - u)^+` with `a = 1 - level`. Its minimum has the quantiles `a / 2` and
    `1 - a / 2` as ends: it is `2 / a` times the sum of their pinball losses, and so convex in both. Ends that cross are
    an empty interval, which costs more than the one with its ends exchanged, and each is drawn to its own side.

    Sources: Winkler, A Decision-Theoretic Approach to Interval Estimation, JASA 67, 1972; Gneiting and Raftery,
    Strictly Proper Scoring Rules, Prediction, and Estimation, JASA 102, 2007, equation 43.

    Args:
      predictions: `[B, 2]` float, the lower and the upper end (head "interval").
      targets: `[B]` float or integer.
      where: `[B]` bool; rows where it is False are 0.
      level: of the interval, the fraction of targets that it should hold, in (0, 1).

    Returns:
      `[B]`, at least 0, in the unit of the targets.

    Raises:
      ValueError, TypeError: shapes, dtypes or the level do not fit, or (outside `jit`) a target is NaN or infinite.

    >>> import jax.numpy as jnp
    >>> interval_score(jnp.array([[0.0, 2.0], [0.0, 2.0], [2.0, 0.0]]), jnp.array([1.0, 3.0, 1.0]), level=0.5).tolist()
    [2.0, 6.0, 6.0]
    """
    checks.number(level, "level", above=0, below=1, meaning="a fraction of the targets within the interval")
    z, y, wrong = read(check_intervals, predictions, targets, where)
    low, high, y = z[:, 0], z[:, 1], y.astype(z.dtype)
    outside = jnp.maximum(low - y, 0) + jnp.maximum(y - high, 0)
    return of_examples(high - low + 2 / (1 - level) * outside, where, wrong)
