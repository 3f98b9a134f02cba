"""The results of a comparison: a line a run, appended under a lock and never changed.

A table and figures are made from them, and can be made again.
"""

import csv
import io
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from jaxsurr import report as figures_of
from jaxsurr.comparison import statistics
from jaxsurr.comparison.plan import Plan, key_of
from jaxsurr.core import files
from jaxsurr.core.spec import parse_spec
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


def summarise(path: pathlib.Path, plan: Plan, done: dict[str, Any], *, figures: bool) -> dict[str, Any]:
    """Writes `table.md`, `table.csv` and the figures of a comparison from its results."""
    runs = [done[key_of("run", loss, seed)] for loss in plan.losses for seed in plan.seeds]

    def by_seed(field: str) -> dict[str, dict[int, float]]:
        out: dict[str, dict[int, float]] = {loss: {} for loss in plan.losses}
        for entry in runs:
            value = entry[field]
            out[entry["loss"]][entry["seed"]] = float("nan") if value is None else first_metric(value)
        return out

    higher = runs[0]["higher_is_better"]
    tests, validations = by_seed("test"), by_seed("validation")
    rows = statistics.rows(tests, validations, higher_is_better=higher, reference=plan.reference)
    known = [loss for loss in plan.losses if parse_spec(loss)[0] in CONVENTIONAL]
    learned = len(known) < len(plan.losses)
    found = statistics.selection(tests, validations, higher_is_better=higher, known=known) if learned else None
    parts = [heading(plan, runs), notes.said_of(runs), figures_of.summary_table(rows), found and chosen_text(found)]
    records.write_text(path / "table.md", "\n\n".join(filter(None, parts)) + "\n")
    records.write_text(path / "table.csv", _csv(rows))
    if figures:
        draw(path, plan, runs, rows)
    return {"rows": rows, "runs": runs, "selection": found}


def chosen_text(found: dict[str, Any]) -> str:
    """What losses that are learned from the metric add to a choice on validation, in a sentence."""
    interval = "" if found["low"] is None else f" [{found['low']:+.4f}, {found['high']:+.4f}]"
    picked = ", ".join(f"{loss} {number}" for loss, number in found["picked"].items())
    return (
        "Where validation chooses the loss anew for each seed, the test metric is on average "
        f"{found['known']:.4f} with the conventional losses to choose from and {found['all']:.4f} with all "
        f"(picked: {picked}); difference {found['difference']:+.4f}{interval}, {found['verdict']}."
    )


def heading(plan: Plan, runs: list[dict[str, Any]]) -> str:
    """What was compared, and how, in a few sentences."""
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


def draw(path: pathlib.Path, plan: Plan, runs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Draws forest plot, learning curves and gradient correlations into `path / "figures"`."""
    whole = [entry for entry in runs if entry["history"]]
    metric, higher = runs[0]["metric"], runs[0]["higher_is_better"]
    figures = {}
    if whole:
        figures["learning_curves"] = figures_of.learning_curves(whole, metric=metric, higher_is_better=higher)
    if any(row["low"] is not None for row in rows):
        figures["differences"] = figures_of.forest_plot(
            rows, metric=metric, higher_is_better=higher, reference=plan.reference
        )
    if any(entry.get("gradient_correlation") is not None for entry in whole):
        figures["gradient_correlation"] = figures_of.gradient_correlation_curve(whole)
    for name, figure in figures.items():
        figures_of.save(figure, path / "figures" / f"{name}.png")
