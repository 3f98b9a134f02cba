"""Diagnosis of a learned loss: fidelity by region of the prediction space, and advice."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks, renamed
from jaxsurr.core.compiling import few_times, quick
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.reductions import masked_mean, safe_divide
from jaxsurr.core.types import Array, PyTree, Space, Surrogate
from jaxsurr.diagnosis.advice import Advice, Symptoms, advise
from jaxsurr.diagnosis.fidelity import Comparison, compare_with_reference, correlations, noise
from jaxsurr.metrics.base import Metric, as_metric, output_shape
from jaxsurr.smoothing.function_directions import num_functions
from jaxsurr.smoothing.goal import is_zero
from jaxsurr.smoothing.smoothed_metric import prepared, smoothed_metric, without_order
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates.description import metric_of
from jaxsurr.surrogates.frozen import follow_scale, scale_of

__all__ = ["WIDER", "Diagnosis", "Regions", "diagnose"]

WIDER = 4.0  # factor of the scale of a second estimate
_FEW = 256  # pairs of the second estimate


@renamed.fields
class Regions(NamedTuple):
    """Fidelity by region of the prediction space: regions of equal size, from the worst margin to the best.

    Attributes:
      low, high: `[R]`, margins between which the region lies, in smoothing scales.
      rows: `[R]`, examples in it.
      gradient, value, ceiling: `[R, M]`, as for `jaxsurr.diagnosis.fidelity.correlations`.
      zero_gradient_fraction: `[R, M]`, fraction of its examples on which the metric has no gradient at this scale.
    """

    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    gradient: np.ndarray
    value: np.ndarray
    ceiling: np.ndarray
    zero_gradient_fraction: np.ndarray


@renamed.fields
class Diagnosis(NamedTuple):
    """The result of `jaxsurr.diagnose` for M metrics on N valid examples; `print` shows it as text.

    Attributes:
      metrics: M names.
      scale: the smoothing scale of the metric.
      spread: root mean squared size of these predictions, in units of the space.
      learned_spread: that of the predictions that the surrogate was learned on; NaN where its state does not have it.
      gradient, value, ceiling: `[M]`, correlation of the surrogate's gradient and value (NaN for a metric of sets,
        which has one value) with the reference, and the ceiling due to the noise of the reference
        (`jaxsurr.diagnosis.fidelity.correlations`). Where `functions` is not 0, these, `length` and the fractions are
        about the part of the gradient that the functions can express.
      length: `[M]`, projection of the surrogate's gradient on the metric's, relative to the metric's: 1 where it is
        calibrated.
      zero_gradient_fraction: `[M]`, fraction of examples on which the metric has no gradient at this scale.
      zero_gradient_fraction_wider: `[M]`, the same at four times the scale.
      update_ceiling: `[M]`, the correlation of the true gradient with the estimate of one update; NaN where the
        surrogate's number of pairs is not known, or where only one of reference and update is along functions.
      by_example: `[N, M]`, cosine of the two gradients in each example; 0 where either is 0.
      losses, values: `[N, M]`, the surrogate's values and the smoothed metric's, lower is better (`[1, M]` for a metric
        of sets).
      margin: `[N]`, of the worst item of each example, in smoothing scales: larger is better. For classes the lead of
        the true class, for levels the margin of the worst threshold, for points minus the largest distance. In a space
        without margins, the size of the prediction.
      regions: fidelity by region of the margin.
      advice: causes and remedies, the most likely one first; empty where nothing stands out.
      ruled_out: number of entries of the predictions that a mask rules out (`Space.ruled_out`), and of examples with
        such entries.
      functions: number of functions of an example along which the gradient of a metric of sets is estimated for the
        reference; 0 where it is estimated in another way.
      learned_along: whether the surrogate's own updates estimate along functions.
    """

    metrics: tuple[str, ...]
    scale: float
    spread: float
    learned_spread: float
    gradient: np.ndarray
    value: np.ndarray
    ceiling: np.ndarray
    length: np.ndarray
    zero_gradient_fraction: np.ndarray
    zero_gradient_fraction_wider: np.ndarray
    update_ceiling: np.ndarray
    by_example: np.ndarray
    losses: np.ndarray
    values: np.ndarray
    margin: np.ndarray
    regions: Regions
    advice: tuple[Advice, ...]
    ruled_out: tuple[int, int] = (0, 0)
    functions: int = 0
    learned_along: bool = False

    def __str__(self) -> str:
        lines = [
            f"{len(self.margin)} examples, smoothing scale {self.scale:.3g}, spread of predictions {self.spread:.3g}"
            + ("" if np.isnan(self.learned_spread) else f" (learned at {self.learned_spread:.3g})")
        ]
        if self.ruled_out[0]:
            lines.append(
                f"{self.ruled_out[0]} predictions (classes, levels or items), in {self.ruled_out[1]} of the examples, "
                "are ruled out by a mask: they are not perturbed, and do not count in scale and spread"
            )
        if self.functions:
            lines.append(
                f"the gradient is estimated along {self.functions} functions of an example's prediction and target: "
                "correlation, ceiling, length and fractions without gradient are about the part of it that these "
                "functions can express"
            )
        elif self.learned_along:
            lines.append(
                "the surrogate learns along functions of an example's prediction and target, and so only the part of "
                "the gradient that these can express; the figures are about all of it"
            )
        of_set = len(self.values) == 1 < len(self.margin)
        for m, name in enumerate(self.metrics):
            if of_set:
                value = (
                    f"; value of the set, lower is better, {self.losses[0, m]:.3f} (smoothed metric "
                    f"{self.values[0, m]:.3f}; one number has no correlation)"
                )
            else:
                value = f", of the value {self.value[m]:.3f}"
            lines += [
                f"{name}: correlation of the gradient {self.gradient[m]:.3f} (ceiling {self.ceiling[m]:.3f}){value}; "
                f"length of the gradient {self.length[m]:.2f} of the metric's; "
                f"no gradient on {self.zero_gradient_fraction[m]:.0%} of the examples",
                "  by margin, in smoothing scales:",
            ]
            for r in range(len(self.regions.rows)):
                lines.append(
                    f"  {self.regions.low[r]:8.2f} to {self.regions.high[r]:8.2f}: gradient "
                    f"{self.regions.gradient[r, m]:6.3f}, "
                    + ("" if of_set else f"value {self.regions.value[r, m]:6.3f}, ")
                    + f"no gradient on {self.regions.zero_gradient_fraction[r, m]:4.0%}"
                )
        lines += [f"- {advice.name}: {advice.sentence}" for advice in self.advice] or ["Nothing stands out."]
        return "\n".join(lines)


def _subject(surrogate: Surrogate, metric: MetricFunction | None) -> tuple[Metric, Space]:
    """The metric of a surrogate, and its space."""
    settings = surrogate.settings or {}
    if metric is None:
        described = settings.get("metric")
        metric = None if described is None else metric_of(described)
        if metric is None:
            whose = "names no metric" if described is None else f"was learned for your metric {described['name']!r}"
            raise ValueError(f"the surrogate {whose}: pass metric=, to compare it with.")
    metric = as_metric(metric)
    space = SPACES.get(settings.get("space") or "", metric.space)
    if metric.space.name != space.name:
        raise ValueError(
            f"{metric.name} reads {metric.space.name} and the surrogate {space.name}: it was learned for another kind "
            "of predictions. Pass the metric that it was learned for."
        )
    return metric, space


def _margin(space: Space, predictions: Array, targets: PyTree, scale: Any) -> Array:
    """The margin of each example's worst item, or the size of the prediction; `[B]`."""
    try:
        margins, weights = space.margins(predictions, targets, scale)
    except ValueError:  # the space has no margins
        return jnp.sqrt(space.squared_size(predictions, targets)) / scale
    worst = jnp.min(jnp.where(weights > 0, margins[..., -1], jnp.inf), axis=1)
    return jnp.where(jnp.isfinite(worst), worst, 0)


def _ruled_out(space: Space, predictions: Array, targets: PyTree) -> tuple[int, int]:
    """Number of entries of the predictions that are ruled out, and of examples with such entries."""
    if space.ruled_out is None:
        return 0, 0
    out = np.asarray(space.ruled_out(predictions, targets)).reshape(len(predictions), -1)
    return int(out.sum()), int(out.any(axis=1).sum())


def _by_example(compared: Comparison) -> Array:
    first, second = (part.reshape(*part.shape[:2], -1) for part in (compared.gradients, compared.goal))
    norm = jnp.linalg.norm(first, axis=-1) * jnp.linalg.norm(second, axis=-1)
    return jnp.where(norm > 0, safe_divide(jnp.sum(first * second, axis=-1), norm), 0).T


def diagnose(
    surrogate: Surrogate,
    state: PyTree,
    predictions: Array,
    targets: PyTree,
    where: Array | None = None,
    *,
    key: Array,
    metric: MetricFunction | None = None,
    scale: float | None = None,
    pairs: int = 2048,
    regions: int = 6,
    follow: bool = False,
) -> Diagnosis:
    """Compares a surrogate with the metric on a model's current predictions, and gives advice.

    The reference is the smoothed metric, estimated by many antithetic pairs at the surrogate's scale. A few hundred
    examples are enough. Of a metric of sets without `replacements` its gradient is estimated along functions of an
    example where the space has them (`jaxsurr.smoothing.set_estimators`), and what is said of it is about the part that
    these can express, as the result's text says.

    Args:
      surrogate, state: of any method, learned or fixed.
      predictions: `[B, ...]`, of the current model.
      targets: of the metric.
      where: `[B]` bool; rows where it is False are left out.
      key: typed, of the reference's noise.
      metric: of the surrogate; not needed for a metric of this library.
      scale: the smoothing scale, by default the surrogate's, or 0.15 times the spread of these predictions where it
        has none.
      pairs: antithetic pairs of the reference.
      regions: number of regions of the prediction space, of equal size.
      follow: take the surrogate's scale from these predictions, as `jaxsurr.frozen` and `jaxsurr.pretrained` do in
        spaces of logits.

    Returns:
      A `Diagnosis`; `print` it, or plot it by `jaxsurr.report.diagnosis_panels`.

    Raises:
      ValueError, TypeError: predictions are of another space, hold NaN, or no row counts; a metric is needed; a number
        is out of range.

    >>> import jax, jaxsurr
    >>> from jaxsurr.pretraining import shipped
    >>> surrogate, state, _ = shipped("error_rate")
    >>> logits, labels = jaxsurr.sample(jaxsurr.spaces.class_logits, jax.random.key(1), 256, 10)
    >>> found = diagnose(surrogate, state, logits, labels, key=jax.random.key(2), pairs=256, follow=True)
    >>> print(found)
    256 examples, smoothing scale ...
    Nothing stands out.
    """
    metric, space = _subject(surrogate, metric)
    checks.typed_key(key)
    checks.integer(pairs, "pairs", least=2, meaning="the noise of a single pair cannot be estimated")
    checks.positive_integer(regions, "regions")
    predictions, targets = prepared(space, predictions, targets, where)
    if where is not None:
        counts = np.flatnonzero(np.asarray(where))
        if not len(counts):
            raise ValueError("where is False in every row: there are no valid examples.")
        predictions, targets = jax.tree.map(lambda leaf: jnp.asarray(leaf)[counts], (predictions, targets))
    output_shape(metric, predictions, targets)
    squared_size = few_times(lambda z, y: masked_mean(space.squared_size(z, y)))(predictions, targets)
    learned = squared_size if follow else getattr(state, "squared_size", jnp.nan)
    if scale is not None:
        checks.number(scale, "scale", above=0)
    estimator = without_order("auto", metric, space, predictions, targets, None, stacklevel=2)
    functions = num_functions(estimator, metric, space, predictions, targets)
    learned_along = getattr(state, "functions", None) is not None
    used_scale = scale_of(metric, state, predictions, targets, follow=follow) if scale is None else scale
    used = follow_scale(surrogate) if follow else surrogate
    near, far = jax.random.split(key)
    margin = np.asarray(few_times(functools.partial(_margin, space))(predictions, targets, used_scale))
    order = np.array_split(np.argsort(margin, kind="stable"), min(regions, len(margin)))
    member = np.zeros((len(order), len(margin)), bool)
    for region, rows in zip(member, order, strict=True):
        region[rows] = True

    def measure(predictions, targets, scale, member):
        options: dict[str, Any] = dict(key=near, scale=scale, pairs=pairs, estimator=estimator)
        compared = compare_with_reference(used, state, metric, predictions, targets, **options)
        wider = smoothed_metric(
            metric,
            predictions,
            targets,
            key=far,
            scale=WIDER * scale,
            num_pairs=min(pairs, _FEW),
            space=space,
            directions=noise(),
            estimator=estimator,
        ).gradient
        axes = tuple(range(1, compared.goal.ndim))
        size, error, along, own = (
            jnp.sum(part, axis=axes)
            for part in (
                compared.goal**2,
                compared.error**2,
                compared.goal * compared.gradients,
                compared.gradients**2,
            )
        )
        return {
            "compared": {"losses": compared.losses, "values": compared.values, "by_example": _by_example(compared)},
            "whole": correlations(compared),
            "regions": jax.vmap(lambda mask: correlations(compared, mask))(member),
            "zero": is_zero(compared.goal),
            "zero_gradient_fraction_wider": jnp.mean(is_zero(wider.reshape(compared.goal.shape)), axis=1),
            "size": size,
            "error": error,
            "along": along,
            "own": own,
        }

    found = jax.device_get(quick(measure)(predictions, targets, jnp.float32(used_scale), member))
    zero = found["zero"]
    signal = np.maximum(found["size"] - found["error"], 0)
    own_pairs = (surrogate.settings or {}).get("options", {}).get("num_pairs")
    alike = learned_along == bool(functions)
    error_of_update = np.nan if own_pairs is None or not alike else found["error"] * pairs / own_pairs
    usable = found["size"] > 0
    update_ceiling = np.sqrt(signal / np.where(usable, signal + error_of_update, 1))
    length = found["along"] / np.where(signal > 0, signal, np.inf)
    several = len(found["size"]) > 1
    names = tuple(f"{metric.name}[{m}]" if several else metric.name for m in range(len(found["size"])))
    symptoms = Symptoms(
        names=names,
        scale=float(used_scale),
        spread=float(np.sqrt(squared_size)),
        learned_spread=float(jnp.sqrt(learned)),
        steps=None if getattr(state, "step", None) is None else int(state.step),
        gradient=found["whole"]["gradient"],
        ceiling=found["whole"]["ceiling"],
        zero_gradient_fraction=zero.mean(axis=1),
        zero_gradient_fraction_wider=found["zero_gradient_fraction_wider"],
        update_ceiling=update_ceiling,
        no_gradient=(found["own"] == 0),
        pairs=own_pairs,
    )
    return Diagnosis(
        metrics=names,
        scale=symptoms.scale,
        spread=symptoms.spread,
        learned_spread=symptoms.learned_spread,
        **found["whole"],
        length=length,
        zero_gradient_fraction=symptoms.zero_gradient_fraction,
        zero_gradient_fraction_wider=found["zero_gradient_fraction_wider"],
        update_ceiling=update_ceiling,
        **found["compared"],
        margin=margin,
        regions=Regions(
            low=np.array([margin[rows].min() for rows in order]),
            high=np.array([margin[rows].max() for rows in order]),
            rows=np.array([len(rows) for rows in order]),
            zero_gradient_fraction=np.stack([zero[:, rows].mean(axis=1) for rows in order]),
            **found["regions"],
        ),
        advice=advise(symptoms),
        ruled_out=_ruled_out(space, predictions, targets),
        functions=functions,
        learned_along=learned_along,
    )
