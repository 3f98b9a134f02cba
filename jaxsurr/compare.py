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

Many workers: --workers=4 makes runs in four processes on this machine, each on a quarter of its cores.
--scheduler=tcp://HOST:PORT has them made by the workers of a Dask cluster (pip install 'jaxsurr[cluster]'; then `dask
scheduler` on one machine and `dask worker tcp://HOST:PORT --nthreads=1` on each). They need no common file system, but
the same versions of jaxsurr, JAX, flax, optax and NumPy and the same data under data.source, all of which is checked;
metrics and losses that a config file registers have to be registered there too (`dask worker --preload`). Who can reach
the scheduler can have the workers run anything. A worker that dies gives its runs to others. The table does not depend
on the workers, as long as they have processors like this one.
"""

import contextlib
import functools
import os
import pathlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxsurr.comparison.executors import Executor
    from jaxsurr.training.protocols import Config, Stop

__all__ = ["executor", "work"]


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
    if chosen.worker:
        from jaxsurr import compilation_cache
        from jaxsurr.comparison.runner import Runner
        from jaxsurr.comparison.worker import serve
        from jaxsurr.training.stopping import never

        compilation_cache.ignore_faults()
        serve(Runner(config, lambda event: None, None, never), chosen.workdir)
    made_by = executor(config)
    with contextlib.nullcontext() if made_by is None else contextlib.closing(made_by):
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
            executor=made_by,
        )
    table = pathlib.Path(chosen.workdir, "table.md").read_text()
    return f"{table}\nResults: {chosen.workdir}"


def executor(config: "Config") -> "Executor | None":
    """Where the flags have the runs made; None for this process.

    Raises:
      ValueError: the flags do not fit together.
      ImportError: `distributed` is not installed.
      OSError: there is no scheduler.
    """
    from absl import flags

    chosen = flags.FLAGS
    if chosen.workers > 1 and chosen.scheduler:
        raise ValueError("--workers are of this machine and --scheduler is of a cluster, whose workers it knows: one.")
    if chosen.scheduler:
        from jaxsurr.comparison.cluster import Cluster

        return Cluster(chosen.scheduler, config)
    if chosen.workers == 1:
        return None
    from jaxsurr import compilation_cache
    from jaxsurr.comparison.local import Local

    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else the first process takes a whole GPU
    command = [sys.executable, "-m", "jaxsurr.compare", *sys.argv[1:], "--worker", "--compilation_cache="]
    return Local(chosen.workers, command, {**os.environ, **compilation_cache.chosen()})


if __name__ == "__main__":
    from absl import app, flags

    from jaxsurr import launcher

    launcher.define(grace=2.0)  # a run under way is given up, so that there is nothing to save
    losses = "Losses to compare, with commas between them, auto for all that fit; by default those of the config."
    flags.DEFINE_string("losses", None, losses)
    flags.DEFINE_integer("seeds", None, "Paired seeds, by default those of the config.", lower_bound=1)
    flags.DEFINE_integer("trials", None, "Tuning trials for each loss, by default those of the config.", lower_bound=1)
    flags.DEFINE_integer("workers", 1, "Processes on this machine that make runs at the same time.", lower_bound=1)
    flags.DEFINE_string("scheduler", None, "tcp://HOST:PORT of a Dask scheduler, whose workers make the runs.")
    flags.DEFINE_bool("worker", False, "Makes the runs that are read from standard input; set by --workers.")
    app.run(functools.partial(launcher.command, work=work), flags_parser=launcher.parse)
