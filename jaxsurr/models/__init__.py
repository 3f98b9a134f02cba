"""Models by name, as pure functions.

A model of your own is `Model(init, apply)`: `jaxsurr.compare(config, losses, seeds, workdir=..., model=...)` with
`model.name="own"` trains it.

Bodies: `linear`, `mlp`; of images `cnn`, `unet`, `resnet20`, `resnet20_group_norm`; of sequences `conv_steps`. The last
layer of each is called "head", so that gradients can be compared in its parameters alone
(`jaxsurr.bilevel.last_layer`). Which head a model gets follows from the loss that it is trained on (`Head.losses`,
`jaxsurr.training.kinds`):

| head | outputs | targets | losses |
| --- | --- | --- | --- |
| `logits` | `[B, K]` | classes, levels, scores (K = 2) | most of them |
| `logit` | `[B]`, of class 1 of two | scores | binary cross-entropy, binary focal, those of AUC and F-beta |
| `labels` | `[B, K]`, a logit of each label | labels | label cross-entropy, asymmetric |
| `cumulative` | `[B, K - 1]`, logits of `P(level > k)` | levels | OR-CNN |
| `coral` | `[B, K - 1]`, one score and K - 1 biases | levels | CORAL, OR-CNN |
| `conditional` | `[B, K - 1]`, logits of `P(level > k)` given `level >= k` | levels | CORN |
| `score` | `[B, 1]`, in levels | levels | absolute and squared error |
| `points` | `[B, J, 2]`, in pixels | keypoints | L1, wing, ... |
| `densities` | `[B, J, 4]`, mean and log standard deviation | keypoints | residual likelihood |
| `heatmaps` | `[B, J, size, size]`, read by soft-argmax | keypoints | squared error of heat-maps |
| `items` | `[B, L]`, a score of each item alone | lists | softmax and logistic loss of lists |
| `steps` | `[B, T, K]`, logits of each step, alone or beside its neighbours | tokens | those of tokens and sequences |
| `number` | `[B]`, of several targets `[B, D]`, in their unit | numbers | absolute and squared error, Huber, ... |
| `interval` | `[B, 2]`, in the unit of the targets | numbers | interval score |
| `order` | `[B]`, larger for a later event | durations | Cox, pairwise concordance |

The heads `number` and `interval` give `centre + scale * output`, with the mean and the standard deviation of the
training targets (`Model.start`), of each target alone, so that a learning rate means the same in any unit; they begin
at a constant.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import flax.linen as nn

from jaxsurr.core import checks
from jaxsurr.core.images import refuse_channels_first
from jaxsurr.core.protocols import Apply, TrainApply
from jaxsurr.core.types import Array, PyTree
from jaxsurr.models.bodies import BODIES, IMAGES, SEQUENCES
from jaxsurr.models.heads import HEADS, Head


class ModelInit(Protocol):
    """`Model.init`."""

    def __call__(self, key: Array, inputs: Array, /) -> PyTree:
        """Parameters for a typed key and inputs `[B, ...]`, of which only the shape counts."""
        ...


class ModelStart(Protocol):
    """`Model.start`."""

    def __call__(self, params: PyTree, targets: PyTree, /) -> PyTree:
        """The parameters to begin with: those of `init`, in the unit and at the centre of the training targets."""
        ...


class Model(NamedTuple):
    """A model as pure functions; your own needs the first two only.

    Attributes:
      init: `(key, inputs) -> params`.
      apply: `(params, inputs) -> outputs`, for evaluation.
      read: `outputs -> predictions`, for the metric; None: that of the head (`HEADS`), or the outputs.
      train: `(params, inputs) -> (outputs, statistics)`, for training; `statistics` are the entries of the dict
        `params` that this replaces, `{}` where there are none. None: as `apply`.
      start: `(params, targets) -> params`, the parameters to begin with, given the training targets; None: those of
        `init`.
    """

    init: ModelInit
    apply: Apply
    read: Callable[[Array], Array] | None = None
    train: TrainApply | None = None
    start: ModelStart | None = None


class _WithHead(nn.Module):
    body: nn.Module
    head: Head
    outputs: int
    size: int
    together: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        if not self.head.each:
            return self.head.layer(self.body(x, train), self.outputs, self.size)
        if self.together:
            items = self.body(x, train)
            items = items.reshape(-1, *items.shape[2:])
        else:
            items = self.body(x.reshape(-1, *x.shape[2:]), train)
        made = self.head.layer(items, self.outputs, self.size)
        return made.reshape(*x.shape[:2], *made.shape[1:])


def build(
    name: str,
    *,
    outputs: int,
    head: str = "logits",
    hidden: Sequence[int] = (128,),
    size: int = 2,
    axis_name: str | None = None,
) -> Model:
    """The model of a name.

    "resnet20" normalises by the statistics of its training batch: of all rows, on all devices of `axis_name`, including
    rows that are masked in the loss. Evaluation uses running averages, the entry "batch_stats" of `params`. Other
    models compute each row independently.

    Args:
      name: "linear", "mlp"; of images `[B, H, W, C]`: "cnn", "unet" (keeps maps of half the image's size, for
        heat-maps), "resnet20", or "resnet20_group_norm"; of sequences `[B, T, ...]`: "conv_steps".
      outputs: number of classes, labels, levels, points or numbers; K, J or D below.
      head: of classes, scores or levels, "logits" `[B, K]`; of scores, "logit" `[B]`; of labels, "labels" `[B, K]`; of
        decisions with costs, "decisions" `[B, K]` or "costs" (minus the costs, in their unit, given to `start`); of
        levels, "cumulative" `[B, K - 1]` (logits of `P(level > k)`), "coral" (the same from one score and K - 1
        biases), "conditional" `[B, K - 1]` (logits of `P(level > k)` given `level >= k`; read as cumulative ones),
        "score" `[B, 1]` (in levels, about the middle one when it starts); of points, in pixels of a `size` by `size`
        image, "points" `[B, J, 2]`, which start in its centre, "densities" `[B, J, 4]` (x, y, log sigma_x, log sigma_y;
        read as the points), or "heatmaps" `[B, J, size, size]` (read by soft-argmax as points); of lists, "items"
        `[B, L]`, a score of each item of inputs `[B, L, ...]` alone; of tokens, "steps" `[B, T, K]`, logits of each
        step of inputs `[B, T, ...]`; of numbers, "number" `[B]`, or `[B, D]` of several, or "interval" `[B, 2]`, in
        the unit of the targets given to `start`; of durations, "order" `[B]`.
      hidden: widths of the hidden layers of an MLP, channels of a CNN, a U-Net or convolutions of steps.
      size: side of the image, for points.
      axis_name: of the `jax.pmap` axis that `train` is called in, for models with batch normalisation.

    Raises:
      ValueError: an unknown name or head, or inputs (in `init`) that the model cannot read.

    >>> import jax, jax.numpy as jnp
    >>> model = build("mlp", outputs=10)
    >>> model.apply(model.init(jax.random.key(0), jnp.zeros((2, 64))), jnp.zeros((2, 64))).shape
    (2, 10)
    """
    checks.one_of(name, "model", BODIES)
    checks.one_of(head, "head", HEADS)
    module = _WithHead(BODIES[name](hidden, axis_name), HEADS[head], outputs, size, name in SEQUENCES)

    def init(key: Array, inputs: Array) -> PyTree:
        if name in IMAGES and inputs.ndim != 4 + HEADS[head].each:
            raise ValueError(
                f"the model {name!r} reads images [B, H, W, C], got inputs of shape {list(inputs.shape)}; "
                + (
                    "add the axis of channels, x[..., None]."
                    if inputs.ndim == 3
                    else "use 'linear' or 'mlp' for tables."
                )
            )
        if name in IMAGES:
            refuse_channels_first(inputs.shape, f"the model {name!r}")
        if name in SEQUENCES and head != "steps":
            raise ValueError(f"the model {name!r} reads sequences, for the head 'steps', and the head is {head!r}.")
        if HEADS[head].each and inputs.ndim < 3:
            what = "reads the steps of sequences" if head == "steps" else "scores the items of lists"
            raise ValueError(f"the head {head!r} {what} [B, L, ...], got inputs of shape {list(inputs.shape)}.")
        if head == "heatmaps" and inputs.ndim == 4 and inputs.shape[1:3] != (size, size):
            raise ValueError(
                f"heat-maps have the {size} by {size} pixels of the image, got inputs of shape {list(inputs.shape)}; "
                "make the images square and pass size=."
            )
        return module.init(key, inputs)

    def train(params: PyTree, inputs: Array) -> tuple[Array, dict[str, PyTree]]:
        outputs: Any = module.apply(
            params, inputs, train=True, mutable=["batch_stats", "unit"]
        )  # a pair, as something is mutable
        return outputs

    apply: Any = module.apply  # the predictions alone, as nothing is mutable
    return Model(init, apply, HEADS[head].read, train, HEADS[head].start)


__all__ = ["BODIES", "HEADS", "Head", "Model", "ModelInit", "ModelStart", "build"]
