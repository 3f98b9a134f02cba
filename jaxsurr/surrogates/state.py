"""What a learned surrogate remembers between updates, and the running averages in it."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxsurr.core import renamed
from jaxsurr.core.moments import Moments
from jaxsurr.core.reductions import masked_mean, num_valid, safe_divide
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.smoothing.function_directions import FunctionSums
from jaxsurr.smoothing.smoothed_metric import smoothing_scale

__all__ = [
    "SETTLED", "SurrogateState", "calibrated", "calibration", "first_squared_size", "first_state", "natural_scale",
    "power_of", "running", "scale_of", "settled",
]  # fmt: skip

SETTLED = 50
"""Updates after which the size that the smoothing scale follows stays as it is."""


@renamed.fields
class SurrogateState(NamedTuple):
    """State of a surrogate.

    Attributes:
      family: parameters of the function family.
      squared_size: mean of that of the predictions, in units of the space, when learning began; `[]`.
      dot_sg: running `<grad S, g>` of each metric; `[M]`.
      dot_ss: running `<grad S, grad S>` of each metric; `[M]`.
      offset: running difference between the mean metric and the mean calibrated surrogate; `[M]`.
      step: number of updates; `[]` int32.
      power: q of the loss, from 0 (likelihood) to 1 (metric): `jaxsurr.surrogates.families.decisions`; `[]`. It can
        be replaced at any time, as a schedule of `jaxsurr.bilevel.make_step` does. None where it has no effect.
      relative_scale: smoothing scale over the square root of `squared_size`; `[]`. It can be replaced at any time
        (`jaxsurr.matched_scale`), and nothing is compiled again.
      functions: the sums of the estimate of a set metric's gradient along functions, which carry over
        (`jaxsurr.smoothing.function_directions`). None: it is estimated otherwise.
    """

    family: PyTree
    squared_size: Array
    dot_sg: Array
    dot_ss: Array
    offset: Array
    step: Array
    relative_scale: Array
    power: Array | None
    functions: FunctionSums | None = None


def scale_of(state: Any, space: Space) -> Array:
    """The smoothing scale s of a state with the fields `relative_scale` and `squared_size`."""
    return smoothing_scale(state.relative_scale, state.squared_size, space.least)


def first_state(
    space: Space, view: View, metrics: int, relative_scale: float | None, power: float | None
) -> SurrogateState:
    """The state before the first update, with the size of these predictions and no family yet."""
    # Three, as a buffer is donated only once.
    dot_sg, dot_ss, offset = (jnp.zeros((metrics,), view.predictions.dtype) for _ in range(3))
    size, relative = first_squared_size(space, view, relative_scale)
    return SurrogateState(None, size, dot_sg, dot_ss, offset, jnp.int32(0), relative, power_of(power))


def power_of(power: float | None) -> Array | None:
    """The power as it stands in a state."""
    return None if power is None else jnp.float32(power)


def natural_scale(space: Space, relative_scale: float | None) -> float | None:
    """The natural smoothing scale of the space where it is asked for, which does not follow the predictions."""
    return space.natural if relative_scale is None else None


def first_squared_size(space: Space, view: View, relative_scale: float | None) -> tuple[Array, Array]:
    """The mean squared size `[]` to begin with, and the smoothing scale relative to its root.

    The size is 0, as if no row counted, where it is not finite. A natural scale stands as both.
    """
    natural = natural_scale(space, relative_scale)
    if natural is not None:
        return jnp.float32(natural**2), jnp.float32(1)
    mean = masked_mean(space.squared_size(view.predictions, view.targets), view.where)
    return jnp.where(jnp.isfinite(mean), mean, 0), jnp.float32(1 if relative_scale is None else relative_scale)


def running(old: Array, new: Array, step: Array, decay: float) -> Array:
    """Exponential average whose first entries are a plain mean, so that it starts without bias."""
    keep = jnp.minimum(decay, step / (step + 1))
    return keep * old + (1 - keep) * new


def settled(state: Any, space: Space, view: View, decay: float, axis_name: str | None = None) -> Any:
    """The state whose `squared_size` follows that of the predictions during the first updates, and then stays."""
    size = masked_mean(space.squared_size(view.predictions, view.targets), view.where, axis_name=axis_name)
    known = num_valid(view.where, view.predictions.shape[0], axis_name) > 0
    size = jnp.where(known, size, state.squared_size)  # where no row counts, nothing is known of the size
    return state._replace(
        squared_size=jnp.where(
            state.step < SETTLED, running(state.squared_size, size, state.step, decay), state.squared_size
        )
    )


def calibration(state: SurrogateState) -> Array:
    """`c = <grad S, g> / <grad S, grad S>` of each metric, never below 0; 1 where nothing is known yet. `[M]`."""
    ratio = safe_divide(jnp.maximum(state.dot_sg, 0), state.dot_ss)
    return jnp.where((state.dot_ss > 0) & (state.step > 0), ratio, 1)


def calibrated(state: SurrogateState, gradient_sums: Moments, decay: float) -> SurrogateState:
    """The state after an update, with the inner products of surrogate gradient and metric gradient averaged in."""
    return state._replace(
        dot_sg=running(state.dot_sg, gradient_sums.xy, state.step, decay),
        dot_ss=running(state.dot_ss, gradient_sums.xx, state.step, decay),
        step=state.step + 1,
    )
