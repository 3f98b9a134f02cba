"""Progress of runs: a bar where there is a terminal, plain lines where there is none."""

import sys
import time
from typing import Any, TextIO

from jaxsurr.training.protocols import Event, Report

__all__ = ["describe", "lines", "progress"]


def progress(total: int, stream: TextIO | None = None, every: int = 10) -> tuple[Report, Any]:
    """A callback for `jaxsurr.training.run(report=...)`, and a function that ends the display.

    Args:
      total: epochs in all, over all runs.
      stream: where to write, standard error by default.
      every: without a terminal, a line every so many epochs of a run, and at its last.
    """
    out = sys.stderr if stream is None else stream
    bar: Any = None

    def report(event: Event) -> None:
        nonlocal bar
        if event.get("event") == "note":
            print(event["text"], file=out, flush=True)
            return
        if bar is None and out.isatty():  # not before what has to be said first
            from tqdm import tqdm

            bar = tqdm(total=total, file=out, unit="epoch", dynamic_ncols=True)
        text = describe(event)
        if bar is not None:
            bar.set_description_str(f"{event['loss_name']} seed {event['seed']}")
            bar.set_postfix_str(text)
            bar.update(1)
        elif event["epoch"] % every == 0 or event["epoch"] == event["epochs"]:
            print(
                f"{event['loss_name']} seed {event['seed']} epoch {event['epoch']}/{event['epochs']}: {text}",
                file=out,
                flush=True,
            )

    return report, lambda: bar.close() if bar is not None else None


def describe(event: Event) -> str:
    """The current metric and gradient correlation in a few words.

    >>> describe({"validation": 0.25, "gradient_correlation": 0.6, "ceiling": 0.75})
    'validation 0.2500, gradient correlation 0.60 (the noise allows about 0.75)'
    """
    value = event["validation"]
    values = value if isinstance(value, list) else [value]
    text = "validation " + " ".join(f"{v:.4f}" for v in values)
    if event.get("gradient_correlation") is not None:
        text += f", gradient correlation {event['gradient_correlation']:.2f}"
        text += f" (the noise allows about {event['ceiling']:.2f})" if event.get("ceiling") is not None else ""
    return text


def lines(stream: TextIO | None = None) -> Report:
    """A callback for `jaxsurr.compare(report=...)`: a line for each run, with what is left and for how long.

    Args:
      stream: where to write, standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    started, first = time.monotonic(), None

    def report(event: Event) -> None:
        nonlocal first
        if event.get("event") == "note":
            print(event["text"], file=stream, flush=True)
        elif event["event"] == "run":
            first = event["done"] if first is None else first
            made = event["done"] - first
            ahead = f", about {(time.monotonic() - started) / made * event['left'] / 60:.1f} min" if made else ""
            print(f"{event['key']}: {event['left']} runs left{ahead}", file=stream, flush=True)

    return report
