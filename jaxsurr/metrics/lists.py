"""Metrics of ranked lists, of each list alone. Of items with equal scores the first one comes first."""

import jax.numpy as jnp

from jaxsurr import checks
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.sums import ratio
from jaxsurr.reductions import masked
from jaxsurr.spaces import ranked_lists
from jaxsurr.types import Array, RankedLists


def _ranks(scores: Array, present: Array) -> Array:
    """The place of each item in its list, from 0; what is not there comes last."""
    order = jnp.argsort(jnp.where(present, -scores, jnp.inf), axis=1, stable=True)
    return jnp.argsort(order, axis=1)


def _prepared(predictions: Array, targets: RankedLists, where: Array | None, k: int) -> tuple[Array, Array, int]:
    checks.positive_integer(k, "k")
    ranked_lists.check(predictions, targets)
    checks.mask(where, predictions.shape[0])
    present = jnp.asarray(targets.items) > 0
    relevance = jnp.where(present, jnp.asarray(targets.relevance, jnp.float32), 0)
    return present, relevance, min(k, predictions.shape[1])


def _finish(values: Array, predictions: Array, present: Array, where: Array | None) -> Array:
    broken = jnp.any(present & jnp.isnan(predictions), axis=1)
    return masked(jnp.where(broken, jnp.nan, values), where)


@metric(higher_is_better=True, space=ranked_lists)
def ndcg(
    predictions: Array,
    targets: RankedLists,
    *,
    where: Array | None = None,
    k: int = 10,
    exponential: bool = True,
    average_ties: bool = False,
) -> Array:
    """Normalised discounted cumulative gain of the first k items; higher is better.

    `DCG / max DCG` with `DCG = sum_{rank r < k} gain_r / log2(r + 2)` and ranks from 0. Source: Jarvelin and
    Kekalainen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20, 2002.

    Args:
      predictions: `[B, L]` float scores.
      targets: `RankedLists` of `[B, L]` relevance (at least 0) and items.
      where: `[B]` bool; lists where it is False are 0.
      k: how many items of a list count, from 1.
      exponential: gains are `2^relevance - 1`; False: the relevance itself, as in scikit-learn.
      average_ties: items with equal scores share the mean discount of their places, as in scikit-learn, in place of
        the order in which they stand.

    Returns:
      `[B]` in [0, 1]; 0 for a list without a relevant item, NaN where the score of an item is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or a relevance is negative (outside `jit`).

    >>> import jax.numpy as jnp
    >>> targets = RankedLists(jnp.array([[0.0, 1.0, 0.0]]), jnp.ones((1, 3)))
    >>> ndcg(jnp.array([[3.0, 2.0, 1.0]]), targets).round(4).tolist()  # second of three: 1 / log2(3)
    [0.6309]
    """
    present, relevance, k = _prepared(predictions, targets, where, k)
    gains = jnp.exp2(relevance) - 1 if exponential else relevance
    length = predictions.shape[1]
    discounts = jnp.where(jnp.arange(length) < k, 1 / jnp.log2(jnp.arange(length, dtype=jnp.float32) + 2), 0)
    of_rank = discounts[_ranks(predictions, present)]
    if average_ties:
        same = ((predictions[:, :, None] == predictions[:, None, :]) & present[:, None, :]).astype(jnp.float32)
        of_rank = ratio(jnp.einsum("bij,bj->bi", same, of_rank), jnp.sum(same, axis=2))
    ideal = jnp.sum(-jnp.sort(-gains, axis=1) * discounts[None], axis=1)
    return _finish(ratio(jnp.sum(gains * of_rank, axis=1), ideal), predictions, present, where)


@metric(higher_is_better=True, space=ranked_lists)
def recall_at_k(
    predictions: Array, targets: RankedLists, *, where: Array | None = None, k: int = 10, relevant: float = 1.0
) -> Array:
    """Share of the relevant items of a list that are among its first k; higher is better.

    Args:
      predictions: `[B, L]` float scores.
      targets: `RankedLists` of `[B, L]` relevance and items.
      where: `[B]` bool; lists where it is False are 0.
      k: how many items may be named, from 1.
      relevant: the relevance from which on an item is relevant.

    Returns:
      `[B]` in [0, 1]; 0 for a list without a relevant item, NaN where the score of an item is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or a relevance is negative (outside `jit`).

    >>> import jax.numpy as jnp
    >>> targets = RankedLists(jnp.array([[0.0, 1.0, 1.0]]), jnp.ones((1, 3)))
    >>> recall_at_k(jnp.array([[3.0, 2.0, 1.0]]), targets, k=2).tolist()
    [0.5]
    """
    present, relevance, k = _prepared(predictions, targets, where, k)
    wanted = (present & (relevance >= relevant)).astype(jnp.float32)
    found = wanted * (_ranks(predictions, present) < k)
    return _finish(ratio(jnp.sum(found, axis=1), jnp.sum(wanted, axis=1)), predictions, present, where)
