"""Spaces of class logits, invariant to a shift.

Features are symmetric in the classes, so that a surrogate learned with ten classes can be used with a hundred. They are
in units of the smoothing scale, which is relative to the spread of the predictions: features are the same when all
logits, and with them the scale, are ten times as large.
"""

import jax
import jax.numpy as jnp

from jaxsurr import losses
from jaxsurr.core.targets import check_classes
from jaxsurr.core.types import Array, Pooled, PyTree, Space
from jaxsurr.spaces.invariance import FAR, GUMBEL, LEAST, centred, columns, need_two
from jaxsurr.spaces.ruling_out import finite_below, mean_over, ruled_out
from jaxsurr.spaces.scores import pooled_scores

__all__ = ["class_logits", "named_class_logits"]


def class_unit(predictions: Array, targets: PyTree) -> Array:
    """Unit of noise: 1 for each logit, 0 for those that are ruled out, so that they stay ruled out."""
    return jnp.where(ruled_out(predictions), 0, 1).astype(predictions.dtype)


def _squared_size_centred(predictions: Array, targets: PyTree) -> Array:
    free = ~ruled_out(predictions)
    about = predictions - mean_over(predictions, free)
    return mean_over(about**2, free)[..., 0]


def _against_rivals(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    """Logits minus that of the true class, in scales, `[B, K]`, and a mask of the rival classes, `[B, K]`."""
    rival = jnp.arange(predictions.shape[-1], dtype=jnp.int32)[None] != targets[:, None].astype(jnp.int32)
    of_label = jnp.sum(jnp.where(rival, 0, predictions), axis=-1, keepdims=True)
    return (predictions - of_label) / scale, rival


def _soft_margins(lead: Array, rival: Array) -> Array:
    """Margins of the true class over the soft maximum of its rivals at temperatures 1/4, 1/2, 1 and 2, in scales.

    All four are computed from powers of one exponential.
    """
    best = jax.lax.stop_gradient(jnp.max(jnp.where(rival, lead, FAR), axis=-1, keepdims=True))
    powers = [jnp.where(rival, jnp.exp((jnp.where(rival, lead, best) - best) / 2), 0)]
    for _ in range(3):
        powers.append(powers[-1] * powers[-1])
    sums = jnp.sum(jnp.stack(powers), axis=-1)
    return (-best[None, :, 0] - jnp.array([2.0, 1.0, 0.5, 0.25], lead.dtype)[:, None] * jnp.log(sums)).T


def _class_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    lead, rival = _against_rivals(predictions, targets, scale)
    rank = jnp.sum(jnp.where(rival, jax.nn.sigmoid(1.7 * lead), 0), axis=-1, keepdims=True)  # about how many are ahead
    features = jnp.concatenate([_soft_margins(lead, rival), jnp.log1p(rank)], axis=-1)
    return features[:, None], jnp.ones_like(features[:, :1])


def _class_margins(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    margins = _soft_margins(*_against_rivals(predictions, targets, scale))[:, 1::2]  # temperatures 1 and 1/4
    return margins[:, None], jnp.ones_like(margins[:, :1])


def _class_losses(predictions: Array, targets: Array, scale: Array) -> Array:
    atoms = (losses.cross_entropy, losses.generalised_cross_entropy, losses.expected_error)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


_MOST = 0.6  # a probability of the second largest logit that only rounding can exceed


def one_against_all(predictions: Array, temperature: float) -> Array:
    """Margins of each class over the soft maximum of all others, `[B, K]`.

    The probability of a class that is not the largest is at most one half, so that it can be subtracted from the sum
    over all classes; for the largest class the others are summed without it.
    """
    scaled = predictions / temperature
    first = jnp.arange(predictions.shape[-1])[None] == jnp.argmax(predictions, axis=-1)[:, None]
    others = jax.nn.logsumexp(jnp.where(first, FAR, scaled), axis=-1, keepdims=True)
    everyone = jax.nn.logsumexp(scaled, axis=-1, keepdims=True)
    probability = jnp.where(first, 0, jnp.exp(jnp.where(first, everyone, scaled) - everyone))
    probability = jnp.where(probability > _MOST, 0.5, probability)  # by rounding, of two huge logits that are equal
    rivals = jnp.where(first, others, everyone + jnp.log1p(-probability))
    return temperature * (scaled - rivals)


def class_pooled(predictions: Array, targets: Array, scale: Array, where: Array | None) -> Pooled:
    """Features for a set network, one group for each class against all others; two classes are one score."""
    classes = predictions.shape[-1]
    if classes == 2:
        decided = jnp.any(ruled_out(predictions), axis=-1)
        return pooled_scores(predictions[:, 1] - predictions[:, 0], targets, scale, where, decided)
    scaled = predictions / scale
    features = jnp.stack([one_against_all(scaled, temperature) for temperature in (1.0, 0.25)], axis=-1)
    label_features = jax.nn.one_hot(targets, classes, dtype=predictions.dtype)[..., None]
    positions = jnp.linspace(0.0, 1.0, classes, dtype=predictions.dtype)[:, None]
    weights = jnp.ones_like(predictions[:, :1])
    return Pooled(features[:, None], label_features[:, None], weights, positions, 1 / classes)


def read_items(read, predictions: Array, labels: Array, scale: Array) -> Array:
    """Features of class logits of each item: `[B, ..., K]` and `[B, I]` to `[B, I, F]`."""
    values, _ = read(predictions.reshape(-1, predictions.shape[-1]), labels.reshape(-1), scale)
    return values.reshape(*labels.shape, -1)


def _sample_classes(key: Array, rows: int, size: int) -> tuple[Array, Array]:
    """Random logits: rivals with light or heavy tails, and a true class at a random margin from the best rival."""
    need_two(size)
    label_key, noise_key, power_key, margin_key = jax.random.split(key, 4)
    labels = jax.random.randint(label_key, (rows,), 0, size)
    noise = jax.random.normal(noise_key, (rows, size))
    power, width = jax.random.uniform(power_key, (2, rows, 1), minval=jnp.array([1.0, -3.0])[:, None, None], maxval=2.0)
    logits = jnp.sign(noise) * jnp.abs(noise) ** power
    own = jnp.arange(size)[None] == labels[:, None]
    best = jnp.max(jnp.where(own, -jnp.inf, logits), axis=-1, keepdims=True)
    margin = jnp.exp(width) * jax.random.normal(margin_key, (rows, 1))
    return jnp.where(own, best + margin, logits), labels


def _alike(predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Predictions and targets as distributions over the classes."""
    probabilities = jax.nn.softmax(predictions)
    return probabilities, jax.nn.one_hot(targets, predictions.shape[1], dtype=probabilities.dtype)


class_logits = Space(
    name="class_logits",
    unit=class_unit,
    squared_size=_squared_size_centred,
    project=centred,
    features=_class_features,
    margins=_class_margins,
    margin_range=(-4.0, 4.0),
    losses=_class_losses,
    check=check_classes,
    pooled=class_pooled,
    clear=lambda predictions, targets: (finite_below(predictions), targets),
    ruled_out=lambda predictions, targets: ruled_out(predictions),
    least=LEAST,
    sample=_sample_classes,
    scale_free=True,
    alike=_alike,
    decisions=columns(0, 1, 2, 3),
    natural=GUMBEL,
)
"""Logits `[B, K]` of K classes, targets `[B]` integers; invariant to a shift, symmetric in the classes.

A class is ruled out by a logit of minus infinity, or one that lies as far below the others as a mask puts it (500 and
more, see `jaxsurr.spaces.ruling_out`): it is not perturbed and does not count in the spread.
"""


def _named_amplitudes(predictions: Array, targets: Array) -> Array:
    return jax.nn.one_hot(targets, predictions.shape[-1], dtype=predictions.dtype)[:, None]


def _named_class_features(predictions: Array, targets: Array, scale: Array) -> tuple[Array, Array]:
    features, weights = _class_features(predictions, targets, scale)
    return jnp.concatenate([features, _named_amplitudes(predictions, targets)], axis=-1), weights


named_class_logits = class_logits._replace(
    name="named_class_logits",
    features=_named_class_features,
    amplitudes=_named_amplitudes,
    sample=None,
    scale_free=False,
)
"""`class_logits` whose features include the true class, for metrics that treat classes differently.

A surrogate is then bound to its number of classes. The atoms of the basis family are the same for all classes.
"""
