"""Surrogate losses whose gradients correlate with the metric's.

One update, with predictions z, targets y, the surrogate `L = c S + b` and the smoothed metric `m_s`, lower is better:

    g       = estimate of grad_z m_s(z, y)                                         estimated_goal
    S       : value_weight E (S - m_s)^2 / Var(m_s) + correlation_weight (1 - corr(grad_z S, g))     Family.learn
    c       = <grad S, g> / <grad S, grad S>, a running average, at least 0        calibrated, calibration
    b       = E m_s - c E S, a running average                                     Method._offset

The loss of decisions is `c S_q + b`, S_q being S with `(1 - a^q) / q` in place of each `1 - a`     families.decisions
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.moments import Moments, affine, correlate
from jaxsurr.core.reductions import masked, masked_mean, psum
from jaxsurr.core.types import Array, Info, PyTree, Space, Surrogate, View
from jaxsurr.metrics.base import Metric, as_metric, output_shape
from jaxsurr.smoothing.function_directions import chosen_estimator, no_sums, number_of_atoms
from jaxsurr.smoothing.goal import (
    DEFAULT,
    Estimation,
    check_options,
    estimated_goal,
    goal_of_each,
    noise_ceiling,
    squared_norm,
    with_noise,
    zero_gradient_fraction,
)
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.surrogates.decided import noticing_decisions
from jaxsurr.surrogates.description import described
from jaxsurr.surrogates.families import decides, family_of
from jaxsurr.surrogates.families.base import Family, Problem
from jaxsurr.surrogates.families.mlp import Network, mlp
from jaxsurr.surrogates.objectives import check_kind, check_power, value_fit
from jaxsurr.surrogates.order import noticing_order
from jaxsurr.surrogates.parameter_space import goal_in_parameters, heldout_view
from jaxsurr.surrogates.sound import of_sound_batches
from jaxsurr.surrogates.state import (
    SurrogateState,
    calibrated,
    calibration,
    first_state,
    natural_scale,
    running,
    scale_of,
    settled,
)

__all__ = ["OBJECTIVES", "Method", "correlated_gradients"]

OBJECTIVES = ("predictions", "parameters")


@dataclasses.dataclass(frozen=True)
class Method:
    """The three functions of a surrogate, of the options of `correlated_gradients`.

    Attributes:
      metric, space, objective, num_pairs, relative_scale, correlation, calibrate, estimation: as there.
      family: of functions, what its name stands for.
      power: as there, and None where the family does not know it.
    """

    metric: Metric
    space: Space
    family: Family
    objective: str
    num_pairs: int
    relative_scale: float | None
    power: float | None
    correlation: str
    calibrate: bool
    estimation: Estimation

    def init(self, key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> SurrogateState:
        """State of a surrogate that has learned nothing yet, with the scale of these predictions.

        Args:
          key: typed, for the network's parameters.
          predictions: `[B, ...]`, as the model makes them.
          targets: what the metric reads.
          where: `[B]` bool, or None.
        """
        outputs, view = output_shape(self.metric, predictions, targets), View(predictions, targets, where)
        metrics = outputs[0] if outputs else 1
        state = first_state(self.space, view, metrics, self.relative_scale, self.power)
        if self._estimator(predictions, targets) == "functions":
            atoms = number_of_atoms(self.space, predictions, targets)
            state = state._replace(functions=no_sums(atoms, metrics, predictions.dtype))
        return state._replace(family=self.family.init(key, view, scale_of(state, self.space), metrics))

    def loss(
        self,
        state: SurrogateState,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
    ) -> Array:
        """The calibrated surrogate: `[B]` or `[B, M]` (`[]` or `[M]` for a metric of sets); masked rows are 0."""
        power = () if self.power is None else (state.power,)
        scale, metrics = scale_of(state, self.space), len(state.offset)
        values = self.family.values(state.family, predictions, targets, scale, metrics, where, *power)
        values = self._factor(state)[None] * values + state.offset[None]
        if not output_shape(self.metric, predictions, targets):
            values = values[..., 0]
        return masked(values, where) if self.metric.per_example else masked_mean(values, where)

    def update(
        self,
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
        noise_key, centre_key = jax.random.split(key)
        view = View(predictions, targets, where, pullback)
        if natural_scale(self.space, self.relative_scale) is None:
            state = settled(state, self.space, view, self.estimation.decay, axis_name)
        scale, c = scale_of(state, self.space), self._factor(state)

        gradient_view, value_view, unit = self._views(view, heldout, centre_key, scale, axis_name)
        goal = estimated_goal(
            self.metric,
            value_view,
            key=noise_key,
            scale=scale,
            num_pairs=self.num_pairs,
            space=self.space,
            chunk_size=self.estimation.chunk_size,
            estimator=self._estimator(predictions, targets, state.functions is not None),
            sums=state.functions,
            unit=unit,
            axis_name=axis_name,
        )
        state = state._replace(functions=goal.sums)
        if not self.metric.per_example:
            goal = goal_of_each(goal, value_view.where)
        mean = masked_mean(goal.values, value_view.where, axis_name=axis_name)
        zero = zero_gradient_fraction(goal, value_view.where, axis_name)
        if self.objective == "parameters":
            goal = goal_in_parameters(goal, gradient_view, value_view, axis_name)

        problem = Problem(gradient_view, goal.gradient, value_view, goal.values, mean, scale, axis_name)
        learned, value_sums, gradient_sums = self.family.learn(state.family, problem)
        after = calibrated(state._replace(family=learned), gradient_sums, self.estimation.decay)
        if self.calibrate:
            after = after._replace(offset=self._offset(after, state, problem, value_sums))

        squared_error = squared_norm(goal.error)
        if self.objective == "predictions":
            squared_error = psum(squared_error, axis_name)
        info = Info(
            value_error=jax.vmap(value_fit)(affine(value_sums, c, (c - 1) * mean + state.offset)),
            gradient_correlation=jax.vmap(lambda sums: correlate(sums, self.correlation))(gradient_sums),
            ceiling=noise_ceiling(squared_error, gradient_sums.yy),
            metric=self.metric.sign * mean,
            zero_gradient_fraction=zero,
            scale=scale,
            calibration=c,
            skipped=jnp.zeros_like(c),
        )
        if not output_shape(self.metric, predictions, targets):
            info = jax.tree.map(lambda leaf: leaf.reshape(()), info)
        return after, info

    def _estimator(self, predictions: Array, targets: PyTree, along_functions: bool = True) -> str:
        """The estimator of the gradient of a set metric."""
        return chosen_estimator(
            self.estimation.estimator, self.metric, self.space, predictions, targets, along_functions
        )

    def _factor(self, state: SurrogateState) -> Array:
        """The calibration c in use, `[M]`."""
        return calibration(state) if self.calibrate else jnp.ones_like(state.dot_sg)

    def _views(
        self, view: View, heldout: View | None, key: Array, scale: Array, axis_name: str | None
    ) -> tuple[View, View, Array]:
        """Where gradients are compared, where values are, and the unit of the space there."""
        if self.objective == "parameters":
            value_view = heldout_view(self.space, heldout, view.pullback, axis_name)
            return view, value_view, self.space.unit(value_view.predictions, value_view.targets)
        unit = self.space.unit(view.predictions, view.targets)
        moved = with_noise(
            view._replace(pullback=None), unit, key=key, scale=scale, spread=self.estimation.spread, axis_name=axis_name
        )
        return moved, moved, unit

    def _offset(self, after: SurrogateState, before: SurrogateState, problem: Problem, value_sums: Moments) -> Array:
        """The offset b of a state after an update, `[M]`.

        The value of a set swings with each step of the parameters: it is taken after the step, and not averaged.
        """
        mean, view = problem.mean, problem.value_view
        if self.metric.per_example:
            surrogate_mean = mean + (value_sums.x - value_sums.y) / jnp.maximum(value_sums.n, 1)
            new = mean - calibration(after) * surrogate_mean
            return running(before.offset, new, before.step, self.estimation.decay)
        values = self.family.values(after.family, view.predictions, view.targets, problem.scale, len(mean), view.where)
        surrogate_mean = masked_mean(values, view.where, axis_name=problem.axis_name)
        return mean - calibration(after) * surrogate_mean


@described
def correlated_gradients(
    metric: Callable[..., Array],
    *,
    space: Space | None = None,
    family: str | Family = "auto",
    objective: str = "predictions",
    num_pairs: int = 16,
    relative_scale: float | None = 0.15,
    power: float = 1.0,
    value_weight: float = 0.1,
    correlation_weight: float = 1.0,
    correlation: str = "cosine",
    calibrate: bool = True,
    network: Callable[[int], Network] = mlp,
    optimizer: optax.GradientTransformation | None = None,
    estimation: Estimation = DEFAULT,
) -> Surrogate:
    """A surrogate loss for a metric, learned so that its gradient correlates with the metric's.

    The surrogate S minimises, over a batch of predictions,

        value_weight * E (S - m_s)^2 / Var(m_s)  +  correlation_weight * (1 - corr(grad_z S, g))

    where `m_s` and `g` are value and gradient of the metric smoothed at scale s (`jaxsurr.smoothing`), and s is
    `relative_scale` times the spread that the predictions have when the surrogate begins to learn. After the first 50
    updates the scale stays: a model that is trained on the surrogate sharpens it by growing its logits, as it does with
    any loss, while a scale that grew with them would smooth more and more. Its loss is `c S + b` with the running
    calibration `c = <grad S, g> / <grad S, grad S>` (never below 0: a surrogate that points the wrong way trains
    nothing) and the running offset b, so that a gradient has the metric's size and the loss follows the metric's value
    (its negative where higher is better).

    Of decisions (a class, the thresholds between levels, keypoints) S is a sum of `1 - a_i`, a_i the probability that
    decision i comes out right under the noise. A loss with q < 1 has `(1 - a_i^q) / q` in its place: at q = 0 the
    likelihood `-log a_i`, whose gradient does not vanish where a prediction is far wrong. What is learned is the same
    for all q. A model that is trained while q moves from 0 to 0.7 has everybody within reach early, and counts as the
    metric does late.

    The idea, a surrogate that approximates the metric and whose gradients correlate with the metric's, is that of Yoa,
    Park and Kim, Learning Non-Parametric Surrogate Losses with Correlated Gradients, IEEE Access 9, 2021, of which only
    the abstract was at hand. Estimator, networks, calibration, schedule and all defaults are this library's.

    Args:
      metric: what to learn; it must know its direction (`jaxsurr.metric`).
      space: the prediction space, by default the metric's.
      family: "auto" ("counts" for a metric of sets, "network" where that has too many, and "decisions" for a metric of
        examples), "decisions" (the log odds of right decisions, an MLP on the space's features beside their margins,
        trained by `optimizer`: `decision_family`), "network" (an MLP for the value itself; for a metric of sets a deep
        set, which is invariant to the order of examples: `set_network_family`; "decisions" is the same where a metric
        has none), "basis" (a non-negative mixture of ramps and fixed losses, solved in closed form), "kernel" (the
        same with its ramps placed on remembered predictions), "counts" (linear in soft counts, for metrics of sets;
        solved in closed form, and nearly all there after one update: `count_family`), or a `Family`.
      objective: "predictions" (gradients are compared in prediction space), or "parameters": the gradient of
        the model's parameters on training examples is compared with the metric's on held-out examples, and `update`
        needs `pullback` and `heldout`.
      num_pairs: antithetic pairs for each example and update; `info.ceiling` tells what they can show
        (along functions, of the part of the gradient that these can express).
      relative_scale: smoothing scale over the spread of the predictions, to begin with (the state keeps it, see
        `jaxsurr.matched_scale`). Larger sees further, smaller is more exact. None: the noise that a likelihood of the
        space assumes (`Space.natural`), at which the loss with q = 0 is a common one: cross-entropy for the error rate.
      power: q of the loss to begin with, in [0, 1] (the state keeps it, see `jaxsurr.bilevel.make_step`).
      value_weight, correlation_weight: of the objective of the network family.
      correlation: "cosine" or "pearson".
      calibrate: False leaves c = 1 and b = 0.
      network: `number of metrics -> Network`, of the network family of examples.
      optimizer: of the network's parameters, by default `optax.adam(0.01)`.
      estimation: settings that are seldom changed.

    `init` of a metric of sets that is estimated along functions permutes the examples once, and warns where the value
    changes: such a metric has no gradient that is a function of an example, and is estimated from groups. Within
    `jax.jit`, as in `jax.jit(surrogate.init)`, there are no values and nothing is noticed: call `init` outside of it,
    or choose `jaxsurr.surrogates.Estimation(estimator="groups")`.

    Returns:
      `Surrogate(init, loss, update)`. A set is the batch; with an `axis_name` each device's share of it
      (on a mesh there is none, see `jaxsurr.parallel.executor`).

    Raises:
      ValueError, TypeError: an argument is out of its range, or the metric does not fit the contract.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate)
    >>> logits, labels = jax.random.normal(jax.random.key(0), (64, 10)), jnp.arange(64) % 10
    >>> state = surrogate.init(jax.random.key(1), logits, labels)
    >>> for step in range(50):
    ...     state, info = surrogate.update(state, jax.random.key(step), logits, labels)
    >>> bool(info.gradient_correlation > 0.5)
    True
    >>> surrogate.loss(state, logits, labels).shape
    (64,)
    """
    metric = as_metric(metric)
    space = metric.space if space is None else space
    checks.one_of(objective, "objective", OBJECTIVES)
    check_options(num_pairs, relative_scale, estimation)
    check_kind(correlation)
    leads = decides(family, metric, space)
    check_power(power, leads, metric.name)
    of_items = family in ("auto", "decisions")
    if isinstance(family, str):
        family = family_of(
            family,
            metric,
            space,
            network=network,
            optimizer=optimizer,
            value_weight=value_weight,
            correlation_weight=correlation_weight,
            correlation=correlation,
        )
    method = Method(
        metric=metric,
        space=space,
        family=family,
        objective=objective,
        num_pairs=num_pairs,
        relative_scale=relative_scale,
        power=power if leads else None,
        correlation=correlation,
        calibrate=calibrate,
        estimation=estimation,
    )
    sound = of_sound_batches(functools.partial(prepared, space), method.init, method.loss, method.update)
    if leads:
        return noticing_decisions(sound, metric, space, of_items=of_items)
    return noticing_order(sound, metric, space)
