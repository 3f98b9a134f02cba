"""A learned loss that falls back on the loss that it starts from, where validation says so.

No loss learned from a metric is better everywhere: where a conventional loss is the efficient estimator and the model
can fit, there is nothing to gain, and something to lose. With `fallback` the conventional run is trained to its end
too, from the same weights and on the same batches, and the better of the two on validation counts. It costs that run.
Each run has read the test split at its own best epoch; what the other one found there is dropped unseen.
"""

from collections.abc import Callable
from typing import Any

from jaxsurr.core.spec import parse_spec
from jaxsurr.metrics import Metric
from jaxsurr.training.config import update
from jaxsurr.training.epochs import better
from jaxsurr.training.methods import resolve, spell
from jaxsurr.training.program import Program
from jaxsurr.training.protocols import Config


def falls_back(config: Config, program: Program) -> bool:
    """Whether a run is one of two."""
    return program.surrogate is not None and resolve(config).config.fallback


def staying(config: Config) -> Config:
    """The config of the run that stays on the conventional loss; the program is the same."""
    name, options = parse_spec(config.loss)
    options = {option: value for option, value in options.items() if option not in ("fallback", "warm_epochs")}
    return update(
        config.copy_and_resolve_references(), loss=spell(name, options), fallback=False, warm_epochs=config.epochs
    )


def choose(metric: Metric, learned: Any, stayed: Any) -> Any:
    """The better outcome on validation, and whether it is the one that stayed; of equals that one.

    A run that diverged is an error and loses to any other.
    """
    if isinstance(stayed, FloatingPointError):
        return learned if isinstance(learned, FloatingPointError) else learned | {"stayed": False}
    if isinstance(learned, FloatingPointError) or not better(metric, learned, stayed):
        return stayed | {"stayed": True}
    return learned | {"stayed": False}


def decide(config: Config, program: Program, train: Callable[[Config], dict[str, Any]]) -> dict[str, Any]:
    """What `train` gives for a config, or for the better of its two runs.

    Raises:
      FloatingPointError: the run, or both, diverged.
    """
    if not falls_back(config, program):
        return train(config)

    def attempt(config: Config) -> Any:
        try:
            return train(config)
        except FloatingPointError as error:
            return error

    outcome = choose(program.metric, attempt(config), attempt(staying(config)))
    if isinstance(outcome, FloatingPointError):
        raise outcome
    return outcome
