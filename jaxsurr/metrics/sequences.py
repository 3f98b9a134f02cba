"""Metrics of sequences of tokens."""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reading import checked, of_examples
from jaxsurr.core.types import Array, Sequences
from jaxsurr.metrics.base import metric
from jaxsurr.spaces import sequence_logits

__all__ = ["edit_distance"]


def _collapsed(tokens: Array, blank: int) -> tuple[Array, Array]:
    """Greedy CTC decoding of one sequence, repeats merged and then blanks removed, and the length of the result."""
    new = jnp.concatenate([jnp.ones((1,), bool), tokens[1:] != tokens[:-1]])
    keep = new & (tokens != blank)
    return tokens[jnp.argsort(~keep, stable=True)], jnp.sum(keep, dtype=jnp.int32)


def _levenshtein(first: Array, first_length: Array, second: Array, second_length: Array) -> Array:
    """Insertions, deletions and substitutions that turn one sequence of tokens into another."""
    places = jnp.arange(len(second) + 1, dtype=jnp.int32)

    def row(before, step):
        index, token = step
        changed = before[:-1] + (second != token).astype(jnp.int32)
        best = jnp.minimum(before + 1, jnp.concatenate([index[None] + 1, changed]))
        # Insertions: min over k <= j of best_k + (j - k).
        after = jax.lax.cummin(best - places) + places
        return jnp.where(index < first_length, after, before), None

    last, _ = jax.lax.scan(row, places, (jnp.arange(len(first), dtype=jnp.int32), first))
    return last[second_length]


@metric(higher_is_better=False, space=sequence_logits)
def edit_distance(
    predictions: Array,
    targets: Sequences,
    *,
    where: Array | None = None,
    blank: int | None = None,
    end: int | None = None,
    relative: bool = True,
) -> Array:
    """Levenshtein distance between decoded and target sequence; lower is better.

    The most probable token of each step is taken. With `relative` the mean over a set is the mean of the examples'
    error rates (not the rate of all tokens together).

    Args:
      predictions: `[B, T, K]` float logits.
      targets: `Sequences` of `[B, U]` tokens and `[B]` lengths.
      where: `[B]` bool; rows where it is False are 0.
      blank: a token that is removed, after repeats are merged (greedy CTC decoding); None where there is none.
      end: a token that ends the decoded sequence and does not belong to it; None: all T steps belong to it.
      relative: divide by the length of the target (by 1 where it is empty).

    Returns:
      `[B]`, at least 0, in tokens or in lengths; NaN for a prediction that holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or both `blank` and `end` are given.

    >>> import jax.numpy as jnp
    >>> logits = 9 * jnp.eye(4)[jnp.array([[1, 2, 3]])]
    >>> edit_distance(logits, Sequences(jnp.array([[1, 3]]), jnp.array([2]))).tolist()  # one deletion, length 2
    [0.5]
    """
    checks.boolean(relative, "relative")
    predictions, targets, wrong = checked(sequence_logits.check, predictions, targets)
    if blank is not None and end is not None:
        raise ValueError("blank and end are two ways to decode; give one of them.")
    steps = predictions.shape[1]
    for token, name in ((blank, "blank"), (end, "end")):
        if token is not None:
            checks.number(token, name, least=0, most=predictions.shape[2] - 1, integer=True)

    def one(logits, tokens, length):
        decoded, number = jnp.argmax(logits, axis=-1).astype(jnp.int32), jnp.int32(steps)
        if blank is not None:
            decoded, number = _collapsed(decoded, blank)
        if end is not None:
            number = jnp.sum(jnp.cumsum(decoded == end) == 0, dtype=jnp.int32)
        return _levenshtein(decoded, number, tokens, length)

    distance = jax.vmap(one)(predictions, targets.tokens, targets.lengths).astype(jnp.float32)
    if relative:
        distance = distance / jnp.maximum(targets.lengths, 1).astype(jnp.float32)
    return of_examples(jnp.where(jnp.any(jnp.isnan(predictions), axis=(1, 2)), jnp.nan, distance), where, wrong)
