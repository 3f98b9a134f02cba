"""Decision thresholds, chosen on validation: what a set metric such as F1 asks of a model trained on another loss."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import spaces
from jaxsurr.core.types import Array
from jaxsurr.metrics import Metric

_CANDIDATES = 101


def check(metric: Metric) -> None:
    """Refuses a metric whose predictions are no logits of classes or levels, which a shift could tune."""
    if metric.space not in (spaces.class_logits, spaces.level_logits):
        raise ValueError(
            f"tune_threshold shifts logits of classes or levels, and {metric.name} reads {metric.space.name}: leave "
            "tune_threshold out."
        )


@functools.partial(jax.jit, static_argnums=0)
def best_shift(metric: Metric, logits: Array, targets: Array, where: Array | None = None) -> Array:
    """The shift of the logits of each class with which the metric of a set is best, found class by class.

    For each class in turn, but the first, those shifts are tried at which one more hundredth of the set is predicted to
    be of the class. With two classes that is the choice of a threshold. No shift is a candidate too, and stays where
    nothing is better, so that the metric of this set never gets worse.

    Args:
      metric: of class logits.
      logits: `[B, K]` float.
      targets: `[B]`.
      where: `[B]`, weights of the rows, or None.

    Returns:
      `[K]` float; the first is 0.
    """

    def value(shift):
        return metric.sign * jnp.ravel(metric.mean(logits + shift[None], targets, where=where))[0]

    def improved(k, shift):
        moved, chosen = logits + shift[None], jnp.arange(len(shift)) == k
        rivals = jnp.max(jnp.where(chosen[None], -jnp.inf, moved), axis=1)
        needed = rivals - moved[:, k]  # the shift beyond which each row is predicted to be of the class
        places = jnp.quantile(needed, jnp.linspace(0.0, 1.0, _CANDIDATES))
        between = jnp.concatenate([(places[1:] + places[:-1]) / 2, places[:1] - 1, places[-1:] + 1])
        changes = jnp.concatenate([jnp.zeros((1,)), between])
        candidates = shift[None] + changes[:, None] * chosen[None]
        return candidates[jnp.argmin(jax.lax.map(value, candidates))]

    shift = jnp.zeros((logits.shape[1],), jnp.float32)
    return jax.lax.fori_loop(1, logits.shape[1], improved, shift)


def shifted(metric: Metric, logits: Any, targets: Any, entry: dict[str, Any], where: Array | None = None) -> Array:
    """Logits with the shift of an epoch's entry, which is chosen on these, and kept there, where it has none yet."""
    logits = jnp.asarray(logits, jnp.float32)
    if "shift" not in entry:
        entry["shift"] = np.asarray(best_shift(metric, logits, targets, where), np.float64).tolist()
    return logits + jnp.asarray(entry["shift"], jnp.float32)[None]
