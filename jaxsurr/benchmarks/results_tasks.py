"""One small comparison of each kind of targets on the results page, its table and commands, from raw lines."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.comparison import statistics
from jaxsurr.core.spec import parse_spec
from jaxsurr.metrics import METRICS
from jaxsurr.report import summary_table
from jaxsurr.training import default
from jaxsurr.training.config import as_dict, flatten, update

__all__ = ["BLOCKS", "TASKS", "task_commands", "tasks"]

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
        every = rows.lines_of(folder / "tasks" / f"{name}.jsonl")
        lines = [line for line in every if line["purpose"] == "run"]
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
                "minutes": f"{sum(line['seconds'] for line in every) / 60:.1f}",
                "usual loss": f"{label(usual)} {means[usual]:.4f}",
                "best fixed loss by validation": f"{found['fixed']:.4f}",
                "smoothed metric": f"{means['smoothed']:.4f}",
                "learned loss": f"{means[rows.OURS]:.4f}",
                "learned minus best fixed": f"{rows.interval(found['learned'], 4)} {found['learned']['verdict']}",
            }
        )
    return summary_table(table)


_OF_EACH_RUN = ("conventional", "loss", "losses", "seed", "seeds", "trials")
"""Fields that the other options of a command set."""


def _command(name: str, lines: Sequence[dict[str, Any]]) -> str:
    """The command that makes such lines: the fields that all share and that are not the default's, losses and seeds."""
    shared = flatten(lines[0]["config"])
    for line in lines:
        found = flatten(line["config"])
        shared = {field: value for field, value in shared.items() if found.get(field) == value}
    chosen: dict[str, Any] = {}
    for field in sorted(shared, key=lambda field: field != "data.source"):
        known = {name: value for name, value in chosen.items() if name != "metric"}  # which may read a file of costs
        usual = flatten(as_dict(update(default.get_config(), **known)))
        if not METRICS[parse_spec(shared["metric"])[0]].per_example:
            usual["surrogate.family"] = "auto"
        if field in usual and shared[field] != usual[field] and field not in _OF_EACH_RUN:
            chosen[field] = shared[field]
    options = {f"config.{field}": value for field, value in chosen.items()}
    tried = Counter((line["loss"], line["seed"]) for line in lines if line["purpose"] == "tune")
    options["losses"] = ",".join(dict.fromkeys(line["loss"] for line in lines))
    options["seeds"] = len({line["seed"] for line in lines})
    options |= {"trials": max(tried.values())} if tried else {}
    said = " ".join(shlex.quote(f"--{option}={value}") for option, value in options.items())
    return f"python -m jaxsurr.compare {said} --workdir=runs/{name}"


def task_commands(folder: Path) -> str:
    """The commands of the comparisons, a line each."""
    made = [_command(name, rows.lines_of(folder / "tasks" / f"{name}.jsonl")) for name in TASKS]
    return "\n".join(["```sh", *made, "```"])


BLOCKS = {block.__name__: block for block in (tasks, task_commands)}
"""The blocks of this file by their names."""
