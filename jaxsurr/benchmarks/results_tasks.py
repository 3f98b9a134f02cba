"""The table of the results page on one small comparison of each kind of targets, as Markdown, from raw lines."""

from pathlib import Path
from typing import Any

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.comparison import statistics
from jaxsurr.core.spec import parse_spec
from jaxsurr.report import summary_table

TASKS = {
    "one_logit": "one logit for two classes",
    "labels": "several labels",
    "numbers": "numbers",
    "within_tolerance": "numbers within a tolerance",
    "several_numbers": "three numbers of each row",
    "durations": "durations, some censored",
    "tokens": "tokens, all right",
    "costs_clean": "classes with costs",
    "costs": "the same, 20 % random labels",
    "example_costs": "costs of each example",
    "words_diamonds": "a table of words and numbers",
    "words_planes": "a small one, with gaps",
}
"""Files of raw lines in `tasks/`, and what they are of."""


def tasks(folder: Path) -> str:
    """A row for each comparison: the loss that it starts on, the best fixed one by validation, and the learned one."""
    table = []
    for name, task in TASKS.items():
        lines = [line for line in rows.lines_of(folder / "tasks" / f"{name}.jsonl") if line["purpose"] == "run"]
        test, validation = rows.by_seed(lines, "test"), rows.by_seed(lines, "validation")
        higher, usual = lines[0]["higher_is_better"], lines[0]["config"]["conventional"]
        fixed = [loss for loss in test if rows.is_fixed(loss)]
        found: Any = statistics.practice(test, validation, higher_is_better=higher, fixed=fixed, learned=rows.OURS)
        means = rows.means(lines)
        table.append(
            {
                "task": task,
                "data": f"`{lines[0]['config']['data']['source']}`",
                "metric": parse_spec(lines[0]["config"]["metric"])[0],
                "seeds": len(test[rows.OURS]),
                "usual loss": f"{label(usual)} {means[usual]:.4f}",
                "best fixed loss by validation": f"{found['fixed']:.4f}",
                "smoothed metric": f"{means['smoothed']:.4f}",
                "learned loss": f"{means[rows.OURS]:.4f}",
                "learned minus best fixed": f"{rows.interval(found['learned'], 4)} {found['learned']['verdict']}",
            }
        )
    return summary_table(table)


BLOCKS = {"tasks": tasks}
"""The block of this file by its name."""
