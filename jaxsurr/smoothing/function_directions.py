"""Gradients of set metrics from directions that are functions of an example.

A metric m of n examples that does not depend on their order has a gradient that is a function of an example's
prediction and target, its influence function, whatever n: for F1 and logits of two classes a bump at the threshold, of
one height for positives and another for negatives. So the predictions of all examples are moved along one function,

    h_p(z_i, y_i) = sum_j x_pj f_j(z_i, y_i),        x_pj ~ N(0, 1),

with f_j the gradients of J atoms, soft events such as "class k leads" or "level above threshold k", each times features
of the target. Beside it stands independent noise `e_p` of the smoothing scale s, common to both signs:

    D_p = [m(z + s e_p + s h_p) - m(z + s e_p - s h_p)] / (2 s).

If the gradient is `g_i = w_i sum_j c_j f_j(z_i, y_i)`, w_i the share of example i in the set, then `D_p` is linear in
the coefficients, `D_p = sum_j c_j X_pj + noise` with `X_pj = sum_i w_i <f_j, h_p>`. They are found by least squares,
with a ridge that is chosen by the evidence of the data (MacKay, Bayesian interpolation, Neural Computation 4, 1992).
`c_j` is the derivative of the metric with respect to the mean of atom j, which changes slowly from batch to batch: the
sums of the normal equations carry over from update to update where there are more functions than pairs.

No knowledge of the metric is needed. Functions that the atoms do not span are not seen. Directions that are functions,
and their solution, are this library's.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from jaxsurr.core.products import einsum, matmul
from jaxsurr.core.reductions import masked, num_valid, psum, safe_divide, weighted
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics.base import Metric
from jaxsurr.smoothing.set_estimators import choose_estimator

__all__ = [
    "MOST_ATOMS", "FunctionSums", "along_functions", "atoms_of", "by_default", "chosen_estimator", "events_are_few",
    "no_sums", "num_functions", "number_of_atoms", "solved",
]  # fmt: skip

MOST_ATOMS = 256
"""Functions that are fitted at most: the normal equations have their square in numbers, and are solved in its cube."""

_WIDTH = math.sqrt(2)  # of a soft event: the deviation of a difference of two logits, each with noise of one scale
_AMPLITUDE = 1.0  # of h where it is large, in scales
_UNITS = 64  # random functions of spaces that pool nothing
_REACH = 8.0  # in scales: features beyond change no random function
_DECAY = 0.9  # of the sums from update to update: about ten count, as a model that trains moves on
_RIDGES = tuple(np.logspace(-3, 1, 9))  # variance of the noise over that of the signal, tried
_PLACES = (1.0, 0.1, 0.01)  # prior size of coefficients at mere places, over that at decisions, tried
_XI, _ERROR = np.uint32(2**32 - 2), np.uint32(2**32 - 3)  # random streams, beside those of the examples


class FunctionSums(NamedTuple):
    """Running sums of the normal equations for the coefficients of J atoms and M metrics; a plain pytree.

    Attributes:
      gram: `[J, J]`, of `X_pj X_pk`.
      cross: `[J, M]`, of `X_pj D_pm`.
      square: `[M]`, of `D_pm^2`.
      number: `[]`, of pairs.
    """

    gram: Array
    cross: Array
    square: Array
    number: Array


def no_sums(atoms: int, metrics: int, dtype: Any = jnp.float32) -> FunctionSums:
    """The sums before the first pair."""
    return FunctionSums(*(jnp.zeros(shape, dtype) for shape in ((atoms, atoms), (atoms, metrics), (metrics,), ())))


def atoms_of(space: Space, predictions: Array, targets: PyTree, scale: Array, where: Array | None = None) -> Array:
    """The atoms of each example, `[B, J]`: soft events of what the space pools, times features of the target.

    Where these are more than `MOST_ATOMS`, the mean of a group's features has one event. A space that pools nothing has
    random soft events of its features.
    """
    if space.pooled is None:
        return _random_events(*space.features(predictions, targets, scale))
    read = space.pooled(predictions, targets, scale, where)
    features, labels = read.features, read.label_features
    sides = jnp.concatenate([jnp.ones_like(labels[..., :1]), 2 * labels - 1], axis=-1)
    if _events(features, labels) > MOST_ATOMS:
        features = jnp.mean(features, axis=-1, keepdims=True)
    each = einsum("bi,bigf,bigq->bgfq", read.weights, norm.cdf(features / _WIDTH), sides)
    return each.reshape(len(each), -1)


def _events(features: Any, label_features: Any) -> int:
    """How many soft events there are of pooled features, each alone and with every feature of the target."""
    return math.prod(features.shape[2:]) * (label_features.shape[-1] + 1)


def _random_events(features: Array, weights: Array) -> Array:
    """Random soft events of features `[B, I, F]`, the same at every call."""
    random, size = np.random.default_rng(0), features.shape[-1]
    slopes = random.standard_normal((size, _UNITS)) / np.sqrt(size)
    places = _REACH / 2 * random.uniform(-1, 1, _UNITS)
    bounded = _REACH * jnp.tanh(features / _REACH)
    events = norm.cdf(
        matmul(bounded, jnp.asarray(slopes, features.dtype)) + jnp.asarray(places, features.dtype)[None, None]
    )
    return einsum("bi,bij->bj", weights, events)


def number_of_atoms(space: Space, predictions: Array, targets: PyTree) -> int:
    """J of predictions like these."""
    scale = jax.ShapeDtypeStruct((), jnp.float32)
    return jax.eval_shape(lambda z, y, s: atoms_of(space, z, y, s), predictions, targets, scale).shape[1]


def events_are_few(space: Space, predictions: Array, targets: PyTree) -> bool:
    """Whether every event of predictions like these has an atom of its own, and none is the mean of a group's."""
    pooled = space.pooled
    if pooled is None:
        return True

    def read(predictions: Array, targets: PyTree) -> tuple[Array, Array]:
        found = pooled(predictions, targets, jnp.ones((), predictions.dtype), None)
        return found.features, found.label_features

    return _events(*jax.eval_shape(read, predictions, targets)) <= MOST_ATOMS


def by_default(metric: Metric, space: Space) -> bool:
    """Whether the gradient of a metric of sets is estimated along functions where nothing else is asked for.

    They are not where the metric knows `replacements`: "replace" sees the whole gradient, of orders too, and what
    surrogates learned from it was nearer to the gradient in the end (`python -m jaxsurr.benchmarks.set_fidelity`).
    """
    return not metric.replaces and (space.pooled is not None or space.spanned)


def num_functions(estimator: str, metric: Metric, space: Space, predictions: Array, targets: PyTree) -> int:
    """J of predictions like these, or 0 where their metric's gradient is not estimated along functions.

    It is not for an `estimator` other than "functions" and "auto", where there are more than `MOST_ATOMS`, and for
    "auto" where the metric knows `replacements`, or the space pools nothing and is not `spanned`.
    """
    if metric.per_example or estimator not in ("auto", "functions"):
        return 0
    if estimator == "auto" and not by_default(metric, space):
        return 0
    atoms = number_of_atoms(space, predictions, targets)
    return atoms if atoms <= MOST_ATOMS else 0


def chosen_estimator(
    estimator: str,
    metric: Metric,
    space: Space,
    predictions: Array,
    targets: PyTree,
    along_functions: bool = True,
) -> str:
    """The estimator for such predictions; "auto" of a metric of examples, which needs none.

    Args:
      estimator: as it is asked for.
      metric, space, predictions, targets: as for `smoothed_metric`.
      along_functions: whether it may be "functions"; not for a metric that depends on the order of the examples.
    """
    if metric.per_example:
        return "auto"
    if not along_functions:
        return choose_estimator("auto" if estimator == "functions" else estimator, metric)
    return choose_estimator(estimator, metric, num_functions(estimator, metric, space, predictions, targets))


def _at_decisions(space: Space, predictions: Array, targets: PyTree, scale: Array, atoms: int) -> np.ndarray:
    """Which atoms belong to groups in which something is decided, `[J]` bool; the others stand at mere places."""
    if space.pooled is None:
        return np.ones(atoms, bool)
    read = space.pooled(predictions, targets, scale, None)
    groups = read.features.shape[2]
    decided = np.arange(groups) < (groups if read.decided is None else read.decided)
    return np.repeat(decided, atoms // groups)


def solved(sums: FunctionSums, decided: np.ndarray, key: Array) -> tuple[Array, Array]:
    """Coefficients of the atoms, and a draw of their error.

    Atoms are scaled to equal parts in `X`. The ridge, and how much smaller coefficients at places are than those at
    decisions, are those of the highest evidence, for each metric.

    Args:
      sums: of the normal equations.
      decided: `[J]` bool, the atoms at decisions.
      key: typed, of the draw.

    Returns:
      `[J, M]` coefficients, and `[J, M]` a normal draw with their posterior covariance.
    """
    atoms, number = len(sums.gram), jnp.maximum(sums.number, 1)
    size = jnp.sqrt(jnp.diagonal(sums.gram) / number)
    inverse = jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 0)
    ridges = atoms * jnp.asarray(_RIDGES, size.dtype)[:, None, None]
    normal = jax.random.normal(key, sums.cross.shape, size.dtype)
    square = sums.square[None] + jnp.finfo(size.dtype).tiny
    found = []
    for ratio in (1.0,) if decided.all() else _PLACES:
        prior = inverse * np.where(decided, 1, ratio).astype(size.dtype)
        gram = sums.gram * prior[:, None] * prior[None]
        unit = safe_divide(jnp.trace(gram), number * atoms)
        unit = jnp.where(unit > 0, unit, 1)
        values, vectors = jnp.linalg.eigh(gram / unit)
        values = jnp.maximum(values, 0)[:, None]
        along = matmul(vectors.T, sums.cross * prior[:, None]) / jnp.sqrt(unit)
        rest = square - jnp.sum(along[None] ** 2 / (values[None] + ridges), axis=1)
        rest = jnp.maximum(rest, 1e-6 * square)  # [ridges, M], what the atoms leave, to rounding
        surprise = number * jnp.log(rest) + jnp.sum(jnp.log1p(values[None] / ridges), axis=1)
        best = jnp.argmin(surprise, axis=0)
        ridge = ridges[best, 0, 0][None]
        rest, surprise = (jnp.take_along_axis(part, best[None], axis=0) for part in (rest, surprise))
        back = vectors * prior[:, None] / jnp.sqrt(unit)
        deviation = jnp.sqrt(rest / number / (values + ridge))
        found.append((surprise[0], matmul(back, along / (values + ridge)), matmul(back, deviation * normal)))
    best = jnp.argmin(jnp.stack([one[0] for one in found]), axis=0)
    coefficients, error = (
        jnp.take_along_axis(jnp.stack(part), best[None, None], axis=0)[0] for part in list(zip(*found, strict=True))[1:]
    )
    known = sums.square > 0
    return jnp.where(known, coefficients, 0), jnp.where(known, error, 0)


def along_functions(
    metric: Metric,
    predictions: Array,
    targets: PyTree,
    where: Array | None,
    *,
    key: Array,
    scale: Array | float,
    num_pairs: int,
    space: Space,
    unit: Array,
    chunk_size: int,
    first_example: Array | int,
    directions: Any,
    sums: FunctionSums | None = None,
    axis_name: str | None = None,
) -> tuple[Array, Array, Array, FunctionSums]:
    """Value and gradient of a smoothed set metric, from pairs along functions.

    Arguments as for `jaxsurr.smoothing.smoothed_metric`, which has made them sound, and

    Args:
      unit: `[B, ...]`, of the noise.
      sums: of earlier pairs, which count too, or None.
      axis_name: of the `jax.pmap` axis over which sums are added; a set is each device's share.

    Returns:
      Value, gradient, and its error as far as the atoms span it, shaped as in `Smoothed`; the new sums.
    """
    batch, event, dtype = predictions.shape[0], predictions.shape[1:], predictions.dtype
    scale = jnp.asarray(scale, dtype)
    shares = safe_divide(weighted(jnp.ones((batch,), dtype), where), num_valid(where, batch))
    per_share = jnp.where(shares > 0, safe_divide(1, shares), 0).reshape(-1, *(1,) * len(event))

    def read(z):
        return atoms_of(space, z, targets, scale, where)

    of_each, push = jax.linearize(read, predictions)
    pull = jax.linear_transpose(push, predictions)
    atoms, ids = of_each.shape[1], first_example + jnp.arange(batch)

    def function(xi):
        """The direction `[B, ...]` of coefficients, in units, of size 1 where it is large."""
        # Per share, as places that follow the scores of all examples are no function of one.
        h = pull(shares[:, None] * xi[None])[0] * unit * per_share
        squares = jnp.sum(h.reshape(batch, -1) ** 2, axis=-1)
        large = safe_divide(jnp.sum(shares * squares**2), jnp.sum(shares * squares))
        return h * jax.lax.rsqrt(jnp.where(large > 0, large, 1))

    def gradient(coefficients):
        slope = pull(shares[:, None] * coefficients[None])[0]
        return masked(jnp.where(unit > 0, slope, 0), where)

    device = key if axis_name is None else jax.random.fold_in(key, jax.lax.axis_index(axis_name))

    def chunk(before, first_pair, pairs):
        numbers = first_pair + jnp.arange(pairs)
        xi = jax.vmap(
            lambda pair: jax.random.normal(jax.random.fold_in(jax.random.fold_in(device, _XI), pair), (atoms,))
        )(numbers)
        along = jax.vmap(function)(xi.astype(dtype))
        rows = einsum("b,pbj->pj", shares, jax.vmap(lambda h: push(unit * h))(along))
        noise = directions(key, ids, first_pair, pairs, num_pairs, int(np.prod(event)))
        noise = space.project(noise.astype(dtype).reshape((pairs, batch, *event)))
        centre, step = predictions[None] + scale * unit[None] * noise, _AMPLITUDE * scale * unit[None] * along
        both = jnp.stack([centre + step, centre - step])
        plus, minus = jax.vmap(jax.vmap(lambda z: metric(z, targets, where=where)))(both).reshape(2, pairs, -1)
        change = (plus - minus) / (2 * _AMPLITUDE * scale)
        new = (
            jnp.sum(plus + minus, axis=0) / (2 * num_pairs),
            FunctionSums(
                einsum("pj,pk->jk", rows, rows),
                einsum("pj,pm->jm", rows, change),
                jnp.sum(change**2, axis=0),
                jnp.asarray(pairs, dtype),
            ),
        )
        return jax.tree.map(jnp.add, before, new)

    outputs = jax.eval_shape(lambda z: metric(z, targets, where=where), predictions).shape
    metrics = int(np.prod(outputs))
    chunk_size = max(1, min(chunk_size, num_pairs))
    total = jnp.zeros((metrics,), dtype), no_sums(atoms, metrics, dtype)
    whole, rest = divmod(num_pairs, chunk_size)
    if whole == 1:
        total = chunk(total, 0, chunk_size)
    else:
        starts = chunk_size * jnp.arange(whole)
        total = jax.lax.scan(lambda carry, first: (chunk(carry, first, chunk_size), None), total, starts)[0]
    if rest:
        total = chunk(total, whole * chunk_size, rest)
    value, new = total[0], psum(total[1], axis_name)
    decided = _at_decisions(space, predictions, targets, scale, atoms)
    if sums is not None:
        # Old pairs are of another model, which costs more than it gains where the new ones are enough.
        decay = _DECAY if decided.sum() > num_pairs else 0.0
        new = jax.tree.map(lambda old, add: (decay * old + add).astype(old.dtype), sums, new)
    coefficients, wrong = solved(new, decided, jax.random.fold_in(key, _ERROR))
    slope, error = (jax.vmap(gradient, in_axes=1)(part.astype(dtype)) for part in (coefficients, wrong))
    error, shape = _as_of_unbiased(slope, error, axis_name), (*outputs, batch, *event)
    return value.reshape(outputs), slope.reshape(shape), error.reshape(shape), new


def _as_of_unbiased(gradient: Array, error: Array, axis_name: str | None) -> Array:
    """The error at which `jaxsurr.smoothing.goal.noise_ceiling` gives the cosine of this estimate with the truth.

    An estimate without bias is the longer one of the two, truth and error beside it. This estimate G is the expectation
    of the truth given the data, which has the squared size `G^2 + E^2`, and the cosine of the two is
    `G / sqrt(G^2 + E^2)`.
    """

    def squared(part):
        return psum(jnp.sum(part.reshape(len(part), -1) ** 2, axis=-1), axis_name)

    size, wrong = squared(gradient), squared(error)
    factor = jnp.sqrt(safe_divide(size, size + wrong))
    return error * factor.reshape(-1, *(1,) * (error.ndim - 1))
