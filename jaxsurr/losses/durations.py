"""Fixed losses on times to an event, some of them censored, each of a whole set.

A prediction is one number, larger where the event is expected later, as in `jaxsurr.metrics.concordance_index`. The
loss of a set is one value, repeated for each example (`jaxsurr.losses.scores`). The set is the batch: under `jax.pmap`
each device's part of it. Memory grows as the square of the set.
"""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.numbers import as_durations, check_ordered, comes_first, number
from jaxsurr.core.reading import of_examples, of_set, read
from jaxsurr.core.reductions import differences, masked, masked_mean, num_valid, safe_divide
from jaxsurr.core.types import Array, PyTree
from jaxsurr.core.whole import whole

__all__ = ["cox", "pairwise_concordance"]


@whole
def cox(predictions: Array, targets: PyTree, *, where: Array | None = None) -> Array:
    """Negative logarithm of Cox's partial likelihood of the set, over its number of events.

    `mean_{i event} [ log sum_{j: t_j >= t_i} exp(h_j) - h_i ]` with log hazards `h = -z`: a larger prediction is a
    later event. (A model that gives log hazards passes their negative.) Tied events are treated as by Breslow.

    Sources: Cox, Regression Models and Life-Tables, JRSS B 34, 1972; of a network's outputs and of batches, Katzman et
    al., DeepSurv, BMC Medical Research Methodology 18, 2018.

    Args:
      predictions: `[B]` or `[B, 1]` float, minus the log hazards; only their differences count.
      targets: `Durations`, or times `[B]` of events that were all seen.
      where: `[B]` bool; rows where it is False do not count and are 0.

    Returns:
      `[B]`, the value of the set in each entry, at least 0; 0 with gradient 0 for a set without an event.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a time is negative or not finite.

    >>> import jax.numpy as jnp
    >>> from jaxsurr import Durations
    >>> targets = Durations(jnp.array([1.0, 2.0, 3.0]), jnp.array([1, 0, 1]))
    >>> [round(float(value), 4) for value in cox(jnp.zeros(3), targets)]  # (log 3 + log 1) / 2
    [0.5493, 0.5493, 0.5493]
    """
    z, targets, wrong = read(check_ordered, predictions, targets, where)
    hazard = -number(z)
    time, event = as_durations(targets, z.dtype)
    counts = masked(jnp.ones_like(hazard), where) > 0
    at_risk = counts[:, None] & (time[:, None] >= time[None])  # j at the time of i, [j, i]
    log_hazards = jnp.where(at_risk, hazard[:, None], -jnp.inf)
    # The largest at each time, so that no exponential overflows and one of them is 1.
    largest = jax.lax.stop_gradient(jnp.max(log_hazards, axis=0))
    largest = jnp.where(jnp.isfinite(largest), largest, 0)
    shares = masked_mean(jnp.exp(log_hazards - largest[None]), where)
    at_all = (
        largest
        + jnp.log(jnp.where(shares > 0, shares, 1))
        + jnp.log(jnp.maximum(num_valid(where, len(z)), 1)).astype(z.dtype)
    )
    of_event = masked_mean(jnp.where(event, at_all - hazard, 0), where)
    return _of_each(safe_divide(of_event, masked_mean(event.astype(z.dtype), where)), predictions, where, wrong)


@whole
def pairwise_concordance(
    predictions: Array, targets: PyTree, *, where: Array | None = None, temperature: float = 1.0
) -> Array:
    """Logistic loss over the pairs whose order is known: `mean log(1 + exp(-(z_j - z_i) / temperature))`.

    The pairs are those of the concordance index, in which the event of i is known to come before that of j. Over
    log 2 it is an upper bound of one minus the index. Source: Steck et al., On Ranking in Survival Analysis: Bounds on
    the Concordance Index, NIPS 2007.

    Args:
      predictions: `[B]` or `[B, 1]` float, larger for a later event.
      targets: `Durations`, or times `[B]` of events that were all seen.
      where: `[B]` bool; rows where it is False do not count and are 0.
      temperature: positive, in the unit of the predictions.

    Returns:
      `[B]`, the value of the set in each entry; 0 with gradient 0 where no order is known.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a time is negative or not finite.

    >>> import jax.numpy as jnp
    >>> [round(float(value), 4) for value in pairwise_concordance(jnp.zeros(3), jnp.array([3.0, 1.0, 2.0]))]  # log 2
    [0.6931, 0.6931, 0.6931]
    """
    checks.number(temperature, "temperature", above=0, meaning="in the unit of the predictions")
    z, targets, wrong = read(check_ordered, predictions, targets, where)
    known = comes_first(*as_durations(targets, z.dtype))
    ahead = jnp.where(known, -differences(number(z)), 0) / temperature  # z_j - z_i at [i, j]
    lost, pairs = (
        masked_mean(masked_mean(part, where), where)
        for part in (jnp.where(known, jax.nn.softplus(-ahead), 0), known.astype(z.dtype))
    )
    return _of_each(safe_divide(lost, pairs), predictions, where, wrong)


def _of_each(value: Array, predictions: Array, where: Array | None, wrong: Array | None) -> Array:
    """The value of a set, repeated for each example."""
    return of_examples(jnp.broadcast_to(of_set(value, wrong), predictions.shape[:1]), where, None)
