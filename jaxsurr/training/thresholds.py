"""Decision thresholds, chosen on validation: what a set metric such as F1 asks of a model trained on another loss."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.types import Array
from jaxsurr.metrics import Metric

_CANDIDATES = 101
_RIVALS = ("class_logits", "level_logits")
"""Spaces in which the largest logit decides."""
_ALONE = ("binary_scores", "label_logits", "named_label_logits")
"""Spaces in which each logit decides by its sign."""


def check(metric: Metric) -> None:
    """Refuses a metric whose predictions are no logits that decide, which a shift could tune."""
    if metric.space.name not in (*_RIVALS, *_ALONE):
        raise ValueError(
            f"tune_threshold shifts logits of classes, scores, labels or levels, and {metric.name} reads "
            f"{metric.space.name}: leave tune_threshold out."
        )


@functools.partial(jax.jit, static_argnums=0)
def best_shift(metric: Metric, logits: Array, targets: Array, where: Array | None = None) -> Array:
    """The shift of the logits of each class with which the metric of a set is best, found class by class.

    For each class in turn, but the first, those shifts are tried at which one more hundredth of the set is predicted to
    be of the class. With two classes that is the choice of a threshold. No shift is a candidate too, and stays where
    nothing is better, so that the metric of this set never gets worse. A logit that decides by its sign is shifted as
    that of a class is, also the first.

    Args:
      metric: of logits of classes, labels or levels, or of one logit.
      logits: `[B, K]` float; one logit `[B]` or `[B, 1]`.
      targets: of the metric.
      where: `[B]`, weights of the rows, or None.

    Returns:
      `[K]` float; the first is 0 where the largest logit decides.
    """
    columns, alone = logits.reshape(len(logits), -1), metric.space.name in _ALONE

    def value(shift):
        moved = (columns + shift[None]).reshape(logits.shape)
        return metric.sign * jnp.ravel(metric.mean(moved, targets, where=where))[0]

    def improved(k, shift):
        moved, chosen = columns + shift[None], jnp.arange(len(shift)) == k
        rivals = 0 if alone else jnp.max(jnp.where(chosen[None], -jnp.inf, moved), axis=1)
        needed = rivals - moved[:, k]  # the shift beyond which each row is predicted to be of the class
        places = jnp.quantile(needed, jnp.linspace(0.0, 1.0, _CANDIDATES))
        between = jnp.concatenate([(places[1:] + places[:-1]) / 2, places[:1] - 1, places[-1:] + 1])
        changes = jnp.concatenate([jnp.zeros((1,)), between])
        candidates = shift[None] + changes[:, None] * chosen[None]
        return candidates[jnp.argmin(jax.lax.map(value, candidates))]

    number = columns.shape[1]
    return jax.lax.fori_loop(0 if alone else 1, number, improved, jnp.zeros((number,), jnp.float32))


def shifted(metric: Metric, logits: Any, targets: Any, entry: dict[str, Any], where: Array | None = None) -> Array:
    """Logits with the shift of an epoch's entry, which is chosen on these, and kept there, where it has none yet."""
    logits = jnp.asarray(logits, jnp.float32)
    if "shift" not in entry:
        entry["shift"] = np.asarray(best_shift(metric, logits, targets, where), np.float64).tolist()
    shift = jnp.asarray(entry["shift"], jnp.float32)
    return (logits.reshape(len(logits), -1) + shift[None]).reshape(logits.shape)
