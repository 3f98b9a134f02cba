"""Metrics of ranked lists, one value for each list. Of items with equal scores the first one ranks first."""

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.gains import gains
from jaxsurr.core.products import einsum
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.types import Array, RankedLists
from jaxsurr.metrics.base import metric
from jaxsurr.metrics.sums import ratio
from jaxsurr.spaces import ranked_lists

__all__ = ["ndcg", "recall_at_k"]


def _ranks(scores: Array, present: Array) -> Array:
    """Rank of each item in its list, from 0; places without an item rank last, after scores of minus infinity."""
    finite = jnp.minimum(-scores, jnp.finfo(scores.dtype).max)
    order = jnp.argsort(jnp.where(present, finite, jnp.inf), axis=1, stable=True)
    return jnp.argsort(order, axis=1)


def _prepared(predictions: Array, targets: RankedLists, k: int) -> tuple[Array, Array, Array, Array | None, int]:
    """Scores, masks of items, relevance, and a mask of lists out of range; checks the number of items that count."""
    checks.positive_integer(k, "k")
    scores, targets, wrong = checked(ranked_lists.check, predictions, targets)
    return scores, targets.items > 0, targets.relevance.astype(jnp.float32), wrong, min(k, scores.shape[1])


def _finish(values: Array, scores: Array, where: Array | None, wrong: Array | None) -> Array:
    return of_examples(jnp.where(jnp.any(jnp.isnan(scores), axis=1), jnp.nan, values), where, wrong)


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
      k: number of items of a list that count, from 1.
      exponential: gains are `2^relevance - 1`; False: the relevance itself, as in scikit-learn.
      average_ties: items with equal scores have the mean discount of their ranks, as in scikit-learn, instead of
        ranking in their order in the list.

    Returns:
      `[B]` in [0, 1]; 0 for a list without a relevant item, NaN where the score of an item is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or a relevance is negative (outside `jit`).

    >>> import jax.numpy as jnp
    >>> targets = RankedLists(jnp.array([[0.0, 1.0, 0.0]]), jnp.ones((1, 3)))
    >>> round(float(ndcg(jnp.array([[3.0, 2.0, 1.0]]), targets)[0]), 4)  # second of three: 1 / log2(3)
    0.6309
    """
    checks.boolean(exponential, "exponential")
    checks.boolean(average_ties, "average_ties")
    scores, present, relevance, wrong, k = _prepared(predictions, targets, k)
    gained = gains(relevance) if exponential else relevance
    length = scores.shape[1]
    discounts = jnp.where(jnp.arange(length) < k, 1 / jnp.log2(jnp.arange(length, dtype=jnp.float32) + 2), 0)
    of_rank = discounts[_ranks(scores, present)]
    if average_ties:
        same = ((scores[:, :, None] == scores[:, None, :]) & present[:, None, :]).astype(jnp.float32)
        of_rank = ratio(einsum("bij,bj->bi", same, of_rank), jnp.sum(same, axis=2))
    ideal = jnp.sum(-jnp.sort(-gained, axis=1) * discounts[None], axis=1)
    return _finish(ratio(jnp.sum(gained * of_rank, axis=1), ideal), scores, where, wrong)


@metric(higher_is_better=True, space=ranked_lists)
def recall_at_k(
    predictions: Array, targets: RankedLists, *, where: Array | None = None, k: int = 10, relevant: float = 1.0
) -> Array:
    """Fraction of the relevant items of a list that are among its first k; higher is better.

    Args:
      predictions: `[B, L]` float scores.
      targets: `RankedLists` of `[B, L]` relevance and items.
      where: `[B]` bool; lists where it is False are 0.
      k: number of items that are retrieved, from 1.
      relevant: the lowest relevance of a relevant item.

    Returns:
      `[B]` in [0, 1]; 0 for a list without a relevant item, NaN where the score of an item is NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or a relevance is negative (outside `jit`).

    >>> import jax.numpy as jnp
    >>> targets = RankedLists(jnp.array([[0.0, 1.0, 1.0]]), jnp.ones((1, 3)))
    >>> recall_at_k(jnp.array([[3.0, 2.0, 1.0]]), targets, k=2).tolist()
    [0.5]
    """
    checks.number(relevant, "relevant", least=0)
    scores, present, relevance, wrong, k = _prepared(predictions, targets, k)
    wanted = (present & (relevance >= relevant)).astype(jnp.float32)
    found = wanted * (_ranks(scores, present) < k).astype(jnp.float32)
    return _finish(ratio(jnp.sum(found, axis=1), jnp.sum(wanted, axis=1)), scores, where, wrong)
