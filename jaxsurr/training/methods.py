"""What a loss in a config is: a name, and options that belong to this loss alone.

`focal?gamma=1&learning_rate=0.003` is the focal loss with its gamma, trained with a learning rate of its own; an option
is one of the loss function, of the learned surrogate (`correlated_gradients?relative_scale=0.3`), of the training of
this loss (`TRAINING`), or how levels are decoded (`cross_entropy?decode=argmax`).
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxsurr import checks, losses, surrogates
from jaxsurr.settings import parse_spec
from jaxsurr.training.config import CONVENTIONAL, LEARNED, LIKELIHOODS, PEERS, update
from jaxsurr.types import Surrogate

KINDS = losses.KINDS | {"residual_likelihood": ("points",)}
HEADS = losses.HEADS | {"residual_likelihood": ("densities",)}
TRAINING = ("conventional", "fallback", "learning_rate", "mixture", "tune_threshold", "warm_epochs", "weight_decay")


class Method(NamedTuple):
    """A loss as a config means it.

    Attributes:
      name: of the loss.
      config: a copy of the config with the options of the loss in it; its `loss` is the plain name.
      loss: the conventional loss with its options as a `Surrogate`, or None where the loss is learned from the metric.
      peer: `metric -> Surrogate`, a peer with its options, or None.
      decode: how levels are to be decoded, "" for the way that fits metric and model.
    """

    name: str
    config: Any
    loss: Surrogate | None
    peer: Callable | None
    decode: str


def known_options(name: str) -> list[str]:
    """Options of the loss of this name, those of its training included."""
    from jaxsurr.training.config import default_config

    if name in PEERS:
        own = _settings(list(inspect.signature(PEERS[name]).parameters.values())[1:])
    elif name in LIKELIHOODS:
        own = _settings(list(inspect.signature(LIKELIHOODS[name]).parameters.values()))
    elif name in LEARNED:
        own = list(default_config().surrogate)
    else:
        own = _settings(list(inspect.signature(losses.get(name)).parameters.values())[2:])
    return [*own, *TRAINING, "decode"]


def _settings(options: list[inspect.Parameter]) -> list[str]:
    """Names of the options that are numbers, or several; not arrays, functions and names of axes."""
    return [option.name for option in options if isinstance(option.default, int | float | tuple)]


def conventional(name: str, **options: Any) -> Surrogate:
    """The conventional loss of a name with its options, as a `Surrogate`.

    Raises:
      ValueError: there is no such loss.
    """
    checks.one_of(name, "loss", CONVENTIONAL)
    if name in LIKELIHOODS:
        return LIKELIHOODS[name](**options)
    return surrogates.conventional(functools.partial(losses.get(name), **options))


def resolve(config: Any) -> Method:
    """The loss of a config, with its options.

    Raises:
      ValueError: there is no such loss, or it has no such option.
    """
    name, options = parse_spec(config.loss)
    checks.one_of(name, "loss", (*LEARNED, *CONVENTIONAL))
    out, own, decode = config.copy_and_resolve_references(), {}, ""
    out.loss = name
    for option, value in options.items():
        if option not in known_options(name):
            raise ValueError(f"the loss {name} has no option {option!r}; {checks.nearest(option, known_options(name))}")
        if option == "decode":
            decode = value
        elif option in TRAINING:
            update(out, **{option: value})
        elif name in LEARNED and name not in PEERS:
            update(out, **{f"surrogate.{option}": value})
        else:
            own[option] = value
    loss = None if name in LEARNED else conventional(name, **own)
    peer = functools.partial(PEERS[name], **own) if name in PEERS else None
    return Method(name, out, loss, peer, decode)


def spell(name: str, options: dict[str, Any]) -> str:
    """The text of a loss with options; `resolve` reads it.

    >>> spell("focal", {"gamma": 2.0}), spell("wing", {})
    ('focal?gamma=2.0', 'wing')
    """
    text = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{name}?{text}" if text else name
