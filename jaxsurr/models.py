"""Models by name, as pure functions: what a run trains where the user brings no model of their own.

The last layer of each is called "head", so that gradients can be compared in its parameters alone
(`jaxsurr.bilevel.last_layer`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from jaxsurr import checks
from jaxsurr.types import Array, PyTree


class Model(NamedTuple):
    """A model as pure functions.

    Attributes:
      init: `(key, inputs) -> params`.
      apply: `(params, inputs) -> outputs`, for evaluation.
      read: `outputs -> predictions`, what the metric reads of them.
      train: `(params, inputs) -> (outputs, statistics)`, for training; `statistics` are the entries of `params` that
        this replaces, `{}` where there are none.
    """

    init: Callable[[Array, Array], PyTree]
    apply: Callable[[PyTree, Array], Array]
    read: Callable[[Array], Array]
    train: Callable[[PyTree, Array], tuple[Array, dict[str, PyTree]]]


class Head(NamedTuple):
    """What a head is for.

    Attributes:
      kinds: of targets that it serves, among "classes", "levels" and "points".
      decodes: how levels can be decoded from it (`jaxsurr.decoding`), first the default; empty for other targets.
    """

    kinds: tuple[str, ...]
    decodes: tuple[str, ...] = ()


class _Linear(nn.Module):
    @nn.compact
    def __call__(self, x: Array) -> Array:
        return x.reshape(x.shape[0], -1)


class _MLP(nn.Module):
    hidden: Sequence[int]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
        return x


class _CNN(nn.Module):
    """Strided convolutions, each halving the image, and one dense layer."""

    channels: Sequence[int]
    dense: int = 128

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for width in self.channels:
            x = nn.relu(nn.Conv(width, (3, 3), strides=(2, 2))(x))
        return nn.relu(nn.Dense(self.dense)(x.reshape(x.shape[0], -1)))


class _Block(nn.Module):
    width: int
    strides: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = nn.Conv(self.width, (3, 3), strides=self.strides, use_bias=False)(x)
        y = nn.relu(nn.GroupNorm(num_groups=8)(y))
        y = nn.GroupNorm(num_groups=8)(nn.Conv(self.width, (3, 3), use_bias=False)(y))
        if x.shape != y.shape:
            x = nn.Conv(self.width, (1, 1), strides=self.strides, use_bias=False)(x)
        return nn.relu(x + y)


class _ResNet20(nn.Module):
    """He et al., Deep Residual Learning for Image Recognition, section 4.2, with group in place of batch norm."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(nn.GroupNorm(num_groups=8)(nn.Conv(16, (3, 3), use_bias=False)(x)))
        for stage, width in enumerate((16, 32, 64)):
            for block in range(3):
                x = _Block(width, 2 if stage and not block else 1)(x)
        return jnp.mean(x, axis=(1, 2))


class _WithHead(nn.Module):
    body: nn.Module
    outputs: int
    zero_head: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        start = nn.initializers.zeros if self.zero_head else nn.initializers.lecun_normal()
        return nn.Dense(self.outputs, kernel_init=start, name="head")(self.body(x))


BODIES: dict[str, Callable[[Sequence[int]], nn.Module]] = {
    "linear": lambda hidden: _Linear(),
    "mlp": lambda hidden: _MLP(tuple(hidden)),
    "cnn": lambda hidden: _CNN(tuple(hidden)),
    "resnet20": lambda hidden: _ResNet20(),
}
HEADS = {
    "logits": Head(("classes", "levels"), ("median", "argmax", "expected")),
    "cumulative": Head(("levels",), ("thresholds",)),
    "points": Head(("points",)),
}


def build(
    name: str,
    *,
    outputs: int,
    head: str = "logits",
    hidden: Sequence[int] = (128,),
    size: int = 2,
    axis_name: str | None = None,
) -> Model:
    """A model of a name.

    Args:
      name: "linear", "mlp", "cnn" (images `[B, H, W, C]`) or "resnet20" (images).
      outputs: number of classes, levels or points.
      head: "logits" `[B, outputs]`, "cumulative" `[B, outputs - 1]`, or "points" `[B, outputs, 2]`: coordinates in
        pixels of a `size` by `size` image, which start in its centre.
      hidden: widths of the hidden layers of an MLP, channels of a CNN.
      size: side of the image, for points.
      axis_name: of the `jax.pmap` axis that `train` is called in, for models whose layers look at the whole batch.

    Raises:
      ValueError: an unknown name or head, or inputs (in `init`) that an image model cannot read.

    >>> import jax, jax.numpy as jnp
    >>> model = build("mlp", outputs=10)
    >>> model.apply(model.init(jax.random.key(0), jnp.zeros((2, 64))), jnp.zeros((2, 64))).shape
    (2, 10)
    """
    checks.one_of(name, "model", BODIES)
    checks.one_of(head, "head", HEADS)
    numbers = {"logits": outputs, "cumulative": outputs - 1, "points": 2 * outputs}[head]
    module = _WithHead(BODIES[name](hidden), numbers, zero_head=head == "points")

    def init(key: Array, inputs: Array) -> PyTree:
        if name in ("cnn", "resnet20") and inputs.ndim != 4:
            raise ValueError(
                f"the model {name!r} reads images [B, H, W, C], got inputs of shape {list(inputs.shape)}; "
                "use 'linear' or 'mlp' for tables."
            )
        return module.init(key, inputs)

    def apply(params: PyTree, inputs: Array) -> Array:
        out = module.apply(params, inputs)
        if head == "points":
            out = (size - 1) / 2 + size / 2 * out.reshape(out.shape[0], outputs, 2)
        return out

    return Model(init, apply, lambda outputs: outputs, lambda params, inputs: (apply(params, inputs), {}))
