"""The plan of a comparison: every trial and every run, what of it is done, and what is next.

A loss whose start is chosen is planned as the runs that it is made of: those of the fixed losses, which are rows of the
table themselves, and then the learned loss from the one that is best on validation for a seed, tuned as every loss.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from jaxsurr.comparison import tuning
from jaxsurr.training.entries import key_of
from jaxsurr.training.epochs import first_metric
from jaxsurr.training.program import without_rates
from jaxsurr.training.protocols import Config

__all__ = ["Job", "Plan", "best", "decided", "job_of"]


class Job(NamedTuple):
    """A run that has to be made; its setting is the loss with the options of a trial.

    Where the start of the loss is chosen nothing has to be trained: it is the better on validation of two runs, `of`,
    the key of the fixed one and that of the learned one.
    """

    key: str
    loss: str
    setting: str
    seed: int
    of: tuple[str, str] | None = None

    @property
    def purpose(self) -> str:
        """To "tune" its loss, or to "run" it with the setting that was chosen."""
        return self.key.split(" ")[0]


def job_of(purpose: str, loss: str, seed: int, setting: str = "") -> Job:
    """A run of a loss, with its default setting or another one."""
    setting = setting or loss
    return Job(key_of(purpose, setting if purpose == "tune" else loss, seed), loss, setting, seed)


def best(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The name of the entry that is best on validation; of equals the first, and the first where all diverged."""
    return min(entries, key=lambda name: _cost(entries[name]))


def _cost(entry: Mapping[str, Any]) -> float:
    """The validation metric of an entry, turned so that less is better; infinite where it diverged."""
    if entry["diverged"]:
        return math.inf
    return first_metric(entry["validation"]) * (-1 if entry["higher_is_better"] else 1)


def decided(job: Job, starts: Iterable[str], done: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The line of a loss whose start was chosen: that of the better of its two runs on validation, and what was chosen.

    Args:
      job: of the loss.
      starts: the fixed losses that it chose from.
      done: entries of results by their key.
    """
    fixed, learned = job.of or (job.key, job.key)
    pair = {key: done[key] for key in (fixed, learned)}
    counts = pair[best(pair)]
    tried = {start: done[key_of("run", start, job.seed)]["validation"] for start in starts}
    facts = {name: value for name, value in counts.items() if name not in ("group", "sha256", "start", "stayed")}
    whose = {"key": job.key, "purpose": job.purpose, "loss": job.loss}
    chosen = {"start": pair[fixed]["loss"], "starts": tried, "stayed": counts is pair[fixed]}
    return facts | whose | chosen | {"seconds": 0.0}


class Plan:
    """All runs of a comparison. What is `done` are entries of its results by their key.

    Args:
      config: of the comparison.
      losses: the baselines among them.
      nested: whether a loss is tuned for each seed, on the seed's own rows, and not once on those of the first.
      starts: of each loss whose start is chosen, the fixed losses, which are among `losses`, and the learned loss that
        starts from each.
    """

    def __init__(
        self,
        config: Config,
        losses: Sequence[str],
        nested: bool,
        starts: Mapping[str, Mapping[str, str]] | None = None,
    ):
        self.config, self.losses, self.nested = config, losses, nested
        self.starts = starts or {}
        self.reference = config.reference or losses[0]
        self.seeds = range(config.seed, config.seed + config.seeds)
        self.trials = functools.cache(lambda loss: tuning.trials(loss, config.trials, config.learning_rate))

    def runs(self) -> list[Job]:
        """The runs that the table is made from, with the default settings, loss by loss."""
        return [job_of("run", loss, seed) for loss in self.losses for seed in self.seeds]

    def tuned(self) -> int:
        """Trials that have to be run; with one there is nothing to choose."""
        return self.config.trials if self.config.trials > 1 else 0

    def tuning_seeds(self, seeds: Sequence[int]) -> Sequence[int]:
        """The seeds on whose training and validation rows a loss is tuned that is run with these."""
        return seeds if self.nested else self.seeds[:1]

    def tuning_keys(self, loss: str, seed: int) -> list[str]:
        return [key_of("tune", text, seed) for text in self.trials(loss)]

    def chosen(self, loss: str, seed: int, done: Mapping[str, Any]) -> str | None:
        """The setting of a loss for a seed: the trial that is best on validation; None while trials are missing."""
        if not self.tuned():
            return loss
        keys = self.tuning_keys(loss, seed if self.nested else self.seeds[0])
        if not all(key in done for key in keys):
            return None
        return done[best({key: done[key] for key in keys})]["setting"]

    def begun(self, loss: str, done: Mapping[str, Any]) -> dict[int, str] | None:
        """The start of a loss that chooses it, for each seed; None while runs of starts are missing."""
        found = {}
        for seed in self.seeds:
            keys = {fixed: key_of("run", fixed, seed) for fixed in self.starts[loss]}
            if not all(key in done for key in keys.values()):
                return None
            found[seed] = best({fixed: done[key] for fixed, key in keys.items()})
        return found

    def led(self, loss: str, begun: Mapping[int, str]) -> dict[str, list[int]]:
        """The learned losses that start from what was chosen for each seed, and the seeds of each."""
        found: dict[str, list[int]] = {}
        for seed, fixed in begun.items():
            found.setdefault(self.starts[loss][fixed], []).append(seed)
        return found

    def groups(self, done: Mapping[str, Any]) -> Iterator[list[Job]]:
        """Runs that can be made now, tuning first; those of a group can share a program.

        What is in a group follows from what is done alone, so that a group that was killed is made again as it was.
        """
        for loss in self.losses:
            if loss not in self.starts:
                yield from self._alone(loss, self.seeds, done)
            elif (begun := self.begun(loss, done)) is not None:
                for learned, seeds in self.led(loss, begun).items():
                    yield from self._alone(learned, seeds, done)
                decisions = [self._decision(loss, seed, fixed) for seed, fixed in begun.items()]
                if all(key in done for job in decisions for key in job.of or ()):
                    yield from _missing(decisions, done, lambda job: job.loss)

    def _alone(self, loss: str, seeds: Sequence[int], done: Mapping[str, Any]) -> Iterator[list[Job]]:
        """Runs of a loss with some seeds, and its trials before them."""
        if self.tuned():
            rows, texts = self.tuning_seeds(seeds), self.trials(loss)
            trials = (job_of("tune", loss, seed, setting) for seed in rows for setting in texts)
            # Several seeds are tuned in the groups that they will run in, one trial after another.
            yield from _missing(trials, done, lambda job: job.setting if self.nested else without_rates(job.setting))
        chosen = {seed: self.chosen(loss, seed, done) for seed in seeds}
        settings = {seed: setting for seed, setting in chosen.items() if setting is not None}
        if len(settings) == len(chosen):
            runs = (job_of("run", loss, seed, setting) for seed, setting in settings.items())
            yield from _missing(runs, done, lambda job: without_rates(job.setting))

    def _decision(self, loss: str, seed: int, fixed: str) -> Job:
        of = key_of("run", fixed, seed), key_of("run", self.starts[loss][fixed], seed)
        return job_of("run", loss, seed)._replace(of=of)

    def left(self, done: Mapping[str, Any]) -> int:
        """The number of runs that are missing; results of other losses and seeds, from earlier calls, do not count.

        While it is not known which starts will be chosen, those that need most runs count.
        """
        keys, unknown = set(), 0
        for loss in self.losses:
            if loss not in self.starts:
                keys |= self._keys(loss, self.seeds)
            elif (begun := self.begun(loss, done)) is not None:
                keys = keys.union(*(self._keys(learned, seeds) for learned, seeds in self.led(loss, begun).items()))
            else:
                tunings = len(self.seeds) if self.nested else min(len(self.seeds), len(self.starts[loss]))
                unknown += len(self.seeds) + self.tuned() * tunings
        return len(keys - set(done)) + unknown

    def _keys(self, loss: str, seeds: Sequence[int]) -> set[str]:
        """Keys of the runs of a loss with some seeds, and of its trials."""
        keys = {key_of("run", loss, seed) for seed in seeds}
        for seed in self.tuning_seeds(seeds) if self.tuned() else ():
            keys.update(self.tuning_keys(loss, seed))
        return keys

    def finished(self, done: Mapping[str, Any]) -> bool:
        return all(job.key in done for job in self.runs())


def _missing(jobs: Iterable[Job], done: Mapping[str, Any], sort: Callable[[Job], Any]) -> Iterator[list[Job]]:
    """The jobs that are not done, each once, in groups that are sorted alike."""
    alike: dict[Any, list[Job]] = {}
    for job in dict.fromkeys(jobs):
        if job.key not in done:
            alike.setdefault(sort(job), []).append(job)
    yield from alike.values()
