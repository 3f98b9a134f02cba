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
from jaxsurr.training.methods import HEADS, KINDS, Method, conventional, resolve, spell
from jaxsurr.types import Surrogate

RATES = ("learning_rate", "weight_decay")


class Program(NamedTuple):
    """What a run executes; it depends on the config but for its seed and its rates, and on the shapes of the data.

    Attributes:
      model: `init`, and `apply` to predictions.
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
      outputs: `(params, inputs) -> outputs`, what a conventional loss reads.
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
    outputs: Callable


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


def head_for(method: Method, kind: str, fixed: str = "") -> str:
    """The model's head: the config's, else the one that the loss (of the warm start, where it is learned) needs.

    Args:
      method: of the config.
      kind: of the targets.
      fixed: the head of a model that has one already.

    Raises:
      ValueError: the loss cannot serve these targets, or the head that is asked for cannot serve the loss.
    """
    source = method.config.data.source
    if method.loss is not None:
        trained, what = method.name, f"the loss {method.name}"
    else:
        trained = method.config.conventional
        what = f"conventional={trained}, which {method.name} starts on,"
    head = method.config.model.head or fixed or HEADS[trained][0]
    serves = [name for name, facts in models.HEADS.items() if kind in facts.kinds]
    if head not in serves and method.config.model.head:
        raise ValueError(
            f"model.head is {head!r}, but the targets of {source} are {kind}: "
            f"use {' or '.join(serves)}. (The loss is {method.name}.)"
        )
    if kind not in KINDS[trained]:
        fit = sorted(name for name, kinds in KINDS.items() if kind in kinds)
        raise ValueError(
            f"{what} does not fit the targets of {source}, which are {kind}: it is for {' or '.join(KINDS[trained])}. "
            f"Use one of {', '.join(fit)}"
            + ("; or set data.kind=levels, if the classes are in order." if "levels" in KINDS[trained] else ".")
        )
    if head not in HEADS[trained]:
        raise ValueError(
            f"{what} trains a model with the head {' or '.join(HEADS[trained])}, but the model's is {head!r}: leave "
            "model.head empty, or choose a loss that reads this head."
        )
    return head


def metric_for(method: Method, head: str, levels: int) -> Metric:
    """The metric of a config, decoded as the loss asks for, or else in a way that the head allows.

    Args:
      method: of the config.
      head: of the model.
      levels: how many there are, which a score does not show.

    Raises:
      ValueError: the loss asks for a decoding that the head does not allow, or the metric cannot read the head.
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
        if allowed and head != "logits":
            raise ValueError(
                f"the metric {name} reads logits, but the model has the head {head!r}, which the loss needs: use a "
                "metric of levels that is decoded, as mean_absolute_error, or a loss on logits."
            )
        return metrics.get(method.config.metric)
    decode = method.decode or options.pop("decode", None)
    options["decode"] = decode if decode in allowed else allowed[0]
    if options["decode"] == "rounded":
        options["levels"] = levels
    return metrics.get(spell(name, {k: _text(v) for k, v in options.items()}))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def make_model(
    given: models.Model | Callable[..., models.Model] | None, config: Any, data: Data, head: str, axis_name: str | None
) -> models.Model:
    """The model of a config: the one that it names, or the one that was handed in.

    Raises:
      ValueError: the config names a model beside the one that was handed in, or "own" and there is none.
      TypeError: what was handed in is not a model.
    """
    if (given is None) == (config.model.name == "own"):
        raise ValueError(
            "model.name is 'own', but there is no model: pass model=jaxsurr.models.Model(init, apply) to run, study or "
            f"compare, or name one of {', '.join(models.BODIES)}."
            if given is None
            else f"a model was passed, but model.name is {config.model.name!r}, which the results would say was "
            "trained: set model.name='own'."
        )
    facts = dict(outputs=data.outputs, head=head, axis_name=axis_name)
    if given is None:
        size, hidden = data.train.inputs.shape[1], tuple(config.model.hidden)
        return models.build(config.model.name, hidden=hidden, size=size, **facts)
    made = given if isinstance(given, models.Model) else given(**facts)
    if not isinstance(made, models.Model):
        raise TypeError(f"model must be a jaxsurr.models.Model or a function that returns one, got {made!r}.")
    return made


def build(
    config: Any,
    data: Data,
    steps_per_epoch: int,
    given: models.Model | Callable[..., models.Model] | None = None,
) -> Program:
    """Builds the program of a config for data of these shapes, and for a model that is handed in if there is one.

    Raises:
      ValueError: the parts of the config do not fit each other or the data.
    """
    method = resolve(config)
    config = method.config
    usual = {"points": "points", "lists": "items"}.get(data.kind, "logits")
    fixed = usual if isinstance(given, models.Model) else ""
    head = head_for(method, data.kind, fixed)
    metric = metric_for(method, head, data.outputs)
    executor = parallel.executor(config.devices or None)
    if config.batch_size % executor.num_devices:
        raise ValueError(
            f"batch_size is {config.batch_size}, which {executor.num_devices} devices cannot share equally; use a "
            f"multiple of {executor.num_devices}, or fewer devices."
        )
    model = make_model(given, config, data, head, executor.axis_name)
    read = model.read or models.HEADS[head].read or _same

    def predict(params: Any, inputs: Any) -> Any:
        return read(model.apply(params, inputs))

    optimizer = make_optimizer(config, config.epochs * steps_per_epoch)
    surrogate = make_surrogate(method, metric)
    warm = method.loss or conventional(config.conventional)
    (shown,) = check_fit(model._replace(apply=predict), data, {config.metric: metric})
    check_fit(
        model,
        data,
        {
            config.conventional if surrogate else config.loss: lambda outputs, targets: warm.loss(
                warm.init(jax.random.key(0), outputs, targets), outputs, targets
            )
        },
    )
    weights = weigh(config, shown.shape[int(metric.per_example) :])
    if surrogate is not None and config.mixture and read is not _same:
        raise ValueError(
            f"mixture is {config.mixture}, but {config.conventional} reads the {head} of the model and a learned loss "
            "what is decoded from them, so they cannot be mixed: set mixture=0, or another conventional loss."
        )

    def step(what: Surrogate, read: Callable = _same, **options: Any) -> Callable:
        return bilevel.make_step(
            lambda params, inputs: read(model.apply(params, inputs)),
            optimizer,
            what,
            train_apply=model.train and _read_first(model.train, read),
            axis_name=executor.axis_name,
            **options,
        )

    steps = {"conventional": step(warm)}
    if surrogate is not None:
        outer = dict(
            outer_steps=config.surrogate.outer_steps,
            in_parameters=compares_parameters(config),
            part=bilevel.last_layer() if config.surrogate.part == "head" else bilevel.everything,
        )
        mixed = dict(
            conventional=losses.LOSSES.get(config.conventional), mixture=config.mixture, metric_weights=weights
        )
        steps["burn_in"] = step(surrogate, read, train=False, metric_weights=weights, **outer)
        steps["surrogate"] = step(surrogate, read, **outer, **mixed)
        steps["frozen"] = step(surrogate, read, learn=False, **mixed)
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
        outputs=model.apply,
    )


def _pass(step: Callable) -> Callable:
    """A step along the rows of many batches, gathered from splits on the device."""

    def along(state: Any, parts: tuple, rows: tuple) -> tuple[Any, Any]:
        return jax.lax.scan(lambda state, rows: step(state, *map(gather, parts, rows)), state, rows)

    return along


def _same(outputs: Any) -> Any:
    return outputs


def _read_first(train: Callable, read: Callable) -> Callable:
    def read_train(params: Any, inputs: Any) -> tuple[Any, dict[str, Any]]:
        outputs, statistics = train(params, inputs)
        return read(outputs), statistics

    return read_train
