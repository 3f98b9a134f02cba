"""Tables of the results page on variants of the learned loss, as Markdown, from raw lines.

A block is a function of the results' folder; `results_page` writes it between the markers of its name.
"""

from pathlib import Path
from typing import Any

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.report import summary_table

__all__ = ["BLOCKS", "ablation", "matched", "scales"]


def ablation(folder: Path) -> str:
    """Variants of the learned loss on three sets."""
    found: dict[str, dict[str, Any]] = {}
    sets = {"digits": "error", "kinematics": "MAE", "stick_figures": "PCK"}
    for name in sets:
        runs = rows.runs_of(folder, f"ablation_{name}")
        for row in rows.rows_of(runs, rows.OURS):
            word = "" if row["loss"] == rows.OURS else f", {row['verdict']}"
            found.setdefault(row["loss"], {})[name] = f"{row['test']:.3f}{word}"
    learned = sorted(loss for loss in found if not rows.is_fixed(loss))
    order = [rows.OURS, *(loss for loss in learned if loss != rows.OURS), *sorted(set(found) - set(learned))]
    return summary_table(
        [
            {"loss": label(loss), **{f"{name}, {metric}": found[loss].get(name, "") for name, metric in sets.items()}}
            for loss in order
        ]
    )


def scales(folder: Path) -> str:
    """Other smoothing scales and warm starts on five more sets, and the scale that is matched to the data."""
    found: dict[str, dict[str, str]] = {}
    names = [path.stem for path in sorted((folder / "study").glob("scale_*.jsonl"))]
    for name in names:  # the seeds of the default may be in another file
        reference = rows.OURS if rows.OURS in rows.means(rows.runs_of(folder, name)) else "cross_entropy"
        for row in rows.rows_of(rows.runs_of(folder, name), reference):
            word = "" if row["loss"] == reference else f", {row['verdict']}"
            found.setdefault(row["loss"], {})[name] = f"{row['test']:.3f}{word}"
    first = [rows.OURS, "cross_entropy"]
    order = [*first, *sorted(set(found) - set(first))]
    columns = {name: name.removeprefix("scale_") for name in names}
    return summary_table(
        [{"loss": label(loss), **{c: found[loss].get(n, "") for n, c in columns.items()}} for loss in order]
    )


def matched(folder: Path) -> str:
    """A scale that is matched to the gap between training and validation."""
    table = []
    for name, values in rows.matched_scales(folder).items():
        given = f"{rows.OURS}?relative_scale=0.15" if name == "digits" else rows.OURS
        mean = rows.means(rows.runs_of(folder, f"matched_{name}"))
        found = rows.against(folder, f"matched_{name}", f"{rows.OURS}?relative_scale=0")[given]
        table.append(
            {
                "set": name,
                "matched scales": f"{min(values):.2f} to {max(values):.2f}",
                "test, matched": f"{mean[f'{rows.OURS}?relative_scale=0']:.4f}",
                "test, 0.15": f"{mean[given]:.4f}",
                "difference": rows.interval(found, 4),
                "matched is": found["verdict"],
            }
        )
    return summary_table(table)


BLOCKS = {block.__name__: block for block in (ablation, scales, matched)}
"""The blocks of this file by their names."""
