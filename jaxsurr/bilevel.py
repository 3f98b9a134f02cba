"""The bilevel training step: the surrogate learns the metric, the model learns from the surrogate.

Outer update: the surrogate is learned on the model's current predictions (and, in parameter space, on a held-out
batch). Inner update: the model takes a gradient step on the surrogate. Both are one pure function, the same on one
device and, with an `axis_name`, on many: every sum over examples is added over devices, and gradients are taken of
each device's own part first.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr.core import checks, meshes
from jaxsurr.core.products import matmul
from jaxsurr.core.protocols import Apply, Loss, TrainApply
from jaxsurr.core.reductions import num_valid, psum, safe_divide, weighted
from jaxsurr.core.types import AnyArray, Array, Batch, Info, PyTree, Surrogate, View
from jaxsurr.surrogates import objectives
from jaxsurr.surrogates.conventional import conventional as fixed

__all__ = ["Part", "Step", "StepInfo", "TrainState", "everything", "init_state", "last_layer", "make_step"]


class Part(Protocol):
    """Selection of the parameters in which gradients are compared."""

    def __call__(self, params: PyTree, /) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
        """The selected parameters of a model, and a function that replaces them: `part -> params`."""
        ...


class Step(Protocol):
    """A training step."""

    def __call__(
        self, state: "TrainState", batch: Batch, heldout: Batch | None = None
    ) -> "tuple[TrainState, StepInfo]":
        """The state after a step on a batch, and the step's info.

        Args:
          state: of `init_state` or the last step.
          batch: training rows, `[B, ...]`.
          heldout: rows that the model is not trained on, where gradients are compared in parameters.
        """
        ...


class TrainState(NamedTuple):
    """State of a training step.

    Attributes:
      params: of the model.
      optimizer: state of the model's optimizer.
      surrogate: state of the surrogate.
      key: typed; step t uses `fold_in(key, t)`.
      step: number of steps taken; `[]` int32.
      metric_weights: `[M]` float, weights of several metrics in the loss; None for the weights that the step was made
        with. The surrogate does not depend on them, so that they can be changed at any time without learning or
        compiling again, `state._replace(metric_weights=jnp.array([0.2, 0.8]))`.
    """

    params: PyTree
    optimizer: PyTree
    surrogate: PyTree
    key: Array
    step: Array
    metric_weights: Array | None = None


class StepInfo(NamedTuple):
    """What a step tells.

    Attributes:
      loss: mean training loss; `[]`.
      surrogate: info of the surrogate's last update.
      power_kept: 1 where the schedule of the power gave NaN or a number outside of [0, 1], and the step went on with
        the power of the state, that of the step before, else 0; `[]`. None in a step without such a schedule.
    """

    loss: AnyArray
    surrogate: Info
    power_kept: AnyArray | None = None


def everything(params: PyTree) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
    """All parameters, as those in which gradients are compared; of flax variables the trained ones."""
    if isinstance(params, dict) and "params" in params and len(params) > 1:
        return params["params"], lambda part: {**params, "params": part}
    return params, lambda part: part


def last_layer(name: str = "head") -> Part:
    """The parameters of one module of a flax model, as those in which gradients are compared.

    Gradients in the last layer cost next to nothing and hold most of the information of those in all layers.

    Args:
      name: the module's name among `params["params"]`.

    Raises:
      ValueError: (when used) there is no such module.
    """

    def part(params: PyTree) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
        layers = params["params"]
        if name not in layers:
            raise ValueError(f"the model has no module {name!r}; {checks.nearest(name, layers)}")
        return layers[name], lambda layer: {**params, "params": {**layers, name: layer}}

    return part


def init_state(
    key: Array,
    params: PyTree,
    optimizer: optax.GradientTransformation,
    surrogate: Surrogate,
    apply: Apply,
    batch: Batch,
    *,
    metric_weights: Any = None,
) -> TrainState:
    """The state before the first step; the surrogate's scale is taken from the predictions on `batch`.

    `metric_weights` are those of several metrics at once, `[M]`, which may be changed in the state later.
    """
    checks.typed_key(key)
    surrogate_key, step_key = jax.random.split(key)
    predictions = meshes.automatic(apply, of_rows=True)(params, batch.inputs)
    state = surrogate.init(surrogate_key, predictions, batch.targets, batch.where)
    weights = None if metric_weights is None else jnp.asarray(metric_weights, jnp.float32)
    return TrainState(params, optimizer.init(params), state, step_key, jnp.int32(0), weights)


def _view(apply: Apply, params: PyTree, part: Part, batch: Batch) -> View:
    selected, rebuild = part(params)
    predictions, pullback = jax.vjp(lambda p: apply(rebuild(p), batch.inputs), selected)
    return View(
        predictions,
        batch.targets,
        batch.where,
        lambda cotangent: pullback(cotangent.astype(predictions.dtype))[0],
    )


def _weigh(values: Array, weights: Array) -> Array:
    """`[..., M]` values of M metrics to `[...]`, their weighted sum."""
    if weights.ndim != 1 or values.ndim == 0 or values.shape[-1] != weights.shape[0]:
        raise ValueError(
            f"metric_weights must be one number for each of several metrics, whose losses have shape "
            f"{list(values.shape)} with the metrics last; got shape {list(weights.shape)}."
        )
    return matmul(values, weights)


def _is_of_sets(surrogate: Surrogate, state: PyTree, predictions: Array, batch: Batch) -> bool:
    """Whether a loss is one of the whole batch, and not one of each example."""
    values = jax.eval_shape(surrogate.loss, state, predictions, batch.targets, batch.where)
    return values.shape[:1] != predictions.shape[:1]


_LOOKED_AT = (0, 1, 10, 100, 1_000, 10_000, 100_000)


def _schedule(power: optax.Schedule | float | None) -> optax.Schedule | None:
    """The schedule of the power, looked at on a few steps before it is used.

    Raises:
      ValueError: it gives something else than a number in [0, 1].
    """
    if power is None:
        return None
    schedule = power if callable(power) else optax.constant_schedule(power)
    for step in _LOOKED_AT:
        with jax.ensure_compile_time_eval():  # a step may be made within a function that is traced
            q = np.asarray(schedule(jnp.int32(step)))
        checks.number(q.tolist(), f"power, at step {step}," if callable(power) else "power", least=0, most=1)
    return schedule


def _with_power(surrogate: PyTree, power: Any) -> tuple[PyTree, Array]:
    """A surrogate's state with another power, and 0; where that is no number in [0, 1] the state as it was, and 1."""
    if getattr(surrogate, "power", None) is None:
        raise ValueError(
            "power= is given, but the state of this surrogate has none: its loss does not lead from a likelihood to "
            "the metric, as that of jaxsurr.correlated_gradients does for a metric that counts decisions. Leave power "
            "out."
        )
    power = jnp.asarray(power, surrogate.power.dtype)
    sound = (power >= 0) & (power <= 1)  # NaN is not
    return surrogate._replace(power=jnp.where(sound, power, surrogate.power)), 1 - sound.astype(power.dtype)


def make_step(
    apply: Apply,
    optimizer: optax.GradientTransformation,
    surrogate: Surrogate,
    *,
    learn: bool = True,
    train: bool = True,
    outer_steps: int = 1,
    conventional: Loss | None = None,
    mixture: float = 0.0,
    in_parameters: bool = False,
    part: Part = everything,
    metric_weights: Any = None,
    train_apply: TrainApply | None = None,
    power: optax.Schedule | float | None = None,
    axis_name: str | None = None,
) -> Step:
    """A pure training step `(state, batch, heldout=None) -> (state, StepInfo)`.

    A schedule consists of several such steps: `learn=False` trains on the frozen surrogate, `train=False` learns the
    surrogate only (after a warm start on another loss), and a warm start is a step on `surrogates.conventional(loss)`.

    Args:
      apply: `(params, inputs) -> predictions`, pure.
      optimizer: of the model.
      surrogate: the loss.
      learn: whether the surrogate is updated.
      train: whether the model is updated.
      outer_steps: updates of the surrogate before the model's.
      conventional: a loss `(predictions, targets, *, where) -> [B]` to mix in.
      mixture: its weight, in [0, 1]; the surrogate has the rest.
      in_parameters: pass the pullbacks of training and held-out batch to the surrogate's update, for
        `objective="parameters"`; the step then needs `heldout`.
      part: the parameters in which gradients are compared: `everything`, or `last_layer()`.
      metric_weights: `[M]` weights of several metrics, for states that hold none; those of a state may change.
      train_apply: `(params, inputs) -> (predictions, statistics)`, the predictions in training, and the entries of
        `params` that are replaced, such as the running averages of batch normalisation; None: as `apply`. It gets all
        rows of a batch, also those that `where` masks in the loss. Held-out batches use `apply`.
      power: q of a surrogate whose loss leads from a likelihood (0) to the metric (1), such as `correlated_gradients`:
        a number, or a schedule of optax, `step -> q` in [0, 1]. `optax.linear_schedule(0.0, 0.7, steps)` is the default
        of the launcher. None: the power of the surrogate's state. Where a schedule gives NaN, or a number outside of
        [0, 1], a step goes on with the power of the one before, and `StepInfo.power_kept` is 1.
      axis_name: of the `jax.pmap` axis, or None, also for arrays that are sharded on a mesh. A metric of sets sees each
        device's part of a batch as a set; where it is None, the whole batch.

    Returns:
      The step, not yet compiled. `jax.jit(step, donate_argnums=0)`, or `jaxsurr.parallel`.

    Raises:
      ValueError: an argument is out of range, as the power is at one of the steps 0, 1, 10, 100, ... that are looked at
        beforehand; in the step, a batch is missing.
    """
    checks.positive_integer(outer_steps, "outer_steps")
    checks.number(mixture, "mixture", least=0, most=1)
    if mixture and conventional is None:
        raise ValueError("mixture is positive, but there is no conventional loss to mix in: pass conventional=.")
    power_at = _schedule(power)

    in_training = train_apply or (lambda params, inputs: (apply(params, inputs), {}))
    mixed_in = fixed(conventional) if mixture and conventional is not None else None

    def outer(state: TrainState, key: Array, batch: Batch, predictions: Array, heldout: Batch | None):
        extra: dict[str, Any] = {}
        if in_parameters:
            if heldout is None:
                raise ValueError("a step with in_parameters=True needs a held-out batch: step(state, batch, heldout).")
            extra = {
                "pullback": _view(lambda p, x: in_training(p, x)[0], state.params, part, batch).pullback,
                "heldout": _view(apply, state.params, part, heldout),
            }
        learned, info = state.surrogate, Info.unknown()
        for i in range(outer_steps):
            learned, info = surrogate.update(
                learned,
                jax.random.fold_in(key, i),
                predictions,
                batch.targets,
                batch.where,
                axis_name=axis_name,
                **extra,
            )
        return learned, info

    def step(state: TrainState, batch: Batch, heldout: Batch | None = None) -> tuple[TrainState, StepInfo]:
        key = jax.random.fold_in(state.key, state.step)
        predictions, pullback, statistics = jax.vjp(
            lambda params: in_training(params, batch.inputs), state.params, has_aux=True
        )
        of_sets = meshes.is_set() and _is_of_sets(surrogate, state.surrogate, predictions, batch)
        if of_sets:  # gathered once, it needs no sums over devices, of which each waits for the last
            predictions, targets, where = meshes.replicated((predictions, batch.targets, batch.where))
            batch = batch._replace(targets=targets, where=where)
        learned, info = state.surrogate, Info.unknown()
        if learn:
            learned, info = outer(state, key, batch, jax.lax.stop_gradient(predictions), heldout)

        power_kept = None
        if power_at is not None:
            learned, power_kept = _with_power(learned, power_at(state.step))

        def local_loss(z):
            """The device's part of the mean loss; parts add up over devices."""
            values = surrogate.loss(learned, z, batch.targets, batch.where, axis_name=axis_name)
            weights = metric_weights if state.metric_weights is None else state.metric_weights
            if weights is not None:
                values = _weigh(values, jnp.asarray(weights, values.dtype))
            elif values.ndim > 1 or (values.ndim == 1 and values.shape != z.shape[:1]):
                raise ValueError(
                    f"the surrogate is one of {values.shape[-1]} metrics: pass metric_weights= to weigh them."
                )
            if mixed_in is not None:
                of_fixed = mixed_in.loss((), z, batch.targets, batch.where, axis_name=axis_name)
                values = mixture * of_fixed + (1 - mixture) * values
            size = z.shape[0]
            everyone = num_valid(batch.where, size, axis_name)
            if values.ndim == 0:  # a metric of sets
                return safe_divide(values * num_valid(batch.where, size), everyone)
            return safe_divide(jnp.sum(weighted(values, batch.where)), everyone)

        loss, slope = jax.value_and_grad(local_loss)(predictions)
        slope = meshes.replicated(slope) if of_sets else slope
        params, optimizer_state = state.params, state.optimizer
        if train:
            gradient = psum(pullback(slope)[0], axis_name)
            params, optimizer_state = objectives.descended(optimizer, gradient, optimizer_state, params)
            if statistics:
                params = {**params, **statistics}
        return (
            TrainState(params, optimizer_state, learned, state.key, state.step + 1, state.metric_weights),
            StepInfo(psum(loss, axis_name), info, power_kept),
        )

    return meshes.automatic(step, keeps_first=True)
