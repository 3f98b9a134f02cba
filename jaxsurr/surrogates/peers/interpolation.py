"""UniLoss: a metric rewritten through binary comparisons, and interpolated between anchors; nothing is learned."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsurr import metrics
from jaxsurr.core.products import matmul
from jaxsurr.core.reductions import masked, masked_mean, valid
from jaxsurr.core.targets import mean_over_visible, relative_distance
from jaxsurr.core.types import Array, Info, Keypoints, PyTree, Surrogate
from jaxsurr.metrics import decoding
from jaxsurr.metrics.base import Metric, as_metric
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.spaces import binary_scores
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["ANCHORS", "InterpolationState", "Rewriting", "anchors", "interpolated", "interpolation", "rewriting"]

ANCHORS = 16
"""Flips from the truth, flips from the prediction, and random anchors, so many of each, as in the paper."""

_SAFE = 1e-12  # added to squared distances: an anchor's own value is off by about 1e-6 of the others', never NaN


class Rewriting(NamedTuple):
    """A metric as a function of D comparisons for each example.

    Attributes:
      differences: `(predictions, targets) -> [B, D]`, whose signs decide the metric.
      truth: `(differences, targets) -> [B, D]` of -1 and 1: the comparisons of a right prediction; those that do not
        matter to it are as they are predicted.
      value: `(bits [B, D], targets) -> [B]`, the metric of comparisons -1 or 1.
      counts: `(differences, targets) -> [B, D]` bool, the comparisons that are read at all.
    """

    differences: Callable[[Array, PyTree], Array]
    truth: Callable[[Array, PyTree], Array]
    value: Callable[[Array, PyTree], Array]
    counts: Callable[[Array, PyTree], Array] = lambda differences, targets: jnp.ones(differences.shape, bool)


def _sign(condition: Array) -> Array:
    return jnp.where(condition, 1.0, -1.0)


def _top_k(k: int = 5) -> Rewriting:
    """`d_k = z_y - z_k` for the K - 1 other classes; an error where k of them or more are negative."""

    def differences(predictions, targets):
        classes = predictions.shape[1]
        others = (targets[:, None] + jnp.arange(1, classes)[None]) % classes
        take = jnp.take_along_axis
        return take(predictions, targets[:, None], axis=1) - take(predictions, others, axis=1)

    def value(bits, targets):
        return (jnp.sum(bits < 0, axis=-1) >= k).astype(bits.dtype)

    return Rewriting(differences, lambda differences, targets: jnp.ones_like(differences), value)


def _thresholds(differences: Callable[[Array, PyTree], Array]) -> Rewriting:
    """`d_k` positive where the level lies above threshold k; the decoded level is the number of thresholds passed."""

    def truth(differences, targets):
        return _sign(targets[:, None] > jnp.arange(differences.shape[1])[None])

    def value(bits, targets):
        return jnp.abs(jnp.sum(bits > 0, axis=-1) - targets).astype(bits.dtype)

    return Rewriting(differences, truth, value)


def _log_odds(predictions: Array, targets: Array) -> Array:
    """Log odds of each of the K - 1 thresholds; the median lies above a threshold where they are positive."""
    above = jax.lax.cumlogsumexp(predictions, axis=1, reverse=True)[:, 1:]
    return above - jax.lax.cumlogsumexp(predictions, axis=1)[:, :-1]


def _pairs(levels: int) -> tuple[Array, Array]:
    return jnp.triu_indices(levels, 1)


def _levels_of(comparisons: int) -> int:
    """K of its K (K - 1) / 2 pairs."""
    return round((1 + (1 + 8 * comparisons) ** 0.5) / 2)


def _mode() -> Rewriting:
    """`d_ij = z_i - z_j` for all pairs i < j; the decoded level is the one that wins the most comparisons."""

    def differences(predictions, targets):
        first, second = _pairs(predictions.shape[1])
        return predictions[:, first] - predictions[:, second]

    def truth(differences, targets):
        first, second = _pairs(_levels_of(differences.shape[1]))
        wins, loses = first[None] == targets[:, None], second[None] == targets[:, None]
        return jnp.where(wins, 1.0, jnp.where(loses, -1.0, _sign(differences > 0)))

    def value(bits, targets):
        levels = _levels_of(bits.shape[1])
        first, second = _pairs(levels)
        won = jnp.zeros((len(bits), levels)).at[:, first].add(bits > 0).at[:, second].add(bits <= 0)
        return jnp.abs(jnp.argmax(won, axis=-1) - targets).astype(bits.dtype)

    return Rewriting(differences, truth, value)


def _close(threshold: float = 0.5) -> Rewriting:
    """`d_j = 4 (1 - distance_j / (threshold scale))`; a point is right where it is positive."""

    def differences(predictions, targets: Keypoints):
        return 4 * (1 - relative_distance(predictions, targets) / threshold)

    return Rewriting(
        differences,
        lambda differences, targets: jnp.ones_like(differences),
        lambda bits, targets: mean_over_visible((bits > 0).astype(bits.dtype), targets),
        lambda differences, targets: jnp.asarray(targets.visible) > 0,
    )


def _signs(of_wrong: Callable[..., Array]) -> Rewriting:
    """`d_k` the logit of label k where it is set, else minus it; a label (or one of two classes) is wrong below 0."""

    def differences(predictions, targets):
        columns = predictions.reshape(len(predictions), -1)
        return jnp.where(targets.reshape(columns.shape).astype(jnp.int32) == 1, columns, -columns)

    def value(bits, targets):
        return of_wrong((bits < 0).astype(bits.dtype), axis=-1)

    return Rewriting(differences, lambda differences, targets: jnp.ones_like(differences), value)


def rewriting(metric: Metric) -> Rewriting:
    """The metric as a function of comparisons.

    Raises:
      ValueError: none is known for it.
    """
    options = dict(metric.options)
    if metric.function is metrics.error_rate.function:
        return _signs(jnp.max) if metric.space.name == binary_scores.name else _top_k(1)
    if metric.function is metrics.subset_error.function:
        return _signs(jnp.max)
    if metric.function is metrics.hamming_error.function:
        return _signs(jnp.mean)
    if metric.function is metrics.top_k_error.function:
        return _top_k(**options)
    if metric.function is metrics.pck.function and not isinstance(options.get("threshold"), tuple):
        return _close(**options)
    if metric.function is metrics.mean_absolute_error.function:
        decoder = decoding.get(options.get("decode", "median"))
        if decoder is decoding.median_level:
            return _thresholds(_log_odds)
        if decoder is decoding.threshold_count:
            return _thresholds(lambda predictions, targets: predictions)
        if decoder is decoding.argmax_level:
            return _mode()
    raise ValueError(
        f"interpolation cannot rewrite {metric.name} through comparisons: it knows error_rate, top_k_error, "
        "hamming_error, subset_error, mean_absolute_error decoded by median, argmax or thresholds, and pck at one "
        "threshold. Use one of these, or a learned surrogate."
    )


class InterpolationState(NamedTuple):
    """The key that the next loss draws its anchors by."""

    key: Array


def _draw(key: Array, allowed: Array, number: int) -> Array:
    """Indices `[number]` into the entries where `allowed` `[N]` is True, each as likely; any where none is."""
    reached = jnp.cumsum(allowed)
    place = jax.random.randint(key, (number,), 0, jnp.maximum(reached[-1], 1))
    return jnp.minimum(jnp.searchsorted(reached, place + 1), len(allowed) - 1)


def anchors(key: Array, bits: Array, truth: Array, counts: Array, each: int) -> Array:
    """Anchors `[1 + 3 each, N]` of -1 and 1: the truth, one flip from it, one flip from the prediction, random.

    A flip from the prediction puts one wrong comparison right; where none is wrong, it puts one wrong.

    Args:
      key: typed.
      bits: `[N]`, signs of the comparisons as they are predicted.
      truth: `[N]`, those of a right prediction.
      counts: `[N]` bool, which are read.
      each: anchors of each kind but the first.
    """
    near_truth, near_prediction, anywhere = jax.random.split(key, 3)
    wrong = counts & (bits != truth)
    wrong = jnp.where(jnp.any(wrong), wrong, counts)
    rows = jnp.arange(each)

    def flipped(start, places):
        return jnp.tile(start[None], (each, 1)).at[rows, places].multiply(-1)

    return jnp.concatenate(
        [
            truth[None],
            flipped(truth, _draw(near_truth, counts, each)),
            flipped(bits, _draw(near_prediction, wrong, each)),
            jax.random.rademacher(anywhere, (each, len(truth)), truth.dtype),
        ]
    )


def interpolated(point: Array, corners: Array, values: Array, counts: Array | None = None) -> Array:
    """Interpolation by inverse distance, `sum_t m_t / ||b - b_t|| / sum_t 1 / ||b - b_t||`; exact at each anchor.

    Args:
      point: `[N]`, b.
      corners: `[T, N]`, the b_t.
      values: `[T]`, the m_t.
      counts: `[N]` bool, coordinates that distances read, or None for all.

    >>> import jax.numpy as jnp
    >>> corners, values = jnp.array([[1.0], [-1.0]]), jnp.array([0.0, 1.0])
    >>> interpolated(jnp.array([0.5]), corners, values).round(4).tolist()  # distances 0.5 and 1.5
    0.25
    """
    squares = (point[None] - corners) ** 2
    if counts is not None:
        squares = jnp.where(counts[None], squares, 0)
    # The softmax of -log distance: the same weights, without the infinity at an anchor.
    return matmul(jax.nn.softmax(-0.5 * jnp.log(jnp.sum(squares, axis=-1) + _SAFE)), values)


@described
def interpolation(metric: Callable[..., Array]) -> Surrogate:
    """A metric interpolated between anchors in the space of its comparisons (UniLoss); not learned.

    The metric is written as `m(b)` of binary comparisons `b = sign(d)`; d are differences of scores of the whole
    batch. They are relaxed, `b = 2 sigmoid(d) - 1`, and the metric of the batch is interpolated between anchors
    `b_t` at which it is known,

        sum_t m(b_t) / ||b - b_t||  /  sum_t 1 / ||b - b_t||.

    There are 49 anchors: the truth, 16 a flip away from it, 16 a flip away from the prediction, 16 random. `update`
    draws the random choices of the next loss and learns nothing.

    Source: Liu, Wang, Deng, UniLoss, arXiv 2007.13870: the relaxation, the interpolation over the whole batch, kinds
    and number of anchors, `d_k = z_y - z_k` for the accuracy. The gradient is derived by JAX (the released one has a
    sign error). Ours: the rewriting of the other metrics. Mean absolute error is read from the log odds of each
    threshold (median), the cumulative logits (thresholds), or all pairs of logits (argmax, K (K - 1) / 2 comparisons);
    pck from `4 (1 - distance / (threshold scale))`, free of the unit of the points.

    Args:
      metric: `error_rate`, `top_k_error`, `hamming_error`, `subset_error`, `mean_absolute_error` or `pck` at one
        threshold, with its options bound.

    Returns:
      `Surrogate(init, loss, update)`. Each example carries the value of the set (negative where higher is better), so
      that their mean is that value and its gradient that of the set. The set is this device's part of the batch.

    Raises:
      ValueError: the metric has no such rewriting.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = interpolation(jaxsurr.metrics.error_rate)
    >>> logits, labels = jnp.array([[30.0, 0.0], [0.0, 30.0]]), jnp.array([0, 0])
    >>> state = surrogate.init(jax.random.key(0), logits, labels)
    >>> surrogate.loss(state, logits, labels).round(3).tolist()  # one of two is wrong
    [0.5, 0.5]
    """
    metric = as_metric(metric)
    rewritten = rewriting(metric)

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> InterpolationState:
        return InterpolationState(key)

    def loss(
        state: InterpolationState,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        differences = rewritten.differences(predictions, targets)
        counts = rewritten.counts(differences, targets)
        counts = (counts if where is None else counts & valid(where)[:, None]).ravel()
        fixed = jax.lax.stop_gradient(differences)
        key = state.key if axis_name is None else jax.random.fold_in(state.key, jax.lax.axis_index(axis_name))
        truth = rewritten.truth(fixed, targets)
        corners = anchors(key, _sign(fixed > 0).ravel(), truth.ravel(), counts, ANCHORS)

        def of_batch(bits):
            return masked_mean(rewritten.value(bits.reshape(differences.shape), targets), where)

        value = interpolated(2 * jax.nn.sigmoid(differences.ravel()) - 1, corners, jax.vmap(of_batch)(corners), counts)
        return masked(jnp.broadcast_to(metric.sign * value, predictions.shape[:1]), where)

    def update(
        state: InterpolationState, key: Array, predictions: Array, targets: PyTree, where: Array | None = None, **_: Any
    ):
        return InterpolationState(key), Info.unknown()

    return of_sound_batches(functools.partial(prepared, metric.space), init, loss, update)
