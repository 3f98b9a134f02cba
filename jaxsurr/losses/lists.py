"""Fixed losses on scores of the items of lists, one value for each list."""

import jax
import jax.numpy as jnp

from jaxsurr.core.gains import gains
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.reductions import differences, safe_divide
from jaxsurr.core.targets import check_lists
from jaxsurr.core.types import Array, RankedLists
from jaxsurr.core.whole import whole

__all__ = ["list_logistic", "list_softmax"]


@whole
def list_softmax(predictions: Array, targets: RankedLists, *, where: Array | None = None) -> Array:
    """Softmax cross-entropy of a list, `-sum_j g_j log softmax(s)_j / sum_j g_j`, gains `g = 2^relevance - 1`.

    Sources: Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, ICML 2007; Bruch et al., An
    Analysis of the Softmax Cost Function for Learning to Rank, ICTIR 2019, which relates it to NDCG.

    Args:
      predictions: `[B, L]` float scores.
      targets: `RankedLists`.
      where: `[B]` bool; lists where it is False are 0.

    Returns:
      `[B]`, at least 0; 0 for a list without a relevant item.

    >>> import jax.numpy as jnp
    >>> targets = RankedLists(jnp.array([[1.0, 0.0]]), jnp.ones((1, 2)))
    >>> round(float(list_softmax(jnp.zeros((1, 2)), targets)[0]), 4)  # log 2
    0.6931
    """
    scores, targets, wrong = read(check_lists, predictions, targets, where)
    gained = gains(targets.relevance)
    total = jnp.sum(gained, axis=1, keepdims=True)
    shares = safe_divide(gained, total)
    # A list without items would have infinite scores only.
    counts = (targets.items > 0) | ~jnp.any(targets.items > 0, axis=1, keepdims=True)
    log_share = jax.nn.log_softmax(jnp.where(counts, scores, -jnp.inf))
    return of_examples(-jnp.sum(shares * jnp.where(shares > 0, log_share, 0), axis=1), where, wrong)


@whole
def list_logistic(predictions: Array, targets: RankedLists, *, where: Array | None = None) -> Array:
    """Mean over pairs of items with different relevance of `log(1 + exp(-(s_better - s_worse)))`.

    Source: Burges et al., Learning to Rank using Gradient Descent (RankNet), ICML 2005. `[B, L]` and `RankedLists` to
    `[B]`, at least 0; 0 for a list all of whose items are as good as each other.

    >>> import jax.numpy as jnp
    >>> targets = RankedLists(jnp.array([[1.0, 0.0]]), jnp.ones((1, 2)))
    >>> round(float(list_logistic(jnp.zeros((1, 2)), targets)[0]), 4)  # log 2
    0.6931
    """
    scores, (relevance, items), wrong = read(check_lists, predictions, targets, where)
    present = items > 0
    better = (relevance[:, :, None] > relevance[:, None, :]) & present[:, :, None] & present[:, None, :]
    behind = jnp.where(better, jnp.swapaxes(differences(scores), 1, 2), 0)
    losses = jnp.where(better, jax.nn.softplus(behind), 0)
    number = jnp.maximum(jnp.sum(better, axis=(1, 2), dtype=scores.dtype), 1)
    return of_examples(jnp.sum(losses, axis=(1, 2)) / number, where, wrong)
