"""Tuning trials: as many for every loss, whatever it has to tune.

Trial 0 is the default. The others are points of a scrambled Halton sequence (scipy), which covers a few dimensions
evenly however few trials there are; each draws the learning rate and the loss's own settings together.
"""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

from jaxsurr.core.spec import parse_spec
from jaxsurr.training.methods import spell


class Range(NamedTuple):
    """The range of an option, from `low` to `high`, evenly in its logarithm."""

    low: float
    high: float


_SCALE = {"relative_scale": Range(0.05, 1.0)}
OPTIONS: dict[str, dict[str, Range]] = {
    "correlated_gradients": _SCALE,
    "value_fit": _SCALE,
    "smoothed": _SCALE,
    "generalised_cross_entropy": {"q": Range(0.2, 1.0)},
    "label_smoothing": {"smoothing": Range(0.02, 0.4)},
    "focal": {"gamma": Range(0.5, 5.0)},
    "sord": {"alpha": Range(0.3, 4.0)},
    "smooth_l1": {"delta": Range(0.02, 0.5)},
    "wing": {"width": Range(0.2, 1.5)},
    "heatmap_mse": {"sigma": Range(0.015, 0.1)},
}
LEARNING_RATE = 5.0  # looked for from a fifth of the config's to five times that


def search_space(name: str, fixed: Collection[str], learning_rate: float) -> dict[str, Range]:
    """The ranges of a loss: the learning rate and its own options, but for those that its text fixes."""
    space = {"learning_rate": Range(learning_rate / LEARNING_RATE, learning_rate * LEARNING_RATE)}
    return {option: bounds for option, bounds in (space | OPTIONS.get(name, {})).items() if option not in fixed}


def trials(loss: str, number: int, learning_rate: float) -> list[str]:
    """The loss with the settings of each trial; the first is the loss as it stands.

    Args:
      loss: its text, `name?option=value`.
      number: of trials, at least 1.
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

    points = qmc.Halton(len(space), scramble=True, rng=0).random(number - 1)
    return [loss, *(spell(name, fixed | _at(point, space)) for point in points)]


def _at(point: Any, space: dict[str, Range]) -> dict[str, float]:
    def value(share: float, bounds: Range) -> float:
        exact = math.exp(math.log(bounds.low) + share * math.log(bounds.high / bounds.low))
        return float(f"{exact:.3g}")

    return {option: value(share, bounds) for share, (option, bounds) in zip(point, space.items(), strict=True)}
