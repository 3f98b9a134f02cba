"""From a config to compiled functions: model, optimizer, surrogate and the steps of the schedule."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxsurr import bilevel, losses, metrics, models, parallel, surrogates
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.settings import parse_spec
from jaxsurr.training.feed import gather
from jaxsurr.training.methods import Method, resolve, spell
from jaxsurr.types import Surrogate

RATES = ("learning_rate", "weight_decay")


class Program(NamedTuple):
    """What a run executes; it depends on the config but for its seed and its rates, and on the shapes of the data.

    Attributes:
      model: `init` and `apply`.
      metric: what is reported and learned.
      optimizer: of the model.
      surrogate: the loss after the warm start; None where a conventional loss does it all.
      warm: the conventional loss as a surrogate.
      executor: of one device or many.
      steps: compiled steps by phase: "conventional", "burn_in", "surrogate" (learns and trains), "frozen" (trains).
      predict: compiled `(params, inputs) -> predictions`.
      passes: by phase, compiled `(state, parts, rows) -> (state, infos)` for R runs side by side on one device: the
        state, the splits that are drawn from and the rows of T batches `[R, T, B]`, with a leading axis R throughout.
      predict_each: compiled `(params, inputs) -> predictions`, all with a leading axis R.
    """

    model: models.Model
    metric: Metric
    optimizer: optax.GradientTransformation
    surrogate: Surrogate | None
    warm: Surrogate
    executor: Any
    steps: dict[str, Callable]
    predict: Callable
    passes: dict[str, Callable]
    predict_each: Callable


def make_surrogate(method: Method, metric: Metric) -> Surrogate | None:
    """The learned loss of a config, or None where its loss is conventional."""
    if method.loss is not None:
        return None
    if method.peer is not None:
        return method.peer(metric)
    config, options = method.config, method.config.surrogate
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
    """The model's optimizer, its learning rate falling to zero along a cosine over `steps`.

    Learning rate and weight decay are part of its state, so that runs that differ in them share a compiled program.
    """

    def make(learning_rate: Any, weight_decay: Any) -> optax.GradientTransformation:
        rate = optax.cosine_decay_schedule(learning_rate, steps)
        if config.optimizer == "sgd":
            return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=0.9))
        return optax.adamw(rate, weight_decay=weight_decay)

    return optax.inject_hyperparams(make)(**{name: getattr(config, name) for name in RATES})


def set_rates(state: Any, config: Any) -> Any:
    """A state of the optimizer with the learning rate and the weight decay of a config."""
    rates = {name: jnp.asarray(getattr(config, name), state.hyperparams[name].dtype) for name in RATES}
    return state._replace(hyperparams=state.hyperparams | rates)


def without_rates(loss: str) -> str:
    """The text of a loss without its rates: configs that are alike but for them and the seed can share a program.

    >>> without_rates("focal?gamma=1&learning_rate=0.01") == without_rates("focal?gamma=1")
    True
    """
    name, options = parse_spec(loss)
    return spell(name, {option: value for option, value in options.items() if option not in RATES})


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


def head_for(method: Method, kind: str) -> str:
    """The model's head: the config's, else the one that the loss (of the warm start, where it is learned) needs.

    Raises:
      ValueError: the head that the config names cannot serve these targets.
    """
    trained = method.name if method.loss is not None else method.config.conventional
    head = method.config.model.head or losses.HEADS.get(trained, "points" if kind == "points" else "logits")
    serves = [name for name, facts in models.HEADS.items() if kind in facts.kinds]
    if head not in serves:
        raise ValueError(
            f"model.head is {head!r}, but the targets of {method.config.data.source} are {kind}: "
            f"use {' or '.join(serves)}. (The loss is {method.name}.)"
        )
    return head


def metric_for(method: Method, head: str) -> Metric:
    """The metric of a config, decoded as the loss asks for, or else in a way that the head allows.

    Raises:
      ValueError: the loss asks for a decoding that the head does not allow.
    """
    name, options = parse_spec(method.config.metric)
    allowed = models.HEADS[head].decodes
    decodes = "decode" in metrics.METRICS[name].known_options
    if method.decode and not (decodes and method.decode in allowed):
        raise ValueError(
            f"the loss {method.name} asks for decode={method.decode}, which {name} of a model with the head {head!r} "
            f"does not have; {'use one of ' + ', '.join(allowed) if decodes and allowed else 'leave it out'}."
        )
    if not decodes:
        return metrics.get(method.config.metric)
    decode = method.decode or options.pop("decode", None)
    options["decode"] = decode if decode in allowed else allowed[0]
    return metrics.get(spell(name, {k: _text(v) for k, v in options.items()}))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def build(config: Any, data: Data, steps_per_epoch: int) -> Program:
    """Builds the program of a config for data of these shapes.

    Raises:
      ValueError: the parts of the config do not fit each other or the data.
    """
    method = resolve(config)
    config = method.config
    head = head_for(method, data.kind)
    metric = metric_for(method, head)
    executor = parallel.executor(config.devices or None)
    if config.batch_size % executor.num_devices:
        raise ValueError(
            f"batch_size is {config.batch_size}, which {executor.num_devices} devices cannot share equally; use a "
            f"multiple of {executor.num_devices}, or fewer devices."
        )
    height = data.train.inputs.shape[1]
    hidden = tuple(config.model.hidden)
    model = models.build(
        config.model.name, outputs=data.outputs, head=head, hidden=hidden, size=height, axis_name=executor.axis_name
    )

    def predict(params: Any, inputs: Any) -> Any:
        return model.read(model.apply(params, inputs))

    optimizer = make_optimizer(config, config.epochs * steps_per_epoch)
    conventional = losses.get(config.conventional)
    surrogate = make_surrogate(method, metric)
    first = method.loss or conventional
    warm = surrogates.conventional(first)
    (shown,) = check_fit(model._replace(apply=predict), data, {config.metric: metric})
    check_fit(model, data, {config.conventional if surrogate else config.loss: first})
    weights = weigh(config, shown.shape[int(metric.per_example) :])
    if surrogate is not None and config.mixture and losses.HEADS.get(config.conventional) == "heatmaps":
        raise ValueError(
            f"mixture is {config.mixture}, but {config.conventional} reads heat-maps and a learned loss reads points, "
            "so they cannot be mixed: set mixture=0, or a conventional loss on points."
        )

    def step(what: Surrogate, read: Callable = lambda outputs: outputs, **options: Any) -> Callable:
        return bilevel.make_step(
            lambda params, inputs: read(model.apply(params, inputs)),
            optimizer,
            what,
            train_apply=_read_first(model.train, read),
            axis_name=executor.axis_name,
            **options,
        )

    steps = {"conventional": step(warm, learn=False)}
    if surrogate is not None:
        outer = dict(
            outer_steps=config.surrogate.outer_steps,
            in_parameters=compares_parameters(config),
            part=bilevel.last_layer() if config.surrogate.part == "head" else bilevel.everything,
        )
        mixed = dict(conventional=conventional, mixture=config.mixture, metric_weights=weights)
        steps["burn_in"] = step(surrogate, model.read, train=False, metric_weights=weights, **outer)
        steps["surrogate"] = step(surrogate, model.read, **outer, **mixed)
        steps["frozen"] = step(surrogate, model.read, learn=False, **mixed)
    return Program(
        model=model._replace(apply=predict),
        metric=metric,
        optimizer=optimizer,
        surrogate=surrogate,
        warm=warm,
        executor=executor,
        steps={phase: executor.compile(made) for phase, made in steps.items()},
        predict=executor.compile_predict(predict),
        passes={phase: jax.jit(jax.vmap(_pass(made)), donate_argnums=0) for phase, made in steps.items()},
        predict_each=jax.jit(jax.vmap(predict)),
    )


def _pass(step: Callable) -> Callable:
    """A step along the rows of many batches, gathered from splits on the device."""

    def along(state: Any, parts: tuple, rows: tuple) -> tuple[Any, Any]:
        return jax.lax.scan(lambda state, rows: step(state, *map(gather, parts, rows)), state, rows)

    return along


def _read_first(train: Callable, read: Callable) -> Callable:
    def read_train(params: Any, inputs: Any) -> tuple[Any, dict[str, Any]]:
        outputs, statistics = train(params, inputs)
        return read(outputs), statistics

    return read_train
