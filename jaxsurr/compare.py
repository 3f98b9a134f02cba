"""Compares losses on one data set, one model and one metric, and says which is better, by how much, and how surely.

  python -m jaxsurr.compare --config.data.source="csv:table.csv?target=grade" --config.metric=mean_absolute_error \
      --losses=cross_entropy,squared_emd,correlated_gradients --seeds=5 --workdir=runs/table
      a table of your own
  python -m jaxsurr.compare --config=configs/diabetes.py --trials=5 --workdir=runs/diabetes
      the losses and seeds of a config, with five tuning trials for each loss
  python -m jaxsurr.compare --config.data.source="csv:table.csv?target=grade" --config.metric=mean_absolute_error \
      --losses=auto --seeds=5 --workdir=runs/table
      everything that fits data and metric; how many runs that makes is said first, and soon about how long they take

The rows and labels of a data set are taken as they are; where some are changed or left out, the first line says so, and
so do the table and every line of results. Strong cheap baselines join the losses that are named. With
correlated_gradients?start=auto the learned loss starts, seed by seed, from the fixed loss that is best on validation,
and that one counts where validation prefers it. Every loss gets the same seeds, epochs and number of tuning trials;
choices are made on validation, and test rows are read once. Results go to --workdir: results.jsonl, table.md, table.csv
and figures. The same command goes on where it was interrupted; started again beside itself, in the same --workdir, it
shares the work. From Python: `jaxsurr.compare(config, losses, seeds, workdir=...)`.
"""

import functools
import pathlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxsurr.training.protocols import Config, Stop


class _Comparison(types.ModuleType):
    """A module that can be called, so that `jaxsurr.compare(...)` compares and `python -m jaxsurr.compare` launches."""

    def __call__(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        from jaxsurr.comparison.runs import compare

        return compare(*arguments, **options)


sys.modules[__name__].__class__ = _Comparison


def work(config: "Config", stop: "Stop") -> str:
    """Compares the losses that config and flags name; gives the table."""
    from absl import flags

    from jaxsurr import launcher
    from jaxsurr.comparison.runs import compare
    from jaxsurr.training.progress import lines

    chosen = flags.FLAGS
    compare(
        config,
        launcher.split_losses(chosen.losses) if chosen.losses else None,
        chosen.seeds,
        workdir=chosen.workdir,
        trials=chosen.trials,
        figures=chosen.figures,
        report=lines(),
        say=functools.partial(print, flush=True),
        stop=stop,
    )
    table = pathlib.Path(chosen.workdir, "table.md").read_text()
    return f"{table}\nResults: {chosen.workdir}"


if __name__ == "__main__":
    from absl import app, flags

    from jaxsurr import launcher

    launcher.define(grace=2.0)  # a run under way is given up, so that there is nothing to save
    losses = "Losses to compare, with commas between them, auto for all that fit; by default those of the config."
    flags.DEFINE_string("losses", None, losses)
    flags.DEFINE_integer("seeds", None, "Paired seeds, by default those of the config.", lower_bound=1)
    flags.DEFINE_integer("trials", None, "Tuning trials for each loss, by default those of the config.", lower_bound=1)
    app.run(functools.partial(launcher.command, work=work), flags_parser=launcher.parse)
