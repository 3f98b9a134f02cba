"""Metrics of the order of times to an event, some of them censored."""

import functools

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.numbers import as_durations, check_ordered, number
from jaxsurr.core.reading import checked, of_set
from jaxsurr.core.reductions import masked
from jaxsurr.core.types import Array, PyTree
from jaxsurr.metrics.sums import Value, ratio, set_metric
from jaxsurr.spaces import event_order

__all__ = ["concordance_index"]

_PAIRS = 2**22  # that are held in memory at once


@set_metric(higher_is_better=True, space=event_order)
def concordance_index(predictions: Array, targets: PyTree) -> Value:
    """Concordance index of Harrell: the fraction of pairs whose known order the predictions have; higher is better.

    `sum_{ij} w_i w_j c_ij (1[z_i < z_j] + 1[z_i = z_j] / 2) / sum_{ij} w_i w_j c_ij`, where `c_ij` is 1 if the event of
    i is known to come before that of j: the event of i was seen, and j lasted longer, or as long without an event.
    Pairs of events at the same time do not count, as in lifelines. A larger prediction is a later event; log hazards
    are passed as their negative. Source: Harrell et al., Evaluating the Yield of Medical Tests, JAMA 247, 1982.

    In time `B^2`, some rows at a time, so that memory is bounded.

    Args:
      predictions: `[B]` or `[B, 1]` float.
      targets: `Durations`, or numbers `[B]` by which the examples are to be ordered (as times of events that were all
        seen).
      where: `[B]` bool; masked rows do not count.
      weights: `[B]` of at least 0, of the examples.
      replacements: as `predictions`: the value with each example alone replaced is returned, `[B]`.

    Returns:
      `[]` in [0, 1]; 0.5 for a constant prediction, where no order is known (no event, equal times), and for the empty
      set; NaN where a prediction that counts is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a time is negative or not finite.

    >>> import jax.numpy as jnp
    >>> from jaxsurr import Durations
    >>> targets = Durations(jnp.array([1.0, 2.0, 3.0]), jnp.array([1, 0, 1]))  # 1 < 2 and 1 < 3 are known
    >>> float(concordance_index(jnp.array([0.2, 0.1, 0.3]), targets))
    0.5
    """
    z, targets, wrong = checked(check_ordered, predictions, targets)
    return functools.partial(_concordance, number(z), *as_durations(targets, z.dtype), wrong)


def _concordance(
    z: Array,
    time: Array,
    event: Array,
    wrong: Array | None,
    where: Array | None,
    weights: Array | None,
    replacements: Array | None,
) -> Array:
    """The index of a set, or of each set with one example replaced."""
    wrong = checks.either(wrong, checks.weights(weights, len(z)))
    weight = masked(jnp.ones_like(z) if weights is None else jnp.asarray(weights, z.dtype), where)
    broken = jnp.isnan(z) & (weight > 0)
    moved = z if replacements is None else number(jnp.asarray(replacements).astype(z.dtype))

    def of_example(one):
        """The weight of an example's pairs, and of those that are in order, with its prediction and replacement."""
        its_time, its_event, its_weight, *places = one
        same = time == its_time
        first = its_event & ((its_time < time) | (same & ~event))
        second = event & ((time < its_time) | (same & ~its_event))
        pairs = weight * its_weight

        def right(place):
            higher, tied = (z > place).astype(z.dtype), (z == place).astype(z.dtype)
            held = jnp.where(first, higher, 0) + jnp.where(second, 1 - higher - tied, 0)
            return jnp.sum(pairs * (held + jnp.where(first | second, tied, 0) / 2))

        return jnp.sum(jnp.where(first | second, pairs, 0)), *map(right, places)

    places = (z,) if replacements is None else (z, moved)
    rows = max(1, min(len(z), _PAIRS // len(z)))
    pairs, held, *after = jax.lax.map(of_example, (time, event, weight, *places), batch_size=rows)
    pairs, total = jnp.sum(pairs), jnp.sum(held)  # each pair twice
    if replacements is None:
        value = jnp.where(jnp.any(broken), jnp.nan, ratio(total, pairs, 0.5))
    else:
        value = ratio(total + 2 * (after[0] - held), pairs, 0.5)
        others = jnp.sum(broken, dtype=jnp.int32) - broken.astype(jnp.int32)
        value = jnp.where((others > 0) | (jnp.isnan(moved) & (weight > 0)), jnp.nan, value)
    return of_set(value, wrong)
