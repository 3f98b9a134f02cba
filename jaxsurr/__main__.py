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
is made. Where rows or labels of the data are changed or left out (noise, a limit, ...) the first line says so.
Results go to --workdir: metrics.jsonl, result.json, checkpoints, TensorBoard events and figures. The same
command again goes on where it was interrupted. After an error, JAXSURR_TRACEBACK=1 shows where it came from.

Exit codes: 0 done; 1 an error, said on standard error; 143 ended by SIGTERM and 130 by Ctrl-C, after saving what was
under way; 75 of several processes (--coordinator_address) another one is gone. After the last three the same command
goes on.
"""

import functools
import os
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

from absl import app, flags, logging
from ml_collections import config_flags

if TYPE_CHECKING:
    from jaxsurr.training.protocols import Config

_DEFAULT = os.path.join(os.path.dirname(__file__), "training", "default.py")
FORESEEN = (ValueError, TypeError, OSError, ImportError, FloatingPointError)
"""Errors whose text is a sentence."""

WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Where results go; one directory belongs to one config.")
FIGURES = flags.DEFINE_bool("figures", True, "Draw the figures when the runs are done.")
COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "host:port of process 0, where several processes train together (jax.distributed)."
)
PROCESSES = flags.DEFINE_integer("num_processes", 1, "How many processes train together.", lower_bound=1)
GRACE = flags.DEFINE_float(
    "grace", 10, "Seconds in which a step has to end after SIGTERM; after them the process ends unsaved.", lower_bound=0
)
PROCESS = flags.DEFINE_integer("process_id", 0, "Which of them this one is, from 0.", lower_bound=0)


def parse(argv: list[str]) -> list[str]:
    """Parses the flags for `absl.app.run`; what is wrong with them or the config is said in a sentence."""
    try:
        check_overrides(argv)
        argv = [_quoted(argument) for argument in argv]
        config_flags.DEFINE_config_file(
            "config", _DEFAULT, "A Python file with get_config(); by default the embedded job."
        )
        return flags.FLAGS(argv)
    except Exception as error:
        if os.environ.get("JAXSURR_TRACEBACK"):
            raise
        while error.__context__ is not None and "parsing config file" in str(error):  # what get_config() raised
            error = error.__context__
        where = "" if isinstance(error, flags.Error) else f"the config file cannot be used: {type(error).__name__}: "
        print(f"{where}{error}\nSee python -m jaxsurr --help.", file=sys.stderr)
        sys.exit(1)


def check_overrides(argv: list[str]) -> None:
    """Refuses a config file that is missing and fields that no config has, with the nearest one.

    Raises:
      flags.Error: there is such a flag among `argv`.
    """
    from jaxsurr.core import checks
    from jaxsurr.training.config import default_config, flatten

    known = flatten(default_config())
    for argument in argv[1:]:
        field = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if field and field[1] not in known:
            raise flags.Error(f"the config has no field {field[1]!r}; {checks.nearest(field[1], known)}")
        file = re.match(r"--?config=([^:]*)", argument)
        if file and not os.path.isfile(file[1]):
            raise flags.Error(f"there is no config file {file[1]!r}; check the path after --config=.")


def split_losses(text: str) -> list[str]:
    """Losses that are written with commas between them; a comma before a number belongs to an option.

    >>> split_losses("cross_entropy, embedding?hidden=64,64")
    ['cross_entropy', 'embedding?hidden=64,64']
    """
    return [name.strip(" ,") for name in re.split(r",(?=\s*[^\W\d])", text) if name.strip(" ,")]


def _quoted(argument: str) -> str:
    """An override of `losses` as a tuple, where losses with options are written with commas between them."""
    found = re.fullmatch(r"(--?config\.losses=)([^(\['\"].*\?.*)", argument)
    return f"{found[1]}{tuple(split_losses(found[2]))!r}" if found else argument


def read_config() -> "Config":
    """The config of the flags, where losses may be written with commas between them.

    Raises:
      ValueError: the file returned something else, `loss` was chosen where the config names `losses`, or there is no
        work directory.
    """
    from jaxsurr.data.raw import DataWarning
    from jaxsurr.training import default

    flag: Any = flags.FLAGS["config"]  # of ml_collections, which absl's annotations do not know
    config, chosen = flags.FLAGS.config, flag.override_values
    warnings.filterwarnings("ignore", category=DataWarning)  # the first line of output says it
    if not hasattr(config, "losses"):
        raise ValueError(
            "get_config() must return the config, as update(jaxsurr.training.default_config(), ...) does; it returned "
            f"{type(config).__name__}."
        )
    if not WORKDIR.value.strip():
        raise ValueError("--workdir is empty; name the directory where results are to go, as in --workdir=runs/mine.")
    default_job = flag.config_filename == _DEFAULT
    if default_job and "data.label_noise" not in chosen and config.data.source != default.get_config().data.source:
        config.data.label_noise = 0.0  # that of the default job is for its own data
    config.losses = tuple(name for entry in config.losses for name in split_losses(str(entry)))
    if "loss" in chosen and config.losses:
        raise ValueError(
            f"--config.loss={config.loss} would not be used, as the config compares losses {config.losses}: add "
            '--config.losses="()" --config.seeds=1 for a single run.'
        )
    if config.losses == () and "losses" in chosen and "seeds" not in chosen:
        config.seeds = 1
    return config


def sentence(error: Exception) -> str:
    """What a person is told of an error, without a traceback.

    Raises:
      Exception: the error itself, where the environment asks for a traceback.
    """
    if os.environ.get("JAXSURR_TRACEBACK"):
        raise error
    text = f"{type(error).__name__}: {error}".strip()
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text or "Out of memory" in text:
        return (
            f"There is not enough memory for this: {text[:300]} Make model.hidden, batch_size, surrogate.num_pairs or "
            "the data (data.limit) smaller; the same command goes on where it stopped."
        )
    if isinstance(error, FORESEEN):
        return text
    return f"{text}\nThis was not foreseen. JAXSURR_TRACEBACK=1 before the command shows where it came from."


def main(argv: list[str]) -> None:
    """Runs what the flags say, and prints its table."""
    if len(argv) > 1:
        raise app.UsageError(f"there are only flags, written --name=value; got {' '.join(argv[1:])!r}.")
    from jaxsurr import parallel, processes
    from jaxsurr.comparison.from_config import make
    from jaxsurr.training import stopping
    from jaxsurr.training.checking import validate
    from jaxsurr.training.progress import progress

    logging.set_verbosity(logging.WARNING)
    done, together, code, text, stop = lambda: None, None, 0, "", stopping.Asked()
    try:
        config = read_config()
        validate(config)
        if COORDINATOR.value:
            together = processes.Processes(COORDINATOR.value, PROCESSES.value, PROCESS.value)
            parallel.initialise_distributed(COORDINATOR.value, PROCESSES.value, PROCESS.value)
            together.watch()
        report, done = progress(config.epochs * max(1, len(config.losses) * config.seeds))
        say = functools.partial(print, flush=True)
        with stopping.on_signals(GRACE.value, together) as stop:
            text = make(config, WORKDIR.value, report=report, say=say, figures=FIGURES.value, stop=stop)
    except stopping.Stopped as error:
        code, text = stop.code, stop.sentence(error)
    except Exception as error:
        code, text = 1, sentence(error)
    except KeyboardInterrupt:
        code, text = 130, "Interrupted; the same command goes on from the last checkpoint."
    if code == 1 and together is not None:
        together.explain()
    done()
    if text:
        print(text, file=sys.stderr if code else sys.stdout, flush=True)
    if together is not None:
        together.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
