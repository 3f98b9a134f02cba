"""Trains a model on an evaluation metric, through a surrogate loss with correlated gradients.

  python -m jaxsurr
      the default job: cross-entropy against the learned loss on scikit-learn's digits with noisy labels
  python -m jaxsurr --config=configs/diabetes.py --workdir=runs/diabetes
      a config of your own, or one of those that come with the source
  python -m jaxsurr --config.losses="()" --config.model.name=mlp --workdir=runs/mlp
      any field of the config by --config.NAME=VALUE; jaxsurr.training.default_config lists them

A field keeps its type: --config.epochs=10, --config.learning_rate=1e-3, --config.model.hidden=64,32 (one number:
--config.model.hidden=64), --config.losses=cross_entropy,smoothed. Quote what the shell would read, as ? and ().

Where the config names several `losses` the runs are compared in a table; else (--config.losses="()") one run of `loss`
is made. The loss "correlated_gradients?start=auto" trains the fixed losses that fit first, and starts from the best.
Where rows or labels of the data are changed or left out (noise, a limit, ...) the first line says so.
A run leaves metrics.jsonl, result.json, checkpoints, TensorBoard events and figures in --workdir; a comparison has a
directory of these for each run, and results.jsonl, table.md and table.csv. The same command again goes on where it was
interrupted. After an error, JAXSURR_TRACEBACK=1 shows where it came from.

Compiled programs are kept in a folder of the user's, which is said first, so that the next command starts sooner:
--compilation_cache=FOLDER or =off, or JAX_COMPILATION_CACHE_DIR. No figure depends on it.

Exit codes: 0 done; 1 an error, said on standard error; 143 ended by SIGTERM and 130 by Ctrl-C, after saving what was
under way; 75 of several processes (--coordinator_address) another one is gone. After the last three the same command
goes on.
"""

import functools
from typing import TYPE_CHECKING

from absl import app, flags

from jaxsurr import launcher

if TYPE_CHECKING:
    from jaxsurr.processes import Processes
    from jaxsurr.training.protocols import Config, Stop


def join(config: "Config") -> "Processes | None":
    """Refuses a config that cannot run; finds the other processes, where the flags say that several train together."""
    from jaxsurr import parallel, processes
    from jaxsurr.training.checking import validate

    validate(config)  # before processes wait for each other
    address = flags.FLAGS.coordinator_address
    if not address:
        return None
    number, index = flags.FLAGS.num_processes, flags.FLAGS.process_id
    together = processes.Processes(address, number, index)
    parallel.initialise_distributed(address, number, index)
    together.watch()
    return together


def work(config: "Config", stop: "Stop") -> str:
    """Makes the run of a config or compares its losses; gives the table."""
    from jaxsurr.comparison.from_config import make
    from jaxsurr.training.progress import progress

    report, done = progress(config.epochs * max(1, len(config.losses) * config.seeds))
    say = functools.partial(print, flush=True)
    try:
        return make(config, flags.FLAGS.workdir, report=report, say=say, figures=flags.FLAGS.figures, stop=stop)
    finally:
        done()


if __name__ == "__main__":
    launcher.define(grace=10.0)
    flags.DEFINE_string(
        "coordinator_address", None, "host:port of process 0, where several processes train together (jax.distributed)."
    )
    flags.DEFINE_integer("num_processes", 1, "How many processes train together.", lower_bound=1)
    flags.DEFINE_integer("process_id", 0, "Which of them this one is, from 0.", lower_bound=0)
    app.run(functools.partial(launcher.command, work=work, join=join), flags_parser=launcher.parse)
