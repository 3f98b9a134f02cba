"""Prediction spaces of class logits, ordinal levels, points in the plane, and of anything.

A space knows the invariances of its predictions. Class logits are unchanged by a shift, and their features are
symmetric in the classes, so that a surrogate learned with ten classes serves a hundred. Points are read through
distances only, so that a rotation of prediction and target together changes nothing. `generic` knows nothing.

All features are in units of the smoothing scale, a share of the spread of the predictions: with all logits ten times
as large, and the scale with them, no feature of class logits changes.
"""

import functools

import jax
import jax.numpy as jnp

from jaxsurr import checks, geometry, losses
from jaxsurr.spaces.scores import pooled_scores
from jaxsurr.types import Array, Keypoints, Pooled, PyTree, Space

_FAR = -1e30  # stands in for minus infinity where a gradient must stay finite


def _unit_one(predictions: Array, targets: PyTree) -> Array:
    return jnp.ones((), predictions.dtype)


def _centred(array: Array) -> Array:
    return array - jnp.mean(array, axis=-1, keepdims=True)


def _spread_centred(predictions: Array, targets: PyTree) -> Array:
    return jnp.mean(_centred(predictions) ** 2, axis=-1)


# --- class logits -----------------------------------------------------------------------------------------------------


def _against_rivals(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """What each class has over the true one, in scales, `[B, K]`, and which classes are rivals, `[B, K]`."""
    rival = jnp.arange(predictions.shape[-1], dtype=targets.dtype)[None] != targets[:, None]
    of_label = jnp.sum(jnp.where(rival, 0, predictions), axis=-1, keepdims=True)
    return (predictions - of_label) / scale, rival


def _class_margins(lead: Array, rival: Array) -> Array:
    """By how much the true class beats the soft maximum of its rivals at temperatures 1/4, 1/2, 1 and 2, in scales.

    The powers of one exponential give all four.
    """
    best = jax.lax.stop_gradient(jnp.max(jnp.where(rival, lead, _FAR), axis=-1, keepdims=True))
    power = jnp.where(rival, jnp.exp((jnp.where(rival, lead, best) - best) / 2), 0)
    margins = []
    for temperature in (2.0, 1.0, 0.5, 0.25):
        margins.append(-best[:, 0] - temperature * jnp.log(jnp.sum(power, axis=-1)))
        power = power * power
    return jnp.stack(margins, axis=-1)


def _class_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    lead, rival = _against_rivals(predictions, targets, scale)
    rank = jnp.sum(jnp.where(rival, jax.nn.sigmoid(1.7 * lead), 0), axis=-1, keepdims=True)  # about how many are ahead
    features = jnp.concatenate([_class_margins(lead, rival), jnp.log1p(rank)], axis=-1)
    return features[:, None], jnp.ones_like(features[:, :1])


def _class_ramps(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins = _class_margins(*_against_rivals(predictions, targets, scale))[:, 1::2]  # temperatures 1 and 1/4
    return margins[:, None], jnp.ones_like(margins[:, :1])


def _class_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    atoms = (losses.cross_entropy, losses.generalised_cross_entropy, losses.expected_error)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


def _one_against_all(predictions: Array, temperature: float) -> Array:
    """By how much each class beats the soft maximum of all others, `[B, K]`.

    The share of a class that is not the first is at most one half, and can be taken out of the sum of all; for the
    first class the others are summed without it.
    """
    scaled = predictions / temperature
    first = jnp.arange(predictions.shape[-1])[None] == jnp.argmax(predictions, axis=-1)[:, None]
    others = jax.nn.logsumexp(jnp.where(first, _FAR, scaled), axis=-1, keepdims=True)
    everyone = jax.nn.logsumexp(scaled, axis=-1, keepdims=True)
    share = jnp.where(first, 0, jnp.exp(jnp.where(first, everyone, scaled) - everyone))
    rivals = jnp.where(first, others, everyone + jnp.log1p(-share))
    return temperature * (scaled - rivals)


def _class_pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    """Groups are the classes, one against all others; two classes are one score."""
    classes = predictions.shape[-1]
    if classes == 2:
        return pooled_scores(predictions[:, 1] - predictions[:, 0], targets, scale, where)
    scaled = predictions / scale
    features = jnp.stack([_one_against_all(scaled, temperature) for temperature in (1.0, 0.25)], axis=-1)
    marks = jax.nn.one_hot(targets, classes, dtype=predictions.dtype)[..., None]
    positions = jnp.linspace(0.0, 1.0, classes, dtype=predictions.dtype)[:, None]
    weights = jnp.ones_like(predictions[:, :1])
    return Pooled(features[:, None], marks[:, None], weights, positions, 1 / classes)


class_logits = Space(
    name="class_logits",
    unit=_unit_one,
    spread=_spread_centred,
    project=_centred,
    features=_class_features,
    ramps=_class_ramps,
    reach=(-4.0, 4.0),
    losses=_class_losses,
    check=functools.partial(checks.labelled, what="classes"),
    pooled=_class_pooled,
)
"""Logits `[B, K]` of K classes, targets `[B]` integers; unchanged by a shift, symmetric in the classes."""


def _named_class_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    features, weights = _class_features(predictions, targets, scale)
    labels = jax.nn.one_hot(targets, predictions.shape[-1], dtype=predictions.dtype)
    return jnp.concatenate([features, labels[:, None]], axis=-1), weights


named_class_logits = class_logits._replace(name="named_class_logits", features=_named_class_features)
"""As `class_logits`, but a network reads which class is the true one, for metrics to which classes are not alike.

What is learned holds for as many classes as it was learned with. The ramps of the basis stay alike for all classes.
"""

# --- ordinal levels ---------------------------------------------------------------------------------------------------


def _running_logsumexp(array: Array) -> Array:
    """`log sum_(j <= k) exp(x_j)` along the last axis, each from the one before: linear in its length."""

    def add(so_far, next_one):
        so_far = jnp.logaddexp(so_far, next_one)
        return so_far, so_far

    along = jnp.moveaxis(array, -1, 0)
    return jnp.moveaxis(jax.lax.scan(add, jnp.full_like(along[0], _FAR), along, unroll=8)[1], 0, -1)


def _direction(targets: Array, thresholds: int, dtype) -> Array:
    """`[B, K - 1]`: 1 where the true level lies above the threshold, -1 where it does not."""
    return jnp.where(targets[:, None] > jnp.arange(thresholds)[None], 1, -1).astype(dtype)


def _level_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """How far each threshold is decided rightly: log odds of its two sides at two temperatures, in scales.

    At half a scale the sign of the log odds tells on which side of the threshold about the mode lies, at temperature 1
    on which side the median does. Returns those margins, `[B, K - 1, 2]`, mode first, and their standard deviations
    when each logit moves by one scale.
    """
    temperatures = jnp.stack([0.5 * scale, jnp.ones_like(scale)])[:, None, None]
    scaled = predictions[None] / temperatures
    sides = jnp.stack([scaled, scaled[..., ::-1]])  # sums run from below and from above
    summed = _running_logsumexp(jnp.stack([sides, 2 * sides]))[..., :-1]
    (below, above), levels = summed[0], predictions.shape[-1]
    squares = jnp.exp(jnp.clip(summed[1] - 2 * summed[0], -jnp.log(levels), 0))  # within rounding of huge logits
    odds = temperatures * (above[..., ::-1] - below) / scale
    deviations = jnp.sqrt(squares[0] + squares[1, ..., ::-1])
    margins = _direction(targets, levels - 1, predictions.dtype)[None] * odds
    return jnp.moveaxis(margins, 0, -1), jnp.moveaxis(deviations, 0, -1)


def _level_spread(predictions: Array, targets: Array) -> Array:
    """How far the nearer threshold of the true level is from its other side, squared, in deviations of its log odds.

    The logits of levels far off grow with the square of their distance and would tell nothing of a decision; and where
    levels are many, the thresholds next to each other are close, however far a prediction is from its target.
    """
    margins, deviations = _level_margins(predictions, targets, jnp.ones((), predictions.dtype))
    size = (margins / deviations)[..., 1] ** 2
    return _least_beside(size, targets)


def _least_beside(sizes: Array, targets: Array) -> Array:
    """Of `[B, K - 1]` the lesser of the two at the thresholds of the true level, which has one at either end."""
    beside = jnp.clip(jnp.stack([targets - 1, targets], axis=-1), 0, sizes.shape[-1] - 1)
    return jnp.min(jnp.take_along_axis(sizes, beside, axis=-1), axis=-1)


def _level_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, deviations = _level_margins(predictions, targets, scale)
    levels = jnp.arange(predictions.shape[-1], dtype=predictions.dtype)
    mean = jax.nn.softmax(predictions) @ levels
    thresholds = levels[:-1] + 0.5
    ahead = _direction(targets, len(thresholds), predictions.dtype) * (mean[:, None] - thresholds[None])
    (mode, median), (of_mode, of_median) = ((x[..., 0], x[..., 1]) for x in (margins, margins / deviations))
    features = jnp.stack([mode, of_mode, median, of_median, deviations[..., 1], ahead], axis=-1)
    return features, jnp.ones_like(mode)


def _level_ramps(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins, _ = _level_margins(predictions, targets, scale)
    return margins, jnp.ones_like(margins[..., 0])


def _level_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    atoms = (losses.cross_entropy, losses.squared_emd, losses.expected_absolute_error)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


def _pooled_thresholds(margins: Array, targets: Array) -> Pooled:
    """Groups are the thresholds; margins `[B, K - 1, R]` are positive where a level above the threshold is decoded."""
    thresholds, dtype = margins.shape[1], margins.dtype
    level = jnp.broadcast_to(targets[:, None].astype(dtype) / thresholds, margins.shape[:2])
    above = (_direction(targets, thresholds, dtype) > 0).astype(dtype)
    marks = jnp.stack([above, level, level**2], axis=-1)
    positions = jnp.linspace(0.0, 1.0, thresholds, dtype=dtype)[:, None]
    return Pooled(margins[:, None], marks[:, None], jnp.ones_like(margins[:, :1, 0]), positions)


def _level_pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    direction = _direction(targets, predictions.shape[-1] - 1, predictions.dtype)[..., None]
    return _pooled_thresholds(direction * _level_ramps(predictions, targets, scale)[0], targets)


level_logits = Space(
    name="level_logits",
    unit=_unit_one,
    spread=_level_spread,
    project=_centred,
    features=_level_features,
    ramps=_level_ramps,
    reach=(-4.0, 4.0),
    losses=_level_losses,
    check=functools.partial(checks.labelled, what="levels"),
    pooled=_level_pooled,
)
"""Logits `[B, K]` of K ordered levels, targets `[B]` integers; unchanged by a shift and by reversing the order.

The items that a surrogate reads are the K - 1 thresholds between levels: an error of three levels is three thresholds
on the wrong side.
"""


def _cumulative_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins = _direction(targets, predictions.shape[-1], predictions.dtype) * predictions / scale
    return margins[..., None], jnp.ones_like(margins)


def _cumulative_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    margins = _direction(targets, predictions.shape[-1], predictions.dtype) * predictions
    return jnp.sum(jax.nn.softplus(-margins), axis=-1)[:, None]


cumulative_logits = Space(
    name="cumulative_logits",
    unit=_unit_one,
    spread=lambda predictions, targets: _least_beside(predictions**2, targets),
    project=lambda noise: noise,
    features=_cumulative_features,
    ramps=_cumulative_features,
    reach=(-4.0, 4.0),
    losses=_cumulative_losses,
    check=functools.partial(checks.labelled, what="levels", cumulative=True),
    pooled=lambda predictions, targets, scale, where: _pooled_thresholds(predictions[..., None] / scale, targets),
)
"""Logits `[B, K - 1]` of `P(level > k)`, targets `[B]` integers from 0 to K - 1; the items are the thresholds."""

# --- scores -----------------------------------------------------------------------------------------------------------


def _score_error(predictions: Array, targets: Array) -> Array:
    return predictions - targets[:, None].astype(predictions.dtype)


def _score_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    error = _score_error(predictions, targets)
    size = jnp.sqrt(error**2 + 1e-12)
    turn = 2 * jnp.pi * error  # a metric of rounded scores repeats itself, on a slope, from level to level
    far = jnp.log1p((error / scale) ** 2)
    features = jnp.stack([size, size / scale, far, jnp.cos(turn), error * jnp.sin(turn)], axis=-1)
    return features, jnp.ones_like(error)


def _score_ramps(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    error = _score_error(predictions, targets)
    return -jnp.sqrt(error**2 + 1e-12)[..., None] / scale, jnp.ones_like(error)


def _score_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    return jnp.stack([loss(predictions, targets) for loss in (losses.absolute_error, losses.squared_error)], axis=-1)


scores = Space(
    name="scores",
    unit=_unit_one,
    # Never below one level: rounding happens at that distance however small the errors become.
    spread=lambda predictions, targets: 1 + _score_error(predictions, targets)[:, 0] ** 2,
    project=lambda noise: noise,
    features=_score_features,
    ramps=_score_ramps,
    reach=(-16.0, 0.0),
    losses=_score_losses,
    check=checks.scored,
)
"""One score `[B, 1]` in levels, targets `[B]` integers; unchanged when both are shifted by a level, or reversed."""

# --- points in the plane ----------------------------------------------------------------------------------------------


def _point_unit(predictions: Array, targets: Keypoints) -> Array:
    visible = (jnp.asarray(targets.visible) > 0).astype(predictions.dtype)
    return visible[..., None] * targets.scale[:, None, None]


def _point_spread(predictions: Array, targets: Keypoints) -> Array:
    return geometry.mean_over_visible(geometry.relative_distance(predictions, targets) ** 2, targets)


def _point_features(predictions: Array, targets: Keypoints, scale: Array) -> tuple[Array, Array]:
    distance = geometry.relative_distance(predictions, targets)
    features = jnp.stack([distance / scale, jnp.log1p((distance / scale) ** 2)], axis=-1)
    return features, geometry.visible_weights(targets, predictions.dtype)


def _point_ramps(predictions: Array, targets: Keypoints, scale: Array) -> tuple[Array, Array]:
    distance = geometry.relative_distance(predictions, targets)
    return -distance[..., None] / scale, geometry.visible_weights(targets, predictions.dtype)


def _point_losses(predictions: Array, targets: Keypoints, scale: Array) -> Array:
    atoms = (losses.l1, losses.smooth_l1, losses.euclidean, losses.wing)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


points_in_plane = Space(
    name="points_in_plane",
    unit=_point_unit,
    spread=_point_spread,
    project=lambda noise: noise,
    features=_point_features,
    ramps=_point_ramps,
    reach=(-16.0, 0.0),
    losses=_point_losses,
    check=checks.pointed,
)
"""Points `[B, J, 2]`, targets `Keypoints`; unchanged by a rotation, shift or scaling of predictions and targets.

The items are the visible points, the unit is the scale of the example.
"""

# --- anything ---------------------------------------------------------------------------------------------------------


def _flat(tree: PyTree, dtype) -> Array:
    """All leaves of a batch side by side: `[B, F]`."""
    leaves = [jnp.reshape(leaf, (leaf.shape[0], -1)).astype(dtype) for leaf in map(jnp.asarray, jax.tree.leaves(tree))]
    return jnp.concatenate(leaves, axis=-1)


def _generic_features(predictions: Array, targets: PyTree, scale: Array) -> tuple[Array, Array]:
    flat = _flat(predictions, predictions.dtype)
    parts = [flat / scale, _flat(targets, predictions.dtype)]
    if _same_shape(predictions, targets):
        parts.append((flat - parts[1]) / scale)
    features = jnp.concatenate(parts, axis=-1)
    return features[:, None], jnp.ones_like(features[:, :1])


def _same_shape(predictions: Array, targets: PyTree) -> bool:
    return hasattr(targets, "shape") and targets.shape == predictions.shape


def _need_same_shape(predictions: Array, targets: PyTree) -> None:
    if not _same_shape(predictions, targets):
        raise ValueError(
            "the basis family needs to know what a good prediction is: in the generic space, targets of the shape of "
            f"predictions {list(predictions.shape)}. Use family='network', or a space that fits your predictions."
        )


def _generic_ramps(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    _need_same_shape(predictions, targets)
    error = _flat(predictions - targets, predictions.dtype) / scale
    return -jnp.sqrt(error**2 + 1e-12)[..., None], jnp.full_like(error, 1 / error.shape[-1])


def _generic_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    _need_same_shape(predictions, targets)
    error = _flat(predictions - targets, predictions.dtype)
    return jnp.stack([jnp.mean(error**2, axis=-1), jnp.mean(jnp.abs(error), axis=-1)], axis=-1)


def _check_generic(predictions: Array, targets: PyTree) -> None:
    checks.floating(predictions)
    for leaf in jax.tree.leaves(targets):
        if jnp.ndim(leaf) == 0 or jnp.shape(leaf)[0] != predictions.shape[0]:
            raise ValueError(
                f"every array of targets must have one row for each of the {predictions.shape[0]} predictions, "
                f"got shape {list(jnp.shape(leaf))}."
            )


generic = Space(
    name="generic",
    unit=_unit_one,
    spread=lambda predictions, targets: jnp.mean(_flat(predictions, predictions.dtype) ** 2, axis=-1),
    project=lambda noise: noise,
    features=_generic_features,
    ramps=_generic_ramps,
    reach=(-16.0, 0.0),
    losses=_generic_losses,
    check=_check_generic,
)
"""Predictions `[B, ...]` and targets of any shape; nothing is known about them, and everything must be learned."""
