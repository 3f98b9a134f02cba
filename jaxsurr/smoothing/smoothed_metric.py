"""The value and the gradient of a metric, by perturbing predictions.

A metric `m` is piecewise constant: its gradient is zero almost everywhere. Smoothed by Gaussian noise of scale s it is
differentiable,

    m_s(z) = E m(z + s e),    e ~ N(0, I)
    grad m_s(z) = E [m(z + s e) - m(z - s e)] e / (2 s),

and P antithetic pairs `+e_p, -e_p` estimate both. Only predictions are perturbed; no model is evaluated.

`optax.perturbations.make_perturbed_fun` has no antithetic pairs and no estimate of the error, and holds all samples in
memory; here they come in pairs, some at a time.
"""

import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks, renamed
from jaxsurr.core.products import einsum
from jaxsurr.core.reading import of_examples
from jaxsurr.core.reductions import fill_masked_rows, masked, safe_divide, upcast, valid
from jaxsurr.core.targets import cleared
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics.base import Metric, as_metric, output_shape
from jaxsurr.smoothing.function_directions import FunctionSums, along_functions, num_functions
from jaxsurr.smoothing.order import notices_order
from jaxsurr.smoothing.set_estimators import (
    GROUP_SIZE,
    check_estimator,
    choose_estimator,
    grouped,
    one_group,
    replaced,
)

__all__ = [
    "Directions", "Smoothed", "fitting", "normal_directions", "prepared", "smoothed_and_sums", "smoothed_metric",
    "smoothing_scale", "table_directions", "without_order",
]  # fmt: skip


class Directions(Protocol):
    """The noise of antithetic pairs."""

    def __call__(
        self, key: Array, example_ids: Array, first_pair: Any, pairs: int, num_pairs: int, size: int, /
    ) -> Array:
        """Standard normal noise `[pairs, B, size]`, a function of key, example and pair.

        Args:
          key: typed.
          example_ids: `[B]` integers, which examples of the batch of all devices these are.
          first_pair: number of the first pair that is asked for.
          pairs: how many are asked for.
          num_pairs: how many pairs an example has in all.
          size: entries of a prediction.
        """
        ...


_GROUPS = np.uint32(2**32 - 1)  # random stream of the groups, beside those of the examples
_TABLE = np.uint32(2**32 - 2)  # random stream of a table that is drawn
_LONGEST_TABLE = 2**21  # entries, 8 MiB
_MOST_ENTRIES = 2**19  # of the predictions of a batch that are held perturbed at once: 2 MiB for each copy


class Smoothed(NamedTuple):
    """A smoothed metric at a batch of predictions `[B, ...]`; the axes M are there for M metrics at once.

    Attributes:
      value: `[B]` or `[B, M]` (`[]` or `[M]` for a metric of sets), the estimate of `m_s`.
      gradient: `[B, ...]` or `[M, B, ...]`, the estimate of its gradient with respect to the predictions.
      error: as `gradient`: half the difference of the estimates from even and from odd pairs. It has the mean square
        of the estimate's error, is independent of its signal, and is NaN for a single pair. Of the estimator
        "functions": the error as far as its functions express the gradient.
    """

    value: Array
    gradient: Array
    error: Array


def normal_directions(key: Array, example_ids: Array, first_pair: int, pairs: int, num_pairs: int, size: int) -> Array:
    """Independent normal noise, a function of key, example and pair alone, however the work is cut into chunks."""

    def one(pair, example):
        return jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, example), pair), (size,))

    return jax.vmap(lambda pair: jax.vmap(lambda example: one(pair, example))(example_ids))(
        first_pair + jnp.arange(pairs)
    )


def table_directions(entries: int = 2**16, seed: int = 0) -> Directions:
    """Normal noise read from a table at a random place for each example: about ten times cheaper than drawing.

    The place is a function of key and example. Within an example all pairs read different entries; two examples that
    read overlapping places get shifted copies of each other's noise. The idea is the shared noise table of Salimans et
    al., Evolution Strategies as a Scalable Alternative to Reinforcement Learning, arXiv 1703.03864.

    Args:
      entries: length of a fixed table. Where one example needs more than half of it, a table of twice what it needs is
        drawn for all examples, a function of the key; where that would be longer than 2^21, each has noise of its own.
      seed: of the fixed table.
    """
    fixed = np.random.default_rng(seed).standard_normal(entries).astype(np.float32)

    def directions(key, example_ids, first_pair, pairs, num_pairs, size):
        needed = num_pairs * size
        if 2 * needed <= entries:
            table = jnp.asarray(fixed)
        elif 2 * needed <= _LONGEST_TABLE:
            table = jax.random.normal(jax.random.fold_in(key, _TABLE), (2 * needed,), jnp.float32)
        else:
            return normal_directions(key, example_ids, first_pair, pairs, num_pairs, size)
        bits = jax.vmap(lambda example: jax.random.bits(jax.random.fold_in(key, example), dtype=jnp.uint32))(
            example_ids
        )
        starts = (bits % jnp.uint32(len(table) - needed)).astype(jnp.int32) + first_pair * size
        slices = jax.vmap(lambda start: jax.lax.dynamic_slice(table, (start,), (pairs * size,)))(starts)
        return jnp.swapaxes(slices.reshape(len(example_ids), pairs, size), 0, 1)

    return directions


def prepared(space: Space, predictions: Array, targets: PyTree, where: Array | None) -> tuple[Array, PyTree]:
    """Predictions that fit their space and are finite, in at least single precision, and their targets.

    Whatever does not count holds sound numbers afterwards, whatever it held: rows where `where` is False, and within
    rows what the space says is absent, or else `jaxsurr.core.targets`. Values are checked after that. Predictions of
    minus infinity that only rule a class or an item out are finite afterwards.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or (outside `jit`) a value is NaN or infinite.
    """
    predictions, targets = fitting(space, predictions, targets, where)
    checks.finite(predictions)
    return predictions, targets


def fitting(space: Space, predictions: Array, targets: PyTree, where: Array | None) -> tuple[Array, PyTree]:
    """As `prepared`, without a look at whether predictions are finite."""
    checks.floating(predictions)
    checks.mask(where, predictions.shape[0])
    predictions, targets = upcast(masked(jnp.asarray(predictions), where)), fill_masked_rows(targets, where)
    predictions, targets = (space.clear or cleared)(predictions, targets)
    # Targets out of range, which inside `jit` nothing can refuse, make predictions NaN, and so values and gradients.
    predictions = of_examples(predictions, None, space.check(predictions, targets))
    return predictions, targets


@renamed.arguments
def smoothing_scale(relative: Array | float, squared_size: Array, least: float = 1e-4) -> Array:
    """`relative sqrt(squared_size)`, of the mean over predictions, in units of their space.

    Args:
      relative: the scale over the spread, that root.
      squared_size: the mean square. Where it is 0, as of predictions that are all equal, it counts as 1.
      least: `Space.least`; a smaller root counts as this, which bounds the gradient.
    """
    return relative * jnp.sqrt(jnp.where(squared_size == 0, 1, jnp.maximum(squared_size, least**2)))


def smoothed_metric(
    metric: Metric,
    predictions: Array,
    targets: PyTree,
    *,
    key: Array,
    scale: Array | float,
    num_pairs: int = 16,
    where: Array | None = None,
    space: Space | None = None,
    chunk_size: int = 16,
    first_example: Array | int = 0,
    directions: Directions = normal_directions,
    estimator: str = "auto",
    group_size: int = GROUP_SIZE,
) -> Smoothed:
    """Estimates `m_s` and its gradient from antithetic pairs.

    `g = sum_p [m(z + s u e_p) - m(z - s u e_p)] e_p / (2 s u P)`, with u the space's unit. Noise is drawn per example
    for example-wise metrics, whose estimates are independent of each other. In d dimensions the expected squared cosine
    of g with the true gradient is about `P / (P + d - 1)`; for a metric of sets it depends on the `estimator`
    (`jaxsurr.smoothing.set_estimators`): as good for "replace", whatever the size of the set.

    Args:
      metric: what `jaxsurr.metric` makes.
      predictions: `[B, ...]` float.
      targets: what the metric reads.
      key: typed, `jax.random.key(seed)`.
      scale: s, a positive scalar in the unit of the space. Where decision margins exceed a few s a metric is flat.
      num_pairs: P.
      where: `[B]` bool; rows where it is False have value and gradient 0.
      space: the prediction space, by default the metric's.
      chunk_size: pairs that are held in memory at once, fewer where predictions are large; the result does not depend
        on it but for rounding.
      first_example: index of the first row among all rows of all devices; the noise of a row depends on its index.
      directions: where the noise comes from, `normal_directions` or `table_directions()`.
      estimator: of a metric of sets: "replace" (each example's own difference, where the metric knows `replacements`),
        "functions" (of functions of an example), "groups" (of random groups of examples), or "auto": the first
        where it can, else the second where the space has functions (`Space.pooled`, `Space.spanned`), else the third.
        Outside of `jax.jit` a metric along functions is asked five times more, to see whether it depends on the order
        of the examples; where it does, which is warned of, it is estimated without functions. Within `jax.jit` that
        cannot be seen: say "groups" there.
      group_size: examples in a group, about.

    Returns:
      `Smoothed(value, gradient, error)`.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> out = smoothed_metric(jaxsurr.metrics.error_rate, jnp.array([[0.5, 0.0]]), jnp.array([0]),
    ...                       key=jax.random.key(0), scale=1.0, num_pairs=4096)
    >>> exact = jax.scipy.stats.norm.cdf(-0.5 / jnp.sqrt(2.0))
    >>> bool(abs(out.value[0] - exact) < 0.02)
    True
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    estimator = without_order(estimator, metric, space, predictions, targets, where, group_size, stacklevel=2)
    return smoothed_and_sums(
        metric,
        predictions,
        targets,
        key=key,
        scale=scale,
        num_pairs=num_pairs,
        where=where,
        space=space,
        chunk_size=chunk_size,
        first_example=first_example,
        directions=directions,
        estimator=estimator,
        group_size=group_size,
    )[0]


def without_order(
    estimator: str,
    metric: Metric,
    space: Space,
    predictions: Array,
    targets: PyTree,
    where: Array | None,
    group_size: int = GROUP_SIZE,
    *,
    stacklevel: int,
) -> str:
    """The estimator that is asked for, or one without functions where the metric depends on the order of the examples.

    Arguments as for `smoothed_metric` and `notices_order`, which says where that is seen.
    """
    if metric.per_example or not checks.is_concrete((predictions, targets, where)):
        return estimator
    check_estimator(estimator, group_size)
    predictions, targets = fitting(space, predictions, targets, where)
    if not num_functions(estimator, metric, space, predictions, targets):
        return estimator
    if not notices_order(metric, space, predictions, targets, where, stacklevel=stacklevel + 1):
        return estimator
    return choose_estimator("auto", metric)


def smoothed_and_sums(
    metric: Metric,
    predictions: Array,
    targets: PyTree,
    *,
    key: Array,
    scale: Array | float,
    num_pairs: int,
    where: Array | None,
    space: Space | None,
    chunk_size: int,
    first_example: Array | int,
    directions: Directions,
    estimator: str,
    group_size: int = GROUP_SIZE,
    sums: FunctionSums | None = None,
    unit: Array | None = None,
    axis_name: str | None = None,
) -> tuple[Smoothed, FunctionSums | None]:
    """`smoothed_metric`, and what its solution along functions carries over to the next call.

    Args:
      metric, predictions, targets, key, scale, num_pairs, where, space, chunk_size, first_example, directions,
        estimator, group_size: as for `smoothed_metric`.
      sums: of the last call, or None; for the estimator "functions" alone.
      unit: of the space at the predictions, which are prepared (`prepared`) then. None: they are prepared here.
      axis_name: of the `jax.pmap` axis over which it adds its sums.
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    checks.typed_key(key)
    checks.positive_integer(num_pairs, "num_pairs")
    checks.positive_integer(chunk_size, "chunk_size")
    if unit is None:
        predictions, targets = fitting(space, predictions, targets, where)
        unit = space.unit(predictions, targets)
    checks.number(scale, "scale", above=0, meaning="without noise a metric has no gradient")
    outputs = output_shape(metric, predictions, targets)
    batch, event = predictions.shape[0], predictions.shape[1:]
    dtype = predictions.dtype
    size = int(np.prod(event))
    unit = jnp.broadcast_to(jnp.asarray(unit, dtype), predictions.shape)
    inverse_unit = jnp.where(unit > 0, safe_divide(1, unit), 0)
    example_ids = first_example + jnp.arange(batch)
    check_estimator(estimator, group_size)
    chunk_size = min(chunk_size, max(1, _MOST_ENTRIES // max(1, predictions.size)))
    if not metric.per_example:
        atoms = num_functions(estimator, metric, space, predictions, targets)
        estimator = choose_estimator(estimator, metric, atoms)
        chunk_size = min(chunk_size, max(1, _MOST_ENTRIES // max(1, batch * atoms)))
        if estimator == "functions":
            options: dict[str, Any] = dict(
                key=key, scale=scale, num_pairs=num_pairs, space=space, unit=unit, chunk_size=chunk_size
            )
            options |= dict(first_example=first_example, directions=directions, sums=sums, axis_name=axis_name)
            *found, sums = along_functions(metric, predictions, targets, where, **options)
            return Smoothed(*found), sums

    together = not metric.per_example and estimator == "groups" and one_group(batch, group_size)

    def evaluate(moved):
        return metric(moved, targets, where=where)

    def chunk(totals, first_pair, pairs):
        noise = directions(key, example_ids, first_pair, pairs, num_pairs, size)
        noise = space.project(noise.astype(dtype).reshape((pairs, batch, *event)))
        step = scale * unit[None] * noise
        above, below = predictions[None] + step, predictions[None] - step
        if metric.per_example or together:
            # Both signs by one vmap, so that a metric on the host is asked once for all.
            plus, minus = jax.vmap(jax.vmap(evaluate))(jnp.stack([above, below]))
            values, differences = (plus + minus) / 2, plus - minus
        elif estimator == "replace":
            values, differences = replaced(metric, above, below, targets, where)
        else:
            keys = jax.vmap(lambda pair: jax.random.fold_in(jax.random.fold_in(key, _GROUPS), pair))(
                first_pair + jnp.arange(pairs)
            )
            values, differences = grouped(metric, keys, above, below, targets, where, group_size)
        # [C, B or 1, M]: one difference for each pair, example (or set) and metric.
        slope = (differences / (2 * scale)).reshape(pairs, 1 if together else batch, -1)
        flat = (noise * inverse_unit[None]).reshape(pairs, batch, size)
        alternate = jnp.where((first_pair + jnp.arange(pairs)) % 2 == 0, 1, -1).astype(dtype)[:, None, None]
        slope = jnp.broadcast_to(slope, (pairs, batch, slope.shape[-1]))
        if where is not None:
            slope = jnp.where(valid(where)[None, :, None], slope, 0)
        gradient, difference = (einsum("cbm,cbd->mbd", s, flat) for s in (slope, alternate * slope))
        return jax.tree.map(jnp.add, totals, (jnp.sum(values, axis=0), gradient, difference))

    metrics = int(np.prod(outputs))
    zero = jnp.zeros((metrics, batch, size), dtype)
    totals = (jnp.zeros((batch, *outputs) if metric.per_example else outputs, dtype), zero, zero)
    whole, rest = divmod(num_pairs, chunk_size)
    if whole == 1:
        totals = chunk(totals, 0, chunk_size)
    elif whole:
        starts = chunk_size * jnp.arange(whole)
        totals = jax.lax.scan(lambda carry, first: (chunk(carry, first, chunk_size), None), totals, starts)[0]
    if rest:
        totals = chunk(totals, whole * chunk_size, rest)
    value, gradient, difference = (total / num_pairs for total in totals)
    odd = num_pairs // 2
    if odd == 0:
        difference = jnp.full_like(difference, jnp.nan)
    else:
        # Unequal halves: the difference of their means, with the weight that keeps its variance that of the estimate.
        even = num_pairs - odd
        mean_odd = (gradient - difference) * num_pairs / (2 * odd)
        mean_even = (gradient + difference) * num_pairs / (2 * even)
        difference = (mean_even - mean_odd) * math.sqrt(even * odd) / num_pairs
    shape = (*outputs, batch, *event)
    return Smoothed(value, gradient.reshape(shape), difference.reshape(shape)), None
