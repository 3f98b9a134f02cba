"""From a config to compiled functions: model, optimizer, surrogate and the steps of the schedule."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from jaxsurr import bilevel, losses, metrics, models, parallel, surrogates
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.training.config import LEARNED
from jaxsurr.types import Surrogate


class Program(NamedTuple):
    """What a run executes; it depends on the config but for its seed, and on the shapes of the data.

    Attributes:
      model: `init` and `apply`.
      metric: what is reported and learned.
      optimizer: of the model.
      surrogate: the loss after the warm start; None where a conventional loss does it all.
      warm: the conventional loss as a surrogate.
      executor: of one device or many.
      steps: compiled steps by phase: "conventional", "burn_in", "surrogate" (learns and trains), "frozen" (trains).
      predict: compiled `(params, inputs) -> predictions`.
    """

    model: models.Model
    metric: Metric
    optimizer: optax.GradientTransformation
    surrogate: Surrogate | None
    warm: Surrogate
    executor: Any
    steps: dict[str, Callable]
    predict: Callable


def make_surrogate(config: Any, metric: Metric) -> Surrogate | None:
    """The learned loss of a config, or None where its loss is conventional."""
    if config.loss not in LEARNED:
        return None
    options = config.surrogate
    shared = dict(num_pairs=options.num_pairs, relative_scale=options.relative_scale)
    if config.loss == "smoothed":
        return surrogates.smoothed(metric, **shared)
    shared |= dict(
        spread=options.spread,
        penalty_weight=options.penalty_weight,
        correlation=options.correlation,
        calibrate=options.calibrate,
    )
    if config.loss == "value_fit":
        return surrogates.value_fit(metric, **shared)
    return surrogates.correlated_gradients(
        metric,
        family=options.family,
        objective=options.objective,
        value_weight=options.value_weight,
        correlation_weight=options.correlation_weight,
        **shared,
    )


def compares_parameters(config: Any) -> bool:
    """Whether the surrogate is learned in parameter space, and needs a second batch each step."""
    return config.loss == "correlated_gradients" and config.surrogate.objective == "parameters"


def make_optimizer(config: Any, steps: int) -> optax.GradientTransformation:
    """The model's optimizer, its learning rate falling to zero along a cosine over `steps`."""
    rate = optax.cosine_decay_schedule(config.learning_rate, steps)
    if config.optimizer == "sgd":
        return optax.chain(optax.add_decayed_weights(config.weight_decay), optax.sgd(rate, momentum=0.9))
    return optax.adamw(rate, weight_decay=config.weight_decay)


def check_fit(model: models.Model, data: Data, functions: dict[str, Callable]) -> list[jax.ShapeDtypeStruct]:
    """Traces functions of predictions and targets, by name, on two rows, before a run has written anything.

    Returns:
      What each gives.

    Raises:
      ValueError: a function cannot read what the model predicts or what the data hold.
    """
    inputs, targets = jax.tree.map(lambda leaf: leaf[:2], tuple(data.train))
    params = jax.eval_shape(model.init, jax.random.key(0), inputs)
    predictions = jax.eval_shape(model.apply, params, inputs)
    results = []
    for name, function in functions.items():
        try:
            result = jax.eval_shape(lambda z, y, function=function: function(z, y), predictions, targets)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{name} does not fit the model's predictions and the {data.kind}: {error}") from error
        results.append(result)
    return results


def weigh(config: Any, outputs: tuple[int, ...]) -> tuple[float, ...] | None:
    """Weights of M metrics that are learned at once, equal where the config has none; None for a single metric.

    Raises:
      ValueError: there are not as many weights as metrics.
    """
    weights, number = tuple(config.metric_weights), outputs[0] if outputs else 1
    if weights and len(weights) != number:
        raise ValueError(f"metric_weights has {len(weights)} entries, and {config.metric} is {number} metrics.")
    return (weights or (1 / number,) * number) if outputs else None


def build(config: Any, data: Data, steps_per_epoch: int) -> Program:
    """Builds the program of a config for data of these shapes.

    Raises:
      ValueError: the parts of the config do not fit each other or the data.
    """
    metric = metrics.get(config.metric)
    head = config.model.head
    wanted = {"classes": ("logits",), "levels": ("logits", "cumulative"), "points": ("points",)}[data.kind]
    if head not in wanted:
        raise ValueError(
            f"model.head is {head!r}, but the targets of {config.data.source} are {data.kind}: "
            f"use {' or '.join(wanted)}."
        )
    height = data.train.inputs.shape[1]
    model = models.build(
        config.model.name, outputs=data.outputs, head=head, hidden=tuple(config.model.hidden), size=height
    )
    optimizer = make_optimizer(config, config.epochs * steps_per_epoch)
    conventional = losses.get(config.conventional)
    surrogate = make_surrogate(config, metric)
    first = losses.get(config.loss) if surrogate is None else conventional
    warm = surrogates.conventional(first)
    executor = parallel.executor(config.devices or None)
    if config.batch_size % executor.num_devices:
        raise ValueError(
            f"batch_size is {config.batch_size}, which {executor.num_devices} devices cannot share equally; use a "
            f"multiple of {executor.num_devices}, or fewer devices."
        )
    shown, _ = check_fit(model, data, {config.metric: metric, config.conventional if surrogate else config.loss: first})
    weights = weigh(config, shown.shape[int(metric.per_example) :])

    def step(what: Surrogate, **options: Any) -> Callable:
        made = bilevel.make_step(model.apply, optimizer, what, axis_name=executor.axis_name, **options)
        return executor.compile(made)

    steps = {"conventional": step(warm, learn=False)}
    if surrogate is not None:
        outer = dict(
            outer_steps=config.surrogate.outer_steps,
            in_parameters=compares_parameters(config),
            part=bilevel.last_layer() if config.surrogate.part == "head" else bilevel.everything,
        )
        mixed = dict(conventional=conventional, mixture=config.mixture, metric_weights=weights)
        steps["burn_in"] = step(surrogate, train=False, metric_weights=weights, **outer)
        steps["surrogate"] = step(surrogate, **outer, **mixed)
        steps["frozen"] = step(surrogate, learn=False, **mixed)
    return Program(model, metric, optimizer, surrogate, warm, executor, steps, executor.compile_predict(model.apply))
