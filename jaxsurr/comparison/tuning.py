"""Tuning trials: as many for every loss, whatever it has to tune.

Trial 0 is the default. The others are points of a scrambled Halton sequence (scipy), which covers a few dimensions
evenly however few trials there are; each draws the learning rate and the loss's own settings together.
"""

import itertools
import math
from collections.abc import Collection
from typing import Any, NamedTuple

from jaxsurr.core.spec import parse_spec
from jaxsurr.training.methods import spell

__all__ = ["LEARNING_RATE", "OPTIONS", "Choice", "Range", "Space", "search_space", "trials"]


class Range(NamedTuple):
    """The range of an option, from `low` to `high`, evenly in its logarithm."""

    low: float
    high: float

    def at(self, share: float) -> float:
        """The value at a share of the range, in [0, 1)."""
        exact = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        return float(f"{exact:.3g}")


class Choice(NamedTuple):
    """The values of an option that has a few, all equally likely."""

    values: tuple[float | str, ...]

    def at(self, share: float) -> float | str:
        """The value at a share of them, in [0, 1)."""
        return self.values[int(share * len(self.values))]


Space = dict[str, Range | Choice]

_LEADING: Space = {"power": Choice((0.0, 0.3, 0.7, 1.0)), "path": Choice(("linear", "constant"))}
OPTIONS: dict[str, Space] = {
    "correlated_gradients": _LEADING,
    "value_fit": _LEADING,
    "smoothed": _LEADING,
    "generalised_cross_entropy": {"q": Range(0.2, 1.0)},
    "label_smoothing": {"smoothing": Range(0.02, 0.4)},
    "focal": {"gamma": Range(0.5, 5.0)},
    "sord": {"alpha": Range(0.3, 4.0)},
    "smooth_l1": {"delta": Range(0.02, 0.5)},
    "wing": {"width": Range(0.2, 1.5)},
    "heatmap_mse": {"sigma": Range(0.015, 0.1)},
}
_POINTS = 16  # looked at for each trial, as two of few values may be one setting
LEARNING_RATE = 5.0  # looked for from a fifth of the config's to five times that


def search_space(name: str, fixed: Collection[str], learning_rate: float) -> Space:
    """What is tuned of a loss: the learning rate and its own options, but for those that its text fixes."""
    rate = Range(learning_rate / LEARNING_RATE, learning_rate * LEARNING_RATE)
    space: Space = {"learning_rate": rate, **OPTIONS.get(name, {})}
    return {option: values for option, values in space.items() if option not in fixed}


def trials(loss: str, number: int, learning_rate: float) -> list[str]:
    """The loss with the settings of each trial; the first is the loss as it stands.

    Args:
      loss: its text, `name?option=value`.
      number: of trials, at least 1. No text comes twice, unless there are fewer settings than that.
      learning_rate: of the config.

    >>> trials("cross_entropy", 3, 1e-3)[0]
    'cross_entropy'
    >>> len(set(trials("wing?learning_rate=0.01", 4, 1e-3)))
    4
    """
    name, fixed = parse_spec(loss)
    space = search_space(name, fixed, learning_rate)
    if number == 1 or not space:
        return [loss] * number
    from scipy.stats import qmc

    points = qmc.Halton(len(space), scramble=True, rng=0).random(_POINTS * number)
    texts = (spell(name, fixed | _at(point, space)) for point in points)
    found = list(itertools.islice(dict.fromkeys(itertools.chain([loss], texts)), number))
    return list(itertools.islice(itertools.cycle(found), number))


def _at(point: Any, space: Space) -> dict[str, float | str]:
    return {option: values.at(share) for share, (option, values) in zip(point, space.items(), strict=True)}
