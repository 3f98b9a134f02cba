"""Surrogates that are non-negative mixtures of sane losses, solved in closed form.

`S = sum_j a_j s_j(z, y)` with `a_j >= 0`. The atoms s_j are bounded ramps of the margins that the prediction space
reads, each falling from 1 to 0 as a prediction gets better, and the space's conventional losses. As S is linear in its
coefficients, the mixture whose gradient is nearest to the metric's is a non-negative least-squares problem

    min_a || sum_j a_j grad s_j - g ||^2

in running averages of the Gram matrix of the atoms' gradients and of their products with g. There is no learning rate
to set and nothing to diverge, and every S in the cone is a loss that falls as predictions improve.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm

from jaxsurr.core.products import einsum, matmul
from jaxsurr.core.reductions import masked, psum, safe_divide
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.families.base import Family, Named, Problem, inverse_root, normal_equations, value_moments
from jaxsurr.surrogates.families.decisions import box_cox

__all__ = ["NAMED", "BasisState", "basis_family", "non_negative_least_squares"]


class BasisState(NamedTuple):
    """Where the ramps stand, the running sums of the least-squares problem, and its solution.

    Attributes:
      centres: `[R, C]`, C ramps on each of R margins, in smoothing scales.
      widths: `[R, C]`, theirs.
      gram: `[J, J]`, running `G G^T` of the atoms' gradients G.
      cross: `[J, M]`, running `G g`.
      coefficients: `[J, M]`, at least 0.
    """

    centres: Array
    widths: Array
    gram: Array
    cross: Array
    coefficients: Array


def non_negative_least_squares(
    gram: Array, cross: Array, start: Array, *, iterations: int = 50, ridge: float = 1e-4
) -> Array:
    """Minimises `a^T gram a - 2 cross^T a` over `a >= 0` by accelerated projected gradient steps.

    A fixed number of steps from a good start (the last solution) keeps the cost small and known; over the updates of a
    training run the solution converges. Atoms are scaled to unit norm first. `optax.nnls` starts from zero, and asks
    for the matrix of all gradients in place of their running Gram matrix.

    Args:
      gram: `[J, J]`, positive semi-definite.
      cross: `[J, M]`.
      start: `[J, M]`, at least 0.
      iterations: steps.
      ridge: added to the diagonal of the scaled problem; it chooses among atoms that the data cannot tell apart.

    Returns:
      `[J, M]`.

    >>> import jax.numpy as jnp
    >>> a = non_negative_least_squares(jnp.eye(2), jnp.array([[1.0], [-1.0]]), jnp.zeros((2, 1)), ridge=0.0)
    >>> a.round(3).tolist()
    [[1.0], [0.0]]
    """
    diagonal = jnp.diagonal(gram)
    norm = inverse_root(diagonal)
    scaled = gram * norm[:, None] * norm[None] + ridge * jnp.eye(len(gram), dtype=gram.dtype)
    wanted = cross * norm[:, None]
    step = 1 / jnp.maximum(jnp.max(jnp.sum(jnp.abs(scaled), axis=1)), 1e-12)
    first = jnp.where(norm[:, None] > 0, safe_divide(start, norm[:, None]), 0)

    def iterate(i, carry):
        here, before = carry
        ahead = here + i / (i + 3) * (here - before)
        return jnp.maximum(ahead - step * (matmul(scaled, ahead) - wanted), 0), here

    return jax.lax.fori_loop(0, iterations, iterate, (first, first))[0] * norm[:, None]


_TAIL, _LEAST = -12.0, -1e18
_LOG_ROOT = math.log(2 * math.pi) / 2


@jax.custom_jvp
def _log_cdf(x: Array) -> Array:
    """The logarithm of the normal distribution function, from one `erfc`, with its derivative far out too.

    `jax.scipy.stats.norm.logcdf` computes several, and its derivative in the lower tail is the exponential of a
    difference of two large numbers, below -3000 as often infinite as 0. Below -12 this is the asymptotic series, which
    is exact in single precision.
    """
    tail = jax.lax.erfc(jnp.minimum(jnp.abs(x), -_TAIL) / math.sqrt(2)) / 2
    far = jnp.clip(x, _LEAST, _TAIL)
    inverse = 1 / far**2
    series = -(far**2) / 2 - jnp.log(-far) - _LOG_ROOT + jnp.log1p(-inverse * (1 - 3 * inverse * (1 - 5 * inverse)))
    return jnp.where(x > 0, jnp.log1p(-tail), jnp.where(x > _TAIL, jnp.log(tail), series))


@_log_cdf.defjvp
def _log_cdf_slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (along,), value = primals, tangents, _log_cdf(*primals)
    far = jnp.clip(x, _LEAST, _TAIL)
    near = jnp.exp(-(jnp.maximum(x, _TAIL) ** 2) / 2 - _LOG_ROOT - jnp.where(x > _TAIL, value, 0))
    return value, along * jnp.where(x > _TAIL, near, -far - 1 / far + 2 / far**3)


def basis_family(space: Space, *, remembered: bool = False, width: float = 1.0, decay: float = 0.98) -> Family:
    """The family of non-negative mixtures of ramps and conventional losses.

    A ramp is `Phi((c - margin) / w)`, a kernel expansion with the Gaussian distribution function as kernel. Its centres
    c cover the margins at which a metric of the space is expected to change: evenly, or at margins of remembered
    predictions, closer together where predictions are dense.

    Args:
      space: supplies margins, their range, and losses.
      remembered: take the centres from the predictions that `init` sees (quantiles of those margins that are within
        reach) in place of an even grid.
      width: w, and the distance of the centres of the grid, in smoothing scales. Remembered centres have the distance
        of their neighbours as width, and are as many.
      decay: of the running sums; 0.98 averages over about 50 updates.
    """
    low, high = space.margin_range
    grid = np.linspace(low, high, round((high - low) / width) + 1, dtype=np.float32)
    ramps = len(grid)

    def atoms(
        state: BasisState, predictions: Array, targets: PyTree, scale: Array, power: Array | None = None
    ) -> Array:
        values, weights = space.margins(predictions, targets, scale)
        below = (state.centres[None, None] - values[..., None]) / state.widths[None, None]  # [B, I, R, C]
        ramp = norm.cdf(below) if power is None else box_cox(_log_cdf(-below), power)
        summed = einsum("bi,birc->brc", weights, ramp)
        flat = summed.reshape(summed.shape[0], -1)
        return jnp.concatenate([flat, space.losses(predictions, targets, scale)], axis=-1)

    def values_and_gradients(state: BasisState, view: View, scale: Array) -> tuple[Array, Array]:
        """Values `[B, J]` of the atoms, and their gradients `[J, B, ...]` in the predictions.

        A ramp reads one margin of each item, so that its gradient is that of the margins times its slopes. Either each
        margin is differentiated, or each ramp, whichever are fewer.
        """
        z, targets = view.predictions, view.targets
        weights = space.margins(z, targets, scale)[1]
        margins, pull = jax.vjp(lambda z: space.margins(z, targets, scale)[0], z)
        batch, items, kinds = margins.shape

        def ramps_of(margins):
            return norm.cdf((state.centres[None, None] - margins[..., None]) / state.widths[None, None])

        ramps, slopes = jax.jvp(ramps_of, (margins,), (jnp.ones_like(margins),))
        summed = einsum("bi,birc->brc", weights, ramps).reshape(batch, -1)
        if items * kinds <= state.centres.size:
            each = jnp.eye(items * kinds, dtype=margins.dtype).reshape(-1, 1, items, kinds)
            (of_margins,) = jax.vmap(pull)(jnp.broadcast_to(each, (len(each), *margins.shape)))
            of_margins = of_margins.reshape(items, kinds, batch, -1)
            of_ramps = einsum("bi,birc,irbd->rcbd", weights, slopes, of_margins).reshape(-1, *z.shape)
        else:
            each = einsum("bi,birc,rs->rcbis", weights, slopes, jnp.eye(kinds, dtype=margins.dtype))
            (of_ramps,) = jax.vmap(pull)(each.reshape(-1, *margins.shape))
        losses, of_losses = objectives.values_and_gradients(lambda z: space.losses(z, targets, scale), z)
        return jnp.concatenate([summed, losses], axis=-1), jnp.concatenate([of_ramps, of_losses])

    def init(key: Array, view: View, scale: Array, metrics: int) -> BasisState:
        values, weights = space.margins(view.predictions, view.targets, scale)
        weights = masked(weights, view.where)
        kinds = values.shape[-1]
        centres = jnp.tile(jnp.asarray(grid, values.dtype), (kinds, 1))
        widths = jnp.full_like(centres, width)
        if remembered:
            within = (weights[..., None] > 0) & (values >= low) & (values <= high)
            known = jnp.where(within, values, jnp.nan).reshape(-1, kinds)
            quantiles = jnp.nanquantile(known, (jnp.arange(ramps, dtype=known.dtype) + 0.5) / ramps, axis=0).T
            centres = jnp.where(jnp.isfinite(quantiles), quantiles, centres)
            widths = jnp.clip(jnp.asarray(jnp.gradient(centres, axis=1)), width / 4, 2 * width)
        losses = space.losses(view.predictions, view.targets, scale).shape[-1]
        number = kinds * ramps + losses
        first = jnp.zeros((number, metrics), values.dtype).at[number - losses :].set(1 / losses)
        gram, cross = jnp.zeros((number, number), values.dtype), jnp.zeros((number, metrics), values.dtype)
        return BasisState(centres, widths, gram, cross, first)

    def values(
        state: BasisState,
        predictions: Array,
        targets: PyTree,
        scale: Array,
        metrics: int,
        where: Array | None = None,
        power: Array | None = None,
    ) -> Array:
        return matmul(atoms(state, predictions, targets, scale, power), state.coefficients)

    def learn(state: BasisState, problem: Problem):
        value_view, scale, a = problem.value_view, problem.scale, state.coefficients
        there, gradients = values_and_gradients(state, problem.gradient_view, scale)
        if problem.in_parameters:
            there = atoms(state, value_view.predictions, value_view.targets, scale)
        gram, cross, gradient_sums = normal_equations(gradients, problem, a)
        value_sums = psum(value_moments(matmul(there, a), problem), problem.axis_name)
        gram = decay * state.gram + (1 - decay) * gram
        cross = decay * state.cross + (1 - decay) * cross
        solution = non_negative_least_squares(gram, cross, a)
        return BasisState(state.centres, state.widths, gram, cross, solution), value_sums, gradient_sums

    return Family(init, values, learn)


NAMED = {
    name: Named(
        lambda metric, space, remembered=remembered, **learned: basis_family(space, remembered=remembered),
        knows_power=lambda space: True,
    )
    for name, remembered in {"basis": False, "kernel": True}.items()
}
