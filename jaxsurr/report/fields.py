"""Gradient fields of the learned loss and of the metric, on a plane through a prediction."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.compiling import few_times
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.types import Array, PyTree, Surrogate
from jaxsurr.metrics.base import Metric
from jaxsurr.report.canvas import blank, fitted, light_colours
from jaxsurr.report.neighbourhood import about, estimator, one_of_many, steepest, subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["REACH", "gradient_fields"]

REACH = 4.0


def _spanned(metric: Metric, predictions: Array, targets: PyTree, index: int, first: Any, second: Any) -> np.ndarray:
    """Two orthogonal directions of length 1 that span the plane, `[2, ...]`, in coordinates that the metric reads."""
    reads = np.broadcast_to(metric.space.unit(predictions, targets), predictions.shape)[index] > 0
    directions = []
    for direction in (first, second):
        direction = np.where(reads, np.asarray(direction, predictions.dtype), 0)
        before = np.linalg.norm(direction)
        for other in directions:
            direction = direction - np.vdot(other, direction) * other
        length = np.linalg.norm(direction)
        if not length > 1e-4 * before:
            raise ValueError(
                f"the two directions span no plane that {metric.name} reads: one is zero, or both are the same. "
                "Where predictions have a single free dimension (logits of two classes), draw value_slice instead."
            )
        directions.append(direction / length)
    return np.stack(directions)


def gradient_fields(
    surrogate: Surrogate,
    state: PyTree,
    metric: MetricFunction,
    predictions: Array,
    targets: PyTree,
    *,
    key: Array,
    scale: Array | float,
    num_pairs: int = 4096,
    grid: int = 13,
    which: int = 0,
    plane: tuple[Array, Array] | None = None,
) -> "Figure":
    """Gradient fields of the smoothed metric and of the learned loss, on a plane through a prediction.

    Arrows are negative gradients of the loss, the direction in which the metric improves; left the smoothed metric,
    right the learned loss, with common scales of arrows and colours. Colours show values in the metric's own direction.
    The example is the one with the largest gradient. The title of the right panel has the correlation (cosine, over
    both components of all arrows) of the two fields, and its ceiling, the correlation of the true gradient with this
    estimate (NaN for a single pair).

    Args:
      surrogate: the loss, a `Surrogate`.
      state: of the surrogate.
      metric: of the surrogate; a per-example metric.
      predictions: `[B, ...]`, of a model; a few hundred rows are enough.
      targets: of the metric.
      key: typed, for the noise and the second direction.
      scale: the smoothing scale s, `info.scale` of the last update.
      num_pairs: antithetic pairs of the estimates.
      grid: points along each side of the plane, which reaches 4 smoothing scales from the prediction.
      which: index of the metric, of M metrics.
      plane: two directions of the shape of one prediction, which are made orthonormal; by default the metric's gradient
        and a random direction that the metric depends on. With x and y of one point of a pose, the plane is that of the
        image.

    Returns:
      The figure, with the two panels as its first axes.

    Raises:
      ValueError, TypeError: an argument does not fit, the metric is flat about every example, or the directions span
        no plane.
      ImportError: matplotlib is not installed.
    """
    metric, label = subject(metric, predictions, targets, scale, which, num_pairs=num_pairs)
    checks.integer(grid, "grid", least=2, meaning="points along each side")
    for direction in plane or ():
        if jnp.shape(direction) != predictions.shape[1:]:
            raise ValueError(
                f"a direction of the plane must have the shape of one prediction, {list(predictions.shape[1:])}, "
                f"got {list(jnp.shape(direction))}."
            )
    choice_key, plane_key, field_key = jax.random.split(key, 3)
    options: dict[str, Any] = dict(scale=scale, num_pairs=num_pairs)
    ((index, steep, _),) = steepest(metric, predictions, targets, which, count=1, key=choice_key, **options)
    if plane is None:
        draw = few_times(lambda key: jax.random.normal(key, predictions.shape, predictions.dtype))
        random = metric.space.project(draw(plane_key)[index])
        spanned, names = (steep, random), ("the metric's gradient", "a random direction across it")
    else:
        spanned, names = plane, ("the first direction", "the second direction")
    directions = _spanned(metric, predictions, targets, index, *spanned)

    side = np.linspace(-REACH, REACH, grid)
    x, y = (axis.ravel() for axis in np.meshgrid(side, side))
    points = about(metric, predictions, targets, index, directions, np.stack([x, y], axis=1), scale)

    def total_loss(z):
        values = one_of_many(surrogate.loss(state, z, points.targets), which)
        return jnp.sum(values), values

    gradient, loss = few_times(jax.grad(total_loss, has_aux=True))(points.predictions)
    reference = estimator(metric, which, num_pairs)(points.predictions, points.targets, field_key, scale)
    of_metric = metric.sign * points.components(reference.gradient)
    of_loss = points.components(gradient)
    noise, size, of_both, of_other = (
        float(np.sum(one * other))
        for one, other in (
            (points.components(reference.error),) * 2,
            (of_metric, of_metric),
            (of_metric, of_loss),
            (of_loss, of_loss),
        )
    )
    correlation = of_both / np.sqrt(size * of_other) if size * of_other > 0 else 0.0
    ceiling = np.sqrt(max(1 - noise / size, 0)) if size > 0 else 0.0

    figure, panels = blank(2, width=4.9, height=5.2, sharex=True, sharey=True)
    spacing = side[1] - side[0]
    edge = REACH + spacing / 2
    values = [np.asarray(v, float).reshape(grid, grid) for v in (reference.value, metric.sign * loss)]
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    longest = max(np.linalg.norm(field, axis=1).max() for field in (of_metric, of_loss))
    steepest_arrow = np.linalg.norm(of_metric, axis=1).max()
    titles = (
        f"smoothed metric\nlongest arrow {steepest_arrow:.2g} per smoothing scale",
        f"learned loss\ncorrelation {correlation:.3f}, ceiling {ceiling:.3f}",
    )
    colours: Any = None  # one scale for both panels
    for axes, value, field, title in zip(panels, values, (of_metric, of_loss), titles, strict=True):
        colours = axes.imshow(
            value,
            extent=(-edge, edge, -edge, edge),
            origin="lower",
            interpolation="bilinear",
            cmap=light_colours(),
            vmin=low,
            vmax=high,
        )
        down = -np.asarray(field)
        axes.quiver(
            *(x, y, down[:, 0], down[:, 1]),
            angles="xy",
            scale_units="xy",
            scale=(longest or 1) / spacing,
            pivot="middle",
            width=0.006,
            headwidth=4,
        )
        for colour, width in (("black", 3.0), ("white", 1.2)):
            axes.plot(
                [0], [0], "o", markersize=24, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=width
            )
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel(f"along {names[0]},\nin smoothing scales")
    panels[0].set_ylabel(f"along {names[1]},\nin smoothing scales")
    better = "higher" if metric.higher_is_better else "lower"
    figure.colorbar(colours, ax=panels, label=f"{label} ({better} is better)", shrink=0.75)
    figure.suptitle(f"Where {label} improves, about example {index} (circle)")
    return fitted(figure)
