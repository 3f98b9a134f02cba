"""From a config to compiled functions: model, optimizer, surrogate and the steps of the schedule."""

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr import bilevel, losses, models, parallel, surrogates
from jaxsurr.core.compiling import few_times, quick
from jaxsurr.core.images import refuse_channels_first
from jaxsurr.core.spec import parse_spec
from jaxsurr.core.types import Surrogate
from jaxsurr.data import Data
from jaxsurr.metrics import Metric
from jaxsurr.smoothing.scale import matched_scale
from jaxsurr.training.budget import Asks, asks_of
from jaxsurr.training.config import compares_parameters, family
from jaxsurr.training.kinds import KINDS
from jaxsurr.training.loading import Rows, gathering
from jaxsurr.training.matching import check_fit, head_for, metric_for, misfit, weigh
from jaxsurr.training.methods import Method, conventional, costs, spell
from jaxsurr.training.power import leads, power_schedule
from jaxsurr.training.protocols import Config

__all__ = [
    "DENSE", "RATES", "Program", "at_switch", "build", "make_model", "make_optimizer", "make_surrogate", "resting",
    "set_rates", "without_rates",
]  # fmt: skip

DENSE = ("linear", "mlp")
"""Models of few operations, whose backward pass costs less than another program would."""

RATES = ("learning_rate", "weight_decay")
_ALIKE = 32  # functions of a kind that are kept


class Program(NamedTuple):
    """The functions of a run; they depend on the config but for its seed and rates, and on the shapes of the data.

    Attributes:
      model: `init`, and `apply` to predictions.
      metric: what is reported and learned.
      optimizer: of the model.
      surrogate: the loss after the warm start; None where a conventional loss does it all.
      warm: the conventional loss as a surrogate.
      executor: of one device or many.
      steps: compiled steps by phase: "conventional", "burn_in", "surrogate" (learns and trains), "frozen" (trains);
        of batches, or of `jaxsurr.training.loading.Rows`. The burn-in begins with an optimizer that is `resting`, so
        that a step that trains as well can serve: of dense models it is that of "surrogate", and not compiled again.
      predict: compiled `(params, inputs) -> predictions`.
      scanned_epochs: by phase, compiled `(state, splits, rows) -> (state, infos)` for R runs side by side on one
        device: state, splits and the rows of T batches in them `[R, T, B]`, with a leading axis R throughout.
      predict_each: compiled `(params, inputs) -> predictions`, all with a leading axis R.
      outputs: `(params, inputs) -> outputs`, what a conventional loss reads.
      asks: how often a black box is asked.
      match: compiled `(key, predictions, targets, where, value, spread) -> scale`, where that is to be matched.
      starts: where the start of the learned loss is chosen, the `Program` of each, by the text of its fixed loss, which
        trains that loss too (`jaxsurr.training.starts`); this one is that of the first.
      left_out: why other starts cannot be used, by the same text.
      in_unit: whether the optimizer's averages are reset at the switch to the learned loss (`Kind.in_unit`).
    """

    model: models.Model
    metric: Metric
    optimizer: optax.GradientTransformation
    surrogate: Surrogate | None
    warm: Surrogate
    executor: Any
    steps: dict[str, Callable]
    predict: Callable
    scanned_epochs: dict[str, Callable]
    predict_each: Callable
    outputs: Callable
    match: Callable | None
    asks: Asks = Asks()
    starts: Mapping[str, Any] = types.MappingProxyType({})
    left_out: Mapping[str, str] = types.MappingProxyType({})
    in_unit: bool = False


def make_surrogate(method: Method, metric: Metric) -> Surrogate | None:
    """The learned loss of a config, or None where its loss is conventional."""
    if method.loss is not None:
        return None
    if method.peer is not None:
        return method.peer(metric)
    config, options = method.config, method.config.surrogate
    shared = dict(num_pairs=options.num_pairs)
    if leads(config, metric):
        shared |= dict(power=options.power)
    if options.relative_scale:  # else it is matched later
        shared |= dict(relative_scale=options.relative_scale if options.relative_scale > 0 else None)
    if config.loss == "smoothed":
        return surrogates.smoothed(metric, **shared)
    shared |= dict(
        estimation=surrogates.Estimation(spread=options.spread),
        correlation=options.correlation,
        calibrate=options.calibrate,
    )
    if config.loss == "value_fit":
        return surrogates.value_fit(metric, **shared)
    return surrogates.correlated_gradients(
        metric,
        family=family(config),
        objective=options.objective,
        value_weight=options.value_weight,
        correlation_weight=options.correlation_weight,
        **shared,
    )


def make_optimizer(config: Config, steps: int) -> optax.GradientTransformation:
    """The model's optimizer, its learning rate falling to zero along a cosine over `steps`.

    Learning rate and weight decay are part of its state, so that runs that differ in them share a compiled program.
    """
    return _optimizer(config.optimizer, steps, **{name: getattr(config, name) for name in RATES})


# What is alike in several programs, as the model, its predictions and the steps before a loss is learned, is one
# function in all of them, so that JAX compiles it once.


@functools.lru_cache(maxsize=_ALIKE)
def _optimizer(name: str, steps: int, **rates: float) -> optax.GradientTransformation:
    def make(learning_rate: Any, weight_decay: Any) -> optax.GradientTransformation:
        rate = optax.cosine_decay_schedule(learning_rate, steps)
        if name == "sgd":
            return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=0.9))
        return optax.adamw(rate, weight_decay=weight_decay)

    return optax.inject_hyperparams(make)(**rates)


_model = functools.lru_cache(maxsize=_ALIKE)(models.build)


@functools.lru_cache(maxsize=_ALIKE)
def _predicting(model: models.Model, read: Callable) -> Callable:
    def predict(params: Any, inputs: Any) -> Any:
        return read(model.apply(params, inputs))

    return predict


@functools.lru_cache(maxsize=_ALIKE)
def _fixed_step(
    model: models.Model, optimizer: optax.GradientTransformation, warm: Surrogate, axis_name: str | None
) -> Callable:
    return gathering(_step(model, optimizer, warm, _same, axis_name))


@functools.lru_cache(maxsize=_ALIKE)
def _each(function: Callable, **options: Any) -> Callable:
    """The compiled function of several runs side by side."""
    return quick(jax.vmap(function), **options)


@functools.lru_cache(maxsize=_ALIKE)
def _scanned(step: Callable) -> Callable:
    """A step along the rows of many batches, gathered from splits on the device."""

    def along(state: Any, splits: tuple, rows: tuple) -> tuple[Any, Any]:
        return jax.lax.scan(lambda state, rows: step(state, *map(Rows, splits, rows)), state, rows)

    return along


def set_rates(state: Any, config: Config) -> Any:
    """A state of the optimizer with the learning rate and the weight decay of a config."""
    rates = {name: jnp.asarray(getattr(config, name), state.hyperparams[name].dtype) for name in RATES}
    return state._replace(hyperparams=state.hyperparams | rates)


def resting(state: Any) -> Any:
    """A state of the optimizer, on the host, whose steps leave the model as it is."""
    return state._replace(hyperparams=jax.tree.map(np.zeros_like, state.hyperparams))


def at_switch(program: Program, state: Any) -> Any:
    """The state of the optimizer, on the host, with which the learned loss goes on.

    Averages of gradients and of their squares are reset where the fixed loss is in another unit (`Program.in_unit`):
    Adam would remember squares of that size for thousands of steps, and hardly move. The place in the schedule stays.
    """
    averages = (optax.ScaleByAdamState, optax.TraceState)
    if not program.in_unit:
        return state
    return jax.tree.map(
        lambda node: jax.tree.map(np.zeros_like, node) if isinstance(node, averages) else node,
        state,
        is_leaf=lambda node: isinstance(node, averages),
    )


def without_rates(loss: str) -> str:
    """The text of a loss without its rates: configs that are alike but for them and the seed can share a program.

    >>> without_rates("focal?gamma=1&learning_rate=0.01") == without_rates("focal?gamma=1")
    True
    """
    name, options = parse_spec(loss)
    return spell(name, {option: value for option, value in options.items() if option not in RATES})


def make_model(
    config: Config,
    data: Data,
    head: str,
    axis_name: str | None,
    given: models.Model | Callable[..., models.Model] | None,
) -> models.Model:
    """The model of a config: the one that it names, or the one that was handed in.

    Raises:
      ValueError: the config names a model beside the one that was handed in, or "own" and there is none.
      TypeError: what was handed in is not a model.
    """
    if (given is None) == (config.model.name == "own"):
        raise ValueError(
            "model.name is 'own', but there is no model: pass model=jaxsurr.models.Model(init, apply) to run or "
            f"compare, or name one of {', '.join(models.BODIES)}."
            if given is None
            else f"a model was passed, but model.name is {config.model.name!r}, which the results would say was "
            "trained: set model.name='own'."
        )
    facts: dict[str, Any] = dict(outputs=data.outputs, head=head, axis_name=axis_name)
    if given is None:
        if KINDS[data.kind].of_images:
            refuse_channels_first(data.train.inputs.shape, f"the head {head!r}")
        size, hidden = data.train.inputs.shape[1], tuple(config.model.hidden)
        return _model(config.model.name, hidden=hidden, size=size, **facts)
    made = given if isinstance(given, models.Model) else given(**facts)
    if not isinstance(made, models.Model):
        raise TypeError(f"model must be a jaxsurr.models.Model or a function that returns one, got {made!r}.")
    return made


def build(
    method: Method,
    data: Data,
    steps_per_epoch: int,
    given: models.Model | Callable[..., models.Model] | None = None,
) -> Program:
    """Builds the program of a method for data of these shapes, and for a model that is handed in if there is one.

    Raises:
      ValueError: the parts of the config do not fit each other or the data.
    """
    config = method.config
    fixed = KINDS[data.kind].head if isinstance(given, models.Model) else ""
    head = head_for(method, data.kind, fixed)
    try:
        metric = metric_for(method, head, data.outputs)
    except ValueError as error:
        raise misfit(method, data.kind, head, error) from error
    devices = config.devices or None
    executor = (
        parallel.executor(mesh=parallel.data_mesh(devices)) if config.engine == "jit" else parallel.executor(devices)
    )
    if config.batch_size % executor.num_devices:
        raise ValueError(
            f"batch_size is {config.batch_size}, which {executor.num_devices} devices cannot share equally; use a "
            f"multiple of {executor.num_devices}, or fewer devices."
        )
    model = make_model(config, data, head, executor.axis_name, given)
    read = model.read or models.HEADS[head].read or _same

    def match(key: Any, predictions: Any, targets: Any, where: Any, value: Any, squared_size: Any) -> Any:
        return matched_scale(metric, predictions, targets, value, key=key, where=where, squared_size=squared_size)

    alone = given is not None  # what is handed in need not be hashable
    predict = (_predicting.__wrapped__ if alone else _predicting)(model, read)
    optimizer = make_optimizer(config, config.epochs * steps_per_epoch)
    surrogate = make_surrogate(method, metric)
    warm = method.loss or conventional(config.conventional, **costs(config.conventional, config.metric))
    try:
        (shown,) = check_fit(model._replace(apply=predict), data, {config.metric: metric})
    except ValueError as error:
        raise misfit(method, data.kind, head, error) from error

    def warm_loss(outputs: Any, targets: Any) -> Any:
        return warm.loss(warm.init(jax.random.key(0), outputs, targets), outputs, targets)

    check_fit(model, data, {config.conventional if surrogate else config.loss: warm_loss})
    weights = weigh(config, shown.shape[int(metric.per_example) :])
    if surrogate is not None and config.mixture and read is not _same:
        raise ValueError(
            f"mixture is {config.mixture}, but {config.conventional} reads the {head} of the model and a learned loss "
            "what is decoded from them, so they cannot be mixed: set mixture=0, or another conventional loss."
        )
    fixed = (_fixed_step.__wrapped__ if alone else _fixed_step)(model, optimizer, warm, executor.axis_name)
    steps = {"conventional": fixed}
    if surrogate is not None:
        power = power_schedule(config, config.epochs * steps_per_epoch) if leads(config, metric) else None
        for phase, options in _learned_phases(config, weights, power).items():
            steps[phase] = gathering(_step(model, optimizer, surrogate, read, executor.axis_name, **options))
    compiled = {phase: executor.compile(made) for phase, made in steps.items()}
    scanned = {phase: _each(_scanned(made), donate_argnums=0) for phase, made in steps.items()}
    if surrogate is not None and config.model.name in DENSE:
        compiled["burn_in"], scanned["burn_in"] = compiled["surrogate"], scanned["surrogate"]
    return Program(
        model=model._replace(apply=predict),
        metric=metric,
        optimizer=optimizer,
        surrogate=surrogate,
        warm=warm,
        executor=executor,
        steps=compiled,
        predict=executor.compile_predict(predict),
        scanned_epochs=scanned,
        predict_each=_each(predict),
        outputs=model.apply,
        asks=asks_of(
            config,
            metric,
            surrogate,
            _batch(model, predict, data, config.batch_size),
            1 if executor.axis_name is None else executor.num_devices,
        ),
        match=None if config.surrogate.relative_scale or not metric.per_example else few_times(match),
        in_unit=KINDS[data.kind].in_unit,
    )


def _batch(model: models.Model, predict: Callable, data: Data, size: int) -> tuple[Any, Any]:
    """Structures of the predictions and targets of a batch."""
    inputs, targets = jax.eval_shape(lambda: jax.tree.map(lambda leaf: jnp.asarray(leaf[:size]), tuple(data.train[:2])))
    params = jax.eval_shape(model.init, jax.random.key(0), inputs)
    return jax.eval_shape(predict, params, inputs), targets


def _step(
    model: models.Model,
    optimizer: optax.GradientTransformation,
    what: Surrogate,
    read: Callable,
    axis_name: str | None,
    **options: Any,
) -> Callable:
    """A step of a phase, on a loss that reads what `read` makes of the model's outputs."""
    return bilevel.make_step(
        lambda params, inputs: read(model.apply(params, inputs)),
        optimizer,
        what,
        train_apply=model.train and _read_first(model.train, read),
        axis_name=axis_name,
        **options,
    )


def _learned_phases(
    config: Config, weights: tuple[float, ...] | None, power: optax.Schedule | None
) -> dict[str, dict[str, Any]]:
    """Options of the step of each phase of a learned loss: it learns, it learns and trains, it trains."""
    learn = dict(
        outer_steps=config.surrogate.outer_steps,
        in_parameters=compares_parameters(config),
        part=bilevel.last_layer() if config.surrogate.part == "head" else bilevel.everything,
    )
    train = dict(
        conventional=_mixed(config),
        mixture=config.mixture,
        metric_weights=weights,
        power=power,
    )
    return {
        "burn_in": dict(train=False, metric_weights=weights, **learn),
        "surrogate": learn | train,
        "frozen": dict(learn=False, **train),
    }


def _mixed(config: Config) -> Callable | None:
    """The conventional loss of a mixture, or None where it learns itself."""
    loss, options = losses.LOSSES.get(config.conventional), costs(config.conventional, config.metric)
    return functools.partial(loss, **options) if loss is not None and options else loss


def _same(outputs: Any) -> Any:
    return outputs


def _read_first(train: Callable, read: Callable) -> Callable:
    def read_train(params: Any, inputs: Any) -> tuple[Any, dict[str, Any]]:
        outputs, statistics = train(params, inputs)
        return read(outputs), statistics

    return read_train
