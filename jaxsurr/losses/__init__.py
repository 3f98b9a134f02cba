"""Fixed losses as functions `(predictions, targets, *, where=None) -> [B]`, one value for each example.

Values are in at least single precision, gradients in the dtype of the predictions. Masked entries (rows, points that
are not visible, absent items) may hold anything. Other targets that are out of range are refused; where they are
traced, as inside `jit`, the values are NaN. `jaxsurr.core.reading` has the details. Called outside of compiled code a
loss is compiled whole (`jaxsurr.core.whole`).

There is one file for each kind of targets; the losses in its `__all__` are in `LOSSES`.
"""

from typing import Any

from jaxsurr.core import checks, registry, renamed
from jaxsurr.core.protocols import Loss
from jaxsurr.losses import words
from jaxsurr.losses.classes import *
from jaxsurr.losses.durations import *
from jaxsurr.losses.example_costs import *
from jaxsurr.losses.intervals import *
from jaxsurr.losses.keypoints import *
from jaxsurr.losses.labels import *
from jaxsurr.losses.levels import *
from jaxsurr.losses.lists import *
from jaxsurr.losses.numbers import *
from jaxsurr.losses.scores import *
from jaxsurr.losses.tokens import *

LOSSES: dict[str, Loss] = dict(
    sorted((name, found) for name, found in registry.members(__name__, __path__).items() if name not in words.__all__)
)
"""All losses by name."""

KIND: dict[str, str] = {name: loss.__module__.rpartition(".")[2] for name, loss in LOSSES.items()}
"""The kind of targets that a loss is for: the name of its file."""


def get(name: str) -> Loss:
    """The fixed loss of this name.

    Raises:
      ValueError: there is none.
    """
    checks.one_of(name, "loss", LOSSES, words.MEANT)
    return LOSSES[name]


def __getattr__(name: str) -> Any:
    """Losses of new files, and old names."""
    return LOSSES[name] if name in LOSSES else renamed.attribute(__name__, name)


__all__ = ["KIND", "LOSSES", "get", *LOSSES]
