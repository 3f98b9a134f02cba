"""Advice from the measurements of a diagnosis. Each rule is a threshold that this library has chosen."""

from typing import NamedTuple

import numpy as np

__all__ = ["GOOD", "NOISY", "NO_GRADIENT", "POOR", "STALE", "WRONG", "Advice", "Symptoms", "advise"]


class Advice(NamedTuple):
    """A likely cause of low fidelity, and a remedy.

    Attributes:
      name: of the cause, a few words.
      sentence: the observation and the remedy.
    """

    name: str
    sentence: str


class Symptoms(NamedTuple):
    """Measurements that advice is based on, see `jaxsurr.diagnosis.Diagnosis`.

    Attributes:
      names: of M metrics.
      scale, spread, learned_spread: numbers; NaN for a spread that is not known.
      steps: updates so far, None where the state does not count them.
      gradient, ceiling, zero_gradient_fraction, zero_gradient_fraction_wider, update_ceiling: `[M]`.
      no_gradient: `[M]` bool, whether the surrogate's gradient is 0 everywhere.
      pairs: antithetic pairs of an update, or None.
    """

    names: tuple[str, ...]
    scale: float
    spread: float
    learned_spread: float
    steps: int | None
    gradient: np.ndarray
    ceiling: np.ndarray
    zero_gradient_fraction: np.ndarray
    zero_gradient_fraction_wider: np.ndarray
    update_ceiling: np.ndarray
    no_gradient: np.ndarray
    pairs: int | None


NO_GRADIENT = 0.9  # zero-gradient fraction from which a scale is called small
STALE = 1.5  # ratio of spreads beyond which a surrogate is called stale
NOISY = 0.5  # ceiling below which an estimate is called noisy
GOOD, POOR, WRONG = 0.9, 0.7, -0.1  # gradient correlation over its ceiling


def advise(seen: Symptoms) -> tuple[Advice, ...]:
    """Advice, the most likely cause first; none where nothing stands out.

    Args:
      seen: the measurements.
    """
    out = []
    if seen.steps == 0:
        out.append(
            Advice(
                "not learned",
                "the surrogate has had no update yet: call its update on current predictions some hundred times before "
                "a model trains on it.",
            )
        )
    ratio = seen.spread / seen.learned_spread if seen.learned_spread > 0 else np.nan
    if ratio > STALE or ratio < 1 / STALE:
        out.append(
            Advice(
                "stale surrogate",
                f"predictions have a spread of {seen.spread:.3g}, and the surrogate was learned at "
                f"{seen.learned_spread:.3g}. Update it on current predictions, or use it through jaxsurr.follow_scale "
                "where the metric does not depend on the scale.",
            )
        )
    for m, name in enumerate(seen.names):
        out += _of_metric(seen, m, name, explained=bool(out))
    return tuple(out)


def _of_metric(seen: Symptoms, m: int, name: str, explained: bool) -> list[Advice]:
    fraction, wider, ceiling = (
        float(seen.zero_gradient_fraction[m]),
        float(seen.zero_gradient_fraction_wider[m]),
        float(seen.ceiling[m]),
    )
    if fraction == 1 and wider == 1:
        return [
            Advice(
                "constant metric",
                f"{name} does not change when these predictions are perturbed, at scale {seen.scale:.3g} and at four "
                "times as much: nothing can be learned from them. Check its value (is it optimal?), the targets and "
                "the mask, or start on a fixed loss.",
            )
        ]
    out = []
    if fraction > NO_GRADIENT and wider < fraction - 0.1:
        out.append(
            Advice(
                "scale too small",
                f"{name} has no gradient on {fraction:.0%} of the examples at scale {seen.scale:.3g}, "
                f"and on {wider:.0%} at four times as much: the noise is too small to change its decisions. "
                "Raise relative_scale.",
            )
        )
    if fraction == 1:
        return out
    reached = float(seen.gradient[m]) / ceiling if ceiling > 0 else 0.0
    if seen.no_gradient[m]:
        out.append(
            Advice(
                "surrogate without gradient",
                f"the surrogate has no gradient and {name} has one. Its calibration fell to 0, which happens where the "
                "surrogate's gradient has the wrong sign: learn it again, with more updates before the model trains "
                "on it.",
            )
        )
    elif reached < WRONG:
        out.append(
            Advice(
                "wrong direction",
                f"the surrogate's gradient is opposite to that of {name} (correlation {seen.gradient[m]:.2f}): "
                "training on it makes the metric worse. Is higher_is_better right, and is lower better in the loss?",
            )
        )
    elif ceiling < NOISY:
        out.append(
            Advice(
                "noisy reference",
                f"the reference of {name} is mostly noise (ceiling {ceiling:.2f}), so fidelity is not known: give "
                "diagnose more pairs, or more examples.",
            )
        )
    elif reached < GOOD and seen.update_ceiling[m] < NOISY:
        out.append(
            Advice(
                "not enough pairs",
                f"the estimate of an update with {seen.pairs} pairs has a correlation of {seen.update_ceiling[m]:.2f} "
                f"with the gradient of {name}, and the surrogate has reached {reached:.2f} of 1. Raise num_pairs, or "
                "let it learn longer.",
            )
        )
    elif reached < POOR and not (out or explained):
        out.append(
            Advice(
                "poor fit",
                f"the gradient's correlation with that of {name} is {seen.gradient[m]:.2f}, and noise of the estimate "
                f"is not the cause (ceiling {ceiling:.2f}). Learn longer on predictions like these, or try another "
                "family; a fixed loss may simply follow another objective.",
            )
        )
    return out
