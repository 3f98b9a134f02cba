"""Predictions and targets drawn from a prediction space, to learn a surrogate from where no model is at hand.

The laws are this library's own. They are wide on purpose: sure and unsure predictions, right and wrong ones, near a
decision and far from it. A model's predictions are a better choice where there are any.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.types import Array, Keypoints, PyTree, RankedLists, Space
from jaxsurr.spaces import binary_scores, class_logits, cumulative_logits, level_logits, points_in_plane, ranked_lists


def _classes(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Rivals with light or heavy tails, and a true class that leads or trails the best of them by a random margin."""
    label_key, noise_key, power_key, margin_key = jax.random.split(key, 4)
    labels = jax.random.randint(label_key, (rows,), 0, size)
    noise = jax.random.normal(noise_key, (rows, size))
    power, width = jax.random.uniform(power_key, (2, rows, 1), minval=jnp.array([1.0, -3.0])[:, None, None], maxval=2.0)
    logits = jnp.sign(noise) * jnp.abs(noise) ** power
    own = jnp.arange(size)[None] == labels[:, None]
    best = jnp.max(jnp.where(own, -jnp.inf, logits), axis=-1, keepdims=True)
    margin = jnp.exp(width) * jax.random.normal(margin_key, (rows, 1))
    return jnp.where(own, best + margin, logits), labels


def _true_levels(key: Array, centre: Array, size: int) -> Array:
    """Levels about a centre `[B, 1]`, some near it and some far."""
    near_key, far_key = jax.random.split(key)
    width = jnp.exp(jax.random.uniform(far_key, centre.shape, minval=-1.0, maxval=jnp.log(size / 2)))
    near = jnp.round(centre + width * jax.random.normal(near_key, centre.shape))
    return jnp.clip(near, 0, size - 1)[:, 0].astype(jnp.int32)


def _levels(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """A bump of random height and width on noise, as steep as logits of a trained model are, or less."""
    centre_key, width_key, height_key, noise_key, level_key = jax.random.split(key, 5)
    centre = jax.random.uniform(centre_key, (rows, 1), maxval=size - 1.0)
    width = jnp.exp(jax.random.uniform(width_key, (rows, 1), minval=-1.0, maxval=jnp.log(size / 2)))
    height = jax.random.uniform(height_key, (rows, 1), maxval=6.0)
    bump = height * jnp.exp(-0.5 * ((jnp.arange(size)[None] - centre) / width) ** 2)
    return bump + jax.random.normal(noise_key, (rows, size)), _true_levels(level_key, centre, size)


def _cumulative(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Log odds that fall with the threshold, more or less steeply, and noise."""
    centre_key, slope_key, noise_key, level_key = jax.random.split(key, 4)
    centre = jax.random.uniform(centre_key, (rows, 1), maxval=size - 1.0)
    slope = jnp.exp(jax.random.uniform(slope_key, (rows, 1), minval=-1.0, maxval=1.0))
    odds = slope * (centre - jnp.arange(size - 1)[None] - 0.5)
    return odds + 0.5 * jax.random.normal(noise_key, (rows, size - 1)), _true_levels(level_key, centre, size)


def _points(key: Array, rows: int, size: int) -> tuple[Array, Keypoints]:
    """Points whose distance from their targets is uniform from 0 to 1 scales, in any direction; 9 of 10 visible."""
    place_key, scale_key, seen_key, angle_key, distance_key = jax.random.split(key, 5)
    scale = jnp.exp(0.3 * jax.random.normal(scale_key, (rows,)))
    points = 3 * scale[:, None, None] * jax.random.uniform(place_key, (rows, size, 2))
    visible = jax.random.bernoulli(seen_key, 0.9, (rows, size)).astype(jnp.float32)
    angle = jax.random.uniform(angle_key, (rows, size), maxval=2 * jnp.pi)
    distance = scale[:, None] * jax.random.uniform(distance_key, (rows, size))
    offset = distance[..., None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
    return points + offset, Keypoints(points, visible, scale)


def _scores(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Scores of a set with few or many positives, which are ahead by more or less."""
    share_key, label_key, lead_key, noise_key = jax.random.split(key, 4)
    share = jax.random.uniform(share_key, (), minval=0.05, maxval=0.5)
    labels = jax.random.bernoulli(label_key, share, (rows,)).astype(jnp.int32)
    lead = jax.random.uniform(lead_key, (), maxval=2.0)
    return lead * (labels - share) + jax.random.normal(noise_key, (rows,)), labels


def _lists(key: Array, rows: int, size: int) -> tuple[Array, RankedLists]:
    """Relevance from 0 to 4, seldom high, and scores that follow it more or less; 9 of 10 places hold an item."""
    relevance_key, item_key, slope_key, noise_key = jax.random.split(key, 4)
    items = jax.random.bernoulli(item_key, 0.9, (rows, size)).at[:, :2].set(True).astype(jnp.float32)
    relevance = items * jnp.floor(5 * jax.random.uniform(relevance_key, (rows, size)) ** 2)
    slope = jax.random.uniform(slope_key, (rows, 1), maxval=2.0)
    return slope * relevance + jax.random.normal(noise_key, (rows, size)), RankedLists(relevance, items)


SAMPLERS: dict[str, Callable[[Array, int, int], tuple[Array, PyTree]]] = {
    class_logits.name: _classes,
    level_logits.name: _levels,
    cumulative_logits.name: _cumulative,
    points_in_plane.name: _points,
    binary_scores.name: _scores,
    ranked_lists.name: _lists,
}


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _drawn(key: Array, name: str, rows: int, size: int) -> tuple[Array, PyTree]:
    return SAMPLERS[name](key, rows, size)


def sample(space: Space, key: Array, rows: int, size: int) -> tuple[Array, PyTree]:
    """Draws predictions of a space, and targets that go with them.

    Args:
      space: of classes, levels, cumulative logits, points, scores of two classes, or lists.
      key: typed.
      rows: B, how many examples.
      size: number of classes or levels K or of the items of a list L, at least 2, or of points J; scores have none.

    Returns:
      predictions `[B, K]`, `[B, K - 1]`, `[B, J, 2]`, `[B]` or `[B, L]`, and targets.

    Raises:
      ValueError: nothing is known about predictions of this space, or a number is out of range.

    >>> import jax, jaxsurr
    >>> logits, labels = sample(jaxsurr.spaces.class_logits, jax.random.key(0), 8, 1000)
    >>> logits.shape, labels.shape
    ((8, 1000), (8,))
    """
    checks.typed_key(key)
    checks.positive_integer(rows, "rows")
    checks.positive_integer(size, "size")
    if space.name not in SAMPLERS:
        raise ValueError(
            f"predictions of the space {space.name!r} cannot be made up: nothing is known of how a model's look. "
            "Pass predictions and targets of your own."
        )
    if size < 2 and space.name not in (points_in_plane.name, binary_scores.name):
        raise ValueError(f"size must be at least 2 classes, levels or items, got {size}.")
    return _drawn(key, space.name, rows, size)
