"""Residual log-likelihood estimation (RLE): the density of a pose model's errors, learned by a flow beside it."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.products import Dense
from jaxsurr.core.reading import of_examples
from jaxsurr.core.reductions import fill_masked_rows, masked, num_valid, safe_divide, weighted, wide
from jaxsurr.core.targets import check_keypoint_targets, cleared, mean_over_visible
from jaxsurr.core.types import Array, Info, Keypoints, Surrogate
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.objectives import LearnedState
from jaxsurr.surrogates.sound import of_sound_batches

__all__ = ["residual_likelihood"]


class _Flow(nn.Module):
    """A RealNVP of two coordinates, the identity when it starts; `[..., 2] -> [...]`, its log density."""

    layers: int
    width: int

    @nn.compact
    def __call__(self, residual: Array) -> Array:
        log_volume = jnp.zeros(residual.shape[:-1], residual.dtype)
        parts = [residual[..., :1], residual[..., 1:]]
        for layer in range(self.layers):
            kept, moved = layer % 2, 1 - layer % 2
            x = parts[kept]
            for _ in range(2):
                x = nn.leaky_relu(Dense(self.width)(x))
            scale, shift = jnp.split(Dense(2, kernel_init=nn.initializers.zeros)(x), 2, axis=-1)
            scale = jnp.tanh(scale)
            parts[moved] = (parts[moved] - shift) * jnp.exp(-scale)
            log_volume = log_volume - scale[..., 0]
        squared = sum(part[..., 0] ** 2 for part in parts)
        return log_volume - 0.5 * squared - jnp.log(2 * jnp.pi)


def residual_likelihood(
    *, layers: int = 6, width: int = 64, optimizer: optax.GradientTransformation | None = None
) -> Surrogate:
    """Negative log-likelihood of keypoints under a learned density of the standardised error (RLE).

    A model predicts positions mu and log sigma; with the residual `r = (mu - y) / sigma` of each point,

        log sigma_x + log sigma_y - log p_flow(r)  +  sum_{x, y} (log(2 sigma) + |r|),

    averaged over the visible points. The second term is the Laplace residual. The density p_flow is a small RealNVP
    flow that `update` fits to the residuals by one gradient step on its own likelihood. It is a loss of its own, not a
    surrogate of a metric.

    Source: Li et al., Human Pose Regression with Residual Log-likelihood Estimation, ICCV 2021: the form of the loss.
    Ours: log sigma as what is predicted, depth and width of the flow, its start at the identity, its optimizer.

    Args:
      layers: coupling layers of the flow.
      width: of the two hidden layers in each.
      optimizer: of the flow, by default `optax.adam(0.001)`.

    Returns:
      `Surrogate(init, loss, update)` for predictions `[B, J, 4]`: x and y in the unit of the targets (pixels), log
      sigma_x, log sigma_y; targets are `Keypoints`. The loss `[B]` is in nats. Its `Info` is NaN throughout.

    Raises:
      ValueError, TypeError: predictions or targets have another form.

    >>> import jax, jax.numpy as jnp
    >>> from jaxsurr import Keypoints
    >>> surrogate = residual_likelihood()
    >>> targets = Keypoints(jnp.zeros((2, 3, 2)), jnp.ones((2, 3)), jnp.ones(2))
    >>> state = surrogate.init(jax.random.key(0), jnp.zeros((2, 3, 4)), targets)
    >>> losses = surrogate.loss(state, jnp.zeros((2, 3, 4)), targets)
    >>> losses.shape, round(float(losses[0]), 4)  # log(2 pi) + 2 log 2
    ((2,), 3.2242)
    """
    checks.positive_integer(layers, "layers")
    checks.positive_integer(width, "width")
    flow = _Flow(layers, width)
    log_density: Any = flow.apply
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer

    def prepared(predictions: Array, targets: Keypoints, where: Array | None) -> tuple[Array, Keypoints]:
        checks.floating(predictions, 3, "[B, J, 4], (x, y, log sigma_x, log sigma_y) of J points")
        if predictions.shape[2] != 4:
            raise ValueError(
                "predictions must have shape [B, J, 4], (x, y, log sigma_x, log sigma_y) of J points, "
                f"got {list(predictions.shape)}."
            )
        checks.mask(where, predictions.shape[0])
        predictions = masked(predictions, where)
        predictions = predictions.astype(wide(predictions.dtype))
        predictions, targets = cleared(predictions, fill_masked_rows(targets, where))
        predictions = of_examples(predictions, None, check_keypoint_targets(predictions, targets))
        checks.finite(predictions)
        return predictions, targets

    def residual(predictions: Array, targets: Keypoints) -> Array:
        """`[B, J, 2]`, 0 for points that are not visible, whose targets may hold anything."""
        visible = (jnp.asarray(targets.visible) > 0)[..., None]
        return jnp.where(visible, (predictions[..., :2] - jnp.where(visible, targets.points, 0)), 0) * jnp.exp(
            jnp.where(visible, -predictions[..., 2:], 0)
        )

    def init(key: Array, predictions: Array, targets: Keypoints, where: Array | None = None) -> LearnedState:
        params = flow.init(key, predictions[..., :2])
        return LearnedState(params, optimizer.init(params))

    def loss(
        state: LearnedState, predictions: Array, targets: Keypoints, where: Array | None = None, **_: Any
    ) -> Array:
        standard, log_sigma = residual(predictions, targets), predictions[..., 2:]
        laplace = jnp.sum(log_sigma + jnp.log(2.0) + jnp.abs(standard), axis=-1)
        by_point = jnp.sum(log_sigma, axis=-1) - log_density(state.params, standard) + laplace
        return masked(mean_over_visible(by_point, targets), where)

    def update(
        state: LearnedState,
        key: Array,
        predictions: Array,
        targets: Keypoints,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        **more: Any,
    ) -> tuple[LearnedState, Info]:
        standard = residual(predictions, targets)

        def sums(params):
            of_example = mean_over_visible(log_density(params, standard), targets)
            return jnp.sum(weighted(of_example, where)), num_valid(where, len(standard))

        def combine(total):
            return -safe_divide(*total), ()

        return objectives.learning_step(optimizer, state, sums, combine, axis_name)[0], Info.unknown()

    return of_sound_batches(prepared, init, loss, update)
