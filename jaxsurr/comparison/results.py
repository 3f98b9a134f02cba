"""The results of a comparison: a line a run, appended under a lock and never changed.

A table and figures are made from them, and can be made again.
"""

import collections
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
from jaxsurr.training.config import CONVENTIONAL, OURS
from jaxsurr.training.entries import sealed
from jaxsurr.training.epochs import first_metric
from jaxsurr.training.locks import lock

__all__ = [
    "RESULTS", "append", "by_seed", "chosen_text", "heading", "practice_text", "same_text", "starts_texts", "summarise",
    "table", "tabulate",
]  # fmt: skip

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
      that know them; where the metric is a black box also `metric calls`, the sets that a run asked it for.
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
    if any("metric_calls" in run for run in runs):  # a black box, whose calls may be what a loss costs
        for row in rows:
            asked = [run["metric_calls"] for run in runs if run["loss"] == row["loss"] and "metric_calls" in run]
            row["metric calls"] = round(float(np.mean(asked))) if asked else None
    return rows


def by_seed(runs: Sequence[Mapping[str, Any]], field: str) -> dict[str, dict[int, float]]:
    """A metric of each loss by seed, "test" or "validation"; NaN for a run that diverged."""
    out: dict[str, dict[int, float]] = {}
    for run in runs:
        value = float("nan") if run[field] is None else first_metric(run[field])
        out.setdefault(run["loss"], {})[run["seed"]] = value
    return out


def tabulate(plan: Plan, done: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Rows of the table of a comparison, the runs that it is made from, and what a choice on validation gains.

    With `practice`, for each setting of the learned loss, `statistics.practice`; there is none without a fixed loss.
    """
    runs = [done[job.key] for job in plan.runs()]
    names = {loss: parse_spec(loss)[0] for loss in plan.losses}
    known = [loss for loss, name in names.items() if name in CONVENTIONAL]
    higher = runs[0]["higher_is_better"]
    tests, validations = by_seed(runs, "test"), by_seed(runs, "validation")
    found = None
    if len(known) < len(plan.losses):
        found = statistics.selection(tests, validations, higher_is_better=higher, known=known)
    gains = [
        statistics.practice(tests, validations, higher_is_better=higher, fixed=known, learned=loss)
        for loss, name in names.items()
        if name == OURS
    ]
    return {
        "rows": table(runs, plan.reference),
        "runs": runs,
        "selection": found,
        "practice": [gain for gain in gains if gain is not None],
    }


def summarise(path: pathlib.Path, plan: Plan, done: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Writes `table.md` and `table.csv` of a comparison from its results, and gives `tabulate`."""
    outcome = tabulate(plan, done)
    rows, runs, found = outcome["rows"], outcome["runs"], outcome["selection"]
    ignored = dict.fromkeys(sentence for run in runs for sentence in run.get("ignored", ()))
    parts = [
        heading(plan, runs),
        notes.said_of(runs),
        *ignored,
        summary_table(rows),
        same_text(rows),
        found and chosen_text(found),
    ]
    parts += [*map(practice_text, outcome["practice"]), *starts_texts(runs)]
    records.write_text(path / "table.md", "\n\n".join(filter(None, parts)) + "\n")
    records.write_text(path / "table.csv", _csv(rows))
    return outcome


def chosen_text(found: dict[str, Any]) -> str:
    """The gain of a choice on validation by losses that are learned from the metric, in a sentence."""
    picked = _counts(found["picked"])
    return (
        "Choosing the loss on validation, per seed, gives a mean test metric of "
        f"{found['known']:.4f} with the conventional losses and {found['all']:.4f} with all "
        f"(picked: {picked}); {_difference(found)}."
    )


def practice_text(gain: Mapping[str, Any]) -> str:
    """`statistics.practice` in a sentence or two."""
    learned, better = gain["learned"], gain["better"]
    alone = learned["verdict"] if learned["test"] is None else f"{learned['test']:.4f}, {_difference(learned)}"
    return (
        f"The best fixed loss by validation, per seed ({_counts(gain['picked'])}): {gain['fixed']:.4f} on test. "
        f"{gain['loss']}: {alone}. The better of the two by validation ({gain['loss']} for {better['taken']} of "
        f"{better['seeds']} seeds): {better['test']:.4f}, {_difference(better)}."
    )


def starts_texts(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which starts were chosen, a sentence for each loss that chooses."""
    chosen: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        if "start" in run:
            chosen.setdefault(run["loss"], []).append(run)
    return [
        f"{loss} chose its start on validation: {_counts(collections.Counter(run['start'] for run in those))}; the "
        f"fixed run is the one that counts for {sum(run['stayed'] for run in those)} of {len(those)} seeds."
        for loss, those in chosen.items()
    ]


def _counts(picked: Mapping[str, int]) -> str:
    return ", ".join(f"{loss} {number}" for loss, number in picked.items())


def _difference(found: Mapping[str, Any]) -> str:
    """A paired difference with its interval and what it says."""
    if found["verdict"] == "one seed":
        interval = ""
    elif found["low"] is None:
        interval = " for every seed"
    else:
        interval = f" [{found['low']:+.4f}, {found['high']:+.4f}]"
    return f"difference {found['difference']:+.4f}{interval}, {found['verdict']}"


def same_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Why losses have no interval though they have several seeds, in a sentence; "" where all have one.

    >>> row = {"loss": "focal", "seeds": 2, "difference": -0.01, "low": None}
    >>> same_text([row]).split(":")[0]
    'The difference of focal is the same for every seed'
    """
    same = [row["loss"] for row in rows if row["seeds"] > 1 and row["difference"] is not None and row["low"] is None]
    if not same:
        return ""
    return (
        f"The difference of {', '.join(same)} is the same for every seed: how it varies is not known, so there is no "
        "interval, and p and verdict are those of the sign test, which takes six seeds at least."
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
