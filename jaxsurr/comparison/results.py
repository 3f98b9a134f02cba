"""The results of a comparison: a line a run, appended under a lock and never changed.

A table and figures are made from them, and can be made again.
"""

import csv
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxsurr.comparison import statistics
from jaxsurr.comparison.plan import Plan
from jaxsurr.core import files
from jaxsurr.core.spec import parse_spec
from jaxsurr.report import summary_table
from jaxsurr.training import notes, records
from jaxsurr.training.config import CONVENTIONAL
from jaxsurr.training.entries import sealed
from jaxsurr.training.epochs import first_metric
from jaxsurr.training.locks import lock

RESULTS = "results.jsonl"


def append(path: pathlib.Path, entries: Sequence[dict[str, Any]]) -> None:
    """Adds entries whole and on disk, all at once, each with its checksum; a line that was cut off is ended first."""
    lines = b"".join(json.dumps(sealed(entry)).encode() + b"\n" for entry in entries)
    with records.writing(path), lock(path.with_suffix(".lock")):
        files.append(path, lines)


def table(runs: Sequence[Mapping[str, Any]], reference: str = "") -> list[dict[str, Any]]:
    """The table of runs: `statistics.rows`, and how well the gradient of each loss follows that of the metric.

    Args:
      runs: entries of results, of each loss with the same seeds. Of several metrics the first counts.
      reference: the loss that differences are taken to; the first where empty.

    Returns:
      Rows, best mean first, with `gradient correlation` and `ceiling` of the last epoch, means over the seeds of those
      that know them.
    """
    rows = statistics.rows(
        by_seed(runs, "test"),
        by_seed(runs, "validation"),
        higher_is_better=runs[0]["higher_is_better"],
        reference=reference or runs[0]["loss"],
    )
    for row in rows:
        for column, field in (("gradient correlation", "gradient_correlation"), ("ceiling", "ceiling")):
            values = [run.get(field) for run in runs if run["loss"] == row["loss"]]
            known = [value for value in values if value is not None]
            row[column] = float(np.mean(known)) if known else None
    return rows


def by_seed(runs: Sequence[Mapping[str, Any]], field: str) -> dict[str, dict[int, float]]:
    """A metric of each loss by seed, "test" or "validation"; NaN for a run that diverged."""
    out: dict[str, dict[int, float]] = {}
    for run in runs:
        value = float("nan") if run[field] is None else first_metric(run[field])
        out.setdefault(run["loss"], {})[run["seed"]] = value
    return out


def tabulate(plan: Plan, done: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Rows of the table of a comparison, the runs that it is made from, and what a choice on validation gains."""
    runs = [done[job.key] for job in plan.runs()]
    known = [loss for loss in plan.losses if parse_spec(loss)[0] in CONVENTIONAL]
    found = None
    if len(known) < len(plan.losses):
        higher = runs[0]["higher_is_better"]
        tests, validations = by_seed(runs, "test"), by_seed(runs, "validation")
        found = statistics.selection(tests, validations, higher_is_better=higher, known=known)
    return {"rows": table(runs, plan.reference), "runs": runs, "selection": found}


def summarise(path: pathlib.Path, plan: Plan, done: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Writes `table.md` and `table.csv` of a comparison from its results, and gives `tabulate`."""
    outcome = tabulate(plan, done)
    rows, runs, found = outcome["rows"], outcome["runs"], outcome["selection"]
    parts = [heading(plan, runs), notes.said_of(runs), summary_table(rows), found and chosen_text(found)]
    records.write_text(path / "table.md", "\n\n".join(filter(None, parts)) + "\n")
    records.write_text(path / "table.csv", _csv(rows))
    return outcome


def chosen_text(found: dict[str, Any]) -> str:
    """The gain of a choice on validation by losses that are learned from the metric, in a sentence."""
    interval = "" if found["low"] is None else f" [{found['low']:+.4f}, {found['high']:+.4f}]"
    picked = ", ".join(f"{loss} {number}" for loss, number in found["picked"].items())
    return (
        "Choosing the loss on validation, per seed, gives a mean test metric of "
        f"{found['known']:.4f} with the conventional losses and {found['all']:.4f} with all "
        f"(picked: {picked}); difference {found['difference']:+.4f}{interval}, {found['verdict']}."
    )


def heading(plan: Plan, runs: list[dict[str, Any]]) -> str:
    """Heading of a table: what was compared, and how."""
    config, better = plan.config, "higher" if runs[0]["higher_is_better"] else "lower"
    tuned = (
        f"{config.trials} tuning trials for each loss, chosen on validation"
        + (" (for each seed on its own rows)" if plan.nested else " (on the first seed)")
        if plan.tuned()
        else "default settings, no tuning"
    )
    return (
        f"{runs[0]['metric']} ({better} is better) on {config.data.source}, {config.model.name}: "
        f"{config.epochs} epochs, {config.seeds} paired seeds, {tuned}. "
        f"Difference to {plan.reference}: mean over seeds with a 95 % interval by Student's t; "
        "p-values of the paired t-test, corrected by Holm's method; a verdict is given by the interval. "
        "Won, tied, lost: against all other losses, each by its own interval, uncorrected."
    )


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
