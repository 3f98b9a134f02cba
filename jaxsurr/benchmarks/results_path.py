"""Tables of the results page on the learned loss from the best start, on test rows, as Markdown, from raw lines."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.comparison import statistics
from jaxsurr.report import summary_table

__all__ = ["BLOCKS", "LEARNED", "in_short", "names", "of_table", "peers"]

LEARNED = f"{rows.OURS}?start=auto"
"""The learned loss that starts, seed by seed, from the fixed loss that is best on validation, or keeps to it."""

_PREFIX = "path_"


def names(folder: Path, model: str = "") -> list[str]:
    """Names of the comparisons of this kind, all or those of a group ("mlp", "linear", "fashion" or "images")."""
    return [path.stem for path in sorted((folder / "study").glob(f"{_PREFIX}{model}*.jsonl"))]


def of_table(folder: Path, name: str) -> dict[str, Any]:
    """What a practitioner gains on a table (`jaxsurr.comparison.statistics.practice`), and the verdict on each loss.

    Args:
      folder: of the results.
      name: of the comparison.

    Returns:
      The result of `practice`, with `against`, the verdict on the learned loss against each fixed loss; `starts`, how
      many seeds start from each fixed loss; and `stayed`, how many keep to it.
    """
    runs = [run for run in rows.runs_of(folder, name) if run["loss"] == LEARNED or rows.is_fixed(run["loss"])]
    test, validation = rows.by_seed(runs, "test"), rows.by_seed(runs, "validation")
    fixed = [loss for loss in test if loss != LEARNED]
    higher = runs[0]["higher_is_better"]
    found: dict[str, Any] = statistics.practice(test, validation, higher_is_better=higher, fixed=fixed, learned=LEARNED)  # type: ignore[assignment]
    led = [run for run in runs if run["loss"] == LEARNED]
    verdicts = {loss: row["verdict"] for loss, row in rows.against(folder, name, LEARNED).items() if loss in fixed}
    starts = Counter(run["start"].partition("?")[0] for run in led if "start" in run)
    return found | {
        "against": verdicts,
        "starts": starts,
        "stayed": sum(bool(run.get("stayed")) for run in led),
        "seeds": len(led),
    }


def _rows(folder: Path, model: str) -> tuple[str, Counter[str], int]:
    table, verdicts = [], Counter()
    for name in names(folder, model):
        found = of_table(folder, name)
        verdicts[found["learned"]["verdict"]] += 1
        counts = Counter(found["against"].values())
        starts = ", ".join(f"{label(start)} {number}" for start, number in found["starts"].most_common())
        table.append(
            {
                "data": name.removeprefix(f"{_PREFIX}{model}_"),
                "seeds": found["seeds"],
                "best fixed loss by validation": f"{found['fixed']:.4f}",
                "learned, from the best start": f"{found['learned']['test']:.4f}",
                "difference": f"{rows.interval(found['learned'], 4)} {found['learned']['verdict']}",
                "fixed losses: better / tie / worse": " / ".join(str(counts[word]) for word in rows.VERDICTS),
                "starts": starts,
                "kept": found["stayed"],
            }
        )
    return summary_table(table), verdicts, len(table)


def _block(model: str, words: str):
    def block(folder: Path) -> str:
        table, verdicts, number = _rows(folder, model)
        said = ", ".join(f"{word} on {verdicts[word]}" for word in rows.VERDICTS)
        return f"{table}\n\nOf {number} {words}: {said}."

    return block


def peers(folder: Path) -> str:
    """The learned loss from the best start against each other way to learn from the metric, where they were run."""
    table, verdicts = [], Counter()
    for name in names(folder):
        found = rows.against(folder, name, LEARNED)
        found = {loss: row for loss, row in found.items() if not (rows.is_fixed(loss) or loss.startswith(rows.OURS))}
        if not found:
            continue
        test = rows.by_seed(rows.runs_of(folder, name), "test")
        row = {"data": name.removeprefix(_PREFIX), "learned": f"{np.mean(list(test[LEARNED].values())):.4f}"}
        for loss, against in found.items():
            row[label(loss)] = f"{np.mean(list(test[loss].values())):.4f} {against['verdict']}"
            verdicts[against["verdict"]] += 1
        table.append(row)
    columns = dict.fromkeys(column for row in table for column in row)
    said = ", ".join(f"{word} in {verdicts[word]}" for word in rows.VERDICTS)
    filled = [{column: row.get(column, "") for column in columns} for row in table]
    return f"{summary_table(filled)}\n\nOf {sum(verdicts.values())} comparisons the learned loss is {said}."


def in_short(folder: Path) -> str:
    """How many verdicts of each kind there are, over all comparisons."""
    found = [of_table(folder, name)["learned"]["verdict"] for name in names(folder)]
    counts = ", ".join(f"{word} on {found.count(word)}" for word in rows.VERDICTS)
    return (
        f"Of {len(found)} comparisons of classes, levels and poses the learned loss from the best start is, against "
        f"the best fixed loss by validation: {counts}."
    )


BLOCKS = {
    "path_mlp": _block("mlp", "tables with an MLP of 64 units"),
    "path_linear": _block("linear", "tables with a linear model"),
    "path_fashion": _block("fashion", "settings of Fashion-MNIST"),
    "path_images": _block("images", "sets of images"),
    "path_peers": peers,
}
"""The blocks of this file by their names."""
