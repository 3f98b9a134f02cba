"""Trains a model on an evaluation metric, through a surrogate loss with correlated gradients.

  python -m jaxsurr
      the default job: cross-entropy against the learned loss on scikit-learn's digits with noisy labels
  python -m jaxsurr --config=configs/diabetes.py --workdir=runs/diabetes
      a config of your own, or one of those that come with the source
  python -m jaxsurr --config.data.source=csv:table.csv?target=price --config.metric=mean_absolute_error ...
      any field overridden; see jaxsurr.training.default_config for all of them

Where the config names several `losses` the runs are compared in a table; else one run of `loss` is made. Results go to
--workdir: metrics.jsonl, result.json, checkpoints, TensorBoard events and figures. The same command again goes on where
it was interrupted.
"""

import os
import sys

from absl import app, flags, logging
from ml_collections import config_flags

_DEFAULT = os.path.join(os.path.dirname(__file__), "training", "default.py")

CONFIG = config_flags.DEFINE_config_file(
    "config", _DEFAULT, "A Python file with get_config(); by default the embedded job.", lock_config=True
)
WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Where results go; one directory belongs to one config.")
FIGURES = flags.DEFINE_bool("figures", True, "Draw the figures when the runs are done.")
COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "host:port of process 0, where several processes train together (jax.distributed)."
)
PROCESSES = flags.DEFINE_integer("num_processes", 1, "How many processes train together.", lower_bound=1)
PROCESS = flags.DEFINE_integer("process_id", 0, "Which of them this one is, from 0.", lower_bound=0)


def main(argv: list[str]) -> None:
    """Runs what the flags say, and prints its table."""
    if len(argv) > 1:
        raise app.UsageError(f"there are only flags, written --name=value; got {' '.join(argv[1:])!r}.")
    from jaxsurr import parallel
    from jaxsurr.training.job import job
    from jaxsurr.training.progress import progress

    logging.set_verbosity(logging.WARNING)
    if COORDINATOR.value:
        parallel.initialise_distributed(COORDINATOR.value, PROCESSES.value, PROCESS.value)
    config = CONFIG.value
    total = config.epochs * max(1, len(config.losses) * config.seeds)
    report, done = progress(total)
    try:
        text = job(config, WORKDIR.value, report=report, figures=FIGURES.value)
    except (ValueError, TypeError, OSError, ImportError, FloatingPointError) as error:
        done()
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        if os.environ.get("JAXSURR_TRACEBACK"):
            raise
        sys.exit(1)
    done()
    print(text)


if __name__ == "__main__":
    app.run(main)
