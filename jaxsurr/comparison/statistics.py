"""Paired comparisons of losses over seeds: differences, intervals, corrected p-values, verdicts."""

import collections
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from jaxsurr.core import checks

__all__ = ["CONFIDENCE", "ROUNDING", "chosen", "holm", "paired", "practice", "rows", "selection"]

CONFIDENCE = 0.95

ROUNDING = 1e-6
"""Metrics that are equal in exact arithmetic differ by less than this part of their size, in float32."""


def paired(difference: np.ndarray, higher_is_better: bool, *, size: float = 0.0) -> dict[str, Any]:
    """Mean of paired differences, its 95 % interval by Student's t (scipy), the p-value, and what the interval says.

    Differences that are all the same, and not 0, say nothing of how much they vary: a metric of few rows takes few
    values, and two seeds are often a row apart in the same direction by chance. There is no interval then, and the sign
    test, which asks only for the directions, gives the p-value `2**(1 - S)`, and with it the verdict: "better" or
    "worse" from six seeds on. Differences that are all 0 have the interval [0, 0].

    Args:
      difference: `[S]`, this loss minus the other, one for each seed.
      higher_is_better: direction of the metric.
      size: the largest absolute value of the metric of either loss. Metrics are float32, so differences that are closer
        to each other than `ROUNDING` of it are the same; 0: than that of the largest difference.

    Returns:
      `difference`, `low`, `high`, `p` and `verdict`: "better" or "worse" where the interval excludes 0, else "tie";
      with a single seed there is no interval and the verdict is "one seed".

    >>> import numpy as np
    >>> paired(np.array([-0.2, -0.3, -0.25]), higher_is_better=False)["verdict"]
    'better'
    >>> paired(np.array([-0.2, -0.2]), higher_is_better=False)
    {'difference': -0.2, 'low': None, 'high': None, 'p': 0.5, 'verdict': 'tie'}
    """
    from scipy.special import stdtr, stdtrit  # scipy.stats takes half a second to import

    mean = float(difference.mean())
    if len(difference) < 2:
        return {"difference": mean, "low": None, "high": None, "p": None, "verdict": "one seed"}
    same = ROUNDING * max(size, float(np.abs(difference).max()))
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    if not np.ptp(difference) <= same:
        freedom = len(difference) - 1
        half = float(error * stdtrit(freedom, (1 + CONFIDENCE) / 2))
        low, high, p = mean - half, mean + half, float(2 * stdtr(freedom, -abs(mean) / error))
        sure = low > 0 or high < 0
    elif abs(mean) <= same:
        low, high, p, sure = mean, mean, 1.0, False
    else:
        low, high, p = None, None, 2.0 ** (1 - len(difference))
        sure = p < 1 - CONFIDENCE
    verdict = "tie" if not sure else "better" if (mean > 0) == higher_is_better else "worse"
    return {"difference": mean, "low": low, "high": high, "p": p, "verdict": verdict}


def _between(mine: np.ndarray, other: np.ndarray, higher_is_better: bool) -> dict[str, Any]:
    """`paired` of the metrics `[S]` of two losses."""
    return paired(mine - other, higher_is_better, size=float(np.abs([mine, other]).max()))


def holm(p_values: list[float | None]) -> list[float | None]:
    """p-values corrected for their number by Holm's step-down method; None stays None.

    Of n sorted p-values the first is multiplied by n, the second by n - 1 and so on; none is smaller than the one
    before, and none is more than 1. These are five lines, for which statsmodels would bring pandas and patsy.

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected, least = list(p_values), 0.0
    for before, (p, place) in enumerate(known):
        least = corrected[place] = max(least, min(1.0, (len(known) - before) * p))
    return corrected


def rows(
    test: Mapping[str, Mapping[int, float]],
    validation: Mapping[str, Mapping[int, float]],
    *,
    higher_is_better: bool,
    reference: str,
) -> list[dict[str, Any]]:
    """The table of a comparison, best mean first, losses with a run that diverged last.

    Args:
      test: of each loss its test metric by seed; NaN for a run that diverged.
      validation: the same on validation.
      higher_is_better: direction of the metric.
      reference: the loss that differences are taken to.

    Returns:
      A dict for each loss: `loss`, `seeds`, `validation`, `test` and `std` (over seeds), `difference` to the
      reference over shared seeds with `low` and `high`, its 95 % interval (None where all differences are the same and
      not 0, see `paired`), `p (Holm)` corrected for the number of losses compared with the reference, `verdict`, and
      `won`, `tied`, `lost` against all other losses by their intervals. A loss with a run that diverged has the verdict
      "diverged", no figures, and lost everywhere.

    Raises:
      ValueError: the reference is not among the losses, or one has no runs.
    """
    checks.one_of(reference, "reference", test)
    for loss, values in test.items():
        if not values:
            raise ValueError(f"there is no run of {loss} to compare.")

    def against(loss: str, other: str) -> dict[str, Any]:
        shared = sorted(test[loss].keys() & test[other].keys())
        here, there = (np.array([test[of][seed] for seed in shared]) for of in (loss, other))
        return _between(here, there, higher_is_better)

    failed = {loss: sum(not math.isfinite(v) for v in values.values()) for loss, values in test.items()}
    out = []
    for loss, values in test.items():
        numbers = np.array(list(values.values()))
        row = dict.fromkeys(("validation", "test", "std", "difference", "low", "high", "p (Holm)"))
        row = {"loss": loss, "seeds": len(numbers), **row, "verdict": "reference"}
        others = [other for other in test if other != loss]
        if failed[loss]:
            row |= {"verdict": f"diverged ({failed[loss]} of {len(numbers)})"}
            row |= {"won": 0, "tied": 0, "lost": len(others)}
            out.append(row)
            continue
        row |= {
            "validation": float(np.mean(list(validation[loss].values()))),
            "test": float(numbers.mean()),
            "std": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
        }
        verdicts = ["better" if failed[other] else against(loss, other)["verdict"] for other in others]
        row |= {"won": verdicts.count("better"), "tied": verdicts.count("tie"), "lost": verdicts.count("worse")}
        if loss != reference:
            if failed[reference]:
                row["verdict"] = "reference diverged"
            else:
                found = against(loss, reference)
                row |= {"p (Holm)": found.pop("p"), **found}
        out.append(row)
    for row, p in zip(out, holm([row["p (Holm)"] for row in out]), strict=True):
        row["p (Holm)"] = p
    sign = -1 if higher_is_better else 1
    return sorted(out, key=lambda row: math.inf if row["test"] is None else sign * row["test"])


def chosen(
    validation: Mapping[str, Mapping[int, float]], *, higher_is_better: bool, among: Collection[str]
) -> dict[int, str]:
    """The loss that is best on validation, for each seed that all of them have; of equals the first.

    Args:
      validation: of each loss its validation metric by seed; NaN for a run that diverged, which is never chosen.
      higher_is_better: direction of the metric.
      among: the losses to choose from.

    >>> chosen({"a": {0: 0.3, 1: 0.4}, "b": {0: 0.2, 1: 0.5}}, higher_is_better=False, among=["a", "b"])
    {0: 'b', 1: 'a'}
    """
    sign = -1 if higher_is_better else 1
    shared = set.intersection(*(set(validation[loss]) for loss in among)) if among else set()
    found = {}
    for seed in sorted(shared):
        values = {loss: sign * validation[loss][seed] for loss in among if math.isfinite(validation[loss][seed])}
        if values:
            found[seed] = min(values, key=values.__getitem__)
    return found


def selection(
    test: Mapping[str, Mapping[int, float]],
    validation: Mapping[str, Mapping[int, float]],
    *,
    higher_is_better: bool,
    known: Collection[str],
) -> dict[str, Any] | None:
    """The gain by further losses where the loss is chosen on validation, per seed.

    Args:
      test, validation, higher_is_better: as for `rows`.
      known: the losses to choose from without the others.

    Returns:
      `known` and `all`, mean test metric of the choice among the known losses and among all, over seeds; how many times
      each loss is `picked` among all; and `paired` of all minus known. None where there is nothing to choose from.

    >>> test = {"a": {0: 0.3, 1: 0.4}, "b": {0: 0.2, 1: 0.5}}
    >>> found = selection(test, test, higher_is_better=False, known=["a"])
    >>> round(found["known"], 2), round(found["all"], 2), found["picked"]
    (0.35, 0.3, {'b': 1, 'a': 1})
    """
    without = chosen(validation, higher_is_better=higher_is_better, among=known)
    picked = chosen(validation, higher_is_better=higher_is_better, among=test)
    seeds = sorted(without.keys() & picked.keys())
    if not seeds:
        return None
    before, after = (np.array([test[of[seed]][seed] for seed in seeds]) for of in (without, picked))
    return {
        "known": float(before.mean()),
        "all": float(after.mean()),
        "picked": dict(collections.Counter(picked[seed] for seed in seeds).most_common()),
        **_between(after, before, higher_is_better),
    }


def practice(
    test: Mapping[str, Mapping[int, float]],
    validation: Mapping[str, Mapping[int, float]],
    *,
    higher_is_better: bool,
    fixed: Collection[str],
    learned: str,
) -> dict[str, Any] | None:
    """What a practitioner gains by the learned loss, who else would take the fixed loss that is best on validation.

    Args:
      test, validation, higher_is_better: as for `rows`.
      fixed: the losses that are not learned from the metric.
      learned: the loss that is.

    Returns:
      `loss`: the learned one.
      `fixed`: the mean test metric of the fixed loss that is best on validation, seed by seed; `picked`: how many times
        each of them is.
      `learned`: of the learned loss `test`, the mean, and `paired` of it minus that fixed loss. Where it diverged for a
        seed there are no figures, and the verdict says so.
      `better`: the same of the better of the two on validation; of how many `seeds` the learned loss is `taken`.
      None where there is nothing to choose from.

    >>> test = {"a": {0: 0.3, 1: 0.4}, "b": {0: 0.2, 1: 0.5}, "new": {0: 0.1, 1: 0.5}}
    >>> found = practice(test, test, higher_is_better=False, fixed=["a", "b"], learned="new")
    >>> round(found["fixed"], 2), round(found["learned"]["test"], 2), round(found["better"]["test"], 2)
    (0.3, 0.3, 0.25)
    """
    among = [*fixed, learned]
    tests, validations = ({loss: of[loss] for loss in among} for of in (test, validation))
    gained = selection(tests, validations, higher_is_better=higher_is_better, known=fixed)
    if gained is None:
        return None
    best = chosen(validations, higher_is_better=higher_is_better, among=fixed)
    seeds = [seed for seed in best if seed in test[learned]]
    mine, other = np.array([[test[learned][seed], test[best[seed]][seed]] for seed in seeds]).T
    failed = int(np.sum(~np.isfinite(mine - other)))
    if failed:
        alone: dict[str, Any] = dict.fromkeys(("test", "difference", "low", "high", "p"))
        alone |= {"verdict": f"diverged ({failed} of {len(seeds)})"}
    else:
        alone = {"test": float(np.mean([test[learned][seed] for seed in seeds]))}
        alone |= _between(mine, other, higher_is_better)
    taken = gained["picked"].get(learned, 0)
    return {
        "loss": learned,
        "fixed": gained.pop("known"),
        "picked": dict(collections.Counter(best[seed] for seed in seeds).most_common()),
        "learned": alone,
        "better": {"test": gained.pop("all"), "taken": taken, "seeds": sum(gained.pop("picked").values()), **gained},
    }
