"""The search for shifts and a scale of predictions with which a metric of a set is best.

Coordinate ascent: along one entry of the predictions a metric of decisions changes only where the decision on an
example does, so that the places between these are all that have to be looked at. Where there are too many, some are
evenly spread over the examples, and then those next to the best. It is deterministic.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.reductions import valid
from jaxsurr.core.types import Array, PyTree
from jaxsurr.metrics.base import Metric
from jaxsurr.metrics.calls import calls_of
from jaxsurr.metrics.shift_places import between, chooses, needed, tolerance
from jaxsurr.metrics.shift_values import Counted, of_shifts, one_value, shifted

__all__ = ["PROBES", "Found", "Search", "search"]

PROBES = 6
_SWEEPS = 6
_PLACES = 256  # looked at along an entry at once
_ALL = 200_000  # where the whole search is one such look, so many
_READ = 20_000  # rows that places are found from
_SCALES = 2.0 ** np.linspace(-3, 3, 16), 2.0 ** np.linspace(-0.35, 0.35, 16)  # a look, and another at the best
_MANY = 12  # classes from which on fewer places are looked at


class Found(NamedTuple):
    """The outcome of a search: shifts (like an example's predictions on the last axis), scale, values, calls.

    Attributes:
      shifts, scale: the best.
      before, after: values of the metric, turned so that lower is better.
      calls: evaluations of the metric.
      moved: whether any value differed from the first.
    """

    shifts: np.ndarray
    scale: float
    before: float
    after: float
    calls: int
    moved: bool


class Search:
    """The search on one set.

    Args:
      metric: whose set this is.
      predictions: `[B, ...]` float.
      targets: of the metric.
      where: `[B]` bool or weights, or None.
      calls: the most evaluations of a black box, or None for a metric in JAX.
      least_gain: what a change has to gain; where it is above 0 there is one start, no shift.
    """

    def __init__(
        self,
        metric: Metric,
        predictions: Array,
        targets: PyTree,
        where: Array | None,
        calls: int | None,
        least_gain: float = 0.0,
    ):
        self.metric, self.predictions, self.targets, self.where = metric, predictions, targets, where
        self.most, self.least_gain = calls, least_gain
        self.lowest, self.highest = np.inf, -np.inf
        self.argmax = predictions.ndim > 1 and predictions.shape[-1] > 1 and chooses(metric)
        width = 1 if predictions.ndim == 1 else predictions.shape[-1]
        self.calls, self.before = 1, self._one(np.zeros(width, np.float32).reshape(predictions.shape[1:][-1:]), 1.0)
        self._noted(np.array([self.before]))
        rows = np.ones(predictions.shape[0], bool) if where is None else np.asarray(valid(where))
        self.z = np.asarray(predictions, np.float64)[rows].reshape(-1, width)
        self.free = [1] if self.argmax and width == 2 else list(range(width))
        labels = np.asarray(targets) if hasattr(targets, "dtype") else None
        self.labels = None if labels is None or labels.shape[:1] != rows.shape else labels[rows]
        self.counted = self._counted(np.ones(len(self.z)) if where is None else np.asarray(where, float)[rows], width)

    def _counted(self, weights: np.ndarray, width: int) -> Counted | None:
        """The metric as a function of counts, if it may be one."""
        labels = self.labels
        if self.most is not None or labels is None or self.predictions.ndim > 2 or labels.shape != (len(self.z),):
            return None
        number = width + (not self.argmax)
        fits = labels.dtype.kind in "iu" and len(labels) and labels.min() >= 0 and labels.max() < number
        if not fits or (number**2 > len(labels) and len(self.free) > 1):
            return None
        counted = Counted(self.metric, weights, labels, not self.argmax, width, self.predictions.ndim == 1)
        try:
            counted.at(self.z)
        except (TypeError, ValueError):  # it takes no weights, or belongs to other predictions
            return None
        return counted

    # --- values -------------------------------------------------------------------------------------------------------

    def values(self, shifts: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Values at shifts `[C, width]` and scales `[C]`; infinite where they are no number, or not to be asked for."""
        shifts = self.form(shifts).reshape(len(shifts), *self.predictions.shape[1:][-1:])
        if self.most is None:
            found = of_shifts(self.metric, self.predictions, self.targets, self.where, shifts, scales)
            self.calls += len(shifts)
        else:
            asked = list(zip(shifts, scales, strict=True))[: max(self.left, 0)]
            found = np.array([self._one(*one) for one in asked] + [np.inf] * (len(shifts) - len(asked)))
            self.calls += len(asked)
        return self._noted(found)

    def form(self, shifts: np.ndarray) -> np.ndarray:
        """Shifts as they are returned: those of logits of classes have 0 for the first."""
        return (shifts - shifts[..., :1] if self.argmax else shifts).astype(np.float32)

    def _noted(self, found: np.ndarray) -> np.ndarray:
        known = found[np.isfinite(found)]
        if len(known):
            self.lowest, self.highest = min(self.lowest, known.min()), max(self.highest, known.max())
        return np.where(np.isfinite(found), found, np.inf)

    def _one(self, shifts: np.ndarray, scale: float) -> float:
        moved = shifted(self.predictions, shifts, np.float32(scale))
        return float(one_value(self.metric, moved, self.targets, self.where))

    @property
    def left(self) -> int:
        """Evaluations that are left."""
        return 2**62 if self.most is None else self.most - self.calls

    # --- ascent -------------------------------------------------------------------------------------------------------

    def along(self, shifts: np.ndarray, scale: float, column: int, reach: float = 1.0) -> tuple[float, float]:
        """The best change of a shift, and the value there; infinite where nothing could be looked at.

        Only the fraction `reach` of places that are nearest to no change is looked at.
        """
        z = self.z + shifts[None]
        if self.counted is not None:
            points = needed(z, column, self.argmax)
        else:
            points = self._points(z[:: -(-len(z) // _READ)], column)
        places, best, value = between(points), 0.0, np.inf
        widths = np.diff(np.unique(points[np.isfinite(points)]), prepend=np.nan, append=np.nan)
        low, high, looks = 0, len(places) - 1, 0
        if reach < 1:
            now, some = int(np.searchsorted(places, 0)), max(int(reach * len(places) / 2), 1)
            low, high = max(now - some, low), min(now + some, high)
        while low <= high:
            chosen = np.unique(np.linspace(low, high, self._number(high - low + 1)).round().astype(int))
            if not len(chosen) or self.left <= 0:
                break
            changes = places[chosen]
            if self.counted is not None:
                found = self._noted(self.counted.along(z, column, points, changes))
                self.calls += len(changes)
            else:
                moves = shifts[None] + changes[:, None] * (np.arange(len(shifts))[None] == column)
                found = self.values(moves, np.full(len(moves), scale))
            if not np.isfinite(found).any():
                break
            alike = np.flatnonzero(found <= found.min() + tolerance(found.min()))
            first = int(alike[np.argmax(np.nan_to_num(widths[chosen[alike]], nan=-1.0))])  # in the widest gap
            if found[first] < value:
                best, value = float(changes[first]), float(found[first])
            looks += 1
            if len(chosen) == high - low + 1 or (self.most is not None and len(self.free) > 1 and looks > 1):
                break
            low, high = chosen[max(first - 1, 0)] + (first > 0), chosen[min(first + 1, len(chosen) - 1)]
            high -= first + 1 < len(chosen)
        return best, value

    def _points(self, z: np.ndarray, column: int) -> np.ndarray:
        """Changes of a column at which the decision on an example may be another one."""
        points = [needed(z, column, self.argmax)]
        if not self.argmax and self.metric.space.name == "generic" and z.shape[1] > 1:
            points.append(needed(z, column, True))
        if not self.argmax and self.labels is not None and self.labels.size == self.z.size:
            labels = self.labels.reshape(self.z.shape).astype(np.float64)
            points.append((labels[:: -(-len(self.z) // _READ)] - z)[:, column])  # numbers that come out exactly
        return np.concatenate(points)

    def _number(self, places: int) -> int:
        """The number of places to look at, of so many."""
        if self.most is None:
            alone = self.counted is not None and len(self.free) == 1
            wide = self.counted is not None and self.counted.number > _MANY
            return min(places, _ALL if alone else _PLACES // 8 if wide else _PLACES)
        if len(self.free) > 1:  # three sweeps of two looks
            return min(places, max(self.most // (6 * len(self.free)), 3))
        return places if places <= self.left else min(places, max(self.most // 2, 3))

    def ascend(self, shifts: np.ndarray, scale: float, value: float) -> tuple[np.ndarray, float]:
        """Shifts from which no change of a single one is better, and the value there."""
        reach = 1.0
        for _ in range(_SWEEPS):
            before = value
            for column in self.free:
                change, found = self.along(shifts, scale, column, reach)
                if found < value - max(tolerance(value), self.least_gain):
                    shifts = shifts + change * (np.arange(len(shifts)) == column)
                    value = found
            if self.left <= 0 or len(self.free) == 1 or (value >= before and self.most is None):
                break
            if value >= before:  # so few places of a black box are looked at that others may be better
                reach /= 4
        return shifts, value

    def starts(self) -> list[np.ndarray]:
        """Shifts to start from: none; those that make rare classes as frequent as others."""
        width, labels = self.z.shape[1], self.labels
        found = [np.zeros(width)]
        if len(self.free) == 1 or self.least_gain or labels is None or not len(labels):
            return found
        if not self.argmax:
            above = labels[:, None] > np.arange(width)[None] if labels.ndim == 1 else labels > 0
            if above.shape == self.z.shape:
                share = np.clip(1 - above.mean(axis=0), 0, 1)
                found.append(-np.array([np.quantile(self.z[:, k], share[k]) for k in range(width)]))
            return [start for start in found if np.isfinite(start).all()]
        if labels.dtype.kind in "iu" and labels.shape == (len(self.z),):
            frequency = np.bincount(np.clip(labels, 0, width - 1), minlength=width) + 1.0
            even = -np.log(frequency / frequency.sum())
            found += [even, even / 2]
            if self.most is not None:
                found += self._relatives()
        return found

    def _relatives(self) -> list[np.ndarray]:
        """The best shifts of metrics in JAX, which cost no call of a black box, and are often near to its own."""
        from jaxsurr.metrics import confusion, levels

        of = (confusion.f_beta, confusion.balanced_error, levels.quadratic_weighted_kappa)
        found = (Search(metric, self.predictions, self.targets, self.where, None).run() for metric in of)
        return [np.asarray(one.shifts, np.float64) for one in found]

    def decides(self) -> bool:
        """Whether the metric depends on counts of decisions alone, as far as a few shifts tell."""
        if self.counted is None:
            return False
        rng, width = np.random.default_rng(1), self.z.shape[1]
        spread = np.std(self.z[np.isfinite(self.z)]) if np.isfinite(self.z).any() else 1.0
        moves = np.concatenate([np.zeros((1, width)), rng.normal(size=(4, width)) * (spread + 0.1)]).astype(np.float32)
        direct = self.values(moves, np.ones(len(moves)))
        z = np.asarray(self.z, np.float32)
        same = zip(self.form(moves), direct, strict=True)
        return all(abs(self.counted.at(z + one[None]) - value) <= tolerance(value) for one, value in same)

    def run(self) -> Found:
        """The best shifts and scale that are found; those of no shift where nothing is better."""
        if not self.decides():
            self.counted = None
        scale, best = 1.0, (np.zeros(self.z.shape[1]), self.before)
        starts = self.starts()
        if self.counted is not None:
            ends = [self.ascend(start, 1.0, self.counted.at(self.z + start[None])) for start in starts]
            ends.sort(key=lambda end: end[1])
            direct = self.values(np.stack([shifts for shifts, _ in ends]), np.ones(len(ends)))
            first = int(np.argmin(direct))
            z = np.asarray(self.z, np.float32) + self.form(ends[first][0])[None]
            if abs(self.counted.at(z) - direct[first]) > tolerance(direct[first]):
                self.counted = None  # it depends on more than decisions
            if direct[first] < best[1]:
                best = (ends[first][0], float(direct[first]))
        if self.counted is None:
            values = self.values(np.stack(starts), np.ones(len(starts)))
            order = np.argsort(values, kind="stable")[: 2 if self.most is None else 1]
            for shifts, value in (self.ascend(starts[i], 1.0, float(values[i])) for i in order):
                best = min(best, (shifts, value), key=lambda end: end[1])
            scale, best = self._scaled(*best)
        shifts, value = best
        if not value < self.before - max(tolerance(self.before), self.least_gain):
            shifts, scale, value = np.zeros_like(shifts), 1.0, self.before
        moved = self.highest > self.lowest + tolerance(self.lowest)
        shifts = self.form(shifts).reshape(self.predictions.shape[1:][-1:])
        return Found(shifts, scale, self.before, value, self.calls, moved)

    def _scaled(self, shifts: np.ndarray, value: float) -> tuple[float, tuple[np.ndarray, float]]:
        """The best scale, and shifts with it, where the metric depends on a scale at all."""
        best = (1.0, (shifts, value))
        tried = self.values(np.stack([shifts, shifts]), np.array([0.5, 2.0]))
        if np.all(np.abs(np.where(np.isfinite(tried), tried, value) - value) <= tolerance(value)):
            return best
        starts = ((shifts, value), (np.zeros_like(shifts), self.before))  # a scale may do what a shift did
        for end in starts if np.any(shifts) else starts[1:]:
            scale = 1.0
            for factors in _SCALES:
                scales = scale * (factors if self.most is None else factors[1::3])
                found = self.values(np.stack([end[0]] * len(scales)), scales)
                first = int(np.argmin(found))
                if found[first] < end[1] - tolerance(end[1]):
                    scale, end = float(scales[first]), (end[0], float(found[first]))
                    end = min(end, self.ascend(end[0], scale, end[1]), key=lambda one: one[1])
            best = min(best, (scale, end), key=lambda one: one[1][1])
        return best

    def ordered_only(self) -> bool:
        """Whether the metric of random predictions does not depend on shifts either, as that of an order does not.

        It takes up to `PROBES` calls of a black box, beyond those of the search.
        """
        rng, shape = np.random.default_rng(2), self.predictions.shape
        last = np.arange(self.z.shape[1]) == self.z.shape[1] - 1
        for _ in range(PROBES // 3 if self.most is not None else 8):
            z = jnp.asarray(rng.normal(size=shape), jnp.float32)
            moves = (np.float32(by) * last.astype(np.float32).reshape(shape[1:][-1:]) for by in (0, -1, 3))
            values = [float(one_value(self.metric, shifted(z, one, 1.0), self.targets, self.where)) for one in moves]
            self.calls += len(values)
            if max(values) - min(values) > tolerance(values[0]):
                return False
        return True


def search(
    metric: Metric, predictions: Any, targets: PyTree, where: Any = None, *, calls: int, least_gain: float = 0.0
) -> Search:
    """A search on arrays of any kind that NumPy reads; `calls` limit evaluations of a black box alone."""
    predictions, targets = jnp.asarray(predictions), jax.tree.map(jnp.asarray, targets)
    where = None if where is None else jnp.asarray(where)
    on_host = calls_of(lambda z, y, w: metric.mean(z, y, where=w), predictions, targets, where) > 0
    return Search(metric, predictions, targets, where, calls if on_host else None, least_gain)
