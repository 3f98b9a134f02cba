"""The plan of a comparison: every trial and every run, what of it is done, and what is next."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jaxsurr.comparison import tuning
from jaxsurr.training.entries import key_of
from jaxsurr.training.epochs import first_metric
from jaxsurr.training.program import without_rates
from jaxsurr.training.protocols import Config


class Job(NamedTuple):
    """A run that has to be made; its setting is the loss with the options of a trial."""

    key: str
    loss: str
    setting: str
    seed: int

    @property
    def purpose(self) -> str:
        """To "tune" its loss, or to "run" it with the setting that was chosen."""
        return self.key.split(" ")[0]


def job_of(purpose: str, loss: str, seed: int, setting: str = "") -> Job:
    """A run of a loss, with its default setting or another one."""
    setting = setting or loss
    return Job(key_of(purpose, setting if purpose == "tune" else loss, seed), loss, setting, seed)


class Plan:
    """All runs of a comparison. What is `done` are entries of its results by their key.

    Args:
      config: of the comparison.
      losses: the baselines among them.
      nested: whether a loss is tuned for each seed, on the seed's own rows, and not once on those of the first.
    """

    def __init__(self, config: Config, losses: Sequence[str], nested: bool):
        self.config, self.losses, self.nested = config, losses, nested
        self.reference = config.reference or losses[0]
        self.seeds = range(config.seed, config.seed + config.seeds)
        self.trials = {loss: tuning.trials(loss, config.trials, config.learning_rate) for loss in losses}

    def runs(self) -> list[Job]:
        """The runs that the table is made from, with the default settings, loss by loss."""
        return [job_of("run", loss, seed) for loss in self.losses for seed in self.seeds]

    def tuned(self) -> int:
        """Trials that have to be run; with one there is nothing to choose."""
        return self.config.trials if self.config.trials > 1 else 0

    def tuning_seeds(self) -> Sequence[int]:
        """The seeds on whose training and validation rows losses are tuned."""
        return self.seeds if self.nested else self.seeds[:1]

    def tuning_keys(self, loss: str, seed: int) -> list[str]:
        return [key_of("tune", text, seed) for text in self.trials[loss]]

    def chosen(self, loss: str, seed: int, done: dict[str, Any]) -> str | None:
        """The setting of a loss for a seed: the trial that is best on validation; None while trials are missing."""
        if not self.tuned():
            return loss
        keys = self.tuning_keys(loss, seed if self.nested else self.seeds[0])
        if not all(key in done for key in keys):
            return None
        scores = [done[key] for key in keys]
        usable = [entry for entry in scores if not entry["diverged"]]
        sign = -1 if scores[0]["higher_is_better"] else 1
        best = min(usable, key=lambda entry: sign * first_metric(entry["validation"]), default=scores[0])
        return best["setting"]

    def groups(self, done: dict[str, Any]) -> Iterator[list[Job]]:
        """Runs that can be made now, tuning first; those of a group can share a program.

        What is in a group follows from what is done alone, so that a group that was killed is made again as it was.
        """

        def missing(jobs: Iterable[Job], sort: Callable[[Job], Any]) -> Iterator[list[Job]]:
            alike: dict[Any, list[Job]] = {}
            for job in jobs:
                if job.key not in done:
                    alike.setdefault(sort(job), []).append(job)
            yield from alike.values()

        for loss in self.losses:
            if self.tuned():
                trials = (
                    job_of("tune", loss, seed, setting) for seed in self.tuning_seeds() for setting in self.trials[loss]
                )
                # Several seeds are tuned in the groups that they will run in, one trial after another.
                yield from missing(trials, lambda job: job.setting if self.nested else without_rates(job.setting))
            chosen = {seed: self.chosen(loss, seed, done) for seed in self.seeds}
            settings = {seed: setting for seed, setting in chosen.items() if setting is not None}
            if len(settings) == len(chosen):
                runs = (job_of("run", loss, seed, setting) for seed, setting in settings.items())
                yield from missing(runs, lambda job: without_rates(job.setting))

    def left(self, done: dict[str, Any]) -> int:
        """The number of runs that are missing; results of other losses and seeds, from earlier calls, do not count."""
        keys = {job.key for job in self.runs()}
        for loss in self.losses if self.tuned() else ():
            keys.update(*(self.tuning_keys(loss, seed) for seed in self.tuning_seeds()))
        return len(keys - set(done))

    def finished(self, done: dict[str, Any]) -> bool:
        return all(job.key in done for job in self.runs())
