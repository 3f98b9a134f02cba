"""Decoding of predictions into decisions, which metrics score.

Decoding belongs to the metric. For ordinal levels, the median of the predicted distribution minimises the expected
absolute error, and scores better than the mode for any loss. Levels and positions on heat-maps are returned in at least
single precision: half precision cannot count beyond 256.

`tune` finds, on validation, the shifts of predictions with which a metric is best, such as the threshold of F1.
"""

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.products import matmul
from jaxsurr.core.protocols import Decoder
from jaxsurr.core.reductions import wide
from jaxsurr.core.types import Array
from jaxsurr.metrics.shifts import Tuned, tune

__all__ = [
    "DECODERS", "Tuned", "argmax_level", "cumulative_logits", "expected_level", "get", "median_level", "rounded_level",
    "soft_argmax", "threshold_count", "tune",
]  # fmt: skip


def argmax_level(logits: Array) -> Array:
    """The most probable level, the lowest of several; `[..., K]` logits to `[...]` floats from 0 to K - 1.

    >>> import jax.numpy as jnp
    >>> argmax_level(jnp.array([[0.0, 2.0, 1.0]])).tolist()
    [1.0]
    """
    return jnp.argmax(logits, axis=-1).astype(wide(logits.dtype))


def median_level(logits: Array) -> Array:
    """The lowest level whose cumulative probability reaches one half.

    `min {k : sum_{i <= k} softmax(logits)_i >= 1/2}`; it minimises the expected absolute error.

    Args:
      logits: `[..., K]` float.

    Returns:
      `[...]` floats from 0 to K - 1.

    >>> import jax.numpy as jnp
    >>> median_level(jnp.log(jnp.array([[0.3, 0.15, 0.15, 0.4]]))).tolist()
    [2.0]
    """
    logits = logits.astype(wide(logits.dtype))
    highest = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    odds = jnp.where(logits == highest, 1, jnp.exp(logits - highest))  # of the infinite ones too
    cumulative = jnp.cumsum(odds[..., :-1], axis=-1)
    below = 2 * cumulative < jnp.sum(odds, axis=-1, keepdims=True)
    return jnp.sum(below, axis=-1).astype(logits.dtype)


def expected_level(logits: Array) -> Array:
    """The mean level, `sum_k k softmax(logits)_k`; `[..., K]` logits to `[...]` floats in [0, K - 1], not rounded.

    >>> import jax.numpy as jnp
    >>> expected_level(jnp.log(jnp.array([[0.5, 0.0, 0.5]]) + 1e-9)).round(3).tolist()
    [1.0]
    """
    logits = logits.astype(wide(logits.dtype))
    return matmul(jax.nn.softmax(logits, axis=-1), jnp.arange(logits.shape[-1], dtype=logits.dtype))


def threshold_count(cumulative_logits: Array) -> Array:
    """Number of the K - 1 thresholds that are passed.

    Entry k of the input is the logit of `P(level > k)`, as CORAL, CORN and OR-CNN predict it; the level is the number
    of entries above zero.

    Args:
      cumulative_logits: `[..., K - 1]` float.

    Returns:
      `[...]` floats from 0 to K - 1.

    >>> import jax.numpy as jnp
    >>> threshold_count(jnp.array([[3.0, 0.5, -2.0]])).tolist()
    [2.0]
    """
    return jnp.sum(cumulative_logits > 0, axis=-1).astype(wide(cumulative_logits.dtype))


def cumulative_logits(conditional_logits: Array) -> Array:
    """Logits of `P(level > k)` from those of `P(level > k | level >= k)`, as CORN predicts them.

    `P(level > k) = prod_{i <= k} sigmoid(z_i)` falls in k, and its logit is above zero where it exceeds one half. Sums
    of logarithms keep it finite for logits of any size.

    Args:
      conditional_logits: `[..., K - 1]` float.

    Returns:
      `[..., K - 1]`.

    >>> import jax.numpy as jnp
    >>> jax.nn.sigmoid(cumulative_logits(jnp.array([[0.0, 0.0]]))).round(6).tolist()
    [[0.5, 0.25]]
    """
    conditional_logits = conditional_logits.astype(wide(conditional_logits.dtype))
    log_passed = jax.nn.log_sigmoid(conditional_logits)
    log_reached = jnp.cumsum(log_passed, axis=-1)
    log_stopped = log_reached - log_passed + jax.nn.log_sigmoid(-conditional_logits)
    return log_reached - jax.lax.cumlogsumexp(log_stopped, axis=conditional_logits.ndim - 1)


def rounded_level(score: Array, *, levels: int | None = None) -> Array:
    """The level nearest to a score (the higher of two), at least 0, and at most `levels - 1` where `levels` is given.

    Args:
      score: `[..., 1]` float, in levels.
      levels: K, which cannot be read from a score.

    Returns:
      `[...]` floats.

    Raises:
      ValueError: there is more than one score for an example.

    >>> import jax.numpy as jnp
    >>> rounded_level(jnp.array([[-0.7], [1.5], [9.0]]), levels=4).tolist()
    [0.0, 2.0, 3.0]
    """
    if score.shape[-1] != 1:
        raise ValueError(f"decode='rounded' reads one score for each example, [B, 1], got shape {list(score.shape)}.")
    score = score.astype(wide(score.dtype))
    return jnp.clip(jnp.floor(score[..., 0] + 0.5), 0, None if levels is None else levels - 1)


def soft_argmax(heatmaps: Array, temperature: float = 1.0) -> Array:
    """Soft position of the maximum of a heat-map: the mean pixel under `softmax(heatmap / temperature)`.

    Source: Sun et al., Integral Human Pose Regression, ECCV 2018. A low temperature gives nearly the highest pixel.

    Args:
      heatmaps: `[..., H, W]` float.
      temperature: positive, in the unit of the maps.

    Returns:
      `[..., 2]`, (x, y) in pixels: x from 0 to W - 1, y from 0 to H - 1.

    Raises:
      ValueError: the temperature is not positive.

    >>> import jax.numpy as jnp
    >>> soft_argmax(jnp.zeros((1, 3, 5)).at[0, 2, 3].set(1.0), temperature=0.01).tolist()
    [[3.0, 2.0]]
    """
    checks.number(temperature, "temperature", above=0, meaning="in the unit of the maps")
    heatmaps = heatmaps.astype(wide(heatmaps.dtype))
    *lead, height, width = heatmaps.shape
    shares = jax.nn.softmax(heatmaps.reshape(*lead, height * width) / temperature).reshape(heatmaps.shape)
    x = matmul(jnp.sum(shares, axis=-2), jnp.arange(width, dtype=heatmaps.dtype))
    y = matmul(jnp.sum(shares, axis=-1), jnp.arange(height, dtype=heatmaps.dtype))
    return jnp.stack([x, y], axis=-1)


DECODERS: dict[str, Decoder] = {
    "argmax": argmax_level,
    "median": median_level,
    "expected": expected_level,
    "thresholds": threshold_count,
    "rounded": rounded_level,
}


def get(decode: str | Decoder) -> Decoder:
    """The decoder of this name ("argmax", "median", "expected", "thresholds", "rounded"), or the function itself.

    Raises:
      ValueError: no decoder has this name.
    """
    if callable(decode):
        return decode
    checks.one_of(decode, "decode", DECODERS)
    return DECODERS[decode]
