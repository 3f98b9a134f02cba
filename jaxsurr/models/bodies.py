"""Bodies of models: flax modules from inputs to features, `[B, F]` or feature maps `[B, h, w, C]`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxsurr.core.types import Array

__all__ = [
    "BODIES", "CNN", "IMAGES", "MLP", "SEQUENCES", "ConvSteps", "Linear", "ResNet", "UNet", "batch_norm", "group_norm",
]  # fmt: skip


class Linear(nn.Module):
    """The identity, so that body and head are one linear layer."""

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        return x.reshape(x.shape[0], -1)


class MLP(nn.Module):
    """Dense layers with ReLU."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        x = x.reshape(x.shape[0], -1)
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
        return x


class CNN(nn.Module):
    """Strided convolutions, each halving the image, and one dense layer."""

    channels: Sequence[int]
    dense: int = 128

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        for width in self.channels:
            x = nn.relu(nn.Conv(width, (3, 3), strides=(2, 2))(x))
        return nn.relu(nn.Dense(self.dense)(x.reshape(x.shape[0], -1)))


def group_norm(axis_name: str | None) -> Callable[[bool], Callable[[], nn.Module]]:
    """Normalisation within each example, in 8 groups of channels."""
    return lambda train: functools.partial(nn.GroupNorm, num_groups=8)


def batch_norm(axis_name: str | None) -> Callable[[bool], Callable[[], nn.Module]]:
    """Normalisation by the whole batch, over all devices of the axis; by running averages outside training."""
    return lambda train: functools.partial(
        nn.BatchNorm, use_running_average=not train, momentum=0.9, axis_name=axis_name
    )


class _Block(nn.Module):
    width: int
    strides: int
    norm: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        y = nn.Conv(self.width, (3, 3), strides=self.strides, use_bias=False)(x)
        y = nn.relu(self.norm()(y))
        y = self.norm()(nn.Conv(self.width, (3, 3), use_bias=False)(y))
        if x.shape != y.shape:
            x = nn.Conv(self.width, (1, 1), strides=self.strides, use_bias=False)(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2; 3 blocks a stage are ResNet-20.

    Where a block widens, its shortcut is a projection (their option B).
    """

    norm: Any
    blocks: int = 3

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        norm = self.norm(train)
        x = nn.relu(norm()(nn.Conv(16, (3, 3), use_bias=False)(x)))
        for stage, width in enumerate((16, 32, 64)):
            for block in range(self.blocks):
                x = _Block(width, 2 if stage and not block else 1, norm)(x)
        return jnp.mean(x, axis=(1, 2))


class ConvSteps(nn.Module):
    """Convolutions of width 3 along the steps of a sequence `[B, T, F]`, each followed by ReLU; `[B, T, C]`."""

    channels: Sequence[int]

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        x = x.reshape(*x.shape[:2], -1)
        for width in self.channels:
            x = nn.relu(nn.Conv(width, (3,))(x))
        return x


class UNet(nn.Module):
    """A U-Net with feature maps at half the size of the image: strided convolutions down, upsampling with skips.

    After Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015, smaller.
    """

    channels: Sequence[int]

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        levels = []
        for width in self.channels:
            x = nn.relu(nn.Conv(width, (3, 3), strides=(2, 2))(x))
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            levels.append(x)
        for skip in reversed(levels[:-1]):
            x = jax.image.resize(x, (*skip.shape[:3], x.shape[-1]), "nearest")
            x = nn.relu(nn.Conv(skip.shape[-1], (3, 3))(jnp.concatenate([x, skip], axis=-1)))
        return x


BODIES: dict[str, Callable[[Sequence[int], str | None], nn.Module]] = {
    "linear": lambda hidden, axis_name: Linear(),
    "mlp": lambda hidden, axis_name: MLP(tuple(hidden)),
    "cnn": lambda hidden, axis_name: CNN(tuple(hidden)),
    "conv_steps": lambda hidden, axis_name: ConvSteps(tuple(hidden)),
    "unet": lambda hidden, axis_name: UNet(tuple(hidden)),
    "resnet20": lambda hidden, axis_name: ResNet(batch_norm(axis_name)),
    "resnet20_group_norm": lambda hidden, axis_name: ResNet(group_norm(axis_name)),
}
SEQUENCES = ("conv_steps",)
"""Bodies for sequences `[B, T, ...]` only, which read a step beside its neighbours."""
IMAGES = ("cnn", "unet", "resnet20", "resnet20_group_norm")
"""Bodies for images `[B, H, W, C]` only."""
