"""Fall-back of a learned loss on the conventional one that it starts from, chosen on validation.

No loss learned from a metric is better everywhere: where a conventional loss is the efficient estimator and the model
can fit, there is nothing to gain, and something to lose. With `fallback` the conventional run is trained to its end
too, from the same weights and on the same batches, and the better of the two on validation counts. It costs that run.
Each run has read the test split at its own best epoch; what the other one found there is dropped unseen.
"""

from collections.abc import Sequence

from jaxsurr.data import Data
from jaxsurr.training.config import update
from jaxsurr.training.methods import Method, resolve, spell
from jaxsurr.training.program import Program
from jaxsurr.training.protocols import Outcome
from jaxsurr.training.starts import Train, choose, train_from_best

__all__ = ["decide", "falls_back", "staying"]


def falls_back(method: Method, program: Program) -> bool:
    """Whether a run is one of two."""
    return program.surrogate is not None and method.config.fallback


def staying(method: Method) -> Method:
    """The method of the run that stays on the conventional loss; the program is the same."""
    own = ("fallback", "warm_epochs")
    options = {option: value for option, value in method.options.items() if option not in own}
    config, epochs = method.given.copy_and_resolve_references(), method.config.epochs
    return resolve(update(config, loss=spell(method.name, options), fallback=False, warm_epochs=epochs))


def decide(
    methods: Sequence[Method], datas: Sequence[Data], program: Program, train: Train
) -> list[Outcome | FloatingPointError]:
    """Outcomes of methods that share a program; of one that is several runs, that of the one that counts."""
    if program.starts:
        return train_from_best(methods, datas, program, train)
    outcomes = train(methods, datas, program, "")
    if not falls_back(methods[0], program):
        return outcomes
    stayed = train([staying(method) for method in methods], datas, program, "stayed")
    return [choose(program.metric, *pair) for pair in zip(outcomes, stayed, strict=True)]
