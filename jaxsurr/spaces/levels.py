"""Spaces of ordered levels: logits of levels, logits of the thresholds between them, one score.

The items are the thresholds: an error of three levels is three thresholds on the wrong side.
"""

import functools

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.products import matmul
from jaxsurr.core.targets import check_classes, check_level_scores
from jaxsurr.core.types import Array, Pooled, Space
from jaxsurr.spaces.classes import class_logits, class_unit
from jaxsurr.spaces.invariance import GUMBEL, LEAST, LOGISTIC, centred, columns, need_two, unit_one, unprojected
from jaxsurr.spaces.ruling_out import finite_below, ruled_out

__all__ = ["cumulative_logits", "level_logits", "level_scores"]


def _together(one: tuple, other: tuple) -> tuple:
    """Sums of the exponentials of two ranges of numbers, and of their squares, each relative to the largest number."""
    (largest, summed, squared), (second, more, more_squared) = one, other
    both = jnp.maximum(largest, second)
    scale, other_scale = jnp.exp(largest - both), jnp.exp(second - both)
    return both, summed * scale + more * other_scale, squared * scale**2 + more_squared * other_scale**2


def _prefixes(logits: Array) -> tuple[Array, Array]:
    """Of the softmax p of each prefix along the last axis, the logarithm of its denominator, and `sum_j p_j^2`.

    One after the other they take two exponentials a number, which is the cheapest on a CPU; on an accelerator, which
    would wait for each, they are found in a logarithmic number of steps.
    """
    fixed = jax.lax.stop_gradient(logits)
    one = jnp.exp(logits - fixed)  # which has a gradient: all that is relative to a largest number is constant
    ranges = (fixed, one, one**2)
    if jax.default_backend() == "cpu":

        def step(before: tuple, own: tuple) -> tuple[tuple, tuple]:
            both = _together(before, own)
            return both, both

        ranges = tuple(jnp.moveaxis(part, -1, 0) for part in ranges)
        nothing = tuple(jnp.full_like(ranges[0][0], filling) for filling in (-jnp.inf, 0, 0))
        ranges = tuple(jnp.moveaxis(part, 0, -1) for part in jax.lax.scan(step, nothing, ranges)[1])
    else:
        ranges = jax.lax.associative_scan(_together, ranges, axis=-1)
    largest, summed, squared = ranges
    return largest + jnp.log(summed), squared / summed**2


def _direction(targets: Array, thresholds: int, dtype) -> Array:
    """Sides of the thresholds, `[B, K - 1]`: 1 where the true level lies above the threshold, else -1."""
    return jnp.where(targets[:, None].astype(jnp.int32) > jnp.arange(thresholds, dtype=jnp.int32)[None], 1, -1).astype(
        dtype
    )


def _level_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """Margins of the thresholds: log odds of the right side at two temperatures, in scales.

    The sign of the log odds gives the side of the threshold on which the mode lies at a temperature of half a scale
    (approximately), and on which the median lies at temperature 1. Returns the margins `[B, K - 1, 2]`, mode first, and
    their standard deviations when each logit moves by one scale.
    """
    temperatures = jnp.stack([0.5 * scale, jnp.ones_like(scale)])[:, None, None]
    scaled = predictions[None] / temperatures
    sides = jnp.stack([scaled, scaled[..., ::-1]])  # sums run from below and from above
    (below, above), squares = (part[..., :-1] for part in _prefixes(sides))
    odds = temperatures * (above[..., ::-1] - below) / scale
    deviations = jnp.sqrt(squares[0] + squares[1, ..., ::-1])
    margins = _direction(targets, predictions.shape[-1] - 1, predictions.dtype)[None] * odds
    return jnp.moveaxis(margins, 0, -1), jnp.moveaxis(deviations, 0, -1)


def _level_squared_size(predictions: Array, targets: Array) -> Array:
    """Squared margin of the closer threshold of the true level, in standard deviations of its log odds.

    The spread of the logits would not do: the logits of distant levels grow with the square of the distance. Nor would
    the distance from the target: with many levels, neighbouring thresholds are close however large the error is.
    """
    margins, deviations = _level_margins(predictions, targets, jnp.ones((), predictions.dtype))
    size = (margins / deviations)[..., 1] ** 2
    return _least_beside(size, targets, _certain(ruled_out(predictions)))


def _certain(out: Array) -> Array:
    """Mask of thresholds with all levels of one side ruled out; `[B, K]` to `[B, K - 1]`."""
    below = jnp.cumsum(~out, axis=-1)
    return (below[..., :-1] == 0) | (below[..., :-1] == below[..., -1:])


def _undecided(predictions: Array) -> Array:
    """Weights of the thresholds: 0 for those with a side that is ruled out, else 1."""
    return jnp.where(_certain(ruled_out(predictions)), 0, 1).astype(predictions.dtype)


def _least_beside(sizes: Array, targets: Array, certain: Array) -> Array:
    """The smaller value of `[B, K - 1]` at the one or two thresholds of the true level.

    Thresholds with a side that is ruled out do not count; where none is left, the value is 0.
    """
    beside = jnp.clip(jnp.stack([targets - 1, targets], axis=-1), 0, sizes.shape[-1] - 1)
    least = jnp.min(jnp.take_along_axis(jnp.where(certain, jnp.inf, sizes), beside, axis=-1), axis=-1)
    return jnp.where(least == jnp.inf, 0, least)


def _level_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, deviations = _level_margins(predictions, targets, scale)
    levels = jnp.arange(predictions.shape[-1], dtype=predictions.dtype)
    mean = matmul(jax.nn.softmax(predictions), levels)
    thresholds = levels[:-1] + 0.5
    ahead = _direction(targets, len(thresholds), predictions.dtype) * (mean[:, None] - thresholds[None])
    (mode, median), (of_mode, of_median) = ((x[..., 0], x[..., 1]) for x in (margins, margins / deviations))
    features = jnp.stack([mode, of_mode, median, of_median, deviations[..., 1], ahead], axis=-1)
    return features, _undecided(predictions)


def _threshold_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, _ = _level_margins(predictions, targets, scale)
    return margins, _undecided(predictions)


def _level_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    atoms = (losses.cross_entropy, losses.squared_emd, losses.expected_absolute_error)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


def _pooled_thresholds(margins: Array, targets: Array) -> Pooled:
    """Features of a set network, one group a threshold; margins `[B, K - 1, R]` are positive for a level above it."""
    thresholds, dtype = margins.shape[1], margins.dtype
    level = jnp.broadcast_to(targets[:, None].astype(dtype) / thresholds, margins.shape[:2])
    above = (_direction(targets, thresholds, dtype) > 0).astype(dtype)
    label_features = jnp.stack([above, level, level**2], axis=-1)
    positions = jnp.linspace(0.0, 1.0, thresholds, dtype=dtype)[:, None]
    return Pooled(margins[:, None], label_features[:, None], jnp.ones_like(margins[:, :1, 0]), positions)


def _level_pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    direction = _direction(targets, predictions.shape[-1] - 1, predictions.dtype)[..., None]
    return _pooled_thresholds(direction * _threshold_margins(predictions, targets, scale)[0], targets)


def _true_levels(key: Array, centre: Array, size: int) -> Array:
    """Random levels about a centre `[B, 1]`, some near it and some far."""
    near_key, far_key = jax.random.split(key)
    width = jnp.exp(jax.random.uniform(far_key, centre.shape, minval=-1.0, maxval=jnp.log(size / 2)))
    near = jnp.round(centre + width * jax.random.normal(near_key, centre.shape))
    return jnp.clip(near, 0, size - 1)[:, 0].astype(jnp.int32)


def _sample_levels(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random logits: a bump of random height and width plus noise, at most as steep as those of a trained model."""
    need_two(size)
    centre_key, width_key, height_key, noise_key, level_key = jax.random.split(key, 5)
    centre = jax.random.uniform(centre_key, (rows, 1), maxval=size - 1.0)
    width = jnp.exp(jax.random.uniform(width_key, (rows, 1), minval=-1.0, maxval=jnp.log(size / 2)))
    height = jax.random.uniform(height_key, (rows, 1), maxval=6.0)
    bump = height * jnp.exp(-0.5 * ((jnp.arange(size)[None] - centre) / width) ** 2)
    return bump + jax.random.normal(noise_key, (rows, size)), _true_levels(level_key, centre, size)


level_logits = Space(
    name="level_logits",
    unit=class_unit,
    squared_size=_level_squared_size,
    project=centred,
    features=_level_features,
    margins=_threshold_margins,
    margin_range=(-4.0, 4.0),
    losses=_level_losses,
    check=functools.partial(check_classes, what="levels"),
    pooled=_level_pooled,
    clear=class_logits.clear,
    ruled_out=class_logits.ruled_out,
    least=LEAST,
    sample=_sample_levels,
    scale_free=True,
    alike=class_logits.alike,
    decisions=columns(0, 2),
    natural=GUMBEL,
)
"""Logits `[B, K]` of K ordered levels, targets `[B]` integers; invariant to a shift and to reversing the order.

Levels are ruled out as classes are (`class_logits`).

The items are the K - 1 thresholds between levels: an error of three levels is three thresholds on the wrong side.
"""


def _cumulative_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins = _direction(targets, predictions.shape[-1], predictions.dtype) * predictions / scale
    return margins[..., None], jnp.ones_like(margins)


def _cumulative_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    margins = _direction(targets, predictions.shape[-1], predictions.dtype) * predictions
    return jnp.sum(jax.nn.softplus(-margins), axis=-1)[:, None]


def _beside_zero(values: Array) -> Array:
    """The log odds of a threshold as logits of two classes, one of which is 0."""
    return jnp.concatenate([jnp.zeros_like(values[..., :1]), values], axis=-1)


def _certain_thresholds(predictions: Array, targets: Array) -> Array:
    return ruled_out(_beside_zero(-jnp.abs(predictions)))[..., 1:]


def _cumulative_unit(predictions: Array, targets: Array) -> Array:
    return jnp.where(_certain_thresholds(predictions, targets), 0, 1).astype(predictions.dtype)


def _sample_thresholds(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random log odds that fall with the threshold at a random slope, plus noise."""
    need_two(size)
    centre_key, slope_key, noise_key, level_key = jax.random.split(key, 4)
    centre = jax.random.uniform(centre_key, (rows, 1), maxval=size - 1.0)
    slope = jnp.exp(jax.random.uniform(slope_key, (rows, 1), minval=-1.0, maxval=1.0))
    odds = slope * (centre - jnp.arange(size - 1)[None] - 0.5)
    return odds + 0.5 * jax.random.normal(noise_key, (rows, size - 1)), _true_levels(level_key, centre, size)


def _cumulative_alike(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Predictions and targets as probabilities that the level lies above each threshold."""
    above = targets[:, None].astype(jnp.int32) > jnp.arange(predictions.shape[1], dtype=jnp.int32)[None]
    return jax.nn.sigmoid(predictions), above.astype(predictions.dtype)


cumulative_logits = Space(
    name="cumulative_logits",
    unit=_cumulative_unit,
    squared_size=lambda predictions, targets: _least_beside(
        predictions**2, targets, _certain_thresholds(predictions, targets)
    ),
    project=unprojected,
    features=_cumulative_features,
    margins=_cumulative_features,
    margin_range=(-4.0, 4.0),
    losses=_cumulative_losses,
    check=functools.partial(check_classes, what="levels", cumulative=True),
    pooled=lambda predictions, targets, scale, where: _pooled_thresholds(predictions[..., None] / scale, targets),
    clear=lambda predictions, targets: (finite_below(_beside_zero(predictions))[..., 1:], targets),
    ruled_out=_certain_thresholds,
    least=LEAST,
    sample=_sample_thresholds,
    scale_free=True,
    alike=_cumulative_alike,
    decisions=columns(0),
    natural=LOGISTIC,
)
"""Logits `[B, K - 1]` of `P(level > k)`, targets `[B]` integers from 0 to K - 1; the items are the thresholds.

A threshold is ruled out as a class is (`class_logits`), whichever side is impossible.
"""

# --- one score -------------------------------------------------------------------------------------------------------


def _score_error(predictions: Array, targets: Array) -> Array:
    return predictions - targets[:, None].astype(predictions.dtype)


def _score_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    error = _score_error(predictions, targets)
    size = jnp.sqrt(error**2 + 1e-12)
    turn = 2 * jnp.pi * error  # a metric of rounded scores repeats itself, on a slope, from level to level
    far = jnp.log1p((error / scale) ** 2)
    features = jnp.stack([size, size / scale, far, jnp.cos(turn), error * jnp.sin(turn)], axis=-1)
    return features, jnp.ones_like(error)


def _score_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    error = _score_error(predictions, targets)
    return -jnp.sqrt(error**2 + 1e-12)[..., None] / scale, jnp.ones_like(error)


def _score_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    return jnp.stack([loss(predictions, targets) for loss in (losses.absolute_error, losses.squared_error)], axis=-1)


def _sample_scores(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random scores, uniform between the first level and the last."""
    need_two(size)
    score_key, level_key = jax.random.split(key)
    score = jax.random.uniform(score_key, (rows, 1), maxval=size - 1.0)
    return score, _true_levels(level_key, score, size)


level_scores = Space(
    name="level_scores",
    unit=unit_one,
    # Never below one level: rounding happens at that distance however small the errors become.
    squared_size=lambda predictions, targets: 1 + _score_error(predictions, targets)[:, 0] ** 2,
    project=unprojected,
    features=_score_features,
    margins=_score_margins,
    margin_range=(-16.0, 0.0),
    losses=_score_losses,
    check=check_level_scores,
    sample=_sample_scores,
    decisions=columns(1, sign=-1),
)
"""One score `[B, 1]` in levels, targets `[B]` integers; invariant to a shift of both by a level, and to reversal."""
