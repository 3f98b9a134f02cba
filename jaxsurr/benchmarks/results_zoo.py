"""The table of the results page on the zoo of metrics, as Markdown, from raw lines."""

from collections import Counter
from pathlib import Path
from typing import Any

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.benchmarks.zoo import TASKS
from jaxsurr.comparison import statistics
from jaxsurr.core.spec import parse_spec
from jaxsurr.report import summary_table


def of_task(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """What the learned loss gains on a metric over the conventional losses, each with and without tuned decisions.

    Both sides choose on validation, seed by seed: among all conventional losses and decodings, and between the learned
    loss as it is and with tuned decisions.

    Args:
      lines: of the task's runs.

    Returns:
      As `jaxsurr.comparison.statistics.practice`.
    """
    runs = [line for line in lines if line["purpose"] == "run"]
    test, validation = rows.by_seed(runs, "test"), rows.by_seed(runs, "validation")
    higher = runs[0]["higher_is_better"]
    fixed = [loss for loss in test if rows.is_fixed(loss)]
    ours = [loss for loss in test if parse_spec(loss)[0] == rows.OURS]
    taken = statistics.chosen(validation, higher_is_better=higher, among=ours)
    for values in (test, validation):
        values[rows.OURS] = {seed: values[loss][seed] for seed, loss in taken.items()}
    found: Any = statistics.practice(test, validation, higher_is_better=higher, fixed=fixed, learned=rows.OURS)
    means = {loss: sum(of.values()) / len(of) for loss, of in test.items()}
    return found | {"means": means, "seeds": len(taken), "higher_is_better": higher}


def by_task(folder: Path) -> dict[str, dict[str, Any]]:
    """What the learned loss gains on each metric (`of_task`), by the name of the task."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in rows.lines_of(folder / "zoo.jsonl"):
        lines.setdefault(line["task"], []).append(line)
    return {name: of_task(lines[name]) for name in TASKS if name in lines}


def in_short(folder: Path) -> str:
    """How many verdicts of each kind there are in the zoo."""
    found = by_task(folder)
    verdicts = Counter(of["learned"]["verdict"] for of in found.values())
    counts = ", ".join(f"{word} on {verdicts[word]}" for word in rows.VERDICTS)
    return f"Of {len(found)} metrics of the zoo the learned loss is, against the best conventional one: {counts}."


def zoo(folder: Path) -> str:
    """A row for each metric of the zoo, and how many of each verdict there are."""
    table = []
    for name, found in by_task(folder).items():
        task, gained = TASKS[name], found["learned"]
        (most, _), *_ = Counter(found["picked"]).most_common(1)
        table.append(
            {
                "metric": f"{task.what} {'↑' if found['higher_is_better'] else '↓'}",
                "data": task.data,
                "seeds": found["seeds"],
                "usual loss": f"{found['means'][task.usual]:.4f}",
                "best conventional by validation": f"{found['fixed']:.4f}",
                "mostly": label(most),
                "smoothed metric": f"{found['means']['smoothed']:.4f}",
                "learned loss": f"{gained['test']:.4f}",
                "learned minus best conventional": f"{rows.interval(gained, 4)} {gained['verdict']}",
            }
        )
    return f"{summary_table(table)}\n\n{in_short(folder)}"


BLOCKS = {"zoo": zoo}
"""The block of this file by its name."""
