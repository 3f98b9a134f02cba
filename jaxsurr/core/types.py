"""The types that the parts of jaxsurr pass to each other.

A plug-in is a `NamedTuple` of pure functions, as in optax; data are pytrees of arrays whose leading axis
runs over the examples of a batch.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from jax import Array

from jaxsurr.core import protocols, renamed
from jaxsurr.core.targets import AnyArray, Keypoints, RankedLists, Sequences

__all__ = ["Batch", "Info", "Keypoints", "RankedLists", "Sequences", "Space", "Surrogate", "View"]  # the reference

PyTree = Any


class Batch(NamedTuple):
    """Examples that are taken together.

    Attributes:
      inputs: `[B, ...]`, what the model reads.
      targets: a pytree of arrays with leading axis B, what the metric reads.
      where: `[B]` bool, False for rows that only fill the batch up, or None where every row counts.
    """

    inputs: AnyArray
    targets: PyTree
    where: AnyArray | None = None


class View(NamedTuple):
    """Predictions that a model makes on some examples, and the way back to its parameters.

    Attributes:
      predictions: `[B, ...]`.
      targets: what the metric reads.
      where: `[B]` bool, or None.
      pullback: `cotangent [B, ...] -> pytree like the parameters`, as `jax.vjp` returns it, or None where only
        predictions are known.
    """

    predictions: Array
    targets: PyTree
    where: Array | None = None
    pullback: protocols.Pullback | None = None


@renamed.fields
class Pooled(NamedTuple):
    """What a set network reads of the examples of a set, before it pools over examples and items.

    Attributes:
      features: `[B, I, G, F]`, of item i of an example in group g: a class, a threshold, a place on the scale of
        scores. A network pools each group over all examples and only then mixes groups.
      label_features: `[B, I, G, Q]` in [0, 1], what the targets say, as whether the class is the true one.
      weights: `[B, I]`, of the items of an example, which sum to 1.
      positions: `[G, E]`, what tells one group from another.
      fraction: typical size of a pooled label feature, 1 over the number of classes where groups are classes.
    """

    features: Array
    label_features: Array
    weights: Array
    positions: Array
    fraction: float = 1.0


@renamed.fields
class Space(NamedTuple):
    """What may be perturbed in a prediction, and what a surrogate reads of it.

    Attributes:
      name: for messages and tables.
      unit: `(predictions, targets) -> array` that broadcasts against `predictions`: the length of one unit of noise,
        0 for coordinates that the metric does not read.
      spread: `(predictions, targets) -> [B]`, the squared size of each prediction (in units), whose mean over the
        batch is the square of the spread that the smoothing scale is a share of.
      project: `(gradient) -> gradient`, drops the part of an estimated gradient along the space's invariances, where
        the true gradient is zero and the estimate is noise.
      features: `(predictions, targets, scale) -> ([B, I, F], [B, I])`, what a surrogate network reads of the I items
        of an example, and the items' weights in the example's value.
      margins: `(predictions, targets, scale) -> ([B, I, R], [B, I])`, R margins of each item in units of `scale`,
        larger where the prediction is better; the basis family places its bounded monotone atoms on them.
      margin_range: the lowest and highest margin, in scales, at which a metric of this space is expected to change.
      losses: `(predictions, targets, scale) -> [B, L]`, conventional losses that join the basis as atoms.
      check: `(predictions, targets) -> [B] bool or None`, raises a `ValueError` or `TypeError` in words where shapes,
        dtypes or concrete values do not fit; of traced targets it returns which rows are out of range.
      pooled: `(predictions, targets, scale, where) -> Pooled`, what a set network reads; None: the `features`.
      clear: `(predictions, targets) -> (predictions, targets)` with sound numbers in whatever counts nowhere; it is
        called before `check`, and leaves alone what does not fit. None: `jaxsurr.core.targets.cleared`.
      ruled_out: `(predictions, targets) -> bool`, like predictions: what a mask as -1e9 rules out (a class, an item).
        Such entries have no unit and no part in the spread. None: nothing is.
      least: the root of the least spread that the smoothing scale is a share of.
      sample: `(key, rows, size) -> (predictions, targets)`, examples as a model might give them (`jaxsurr.sample`);
        size is the number of classes, levels, points or items. None: nothing is known of how they look.
      scale_free: whether the size of predictions means nothing to most metrics of this space, as that of logits: a loss
        that is kept then takes its smoothing scale from each batch (`jaxsurr.follow_scale`).
      alike: `(predictions, targets) -> ([B, F], [B, F])`, both in one form, the same where a prediction is the target,
        for losses that measure a distance between them. None: nothing is known of it.
    """

    name: str
    unit: protocols.NoiseUnit
    spread: protocols.SquaredSize
    project: protocols.Projection
    features: protocols.ItemFeatures
    margins: protocols.ItemFeatures
    margin_range: tuple[float, float]
    losses: protocols.FixedLosses
    check: protocols.TargetCheck
    pooled: protocols.SetFeatures | None = None
    clear: protocols.Clearing | None = None
    ruled_out: protocols.RuledOut | None = None
    least: float = 1e-4
    sample: protocols.Sampler | None = None
    scale_free: bool = False
    alike: protocols.Alike | None = None


@renamed.fields
class Info(NamedTuple):
    """What to watch while a surrogate is learned. All are scalars, or `[M]` where M metrics are learned at once.

    Attributes:
      value_error: mean squared error between surrogate and smoothed metric over the variance of the smoothed metric;
        1 is no better than a constant.
      gradient_correlation: between the surrogate's gradient and the estimate of the metric's, over all coordinates of
        the batch, in [-1, 1].
      ceiling: what `gradient_correlation` would be for the true gradient, given the noise of this estimate, in
        [0, 1]; NaN for a single pair, which cannot tell. `gradient_correlation / ceiling` estimates the correlation
        with the true gradient.
      metric: mean smoothed metric of the batch, in the metric's own direction.
      zero_gradient_fraction: fraction of the examples whose estimated gradient is exactly zero, in [0, 1].
      scale: the smoothing scale in use.
      calibration: the factor that gives the surrogate's gradient the metric's size.
      skipped: 1 where the update left the surrogate as it was, since a number of the batch, of the metric, or of what
        was learned from them was NaN or infinite (the rest of the info is NaN then), else 0.
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
        """The info of an update that tells nothing but what is `known`: all else is NaN, and nothing is skipped."""
        return cls(*(math.nan,) * (len(cls._fields) - 1))._replace(**known)


class Surrogate(NamedTuple):
    """A loss that is learned: three pure functions.

    Attributes:
      init: `(key, predictions, targets, where=None) -> state`, a pytree.
      loss: `(state, predictions, targets, where=None, *, axis_name=None) -> [B]` (`[]` for a metric of sets, over this
        device's examples; a trailing `[M]` for several metrics), differentiable in `predictions`; lower is better
        whatever the metric's direction.
      update: `(state, key, predictions, targets, where=None, *, ...) -> (state, Info)`, one step of learning.
      settings: what the surrogate is, as plain data: method, metric, space and options; `jaxsurr.save` needs them.
        None for a surrogate that does not say.
    """

    init: protocols.SurrogateInit
    loss: protocols.SurrogateLoss
    update: protocols.SurrogateUpdate
    settings: Mapping[str, Any] | None = None
