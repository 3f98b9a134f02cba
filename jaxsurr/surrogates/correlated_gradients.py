"""Surrogate losses whose gradients correlate with the metric's."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.moments import affine, correlate
from jaxsurr.core.reductions import count, masked, masked_mean, total
from jaxsurr.core.types import Array, Info, PyTree, Space, Surrogate, View
from jaxsurr.metrics.base import as_metric, output_shape
from jaxsurr.smoothing.set_estimators import GROUP_SIZE, check_estimator
from jaxsurr.smoothing.smoothed_metric import (
    check_options,
    normal_directions,
    prepared,
    smoothed_metric,
    smoothing_scale,
    table_directions,
)
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.families.base import Family, Problem, to_parameters
from jaxsurr.surrogates.families.basis import basis_family
from jaxsurr.surrogates.families.deep_set import set_network_family
from jaxsurr.surrogates.families.mlp import Network, mlp
from jaxsurr.surrogates.families.network import network_family
from jaxsurr.surrogates.objectives import check_kind, value_fit
from jaxsurr.surrogates.sound import of_sound_batches
from jaxsurr.surrogates.state import SurrogateState, calibration, first_spread, running, settling

FAMILIES = ("network", "additive", "basis", "kernel")
OBJECTIVES = ("predictions", "parameters")


@described
def correlated_gradients(
    metric: Callable[..., Array],
    *,
    space: Space | None = None,
    family: str | Family = "network",
    objective: str = "predictions",
    num_pairs: int = 16,
    relative_scale: float = 0.15,
    spread: float = 1.0,
    value_weight: float = 0.1,
    correlation_weight: float = 1.0,
    penalty_weight: float = 0.0,
    correlation: str = "cosine",
    calibrate: bool = True,
    network: Callable[[int], Network] = mlp,
    optimizer: optax.GradientTransformation | None = None,
    decay: float = 0.95,
    scale_updates: int = 50,
    chunk_size: int = 16,
    exact_noise: bool = False,
    estimator: str = "auto",
) -> Surrogate:
    """A surrogate loss for a metric, learned so that its gradient correlates with the metric's.

    The surrogate S minimises, over a batch of predictions,

        value_weight * E (S - m_s)^2 / Var(m_s)  +  correlation_weight * (1 - corr(grad_z S, g))

    where `m_s` and `g` are value and gradient of the metric smoothed at scale s (`jaxsurr.smoothing`), and s is
    `relative_scale` times the spread that the predictions have when the surrogate begins to learn. From then on the
    scale stays: a model that is trained on the surrogate sharpens it by growing its logits, as it does with any loss,
    while a scale that grew with them would smooth more and more. Its loss is `c S + b` with the running calibration
    `c = <grad S, g> / <grad S, grad S>` (never below 0: a surrogate that points the wrong way trains nothing) and the
    running offset b, so that a gradient has the metric's size and the loss follows the metric's value (its negative
    where higher is better).

    The idea, a surrogate that approximates the metric and whose gradients correlate with the metric's, is that of Yoa,
    Park and Kim, Learning Non-Parametric Surrogate Losses with Correlated Gradients, IEEE Access 9, 2021, of which only
    the abstract was at hand. Estimator, networks, calibration, schedule and all defaults are this library's.

    Args:
      metric: what to learn; it must know its direction (`jaxsurr.metric`).
      space: the prediction space, by default the metric's.
      family: "network" (an MLP on the space's features, trained by `optimizer`; for a metric of sets a deep set, which
        reads all examples together and is invariant to their order: `set_network_family`), "additive" (the MLP, whose
        mean over examples stands for the set), "basis" (a non-negative mixture of
        ramps and conventional losses, solved in closed form), "kernel" (the same with its ramps placed on remembered
        predictions), or a `Family`.
      objective: "predictions" (gradients are compared in prediction space), or "parameters": the gradient of
        the model's parameters on training examples is compared with the metric's on held-out examples, and `update`
        needs `pullback` and `heldout`.
      num_pairs: antithetic pairs for each example and update; `info.ceiling` tells what they can show.
      relative_scale: smoothing scale over the spread of the predictions, to begin with (the state keeps it, see
        `jaxsurr.matched_scale`). Larger sees further, smaller is more exact.
      spread: in "predictions", standard deviation of the noise that spreads the points where the surrogate is learned
        about the predictions, in smoothing scales.
      value_weight, correlation_weight, penalty_weight: of the objective of the network family.
      correlation: "cosine" or "pearson".
      calibrate: False leaves c = 1 and b = 0.
      network: `number of metrics -> Network`, of the network family of examples.
      optimizer: of the network's parameters, by default `optax.adam(0.01)`.
      decay: of the running averages of spread, calibration and offset.
      scale_updates: how many updates the scale follows the spread for, at least 1, before it stays.
      chunk_size: pairs held in memory at once.
      exact_noise: draw fresh normal noise in place of reading it from a table (slower).
      estimator: of the gradient of a metric of sets, see `smoothed_metric`.

    Returns:
      `Surrogate(init, loss, update)`. A set is the batch; with an `axis_name` each device's share of it.

    Raises:
      ValueError, TypeError: an argument is out of its range, or the metric does not fit the contract.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate)
    >>> logits, labels = jax.random.normal(jax.random.key(0), (64, 10)), jnp.arange(64) % 10
    >>> state = surrogate.init(jax.random.key(1), logits, labels)
    >>> update = jax.jit(surrogate.update)
    >>> for step in range(50):
    ...     state, info = update(state, jax.random.key(step), logits, labels)
    >>> bool(info.gradient_correlation > 0.5)
    True
    >>> surrogate.loss(state, logits, labels).shape
    (64,)
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    checks.one_of(objective, "objective", OBJECTIVES)
    counts = dict(num_pairs=num_pairs, chunk_size=chunk_size, scale_updates=scale_updates)
    check_options(relative_scale=relative_scale, decay=decay, **counts)
    check_kind(correlation)
    if not spread >= 0:
        raise ValueError(f"spread must be at least 0, got {spread!r}.")
    if isinstance(family, str):
        checks.one_of(family, "family", FAMILIES)
        of_sets = family == "network" and not metric.per_example
        if family in ("network", "additive"):
            learned: dict[str, Any] = dict(
                optimizer=optax.adam(1e-2) if optimizer is None else optimizer,
                value_weight=value_weight,
                correlation_weight=correlation_weight,
                penalty_weight=penalty_weight,
                correlation=correlation,
            )
            if of_sets:
                family = set_network_family(space, **learned)
            else:
                family = network_family(space, network=network, **learned)
        else:
            family = basis_family(space, remembered=family == "kernel")
    directions = normal_directions if exact_noise else table_directions()
    check_estimator(estimator, GROUP_SIZE)

    def scale_of(state: SurrogateState) -> Array:
        return smoothing_scale(state.relative_scale, state.spread, space.least)

    def calibration_of(state: SurrogateState) -> Array:
        return calibration(state) if calibrate else jnp.ones_like(state.along)

    def init(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> SurrogateState:
        """State of a surrogate that has learned nothing yet, with the scale of these predictions.

        Args:
          key: typed, for the network's parameters.
          predictions: `[B, ...]`, as the model makes them.
          targets: what the metric reads.
          where: `[B]` bool, or None.
        """
        outputs = output_shape(metric, predictions, targets)
        metrics = outputs[0] if outputs else 1
        size = first_spread(space.spread(predictions, targets), where)
        along, length, offset = (
            jnp.zeros((metrics,)) for _ in range(3)
        )  # three arrays: a buffer can be donated only once
        state = SurrogateState(None, size, along, length, offset, jnp.int32(0), jnp.float32(relative_scale))
        return state._replace(family=family.init(key, View(predictions, targets, where), scale_of(state), metrics))

    def loss(
        state: SurrogateState,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        """The calibrated surrogate: `[B]` or `[B, M]` (`[]` or `[M]` for a metric of sets); masked rows are 0."""
        values = family.values(state.family, predictions, targets, scale_of(state), len(state.along), where)
        values = calibration_of(state)[None] * values + state.offset[None]
        if not output_shape(metric, predictions, targets):
            values = values[..., 0]
        return masked(values, where) if metric.per_example else masked_mean(values, where)

    def perturb(key, view: View, scale, axis_name):
        first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * view.predictions.shape[0]
        smoothed = smoothed_metric(
            metric,
            view.predictions,
            view.targets,
            key=key,
            scale=scale,
            num_pairs=num_pairs,
            where=view.where,
            space=space,
            chunk_size=chunk_size,
            first_example=first,
            directions=directions,
            estimator=estimator,
        )
        batch, shape = view.predictions.shape[0], view.predictions.shape
        value, size = smoothed.value, 1
        if not metric.per_example:
            # The loss of a set is the mean over its n examples: each stands for the whole value and, as the mean
            # divides by n, for n times its part of the gradient.
            value, size = jnp.broadcast_to(value, (batch, *value.shape)), count(view.where, batch)
        return (
            metric.sign * value.reshape(batch, -1),
            metric.sign * size * smoothed.gradient.reshape(-1, *shape),
            size * smoothed.error.reshape(-1, *shape),
        )

    def spread_out(key, view: View, scale, axis_name) -> View:
        if not spread:
            return view
        shape = view.predictions.shape
        first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * shape[0]
        noise = directions(key, first + jnp.arange(shape[0]), 0, 1, 1, view.predictions[0].size)[0].reshape(shape)
        moved = view.predictions + spread * scale * space.unit(view.predictions, view.targets) * noise
        return view._replace(predictions=masked(moved, view.where))

    def update(
        state: SurrogateState,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        pullback: Callable[[Array], PyTree] | None = None,
        heldout: View | None = None,
        axis_name: str | None = None,
    ) -> tuple[SurrogateState, Info]:
        """One step of learning the surrogate.

        Args:
          state: from `init` or the last update.
          key: typed, a new one each time and the same on every device.
          predictions, targets, where: a batch, as for `loss`; what is learned has no gradient in it.
          pullback: for `objective="parameters"`: from a cotangent of `predictions` to the model's parameters (of the
            last layer, or of all), as `jax.vjp` returns it.
          heldout: for `objective="parameters"`: a view of examples that the model is not trained on, with its own
            pullback to the same parameters.
          axis_name: of the `jax.pmap` axis whose devices share the batch.

        Returns:
          The new state, and `Info` about the surrogate as it was before the step.
        """
        slope = View(predictions, targets, where)
        number = count(where, predictions.shape[0], axis_name)
        size = masked_mean(space.spread(predictions, targets), where, axis_name=axis_name)
        size = jnp.where(number > 0, size, state.spread)  # where no row counts, nothing is known of the spread
        state = state._replace(spread=settling(state.spread, size, state.step, decay, scale_updates))
        scale = scale_of(state)
        noise_key, centre_key = jax.random.split(key)
        if objective == "parameters":
            if pullback is None or heldout is None or heldout.pullback is None:
                raise ValueError(
                    "objective='parameters' compares gradients of the model's parameters: pass pullback= of the "
                    "training predictions and heldout=jaxsurr.View(predictions, targets, where, pullback). "
                    "jaxsurr.bilevel.make_step does it for you."
                )
            slope = slope._replace(pullback=pullback)
            there, wanted = jax.lax.stop_gradient(prepared(space, heldout.predictions, heldout.targets, heldout.where))
            fit = heldout._replace(predictions=there, targets=wanted)
        else:
            slope = fit = spread_out(centre_key, slope, scale, axis_name)
        values, goal, error = perturb(noise_key, fit, scale, axis_name)
        shift = masked_mean(values, fit.where, axis_name=axis_name)
        flat = masked_mean(
            jnp.all(goal == 0, axis=tuple(range(2, goal.ndim))).T.astype(scale.dtype), fit.where, axis_name=axis_name
        )
        if objective == "parameters":
            # Means over examples on both sides, so that coefficients mean the same for any two batch sizes.
            batch = fit.predictions.shape[0]
            share = number / jnp.maximum(count(fit.where, batch, axis_name), 1)
            goal, error = (total(to_parameters(fit.pullback, share * array), axis_name) for array in (goal, error))
        problem = Problem(slope, goal, fit, values, shift, scale, axis_name)
        learned, by_value, by_slope = family.learn(state.family, problem)

        squared_error = jnp.sum(error.reshape(len(error), -1) ** 2, axis=-1)
        if objective == "predictions":
            squared_error = total(squared_error, axis_name)
        signal = 1 - squared_error / jnp.where(by_slope.yy > 0, by_slope.yy, 1)
        before = calibration_of(state)
        along, length = (
            running(old, new, state.step, decay)
            for old, new in ((state.along, by_slope.xy), (state.length, by_slope.xx))
        )
        state = state._replace(family=learned, along=along, length=length, step=state.step + 1)
        surrogate_mean = shift + (by_value.x - by_value.y) / jnp.maximum(by_value.n, 1)
        of_loss = affine(by_value, before, (before - 1) * shift + state.offset)
        if calibrate:
            offset = shift - calibration_of(state) * surrogate_mean
            if metric.per_example:
                offset = running(state.offset, offset, state.step - 1, decay)
            else:  # the value of a set swings with each step of the parameters: it is taken after the step
                after = family.values(learned, fit.predictions, fit.targets, scale, values.shape[-1], fit.where)
                offset = shift - calibration_of(state) * masked_mean(after, fit.where, axis_name=axis_name)
            state = state._replace(offset=offset)
        info = Info(
            value_error=jax.vmap(value_fit)(of_loss),
            gradient_correlation=jax.vmap(lambda m: correlate(m, correlation))(by_slope),
            ceiling=jnp.sqrt(jnp.maximum(jnp.where(by_slope.yy > 0, signal, 0), 0)),
            metric=metric.sign * shift,
            flat=flat,
            scale=scale,
            calibration=before,
            skipped=jnp.zeros_like(before),
        )
        if not output_shape(metric, predictions, targets):
            info = jax.tree.map(lambda leaf: leaf.reshape(()), info)
        return state, info

    return of_sound_batches(functools.partial(prepared, space), init, loss, update)
