"""Notes on what was changed or left out of the data, said as runs begin, in lines of results and in tables."""

from collections.abc import Sequence
from typing import Any

from jaxsurr.training.protocols import Say

__all__ = ["said", "said_of", "tell"]


def tell(say: Say | None, notes: Sequence[str]) -> None:
    """Says notes in one line, where there are any."""
    if notes and say is not None:
        say(said(notes))


def said(notes: Sequence[str]) -> str:
    """Notes as one line; "" where there are none.

    >>> said(["8 of 90 rows are left out (limit=82)"])
    'Data: 8 of 90 rows are left out (limit=82).'
    """
    return f"Data: {'; '.join(notes)}." if notes else ""


def said_of(runs: Sequence[dict[str, Any]]) -> str:
    """The notes of runs as one line; those that hold for some seeds only name these.

    >>> said_of([{"seed": 0, "data": ["a", "b"]}, {"seed": 1, "data": ["a"]}])
    'Data: a; b (seed 0).'
    """
    seeds = {run["seed"] for run in runs}
    found: dict[str, set[int]] = {}
    for run in runs:
        for note in run.get("data") or ():  # lines from before there were notes have none
            found.setdefault(note, set()).add(run["seed"])
    return said([note + ("" if of == seeds else f" ({_seeds(of)})") for note, of in found.items()])


def _seeds(seeds: set[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))}"
