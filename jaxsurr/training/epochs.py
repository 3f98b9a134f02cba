"""The epochs of a run: what state a phase begins on, when it switches to the learned loss, what is kept, which is best.

Configs are those of a `Method`, with the options of the loss in them.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import bilevel
from jaxsurr.core.compiling import few_times
from jaxsurr.core.types import Batch, Surrogate
from jaxsurr.data import Split
from jaxsurr.metrics import Metric
from jaxsurr.training.config import warm_epochs
from jaxsurr.training.methods import Method
from jaxsurr.training.program import Program, set_rates
from jaxsurr.training.protocols import Config, Entry, Event

__all__ = [
    "better", "burn_in", "divergence", "entry_of", "epoch_event", "first_metric", "fresh_state", "learning_state",
    "state_after", "warm_epochs_of", "warn_if_flat",
]  # fmt: skip

_READ, _MATCHED, _PREDICTED = 16384, 2048, 512  # training rows to read, to match a scale on, and rows at once


def fresh_state(
    config: Config, train: Split, program: Program, surrogate: Surrogate, params: Any = None
) -> bilevel.TrainState:
    """A state before the first step on `surrogate`, on the host; its scale is taken from up to 1,024 training rows."""
    weights_key, step_key = jax.random.split(jax.random.key(config.seed))
    rows = np.random.default_rng([config.seed, 0]).permutation(len(train.inputs))[:1024]
    sample = jax.tree.map(lambda leaf: leaf[rows], train)
    if params is None:
        params = few_times(program.model.init)(weights_key, jnp.asarray(sample.inputs[: config.batch_size]))
        if program.model.start is not None:
            params = program.model.start(params, train.targets)
    batch = Batch(sample.inputs, sample.targets, sample.weights)
    apply = program.outputs if surrogate is program.warm else program.model.apply
    state = bilevel.init_state(step_key, params, program.optimizer, surrogate, few_times(apply), batch)
    return state._replace(optimizer=set_rates(state.optimizer, config))


def learning_state(
    config: Config, train: Split, validation: Split, program: Program, params: Any
) -> bilevel.TrainState:
    """The state at the switch to the learned loss; a `relative_scale` of 0 is matched to the validation split.

    The gap is that between validation and up to `_READ` training rows, and the smoothed metric is estimated on
    `_MATCHED` of these: what the metric of so few is off by is added to the value.
    """
    if program.surrogate is None:
        raise ValueError(f"the loss {config.loss} is a conventional one: there is none to switch to.")
    state = fresh_state(config, train, program, program.surrogate, params)
    if program.match is None or not hasattr(state.surrogate, "relative_scale"):
        return state
    rows = np.random.default_rng([config.seed, 0]).permutation(len(train.inputs))[:_READ]
    apply = few_times(program.model.apply)

    def mean(predictions: Any, targets: Any, where: Any) -> Any:
        return program.metric.mean(predictions, targets, where=where)

    def read(split: Split) -> tuple[Any, Any, Any]:
        parts = range(0, len(split.inputs), _PREDICTED)
        z = [apply(params, jnp.asarray(split.inputs[i : i + _PREDICTED])) for i in parts]
        return jnp.concatenate(z), split.targets, None if split.weights is None else jnp.asarray(split.weights)

    seen = read(jax.tree.map(lambda leaf: leaf[rows], train))
    few = jax.tree.map(lambda leaf: leaf[:_MATCHED], seen)
    value = mean(*read(validation)) + mean(*few) - mean(*seen)
    found = program.match(jax.random.key(config.seed), *few, value, state.surrogate.squared_size)
    return state._replace(surrogate=state.surrogate._replace(relative_scale=found))


def state_after(config: Config, train: Split, program: Program, epoch: int) -> bilevel.TrainState:
    """A host state of the shapes that the one after an epoch has, to restore a checkpoint into."""
    warm = fresh_state(config, train, program, program.warm)
    if program.surrogate is None or epoch <= warm_epochs(config):
        return warm
    return fresh_state(config, train, program, program.surrogate, warm.params)


def warm_epochs_of(config: Config, program: Program) -> int:
    """The last epoch of the conventional loss."""
    return config.epochs if program.surrogate is None else warm_epochs(config)


def burn_in(batches_of: Callable[[int], Iterator[Any]], number: int) -> Iterator[Any]:
    """So many batches for a learned loss to begin on, from orders of an epoch: `batches_of(offset)`."""
    count = 0
    while count < number:
        for batch in itertools.islice(batches_of(1 + count), number - count):
            yield batch
            count += 1


def warn_if_flat(config: Config, program: Program, flat: Any) -> None:
    """Warns of a metric that perturbations do not change, given the share of such examples in steps of the burn-in."""
    if len(flat) and np.mean([np.mean(f) for f in flat]) > 0.999:
        warnings.warn(
            f"{program.metric.name} does not change when predictions are perturbed at the present scale, so its "
            "gradient is zero and nothing can be learned from it. Raise surrogate.relative_scale "
            f"({config.surrogate.relative_scale}) or lengthen the warm start, warm_epochs ({config.warm_epochs}), and "
            "check that the metric varies on these data at all.",
            stacklevel=3,
        )


def entry_of(epoch: int, learned: bool, infos: Sequence[bilevel.StepInfo]) -> Entry:
    """The entry of the history of an epoch: means over its steps."""
    entry: Entry = {"epoch": epoch, "phase": "surrogate" if learned else "conventional"}
    entry["loss"] = float(np.mean([np.mean(info.loss) for info in infos]))
    if learned:
        for name in ("gradient_correlation", "ceiling", "value_error", "zero_gradient_fraction", "scale"):
            rows = np.concatenate([np.ravel(getattr(info.surrogate, name)) for info in infos])
            known = rows[~np.isnan(rows)]  # steps that only train know none, and a single pair knows no ceiling
            if known.size:
                entry[name] = float(np.mean(known))
    return entry


def divergence(config: Config, entry: Entry, params: Any) -> FloatingPointError | None:
    """The error, in words, where the loss of an epoch, or a parameter after its last step, is not finite."""
    if math.isfinite(entry["loss"]) and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        return None
    return FloatingPointError(
        f"the model diverged in epoch {entry['epoch']}: its mean training loss is {entry['loss']:g}, and not "
        f"all of its parameters are finite numbers. Lower learning_rate ({config.learning_rate:g}), or "
        f"lengthen warm_epochs ({config.warm_epochs})."
    )


def first_metric(value: float | list[float]) -> float:
    """The metric that choices are made on: the only one, or the first of several."""
    return value[0] if isinstance(value, list) else value


def better(metric: Metric, entry: Entry, than: Entry) -> bool:
    """Whether an epoch is better on validation; the first one of equals stays."""
    return metric.sign * first_metric(entry["validation"]) < metric.sign * first_metric(than["validation"])


def epoch_event(method: Method, entry: Entry) -> Event:
    """The event that is reported after an epoch."""
    config = method.config
    return {"event": "epoch", "epochs": config.epochs, "loss_name": method.text, "seed": config.seed, **entry}
