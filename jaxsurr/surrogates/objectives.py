"""What a surrogate is learned by: value fit, gradient correlation, gradient penalty.

Each is a function of sums over examples (`jaxsurr.core.moments`), so that it means the same on one device and on
many. `value_and_gradient` differentiates such a function of sums across devices.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.moments import CORRELATIONS, Moments, correlate, variation
from jaxsurr.core.ravelled import ravelled_as, unravelled
from jaxsurr.core.reductions import masked, psum, safe_divide, safe_sqrt, weighted
from jaxsurr.core.types import Array, PyTree

__all__ = [
    "LearnedState", "check_kind", "check_power", "check_weights", "descended", "gradient_correlation",
    "gradient_penalty", "learning_step", "value_and_gradient", "value_fit", "values_and_gradients",
]  # fmt: skip


def value_fit(sums: Moments) -> Array:
    """Mean squared error between surrogate x and metric y over the variance of y; 0 is perfect, 1 a constant's best.

    `E (x - y)^2 / Var(y)`. Where y is constant there is nothing to explain, and the mean squared error is returned.

    Args:
      sums: `moments(surrogate values, smoothed metric values)`.
    """
    n = jnp.maximum(sums.n, 1)
    variance = variation(sums.n, sums.y, sums.yy) / n
    error = (sums.xx - 2 * sums.xy + sums.yy) / n
    return safe_divide(error, variance)


def gradient_correlation(sums: Moments, kind: str = "cosine") -> Array:
    """Correlation between surrogate gradient and metric gradient over all coordinates of the batch, in [-1, 1].

    Args:
      sums: `moments(surrogate gradient, metric gradient)`.
      kind: "cosine", or "pearson" (about the mean coordinate).

    >>> import jax.numpy as jnp
    >>> from jaxsurr.core.moments import moments
    >>> g = jnp.array([[1.0, -1.0], [0.5, -0.5]])
    >>> float(gradient_correlation(moments(3 * g, g)).round(4))
    1.0
    """
    return correlate(sums, kind)


def gradient_penalty(gradients: Array, norm: float = 1.0, where: Array | None = None) -> Array:
    """Sum over examples of `(||grad|| - norm)^2`; the mean over examples is what enters an objective.

    Source: Gulrajani et al., Improved Training of Wasserstein GANs, arXiv 1704.00028; LS-ED and ReLoss use it on
    surrogates. The gradient at a zero gradient is 0.

    Args:
      gradients: `[B, ...]`.
      norm: the norm that gradients are drawn to.
      where: `[B]` bool, or weights, or None for all.
    """
    squared = jnp.sum(masked(gradients, where).reshape(gradients.shape[0], -1) ** 2, axis=-1)
    return jnp.sum(weighted((safe_sqrt(squared) - norm) ** 2, where))


def values_and_gradients(function: Callable[[Array], Array], predictions: Array) -> tuple[Array, Array]:
    """Values of an example-wise function and the gradient of each example's value in its own prediction.

    Args:
      function: `[B, ...] -> [B]` by `jax.grad`, or `[B, ...] -> [B, M]` by `jax.jacrev`; row b reads row b only.
      predictions: `[B, ...]`.

    Returns:
      values `[B]` or `[B, M]`, gradients `[B, ...]` or `[M, B, ...]`.

    >>> import jax.numpy as jnp
    >>> values, gradients = values_and_gradients(lambda z: jnp.sum(z**2, axis=-1), jnp.array([[1.0, 2.0]]))
    >>> values.tolist(), gradients.tolist()
    ([5.0], [[2.0, 4.0]])
    """

    def summed(z):
        values = function(z)
        return jnp.sum(values, axis=0), values

    several = jax.eval_shape(function, predictions).ndim == 2
    gradients, values = (jax.jacrev if several else jax.grad)(summed, has_aux=True)(predictions)
    return values, gradients


def value_and_gradient(
    sums: Callable[[PyTree], PyTree], combine: Callable[[PyTree], tuple[Array, Any]], params: PyTree, axis_name=None
) -> tuple[tuple[Array, Any], PyTree]:
    """Value and gradient of `combine(sum over devices of sums(params))`, the same on every device.

    A loss that holds a `psum` has other gradients under one kind of parallelism than under another. Here sums are
    differentiated on their own device, and their cotangents, which are the same everywhere, pulled back and then added.

    Args:
      sums: `params -> pytree` of this device's sums.
      combine: `pytree -> (scalar, aux)`.
      params: what to differentiate in.
      axis_name: of `jax.pmap`, or None on one device.

    Returns:
      `((scalar, aux), gradient)`.
    """
    local, pullback = jax.vjp(sums, params)
    result, cotangent = jax.value_and_grad(combine, has_aux=True)(psum(local, axis_name))
    return result, psum(pullback(cotangent)[0], axis_name)


def descended(
    optimizer: optax.GradientTransformation, gradient: PyTree, state: PyTree, params: PyTree
) -> tuple[PyTree, PyTree]:
    """Parameters after a step of an optimizer, and its state.

    Optimizers of optax mix integers and floats, which jax refuses under `jax_numpy_dtype_promotion=strict`.
    """
    with jax.numpy_dtype_promotion("standard"):
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state


class LearnedState(NamedTuple):
    """Parameters that are learned by gradient steps, and the state of their optimizer."""

    params: PyTree
    optimizer: PyTree


def learning_step(
    optimizer: optax.GradientTransformation,
    state: Any,
    sums: Callable[[PyTree], PyTree],
    combine: Callable[[PyTree], tuple[Array, Any]],
    axis_name: str | None = None,
) -> tuple[Any, Any]:
    """One gradient step on the objective `combine(sum over devices of sums(params))`.

    Args:
      optimizer: of the parameters.
      state: a NamedTuple with the fields `params` and `optimizer`.
      sums, combine, axis_name: as for `value_and_gradient`; parameters that are `Ravelled` are a tree for `sums`.

    Returns:
      The state after the step, and what `combine` returned beside the objective, before it.
    """
    (_, aside), gradient = value_and_gradient(sums, combine, unravelled(state.params), axis_name)
    gradient = ravelled_as(state.params, gradient)
    params, optimizer_state = descended(optimizer, gradient, state.optimizer, state.params)
    return state._replace(params=params, optimizer=optimizer_state), aside


def check_weights(**weights: float) -> None:
    """Refuses objective weights that are negative, or all zero."""
    for name, weight in weights.items():
        checks.number(weight, name, least=0)
    if not any(weights.values()):
        raise ValueError(f"at least one of {', '.join(weights)} must be positive, or nothing is learned.")


def check_power(power: float, leads: bool, metric: str) -> None:
    """Refuses a power out of its range, and one that has no effect."""
    checks.number(power, "power", least=0, most=1, meaning="from the likelihood to the metric")
    if power < 1 and not leads:
        raise ValueError(
            f"power={power} has no effect on {metric}: it needs decisions that are right or wrong in each example, and "
            "this metric belongs to a set, or has no bound, or its space or family knows of none. Leave power out."
        )


def check_kind(kind: str) -> None:
    """Refuses a kind of correlation that is unknown."""
    checks.one_of(kind, "correlation", CORRELATIONS)
