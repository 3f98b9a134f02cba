"""The tables of the results page on the zoo of metrics, as Markdown, from raw lines."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.benchmarks.zoo import BLACK_BOXES, TASKS
from jaxsurr.comparison import statistics
from jaxsurr.core.spec import parse_spec
from jaxsurr.report import summary_table

__all__ = ["BLOCKS", "black_boxes", "by_task", "in_short", "of_black_box", "of_task", "zoo"]


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


def _lines(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Raw lines by the name of the entry."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in rows.lines_of(folder / "zoo.jsonl"):
        lines.setdefault(line["task"], []).append(line)
    return lines


def by_task(folder: Path) -> dict[str, dict[str, Any]]:
    """What the learned loss gains on each metric (`of_task`), by the name of the task."""
    lines = _lines(folder)
    return {name: of_task(lines[name]) for name in TASKS if name in lines}


def of_black_box(lines: list[dict[str, Any]], untouched: list[dict[str, Any]]) -> dict[str, Any]:
    """What a loss learned from another's function gains over conventional losses, as one learned from ours does.

    Args:
      lines: of the runs with this library's metric.
      untouched: of those with the other function for it.

    Returns:
      `ours` and `untouched`: as `of_task`, of the seeds that both have, against the same conventional runs. `calls` of
      the other function by the losses that know the metric, the mean over runs, by their names.
    """
    learned = [line for line in untouched if line["purpose"] == "run" and not rows.is_fixed(line["loss"])]
    seeds = {line["seed"] for line in learned} & {line["seed"] for line in lines}
    fixed = [line for line in lines if rows.is_fixed(line["loss"]) and line["seed"] in seeds]
    sides = {"ours": of_task([line for line in lines if line["seed"] in seeds])}
    sides["untouched"] = of_task(fixed + learned)
    calls: dict[str, list[int]] = {}
    for line in learned:
        calls.setdefault(parse_spec(line["loss"])[0], []).append(line["metric_calls"])
    return sides | {"calls": {name: float(np.mean(of)) for name, of in calls.items()}}


def in_short(folder: Path) -> str:
    """How many verdicts of each kind there are in the zoo."""
    found = by_task(folder)

    def counts(what: str) -> str:
        verdicts = Counter(of[what]["verdict"] for of in found.values())
        return ", ".join(f"{word} on {verdicts[word]}" for word in rows.VERDICTS)

    alone = f"Of {len(found)} metrics of the zoo the learned loss is, against the best conventional one"
    return f"{alone}: {counts('learned')}; the better of these two on validation, seed by seed: {counts('better')}."


def zoo(folder: Path) -> str:
    """A row for each metric of the zoo, and how many of each verdict there are."""
    table = []
    for name, found in by_task(folder).items():
        task, gained, either = TASKS[name], found["learned"], found["better"]
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
                "better of both on validation, minus that": f"{rows.interval(either, 4)} {either['verdict']}",
            }
        )
    return f"{summary_table(table)}\n\n{in_short(folder)}"


def black_boxes(folder: Path) -> str:
    """A row for each metric of the zoo whose function of scikit-learn was trained on, untouched."""
    lines, table = _lines(folder), []
    for name, task in BLACK_BOXES.items():
        if f"{name}_black_box" not in lines:
            continue
        found = of_black_box(lines[name], lines[f"{name}_black_box"])
        ours, untouched, calls = found["ours"], found["untouched"], found["calls"]
        table.append(
            {
                "metric": f"{TASKS[name].what} {'↑' if ours['higher_is_better'] else '↓'}",
                "function": f"`{task.metric.partition('?')[0].removesuffix('_of_classes')}`",
                "best conventional by validation": f"{ours['fixed']:.4f}",
                "learned from this library's metric": f"{ours['learned']['test']:.4f}",
                "learned from the function": f"{untouched['learned']['test']:.4f}",
                "its calls": f"{calls[rows.OURS]:,.0f}",
                "smoothed function": f"{untouched['means']['smoothed']:.4f}" if "smoothed" in calls else "",
                "calls of that": f"{calls['smoothed']:,.0f}" if "smoothed" in calls else "",
                "learned from the function minus best conventional": (
                    f"{rows.interval(untouched['learned'], 4)} {untouched['learned']['verdict']}"
                ),
            }
        )
    return summary_table(table)


BLOCKS = {"zoo": zoo, "black_boxes": black_boxes}
"""The blocks of this file by their names."""
