"""What a learned surrogate remembers between updates, and the running averages in it."""

from typing import NamedTuple

import jax.numpy as jnp

from jaxsurr.core.reductions import masked_mean
from jaxsurr.core.types import Array, PyTree


class SurrogateState(NamedTuple):
    """State of a surrogate.

    Attributes:
      family: parameters of the function family.
      spread: mean of the predictions' squared size, in units of the space, when learning began; `[]`.
      along: running `<grad S, g>` of each metric; `[M]`.
      length: running `<grad S, grad S>` of each metric; `[M]`.
      offset: running difference between the mean metric and the mean calibrated surrogate; `[M]`.
      step: number of updates; `[]` int32.
      relative_scale: smoothing scale over the square root of `spread`; `[]`. It can be replaced at any time
        (`jaxsurr.matched_scale`), and nothing is compiled anew.
    """

    family: PyTree
    spread: Array
    along: Array
    length: Array
    offset: Array
    step: Array
    relative_scale: Array


def first_spread(sizes: Array, where: Array | None) -> Array:
    """The mean squared size `[]` to begin with; 0, as if no row counted, where a size is not finite."""
    mean = masked_mean(sizes, where)
    return jnp.where(jnp.isfinite(mean), mean, 0)


def running(old: Array, new: Array, step: Array, decay: float) -> Array:
    """Exponential average whose first entries are a plain mean, so that it starts without bias."""
    keep = jnp.minimum(decay, step / (step + 1))
    return keep * old + (1 - keep) * new


def settling(old: Array, new: Array, step: Array, decay: float, updates: int) -> Array:
    """A running average of the first updates, which then stays."""
    return jnp.where(step < updates, running(old, new, step, decay), old)


def calibration(state: SurrogateState) -> Array:
    """`<grad S, g> / <grad S, grad S>` of each metric, never below 0; 1 where nothing is known yet. `[M]`."""
    usable = state.length > 0
    ratio = jnp.maximum(state.along, 0) / jnp.where(usable, state.length, 1)
    return jnp.where(usable & (state.step > 0), ratio, 1)
