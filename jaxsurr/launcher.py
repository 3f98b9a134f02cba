"""The launcher of both commands: flags and their checks, the config that they name, and how a command ends."""

import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from absl import app, flags, logging
from ml_collections import config_flags

from jaxsurr import compilation_cache
from jaxsurr.data.raw import DataWarning
from jaxsurr.processes import Processes
from jaxsurr.training import default, stopping
from jaxsurr.training.config import default_config, flatten, no_field
from jaxsurr.training.protocols import Config, Stop

__all__ = ["FORESEEN", "check_overrides", "command", "define", "parse", "read_config", "sentence", "split_losses"]

FORESEEN = (ValueError, TypeError, OSError, ImportError, FloatingPointError)
"""Errors whose text is a sentence."""
_DEFAULT = default.__file__
_SHARED = ("workdir", "figures", "grace", "compilation_cache")


def define(grace: float) -> None:
    """Defines the flags that both commands have, but for the config, which `parse` defines."""
    flags.DEFINE_string("workdir", "runs/default", "Where results go; one directory belongs to one config.")
    flags.DEFINE_bool("figures", True, "Draw the figures when the runs are done.")
    flags.DEFINE_float(
        "grace",
        grace,
        "Seconds in which a step has to end after SIGTERM; after them the process ends unsaved.",
        lower_bound=0,
    )
    flags.DEFINE_string(
        "compilation_cache",
        None,
        "Folder for compiled programs, by default among the caches of the user or JAX_COMPILATION_CACHE_DIR; or off.",
    )


def parse(argv: list[str]) -> list[str]:
    """Parses the flags for `absl.app.run`; what is wrong with them or the config is said in a sentence."""
    try:
        check_overrides(argv)
        argv = [_quoted(argument) for argument in argv]
        config_flags.DEFINE_config_file(
            "config", _DEFAULT, "A Python file with get_config(); by default the embedded job."
        )
        for name in ("config", *_SHARED):
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])  # for --help
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
    known = flatten(default_config())
    for argument in argv[1:]:
        field = re.match(r"--?(?:no)?config\.([^=]*)", argument)
        if field and field[1] not in known:
            raise flags.Error(no_field(field[1], known))
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


def read_config() -> Config:
    """The config of the flags, where losses may be written with commas between them.

    Raises:
      ValueError: the file returned something else, `loss` was chosen where the config names `losses`, or there is no
        work directory.
    """
    flag: Any = flags.FLAGS["config"]  # of ml_collections, which absl's annotations do not know
    config, chosen = flags.FLAGS.config, flag.override_values
    warnings.filterwarnings("ignore", category=DataWarning)  # the first line of output says it
    if not hasattr(config, "losses"):
        raise ValueError(
            "get_config() must return the config, as update(jaxsurr.training.default_config(), ...) does; it returned "
            f"{type(config).__name__}."
        )
    if not flags.FLAGS.workdir.strip():
        raise ValueError("--workdir is empty; name the directory where results are to go, as in --workdir=runs/mine.")
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
    """The sentence for an error, without a traceback.

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


def command(
    argv: list[str],
    work: Callable[[Config, Stop], str],
    join: Callable[[Config], Processes | None] = lambda config: None,
) -> NoReturn:
    """Does the work of a command, prints the text that it gives or a sentence on what went wrong, and exits.

    Args:
      argv: what is left of the command line.
      work: `(config, stop) -> text`.
      join: finds the other processes, where several train together.
    """
    if len(argv) > 1:
        raise app.UsageError(f"there are only flags, written --name=value; got {' '.join(argv[1:])!r}.")
    logging.set_verbosity(logging.WARNING)
    together, code, text, stop = None, 0, "", stopping.Asked()
    try:
        config = read_config()
        kept = compilation_cache.use(flags.FLAGS.compilation_cache, os.environ)
        together = join(config)
        if kept and (together is None or together.index == 0):
            print(kept, file=sys.stderr, flush=True)
        with stopping.on_signals(flags.FLAGS.grace, together) as stop:
            text = work(config, stop)
    except stopping.Stopped as error:
        code, text = stop.code, stop.sentence(error)
    except Exception as error:
        code, text = 1, sentence(error)
    except KeyboardInterrupt:
        code, text = 130, "Interrupted; the same command goes on where it stopped."
    if code == 1 and together is not None:
        together.explain()
    if text:
        print(text, file=sys.stderr if code else sys.stdout, flush=True)
    if together is not None:
        together.leave(code)
    sys.exit(code)
