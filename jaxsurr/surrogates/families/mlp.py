"""Small networks: what a surrogate computes from the features that its prediction space reads."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import flax.errors
import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxsurr.core.products import Dense
from jaxsurr.core.types import Array, PyTree

__all__ = ["Network", "NetworkApply", "NetworkInit", "applied", "mlp"]

_DEVIATION = 0.87962566103423978  # of a normal variable that is cut off at two deviations


class NetworkInit(Protocol):
    """`Network.init`."""

    def __call__(self, key: Array, features: Array, /) -> PyTree:
        """Parameters for features `[..., F]`; `key` is typed."""
        ...


class NetworkApply(Protocol):
    """`Network.apply`."""

    def __call__(self, params: PyTree, features: Array, /) -> Array:
        """`[..., M]` for features `[..., F]`, twice differentiable."""
        ...


class Network(NamedTuple):
    """A function family: two pure functions.

    Attributes:
      init: `(key, features) -> params`.
      apply: `(params, features [..., F]) -> [..., M]`.
    """

    init: NetworkInit
    apply: NetworkApply


class _MLP(nn.Module):
    hidden: Sequence[int]
    outputs: int
    activation: Callable[[Array], Array]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.tanh(x / 8) * 8  # far out a metric is flat, and a surrogate should be
        widths = (x.shape[-1], *self.hidden, self.outputs)
        kernel = _lecun_normal(max(before * after for before, after in itertools.pairwise(widths)))
        for width in self.hidden:
            x = self.activation(Dense(width, kernel_init=kernel)(x))
        return Dense(self.outputs, kernel_init=kernel)(x)


def _lecun_normal(size: int) -> Callable[..., Array]:
    """`jax.nn.initializers.lecun_normal()`, the same numbers, as a part of so many: layers share what draws them."""

    def init(key: Array, shape: tuple[int, int], dtype: Any = jnp.float32) -> Array:
        drawn = jax.random.truncated_normal(key, -2, 2, (size,), dtype)[: math.prod(shape)]
        return drawn.reshape(shape) * (jnp.sqrt(jnp.array(1 / shape[0], dtype)) / jnp.array(_DEVIATION, dtype))

    return init


def mlp(
    outputs: int = 1, hidden: Sequence[int] = (32, 32), activation: Callable[[Array], Array] = jax.nn.tanh
) -> Network:
    """A multi-layer perceptron with smooth activations, so that its gradient can be differentiated again.

    Inputs are bounded first (`8 tanh(x / 8)`, x in smoothing scales), which keeps gradients of far predictions finite.

    Args:
      outputs: M, the number of metrics.
      hidden: widths of the hidden layers.
      activation: twice differentiable; ReLU is not, and would leave the gradient correlation nothing to learn from.

    >>> import jax, jax.numpy as jnp
    >>> network = mlp(outputs=2)
    >>> params = network.init(jax.random.key(0), jnp.zeros((4, 3)))
    >>> network.apply(params, jnp.zeros((4, 3))).shape
    (4, 2)
    """
    module = _MLP(tuple(hidden), outputs, activation)

    def apply(params: PyTree, features: Array) -> Array:
        values: Any = applied(module, params, features)  # flax gives a pair where something is mutable
        return values

    return Network(module.init, apply)


def applied(module: nn.Module, params: PyTree, *inputs: Any) -> Any:
    """What a module of flax makes of its inputs.

    Raises:
      ValueError: it was made for inputs of another shape.
    """
    try:
        return module.apply(params, *inputs)
    except flax.errors.ScopeParamShapeError as error:
        raise ValueError(
            "the network was learned for another number of classes or another shape of predictions than these, and "
            "serves that one only: make a state for these, by init."
        ) from error
