"""Types of batches, prediction spaces and surrogates.

A plug-in is a `NamedTuple` of pure functions, as in optax; data are pytrees of arrays whose leading axis
runs over the examples of a batch.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from jax import Array

from jaxsurr.core import protocols, renamed
from jaxsurr.core.targets import AnyArray, Durations, Keypoints, RankedLists, Sequences

__all__ = [
    "Batch",
    "Durations",
    "Info",
    "Keypoints",
    "Pooled",
    "PyTree",
    "RankedLists",
    "Sequences",
    "Space",
    "Surrogate",
    "View",
]  # the reference

PyTree = Any


class Batch(NamedTuple):
    """A batch of examples.

    Attributes:
      inputs: `[B, ...]`, of the model.
      targets: a pytree of arrays with leading axis B, of the metric.
      where: `[B]` bool, False for padding rows; or `[B]` float, weights of the rows, 0 for padding rows; or None where
        every row counts the same.
    """

    inputs: AnyArray
    targets: PyTree
    where: AnyArray | None = None


class View(NamedTuple):
    """Predictions of a model on some examples, and their pullback to its parameters.

    Attributes:
      predictions: `[B, ...]`.
      targets: of the metric.
      where: `[B]` bool, or None.
      pullback: `cotangent [B, ...] -> pytree like the parameters`, of `jax.vjp`, or None where only predictions are
        known.
    """

    predictions: Array
    targets: PyTree
    where: Array | None = None
    pullback: protocols.Pullback | None = None


@renamed.fields
class Pooled(NamedTuple):
    """Features of a set of examples for a set network, before pooling over examples and items.

    Attributes:
      features: `[B, I, G, F]`, of item i of an example in group g: a class, a threshold, a place on the scale of
        scores. A network pools each group over all examples and only then mixes groups.
      label_features: `[B, I, G, Q]` in [0, 1], of the targets, such as whether the class is the true one.
      weights: `[B, I]`, of the items of an example, which sum to 1.
      positions: `[G, E]`, features that tell one group from another.
      fraction: typical size of a pooled label feature, 1 over the number of classes where groups are classes.
      decided: number of the first groups, in which something is decided (a class, a threshold); the others are places
        at which only the order of examples is seen. None: all are.
    """

    features: Array
    label_features: Array
    weights: Array
    positions: Array
    fraction: float = 1.0
    decided: int | None = None


@renamed.fields
class Space(NamedTuple):
    """A prediction space: the perturbed coordinates of a prediction, and the features that a surrogate reads.

    Attributes:
      name: for messages and tables.
      unit: `(predictions, targets) -> array` that broadcasts against `predictions`: the length of one unit of noise,
        0 for coordinates that the metric does not read.
      squared_size: `(predictions, targets) -> [B]`, that of each prediction (in units). The smoothing scale is relative
        to the spread of the predictions, the root of its mean over the batch.
      project: `(gradient) -> gradient`, removes the component of an estimated gradient along the space's invariances,
        where the true gradient is zero and the estimate is noise.
      features: `(predictions, targets, scale) -> ([B, I, F], [B, I])`, features of the I items of an example for a
        surrogate network, and the items' weights in the example's value.
      margins: `(predictions, targets, scale) -> ([B, I, R], [B, I])`, R margins of each item in units of `scale`,
        larger where the prediction is better; the basis family places its bounded monotone atoms on them.
      margin_range: the lowest and highest margin, in scales, at which a metric of this space is expected to change.
      losses: `(predictions, targets, scale) -> [B, L]`, fixed losses that are atoms of the basis.
      check: `(predictions, targets) -> [B] bool or None`, raises a `ValueError` or `TypeError` where shapes, dtypes or
        concrete values do not fit; for traced targets it returns a mask of the rows that are out of range.
      pooled: `(predictions, targets, scale, where) -> Pooled`, the features of a set network; None: the `features`.
      spanned: of a space that pools nothing: whether random functions of its `features` express the gradient of a
        metric of sets so well that it is estimated along them by default. A space that pools has functions of its own.
      clear: `(predictions, targets) -> (predictions, targets)` with finite numbers in masked entries; it is called
        before `check`, and leaves invalid arguments unchanged. None: `jaxsurr.core.targets.cleared`.
      ruled_out: `(predictions, targets) -> bool`, like predictions: entries (a class, an item) that a mask such as -1e9
        rules out. They have no unit and no part in the size. None: there are none.
      least: the smallest spread, the root of that mean, that the smoothing scale is relative to.
      sample: `(key, rows, size) -> (predictions, targets)`, random examples such as a model's (`jaxsurr.sample`); size
        is the number of classes, levels, points or items. None: the space has no sampler.
      scale_free: whether most metrics of this space ignore the size of predictions, as for logits: a frozen loss then
        takes its smoothing scale from each batch (`jaxsurr.follow_scale`).
      alike: `(predictions, targets) -> ([B, F], [B, F])`, both in one form, equal where a prediction is the target, for
        losses that measure a distance between them. None: there is no such form.
      decisions: `(features [B, I, F], predictions, targets) -> [B, I, R]`, R margins of the decision on each item of
        `features`: larger where it is nearer to right, and without lower bound. None: items are no decisions.
      amplitudes: `(predictions, targets) -> [B, I, Q]`, features of the targets that the cost of a wrong decision may
        depend on. None: all decisions cost the same, but for their weights.
      joint: whether an example is right only if all of its decisions are, so that their probabilities multiply; else
        their costs are summed.
      natural: standard deviation of the noise that a likelihood of this space assumes, in units, such as 1.28 for
        logits. None: the spread of the predictions.
    """

    name: str
    unit: protocols.NoiseUnit
    squared_size: protocols.SquaredSize
    project: protocols.Projection
    features: protocols.ItemFeatures
    margins: protocols.ItemFeatures
    margin_range: tuple[float, float]
    losses: protocols.FixedLosses
    check: protocols.TargetCheck
    pooled: protocols.SetFeatures | None = None
    spanned: bool = False
    clear: protocols.Clearing | None = None
    ruled_out: protocols.RuledOut | None = None
    least: float = 1e-4
    sample: protocols.Sampler | None = None
    scale_free: bool = False
    alike: protocols.Alike | None = None
    decisions: protocols.DecisionMargins | None = None
    amplitudes: protocols.Amplitudes | None = None
    natural: float | None = None
    joint: bool = False


@renamed.fields
class Info(NamedTuple):
    """Diagnostics of an update of a surrogate. All are scalars, or `[M]` where M metrics are learned at once.

    Attributes:
      value_error: mean squared error between surrogate and smoothed metric over the variance of the smoothed metric;
        1 is no better than a constant.
      gradient_correlation: of the surrogate's gradient with the estimate of the metric's, over all coordinates of the
        batch, in [-1, 1].
      ceiling: the `gradient_correlation` of the true gradient, given the noise of this estimate, in [0, 1]; NaN for a
        single pair, whose noise is not known. `gradient_correlation / ceiling` estimates the correlation with the true
        gradient. Where the gradient of a metric of sets is estimated along functions of an example
        (`jaxsurr.smoothing.set_estimators`), the true gradient is here the part of it that these functions can express;
        what they cannot, neither figure sees.
      metric: mean smoothed metric of the batch, in the metric's own direction.
      zero_gradient_fraction: fraction of the examples whose estimated gradient is exactly zero, in [0, 1].
      scale: the smoothing scale in use.
      calibration: the factor that gives the surrogate's gradient the metric's size.
      skipped: 1 where the update left the surrogate unchanged, since a number of the batch, of the metric or of the new
        state was NaN or infinite (the rest of the info is NaN then), else 0.
    """

    value_error: AnyArray
    gradient_correlation: AnyArray
    ceiling: AnyArray
    metric: AnyArray
    zero_gradient_fraction: AnyArray
    scale: AnyArray
    calibration: AnyArray
    skipped: AnyArray = 0.0

    @classmethod
    def unknown(cls, **known: AnyArray) -> "Info":
        """The info of an update of which only some fields are `known`: the others are NaN, and `skipped` is 0."""
        return cls(*(math.nan,) * (len(cls._fields) - 1))._replace(**known)


class Surrogate(NamedTuple):
    """A learned loss: three pure functions.

    Attributes:
      init: `(key, predictions, targets, where=None) -> state`, a pytree.
      loss: `(state, predictions, targets, where=None, *, axis_name=None) -> [B]` (`[]` for a metric of sets, over this
        device's examples; a trailing `[M]` for several metrics), differentiable in `predictions`; lower is better
        whatever the metric's direction.
      update: `(state, key, predictions, targets, where=None, *, ...) -> (state, Info)`, one step of learning.
      settings: method, metric, space and options as plain data, for `jaxsurr.save`; None for a surrogate without them.
    """

    init: protocols.SurrogateInit
    loss: protocols.SurrogateLoss
    update: protocols.SurrogateUpdate
    settings: Mapping[str, Any] | None = None
