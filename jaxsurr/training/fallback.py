"""Fall-back of a learned loss on the conventional one that it starts from, chosen on validation.

No loss learned from a metric is better everywhere: where a conventional loss is the efficient estimator and the model
can fit, there is nothing to gain, and something to lose. With `fallback` the conventional run is trained to its end
too, from the same weights and on the same batches, and the better of the two on validation counts. It costs that run.
Each run has read the test split at its own best epoch; what the other one found there is dropped unseen.
"""

from collections.abc import Callable, Sequence
from typing import Any

from jaxsurr.metrics import Metric
from jaxsurr.training.config import update
from jaxsurr.training.epochs import better
from jaxsurr.training.methods import Method, resolve, spell
from jaxsurr.training.program import Program
from jaxsurr.training.protocols import Outcome


def falls_back(method: Method, program: Program) -> bool:
    """Whether a run is one of two."""
    return program.surrogate is not None and method.config.fallback


def staying(method: Method) -> Method:
    """The method of the run that stays on the conventional loss; the program is the same."""
    own = ("fallback", "warm_epochs")
    options = {option: value for option, value in method.options.items() if option not in own}
    config, epochs = method.given.copy_and_resolve_references(), method.config.epochs
    return resolve(update(config, loss=spell(method.name, options), fallback=False, warm_epochs=epochs))


def choose(metric: Metric, learned: Any, stayed: Any) -> Any:
    """The better outcome on validation, and whether it is the one that stayed; of equals that one.

    A run that diverged is an error and loses to any other.
    """
    if isinstance(stayed, FloatingPointError):
        return learned if isinstance(learned, FloatingPointError) else learned | {"stayed": False}
    if isinstance(learned, FloatingPointError) or not better(metric, learned, stayed):
        return stayed | {"stayed": True}
    return learned | {"stayed": False}


def decide(
    methods: Sequence[Method],
    program: Program,
    train: Callable[[Sequence[Method]], list[Outcome | FloatingPointError]],
) -> list[Outcome | FloatingPointError]:
    """Outcomes of methods that share a program; of one that falls back, the better of its two runs."""
    outcomes = train(methods)
    if not falls_back(methods[0], program):
        return outcomes
    stayed = train([staying(method) for method in methods])
    return [choose(program.metric, *pair) for pair in zip(outcomes, stayed, strict=True)]
