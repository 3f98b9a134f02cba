"""Compares losses on one data set, one model and one metric, and says which is better, by how much, and how surely.

  python -m jaxsurr.compare --config.data.source="csv:table.csv?target=grade" --config.metric=mean_absolute_error \
      --losses=cross_entropy,squared_emd,correlated_gradients --seeds=5 --workdir=runs/table
      a table of your own
  python -m jaxsurr.compare --config=configs/diabetes.py --trials=5 --workdir=runs/diabetes
      the losses and seeds of a config, with five tuning trials for each loss

The rows and labels of a data set are taken as they are; where some are changed or left out, the first line says so, and
so do the table and every line of results. Strong cheap baselines join the losses that are named. Every loss gets the
same seeds, epochs and number of tuning trials; choices are made on validation, and test rows are read once. Results go
to --workdir: results.jsonl, table.md, table.csv and figures. The same command goes on where it was interrupted; started
again beside itself, in the same --workdir, it shares the work. From Python:
`jaxsurr.compare(config, losses, seeds, workdir=...)`.
"""

import functools
import os
import sys
import types
from typing import Any


class _Comparison(types.ModuleType):
    """A module that can be called, so that `jaxsurr.compare(...)` compares and `python -m jaxsurr.compare` launches."""

    def __call__(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        from jaxsurr.comparison.runs import compare

        return compare(*arguments, **options)


sys.modules[__name__].__class__ = _Comparison


def main(argv: list[str]) -> None:
    """Runs what the flags say, and prints the table."""
    from absl import app, flags, logging

    from jaxsurr.__main__ import WORKDIR, read_config, sentence, split_losses
    from jaxsurr.comparison.runs import compare
    from jaxsurr.training import stopping
    from jaxsurr.training.progress import lines

    if len(argv) > 1:
        raise app.UsageError(f"there are only flags, written --name=value; got {' '.join(argv[1:])!r}.")
    logging.set_verbosity(logging.WARNING)
    chosen, code, stop = flags.FLAGS, 0, stopping.Asked()
    try:
        config = read_config()
        losses = split_losses(chosen.losses) if chosen.losses else None
        with stopping.on_signals(2.0) as stop:
            compare(
                config,
                losses,
                chosen.seeds,
                workdir=WORKDIR.value,
                trials=chosen.trials,
                figures=chosen.figures,
                report=lines(),
                say=functools.partial(print, flush=True),
                stop=stop,
            )
        with open(os.path.join(WORKDIR.value, "table.md")) as file:
            print(file.read())
        print(f"Results: {WORKDIR.value}")
    except stopping.Stopped as error:
        code = stop.code
        print(stop.sentence(error), file=sys.stderr)
    except Exception as error:
        code = 1
        print(sentence(error), file=sys.stderr)
    except KeyboardInterrupt:
        code = 130
        print("Interrupted; the same command goes on where it stopped.", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    from absl import app, flags

    from jaxsurr.__main__ import parse

    flags.DEFINE_string("losses", None, "Losses to compare, with commas between them; by default those of the config.")
    flags.DEFINE_integer("seeds", None, "Paired seeds, by default those of the config.", lower_bound=1)
    flags.DEFINE_integer("trials", None, "Tuning trials for each loss, by default those of the config.", lower_bound=1)
    app.run(main, flags_parser=parse)
