"""Prediction spaces: the perturbed coordinates of predictions, and the features that a surrogate reads.

There is one file for each kind of targets; the spaces in its `__all__` are in `SPACES`.
"""

from typing import Any

from jaxsurr.core import registry, renamed
from jaxsurr.core.types import Space
from jaxsurr.spaces.classes import *
from jaxsurr.spaces.costs import *
from jaxsurr.spaces.durations import *
from jaxsurr.spaces.example_costs import *
from jaxsurr.spaces.generic import *
from jaxsurr.spaces.intervals import *
from jaxsurr.spaces.keypoints import *
from jaxsurr.spaces.labels import *
from jaxsurr.spaces.levels import *
from jaxsurr.spaces.lists import *
from jaxsurr.spaces.numbers import *
from jaxsurr.spaces.pixels import *
from jaxsurr.spaces.scores import *
from jaxsurr.spaces.sequences import *
from jaxsurr.spaces.tokens import *

SPACES: dict[str, Space] = {
    space.name: space for space in registry.members(__name__, __path__).values() if isinstance(space, Space)
}
"""All spaces by name."""

globals().pop("scores")  # the module: as an attribute this is the old name of a space


def __getattr__(name: str) -> Any:
    """Spaces of new files, and old names."""
    return SPACES[name] if name in SPACES else renamed.attribute(__name__, name)


__all__ = ["SPACES", *SPACES]
