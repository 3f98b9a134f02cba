"""Several labels of an example, each 0 or 1: their check."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import checks

__all__ = ["check_labels"]


def check_labels(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, K]` floats, and targets that are not `[B, K]` of 0 and 1.

    Targets may be integers, bool, or floats that are 0 or 1. For traced targets a mask `[B]` of the examples with
    another value is returned.

    >>> check_labels(jnp.zeros((2, 3)), jnp.array([[0, 1, 1], [0, 0, 0]]))
    """
    checks.floating(predictions, 2, "[B, K], a logit of each of K labels")
    if 0 in predictions.shape:
        raise ValueError(f"predictions must have a logit for at least one label, got shape {list(predictions.shape)}.")
    if not hasattr(targets, "dtype"):
        raise TypeError(f"targets must be an array of 0 and 1 for each label, got {type(targets).__name__}.")
    if targets.shape != predictions.shape:
        one = targets.shape == predictions.shape[:1]
        advice = " With one class for each example use metrics and losses of classes, as error_rate and cross_entropy."
        raise ValueError(
            f"targets must hold 0 or 1 for each label, shape {list(predictions.shape)}, got {list(targets.shape)}."
            + advice * one
        )
    if targets.dtype == jnp.bool_:
        return None
    library: Any = np if checks.is_concrete(targets) else jnp
    wrong = ~library.isin(library.asarray(targets), library.asarray([0, 1], targets.dtype))
    if library is jnp:
        return jnp.any(wrong, axis=1)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        found = np.asarray(targets)[wrong].astype(float)
        if ((found > 0) & (found < 1)).all():
            advice = "Soft labels are not read: cut them, as by (targets >= 0.5).astype(int)."
        elif (found == -1).all():
            advice = "If -1 stands for absent, pass (targets > 0).astype(int)."
        else:
            advice = "Leave examples whose labels are not known out by where=."
        raise ValueError(f"targets must be 0 or 1 for each label, got {found[0]:g} at index {place}. {advice}")
    return None
