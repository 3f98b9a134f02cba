"""The space of numbers of which only the order counts, as in survival analysis."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import losses
from jaxsurr.core.numbers import as_durations, check_ordered, number
from jaxsurr.core.reductions import masked, masked_mean
from jaxsurr.core.types import Array, Durations, Pooled, PyTree, Space
from jaxsurr.spaces.invariance import GUMBEL, LEAST, columns, unit_one, unprojected

__all__ = ["event_order"]

# Places on the scale of the predictions, in standard deviations about the mean, and on that of the times, as fractions
# of the examples: each pair of them is a group.
_PLACES = np.sinh(np.linspace(-1.4, 1.4, 8)).astype(np.float32)
_TIMES = np.linspace(0.0, 1.0, 8)[1:-1].astype(np.float32)


def _centred(predictions: Array, where: Array | None = None) -> Array:
    z = number(predictions)
    return z - masked_mean(z, where)


def _place(targets: PyTree, dtype, where: Array | None = None) -> tuple[Array, Array]:
    """The fraction of the set that lasted no longer than each example, and whether its event was seen, `[B]`."""
    time, event = as_durations(targets, dtype)
    return masked_mean((time[:, None] <= time[None]).astype(dtype), where), event.astype(dtype)


def _features(predictions: Array, targets: PyTree, scale: Array) -> tuple[Array, Array]:
    z, (place, event) = _centred(predictions) / scale, _place(targets, predictions.dtype)
    features = jnp.stack([(2 * place - 1) * z, z, place, event], axis=-1)
    return features[:, None], jnp.ones_like(z)[:, None]


def _margins(predictions: Array, targets: PyTree, scale: Array) -> tuple[Array, Array]:
    features, weights = _features(predictions, targets, scale)
    return features[..., :1], weights


def _losses(predictions: Array, targets: PyTree, scale: Array) -> Array:
    atoms = (losses.cox, losses.pairwise_concordance)
    return jnp.stack([loss(predictions, targets) for loss in atoms], axis=-1)


def _pooled(predictions: Array, targets: PyTree, scale: Array, where: Array | None) -> Pooled:
    """Margins of the predictions to places on their scale, and events before and survivors after places in time."""
    z, (time, event) = _centred(predictions, where), _place(targets, predictions.dtype, where)
    deviation = jnp.sqrt(jnp.maximum(masked_mean(z**2, where), 1e-12))
    places, times = jnp.asarray(_PLACES, z.dtype), jnp.asarray(_TIMES, z.dtype)
    margins = (z[:, None] - deviation * places[None]) / scale  # [B, places]
    late = (time[:, None] > times[None]).astype(z.dtype)  # [B, times]
    early = event[:, None] * (1 - late)
    shape = (len(z), len(places), len(times))
    groups = len(places) * len(times)
    features = jnp.broadcast_to(masked(margins, where)[:, :, None], shape).reshape(len(z), 1, groups, 1)
    labels = jnp.stack([jnp.broadcast_to(part[:, None], shape) for part in (early, late)], axis=-1)
    positions = jnp.stack(jnp.meshgrid(places / 2, times, indexing="ij"), axis=-1).reshape(groups, 2)
    return Pooled(features, labels.reshape(len(z), 1, groups, 2), jnp.ones_like(z)[:, None], positions)


def _sample(key: Array, rows: int, size: int) -> tuple[Array, Durations]:
    """Random predictions of a set and times that follow them more or less; about a third of the times are censored."""
    predicted_key, slope_key, noise_key, end_key = jax.random.split(key, 4)
    predictions = jax.random.normal(predicted_key, (rows,))
    slope = jax.random.uniform(slope_key, (), maxval=2.0)
    time = jnp.exp(slope * predictions + jax.random.gumbel(noise_key, (rows,)))
    end = jnp.exp(1 + 1.5 * jax.random.normal(end_key, (rows,)))
    return predictions, Durations(jnp.minimum(time, end), (time <= end).astype(predictions.dtype))


event_order = Space(
    name="event_order",
    unit=unit_one,
    squared_size=lambda predictions, targets: _centred(predictions) ** 2,
    project=unprojected,
    features=_features,
    margins=_margins,
    margin_range=(-4.0, 4.0),
    losses=_losses,
    check=check_ordered,
    pooled=_pooled,
    least=LEAST,
    sample=_sample,
    scale_free=True,
    decisions=columns(0),
    natural=GUMBEL,
)
"""Numbers `[B]` or `[B, 1]` of a set, larger for a later event; targets `Durations`, or numbers `[B]` to be ordered by.

Invariant to a shift of the predictions of the set, and to any increasing function of the times. The natural noise is
that of a proportional-hazards model, under which the logarithm of a time has Gumbel noise.

It has no `alike`: only the order of predictions counts, and of a censored time only a bound is known, so that there is
no form in which the prediction of one example is its target. (A loss that measures such a distance needs a metric of
examples, and those of an order belong to sets.)
"""
