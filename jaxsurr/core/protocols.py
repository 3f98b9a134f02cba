"""Protocols of the functions of a plug-in: arguments, shapes and results.

They are for editors and type checkers. Nothing is checked at run time, and any function with such a signature fits;
arguments before a `/` are passed by position and may have other names.

`B` examples, `M` metrics that are learned at once, `I` items of an example (pixels, keypoints, entries of a list; 1
where an example is one item). Predictions are `[B, ...]`, as the model makes them, and `where` is `[B]` bool, or
`[B]` float, weights of the examples of which 0 is False, or None where every example counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # `types` has fields of these kinds, and is imported by everything
    from jaxsurr.core.types import Array, Info, Pooled, PyTree, View

__all__ = [
    "Alike", "Amplitudes", "Apply", "Clearing", "DecisionMargins", "Decoder", "FixedLosses", "ItemFeatures", "Loss",
    "MetricFunction", "NoiseUnit", "Projection", "Pullback", "RuledOut", "Sampler", "SetFeatures", "SquaredSize",
    "SurrogateInit", "SurrogateLoss", "SurrogateUpdate", "TargetCheck", "TrainApply",
]  # fmt: skip


class MetricFunction(Protocol):
    """A metric as a function; a `jaxsurr.Metric` is one too."""

    def __call__(self, predictions: Array, targets: PyTree, /, *args: Any, **options: Any) -> Array:
        """Values of the metric.

        Args:
          predictions: `[B, ...]` float.
          targets: a pytree of arrays with leading axis B.
          *args: none; they stand here so that functions without `where` or options fit.
          **options: `where=`, the mask, which a metric of sets must know, and options of the metric.

        Returns:
          `[B]` (or `[B, M]`) for a metric that is a mean over examples, `[]` (or `[M]`) for one of a set.
        """
        ...


class Decoder(Protocol):
    """Decoding of predictions into decisions, which a metric compares with the targets."""

    def __call__(self, predictions: Array, /) -> Array:
        """Decisions `[B, ...]`, as a class for each row `[B, K]` of logits."""
        ...


class Loss(Protocol):
    """A fixed loss, or a learned one whose state is frozen."""

    def __call__(self, predictions: Array, targets: PyTree, /, *args: Any, **options: Any) -> Array:
        """Values of the loss, lower is better, differentiable in the predictions.

        Args:
          predictions: `[B, ...]` float.
          targets: a pytree of arrays with leading axis B.
          *args: none; they stand here so that losses without options fit.
          **options: `where=`, the mask, and options of the loss.

        Returns:
          `[B]`, 0 where `where` is False; `[]` for a loss that was learned from a set metric.
        """
        ...


class Pullback(Protocol):
    """A vector-Jacobian product, from predictions back to parameters."""

    def __call__(self, cotangent: Array, /) -> PyTree:
        """A pytree like the parameters, of a cotangent `[B, ...]` like the predictions."""
        ...


class Apply(Protocol):
    """The forward pass of a model."""

    def __call__(self, params: PyTree, inputs: Array, /) -> Array:
        """Predictions `[B, ...]` for inputs `[B, ...]`; pure."""
        ...


class TrainApply(Protocol):
    """The forward pass of a model in training."""

    def __call__(self, params: PyTree, inputs: Array, /) -> tuple[Array, dict[str, PyTree]]:
        """Predictions `[B, ...]`, and the entries of `params` that they replace (running averages), by name; pure."""
        ...


class NoiseUnit(Protocol):
    """`Space.unit`: the length of one unit of noise."""

    def __call__(self, predictions: Array, targets: PyTree, /) -> Array:
        """An array that broadcasts against `predictions`, 0 where the metric reads nothing."""
        ...


class SquaredSize(Protocol):
    """`Space.squared_size`: the squared size of predictions."""

    def __call__(self, predictions: Array, targets: PyTree, /) -> Array:
        """`[B]`, the squared size of each prediction, in units of noise."""
        ...


class Projection(Protocol):
    """`Space.project`: the projection of a gradient that removes the space's invariances."""

    def __call__(self, gradient: Array, /) -> Array:
        """`[B, ...]`, like `gradient`."""
        ...


class ItemFeatures(Protocol):
    """`Space.features` and `Space.margins`: features and margins of the items of an example."""

    def __call__(self, predictions: Array, targets: PyTree, scale: Array, /) -> tuple[Array, Array]:
        """Features (or margins) of items, and the items' weights.

        Args:
          predictions: `[B, ...]`.
          targets: what the metric reads.
          scale: `[]`, the smoothing scale; features are in units of it.

        Returns:
          `[B, I, F]` for F features or margins, and weights `[B, I]`, which sum to 1 for an example.
        """
        ...


class DecisionMargins(Protocol):
    """`Space.decisions`: how far each decision is from being wrong."""

    def __call__(self, features: Array, predictions: Array, targets: PyTree, /) -> Array:
        """`[B, I, R]`, R margins of the decision on each item, unbounded from below; features `[B, I, F]` are known."""
        ...


class Amplitudes(Protocol):
    """`Space.amplitudes`: what the cost of a wrong decision may depend on."""

    def __call__(self, predictions: Array, targets: PyTree, /) -> Array:
        """`[B, I, Q]`, of the targets alone; predictions tell dtype and shape."""
        ...


class FixedLosses(Protocol):
    """`Space.losses`: fixed losses that are atoms of the basis."""

    def __call__(self, predictions: Array, targets: PyTree, scale: Array, /) -> Array:
        """`[B, L]`, values of L losses; `scale` is `[]`."""
        ...


class TargetCheck(Protocol):
    """`Space.check`: whether predictions and targets fit the space."""

    def __call__(self, predictions: Any, targets: Any, /) -> Array | None:
        """`[B]` bool, where traced targets are out of range, or None where nothing is known to be wrong.

        Raises:
          TypeError, ValueError: shapes, dtypes or concrete values do not fit.
        """
        ...


class SetFeatures(Protocol):
    """`Space.pooled`: the features of a set network."""

    def __call__(self, predictions: Array, targets: PyTree, scale: Array, where: Array | None, /) -> Pooled:
        """`Pooled` features of all items of the set; `scale` is `[]`."""
        ...


class Sampler(Protocol):
    """`Space.sample`: random predictions such as a model's, and matching targets."""

    def __call__(self, key: Array, rows: int, size: int) -> tuple[Array, PyTree]:
        """`[rows, ...]` predictions of `size` classes, levels, points or items, and their targets."""
        ...


class Alike(Protocol):
    """`Space.alike`: predictions and targets in one form, in which a distance between them can be learned."""

    def __call__(self, predictions: Array, targets: PyTree, /) -> tuple[Array, Array]:
        """Two arrays `[B, F]`, the same where a prediction is the target."""
        ...


class Clearing(Protocol):
    """`Space.clear`: finite numbers in place of masked entries."""

    def __call__(self, predictions: Array, targets: PyTree, /) -> tuple[Array, PyTree]:
        """Predictions and targets, shaped as they came."""
        ...


class RuledOut(Protocol):
    """`Space.ruled_out`: entries of the predictions that a mask rules out."""

    def __call__(self, predictions: Array, targets: PyTree, /) -> Array:
        """Bool, like `predictions`."""
        ...


class SurrogateInit(Protocol):
    """`Surrogate.init`."""

    def __call__(self, key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> PyTree:
        """The initial state of a surrogate; a pytree.

        Args:
          key: a typed random key, `jax.random.key(0)`.
          predictions: `[B, ...]`, as the model makes them; they set the smoothing scale.
          targets: what the metric reads.
          where: `[B]` bool, or None.
        """
        ...


class SurrogateLoss(Protocol):
    """`Surrogate.loss`."""

    def __call__(
        self,
        state: PyTree,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        """Values of the loss, lower is better whatever the metric's direction, differentiable in the predictions.

        Args:
          state: of `init` or `update`.
          predictions: `[B, ...]`.
          targets: what the metric reads.
          where: `[B]` bool, or None.
          axis_name: of the `jax.pmap` axis whose devices share the batch.

        Returns:
          `[B]`, or `[]` for a metric of sets; a last axis `[M]` for several metrics.
        """
        ...


class SurrogateUpdate(Protocol):
    """`Surrogate.update`."""

    def __call__(
        self,
        state: PyTree,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        pullback: Pullback | None = None,
        heldout: View | None = None,
    ) -> tuple[PyTree, Info]:
        """One step of learning.

        Args:
          state: of `init` or the last `update`.
          key: typed, a new one for each step.
          predictions: `[B, ...]`; nothing is differentiated through them.
          targets: what the metric reads.
          where: `[B]` bool, or None.
          axis_name: of the `jax.pmap` axis whose devices share the batch.
          pullback: from `predictions` to the model's parameters, for `objective="parameters"`.
          heldout: a view of held-out examples with a pullback to the same parameters, for `objective="parameters"`.

        Returns:
          The new state, and `Info` about the surrogate as it was before the step.
        """
        ...
