"""The losses of `--losses=auto`: everything that fits the data, the model and the metric."""

from typing import Any

import jax

from jaxsurr.comparison.plan import job_of
from jaxsurr.comparison.runner import Runner
from jaxsurr.core.spec import parse_spec
from jaxsurr.core.types import Surrogate
from jaxsurr.data import Data
from jaxsurr.models import Model
from jaxsurr.training.checking import AUTO
from jaxsurr.training.config import LEARNED, OURS
from jaxsurr.training.kinds import KINDS, LOSS_KINDS, decoded
from jaxsurr.training.methods import costs, of_costs, spell
from jaxsurr.training.protocols import Config

__all__ = ["FROM_BEST", "expanded"]

FROM_BEST = f"{OURS}?start=auto"


def expanded(runner: Runner) -> tuple[str, ...]:
    """The losses of a config, with everything that fits in the place of "auto".

    That is: the fixed losses that fit the targets, the usual ones first; the learned baselines that accept the metric;
    and the learned loss from the start that is best on validation.

    Raises:
      ValueError: nothing fits; why is said of the usual loss.
    """
    config = runner.config
    if AUTO not in config.losses:
        return tuple(config.losses)
    data = runner.data(config.seed)
    kind = KINDS[data.kind]
    usual, baselines = decoded(kind.starts, config.metric), decoded(kind.baselines, config.metric)
    fixed = [loss for loss, kinds in LOSS_KINDS.items() if data.kind in kinds]
    fixed = [loss for loss in fixed if not of_costs(loss) or costs(loss, config.metric)]  # else the same as others
    learned = [_starting(config, name, data.kind) for name in LEARNED if name != OURS]
    every = sorted(dict.fromkeys([*usual, *baselines, *fixed, *learned]), key=_is_learned)
    found = [loss for loss in every if _fits(runner, loss)]
    if not found:
        runner.program(job_of("run", usual[0], config.seed))  # says why
    found.append(FROM_BEST)
    return tuple(dict.fromkeys(loss for given in config.losses for loss in (found if given == AUTO else [given])))


def _starting(config: Config, name: str, kind: str) -> str:
    """A learned baseline, on the config's conventional loss where that fits the targets, else on the usual one."""
    if not config.conventional or kind in LOSS_KINDS[config.conventional]:
        return name
    return spell(name, {"conventional": KINDS[kind].starts[0]})


def _is_learned(loss: str) -> bool:
    return parse_spec(loss)[0] in LEARNED


def _fits(runner: Runner, loss: str) -> bool:
    """Whether a loss can train the model on the data, and learn the metric where it does that."""
    job = job_of("run", loss, runner.config.seed)
    try:
        program = runner.program(job)
        if program.surrogate is not None:
            _learn(program.surrogate, program.model, runner.method(job).config, runner.data(job.seed))
    except (TypeError, ValueError):
        return False
    return True


def _learn(surrogate: Surrogate, model: Model, config: Config, data: Data) -> None:
    """Traces what a learned loss does with a batch.

    Raises:
      ValueError: it does not accept the metric.
    """
    rows = jax.tree.map(lambda leaf: leaf[: config.batch_size], data.train)

    def learn(key: Any, inputs: Any, targets: Any, where: Any) -> Any:
        predictions = model.apply(model.init(key, inputs), inputs)
        state = surrogate.init(key, predictions, targets, where)
        state, _ = surrogate.update(state, key, predictions, targets, where)
        return surrogate.loss(state, predictions, targets, where)

    jax.eval_shape(learn, jax.random.key(0), *rows)
