"""Losses of a config: a name, and options that belong to this loss alone.

`focal?gamma=1&learning_rate=0.003` is the focal loss with its gamma, trained with its own learning rate; an option is
one of the loss function, of the learned surrogate (`correlated_gradients?relative_scale=0.3`), of the training of
this loss (`TRAINING`), or how levels are decoded (`cross_entropy?decode=argmax`).
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxsurr import losses, metrics, models, surrogates
from jaxsurr.core import checks, renamed
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.spec import parse_spec
from jaxsurr.core.types import Surrogate
from jaxsurr.surrogates.description import GONE, no_option
from jaxsurr.surrogates.peers import LIKELIHOODS, PEERS
from jaxsurr.training.config import (
    CONVENTIONAL,
    LEARNED,
    check_values,
    default_config,
    is_a,
    update,
    warm_epochs,
)
from jaxsurr.training.protocols import Config

__all__ = ["TRAINING", "Method", "conventional", "costs", "known_options", "of_costs", "resolve", "spell"]

TRAINING = (
    "conventional", "fallback", "learning_rate", "mixture", "start", "tune_threshold", "warm_epochs", "weight_decay",
)  # fmt: skip


class Method(NamedTuple):
    """A loss as a config means it.

    Attributes:
      given: the config that names it.
      name: of the loss.
      options: of the loss, as its text gives them.
      config: a copy of the config with the options of the loss in it; its `loss` is the plain name, and what follows
        from other fields is written out.
      loss: the conventional loss with its options as a `Surrogate`, or None where the loss is learned from the metric.
      peer: `metric -> Surrogate`, a peer with its options, or None.
      decode: how levels are to be decoded, "" for the way that fits metric and model.
    """

    given: Config
    name: str
    options: Mapping[str, Any]
    config: Config
    loss: Surrogate | None
    peer: Callable[[MetricFunction], Surrogate] | None
    decode: str

    @property
    def text(self) -> str:
        """The loss with its options, as it is written."""
        return self.given.loss


def known_options(name: str) -> list[str]:
    """Options of the loss of this name, those of its training included."""
    own = list(default_config().surrogate) if name in LEARNED and name not in PEERS else list(_own_options(name))
    return [*own, *TRAINING, "decode"]


def _own_options(name: str) -> dict[str, Any]:
    """Options of a conventional loss or a peer and their defaults: numbers, or several.

    Arrays, functions and names of axes are none.
    """
    function, first = (PEERS[name], 1) if name in PEERS else (LIKELIHOODS.get(name), 0)
    function, first = (losses.get(name), 2) if function is None else (function, first)
    options = list(inspect.signature(function).parameters.values())[first:]
    return {option.name: option.default for option in options if isinstance(option.default, int | float | tuple)}


def costs(name: str, metric: str) -> dict[str, Any]:
    """The cost matrix of a fixed loss, as its option: that of the metric, where both have one.

    Args:
      name: of the loss.
      metric: of the config.
    """
    bound = dict(metrics.get(metric).options) if of_costs(name) and "matrix=" in metric else {}
    return {"matrix": bound["matrix"]} if "matrix" in bound else {}


def of_costs(name: str) -> bool:
    """Whether a loss is a fixed one with a cost matrix."""
    return name in losses.LOSSES and "matrix" in inspect.signature(losses.LOSSES[name]).parameters


@functools.lru_cache(maxsize=64, typed=True)
def conventional(name: str, **options: Any) -> Surrogate:
    """The conventional loss of a name with its options, as a `Surrogate`; the same one for the same loss.

    Raises:
      ValueError: there is no such loss.
    """
    checks.one_of(name, "loss", CONVENTIONAL)
    if name in LIKELIHOODS:
        return LIKELIHOODS[name](**options)
    return surrogates.conventional(functools.partial(losses.get(name), **options))


def resolve(config: Config) -> Method:
    """The loss of a config, with its options.

    Raises:
      ValueError: there is no such loss, it has no such option, or the option cannot have this value.
    """
    name, options = parse_spec(config.loss)
    checks.one_of(name, "loss", (*LEARNED, *CONVENTIONAL))
    out, own, decode = config.copy_and_resolve_references(), {}, ""
    out.loss = name
    if "conventional" in options:
        if "start" in options:
            raise ValueError(f"{config.loss}: start chooses the conventional loss; leave one of the two options out.")
        out.start = "conventional"  # whatever the config says
    for option, value in options.items():
        if option == "matrix" and of_costs(name):
            raise ValueError(f"{config.loss}: the loss has the matrix of the metric, metric='cost?matrix=FILE'.")
        if option not in known_options(name):
            if option in GONE and name in LEARNED:
                raise ValueError(no_option(f"the loss {name}", option))
            raise ValueError(f"the loss {name} has no option {option!r}; {checks.nearest(option, known_options(name))}")
        if option == "decode":
            checks.one_of(value, f"decode of {name}", {way for head in models.HEADS.values() for way in head.decodes})
            decode = value
        elif option in TRAINING:
            update(out, **{option: value})
        elif name in LEARNED and name not in PEERS:
            update(out, **{f"surrogate.{option}": value})
        else:
            own[option] = _checked(name, option, value)
    try:
        check_values(out)
    except ValueError as error:
        raise ValueError(f"{config.loss}: {error}" if options else str(error)) from error
    out.warm_epochs = warm_epochs(out)
    loss = None if name in LEARNED else conventional(name, **own, **costs(name, config.metric))
    peer = functools.partial(PEERS[name], **own) if name in PEERS else None
    return Method(config, name, options, out, loss, peer, decode)


def _checked(name: str, option: str, value: Any) -> Any:
    """A value of an option of a loss, refused where its default is of another type, or where it is not finite."""
    like = _own_options(name)[option]
    several = isinstance(like, tuple)
    numbers = value if several and isinstance(value, tuple) else (value,)
    if not all(is_a(number, like[0] if several else like) and abs(number) < 2**31 for number in numbers):
        raise ValueError(f"{name}: the option {option} must be like {like!r}, its default, got {value!r}.")
    return numbers if several else value


def spell(name: str, options: dict[str, Any]) -> str:
    """The text of a loss with options; `resolve` reads it.

    >>> spell("focal", {"gamma": 2.0}), spell("wing", {})
    ('focal?gamma=2.0', 'wing')
    """
    text = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{name}?{text}" if text else name


def __getattr__(name: str) -> Any:
    """Old names."""
    return renamed.attribute(__name__, name)
