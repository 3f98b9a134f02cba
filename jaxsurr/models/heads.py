"""Heads of models: from features to the outputs that a fixed loss reads, and to the predictions that a metric reads."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics import decoding
from jaxsurr.spaces import binary_scores

__all__ = ["HEADS", "Head"]

_TEMPERATURE = 0.01  # of the soft-argmax, for maps whose peaks are trained to be 1


class Head(NamedTuple):
    """A head: its layer, targets, decoders and losses.

    Attributes:
      kinds: of targets, among those of `jaxsurr.training.kinds`.
      layer: `(features, outputs, size) -> outputs`, within a flax module; its parameters are those of a module "head".
      decodes: decoders of levels (`jaxsurr.decoding`), the default first; empty for other targets.
      read: `outputs -> predictions`, for the metric; None where these are the outputs.
      losses: names of the losses that need this head instead of the usual one of their kind (`jaxsurr.training.kinds`).
      each: whether the model is applied to each item of a list or step of a sequence `[B, L, ...]` independently, with
        outputs `[B, L]` or `[B, L, K]`; bodies of sequences (`bodies.SEQUENCES`) read all steps together.
      space: of its predictions, for metrics that read both them and class logits; None: that of the metric.
      start: `(params, training targets) -> params`, parameters that begin in the unit of the targets; None: as they
        are made.
    """

    kinds: tuple[str, ...]
    layer: Callable[[Array, int, int], Array]
    decodes: tuple[str, ...] = ()
    read: Callable[[Array], Array] | None = None
    losses: tuple[str, ...] = ()
    each: bool = False
    space: Space | None = None
    start: Callable[[PyTree, PyTree], PyTree] | None = None


def _dense(features: Array, numbers: int, **options: Any) -> Array:
    return nn.Dense(numbers, name="head", **options)(features.reshape(features.shape[0], -1))


class _Coral(nn.Module):
    """One score for all thresholds, and a bias for each; initial biases are ordered, as in the authors' library."""

    thresholds: int

    @nn.compact
    def __call__(self, features: Array) -> Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (features.shape[-1], 1))
        bias = self.param("bias", lambda key: jnp.arange(self.thresholds, 0, -1, dtype=jnp.float32) / self.thresholds)
        return features @ kernel + bias[None].astype(features.dtype)


def _coral(features: Array, levels: int, size: int) -> Array:
    return _Coral(levels - 1, name="head")(features.reshape(features.shape[0], -1))


def _score(features: Array, levels: int, size: int) -> Array:
    return (levels - 1) / 2 * (1 + _dense(features, 1))


def _points(features: Array, joints: int, size: int) -> Array:
    out = _dense(features, 2 * joints, kernel_init=nn.initializers.zeros).reshape(-1, joints, 2)
    return (size - 1) / 2 + size / 2 * out


def _densities(features: Array, joints: int, size: int) -> Array:
    out = _dense(features, 4 * joints, kernel_init=nn.initializers.zeros).reshape(-1, joints, 4)
    place = (size - 1) / 2 + size / 2 * out[..., :2]
    return jnp.concatenate([place, jnp.log(size / 8) + out[..., 2:]], axis=-1)


def _heatmaps(features: Array, joints: int, size: int) -> Array:
    """Heat-maps, of half the image's size from feature maps, of a quarter from features, resized to the image."""
    if features.ndim == 4:
        maps = nn.Conv(joints, (1, 1), name="head")(features)
    else:
        side = max(2, size // 4)
        maps = _dense(features, side * side * joints).reshape(-1, side, side, joints)
    return jnp.moveaxis(jax.image.resize(maps, (len(maps), size, size, joints), "linear"), -1, 1)


class _InUnit(nn.Module):
    """Outputs in the unit of the targets: centre and scale are not learned, and what is learned begins at a constant.

    They are the collection "unit" of the parameters, which `_start` fills.

    Attributes:
      begin: the constants.
      each: whether each output has a centre and a scale of its own.
    """

    begin: tuple[float, ...]
    each: bool = False

    @nn.compact
    def __call__(self, features: Array) -> Array:
        shape = (1, len(self.begin)) if self.each else ()
        centre = self.variable("unit", "centre", jnp.zeros, shape).value
        scale = self.variable("unit", "scale", jnp.ones, shape).value
        learned = nn.Dense(len(self.begin), kernel_init=nn.initializers.zeros, name="dense")(features)
        learned = learned + jnp.asarray(self.begin, learned.dtype)[None]
        return jax.lax.stop_gradient(centre) + jax.lax.stop_gradient(scale) * learned


def _start(params: PyTree, targets: Any) -> PyTree:
    """Parameters with the mean and the standard deviation of training targets as centre and scale of the outputs."""
    y = np.asarray(targets, np.float64)
    return _in_unit(params, np.mean(y), np.std(y))


def _start_each(params: PyTree, targets: Any) -> PyTree:
    """As `_start`, of targets `[N, D]` for each output."""
    y = np.asarray(targets, np.float64)
    several = y.ndim == 2
    return _in_unit(params, np.mean(y, axis=0, keepdims=several), np.std(y, axis=0, keepdims=several))


def _in_unit(params: PyTree, centre: Any, scale: Any) -> PyTree:
    unit = {"centre": centre, "scale": np.where(scale > 0, scale, 1)}
    return {**params, "unit": {"head": {name: jnp.asarray(np.float32(value)) for name, value in unit.items()}}}


def _number(features: Array, outputs: int, size: int) -> Array:
    made = _InUnit((0.0,) * outputs, each=outputs > 1, name="head")(features.reshape(features.shape[0], -1))
    return made[:, 0] if outputs == 1 else made


def _interval(features: Array, outputs: int, size: int) -> Array:
    return _InUnit((-1.0, 1.0), name="head")(features.reshape(features.shape[0], -1))


def _costs(features: Array, outputs: int, size: int) -> Array:
    """Minus the estimated cost of each decision, so that the largest is that of the cheapest."""
    return -_InUnit((0.0,) * outputs, name="head")(features.reshape(features.shape[0], -1))


HEADS = {
    "logits": Head(
        ("classes", "scores", "levels"), lambda x, outputs, size: _dense(x, outputs), ("median", "argmax", "expected")
    ),
    "logit": Head(
        ("scores",),
        lambda x, outputs, size: _dense(x, 1)[:, 0],
        losses=("binary_cross_entropy", "binary_focal"),
        space=binary_scores,
    ),
    "labels": Head(("labels",), lambda x, labels, size: _dense(x, labels)),
    "decisions": Head(("example_costs",), lambda x, decisions, size: _dense(x, decisions)),
    "costs": Head(("example_costs",), _costs, losses=("one_sided_regression",), start=_start),
    "cumulative": Head(("levels",), lambda x, levels, size: _dense(x, levels - 1), ("thresholds",), losses=("or_cnn",)),
    "coral": Head(("levels",), _coral, ("thresholds",), losses=("coral", "or_cnn")),
    "conditional": Head(
        ("levels",),
        lambda x, levels, size: _dense(x, levels - 1),
        ("thresholds",),
        read=decoding.cumulative_logits,
        losses=("corn",),
    ),
    "score": Head(("levels",), _score, ("rounded",), losses=("absolute_error", "squared_error")),
    "points": Head(("keypoints",), _points),
    "densities": Head(
        ("keypoints",), _densities, read=lambda outputs: outputs[..., :2], losses=("residual_likelihood",)
    ),
    "steps": Head(("tokens",), lambda x, outputs, size: _dense(x, outputs), each=True),
    "items": Head(("lists",), lambda x, items, size: _dense(x, 1)[:, 0], each=True),
    "number": Head(("numbers",), _number, losses=("absolute_error", "squared_error"), start=_start_each),
    "interval": Head(("numbers", "intervals"), _interval, losses=("interval_score",), start=_start),
    "order": Head(("durations",), lambda x, outputs, size: _dense(x, 1)[:, 0]),
    "heatmaps": Head(
        ("keypoints",),
        _heatmaps,
        read=lambda maps: decoding.soft_argmax(maps, _TEMPERATURE),
        losses=("heatmap_mse",),
    ),
}
