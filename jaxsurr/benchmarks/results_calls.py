"""The table of the results page on quality by evaluations of a black box, as Markdown, from raw lines."""

from pathlib import Path

import numpy as np

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.comparison import statistics
from jaxsurr.report import summary_table

__all__ = ["BLOCKS", "REFERENCE", "metric_calls"]

REFERENCE = "smoothed, every step"


def metric_calls(folder: Path) -> str:
    """Test metric and number of evaluations of each method, and its difference to the smoothed metric."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for line in rows.lines_of(folder / "metric_calls.jsonl"):
        found.setdefault(line["method"], {})[line["seed"]] = line
    reference, table = found[REFERENCE], []
    for method, lines in found.items():
        row = {
            "trained on": method,
            "sets asked for": round(np.mean([line["metric_calls"] for line in lines.values()])),
            "macro F1": f"{np.mean([line['test'] for line in lines.values()]):.3f}",
            "difference, 95 % t interval": "",
            "verdict": "",
        }
        if method != REFERENCE:
            difference = np.array([lines[seed]["test"] - reference[seed]["test"] for seed in sorted(lines)])
            paired = statistics.paired(difference, higher_is_better=True)
            row |= {"difference, 95 % t interval": rows.interval(paired), "verdict": paired["verdict"]}
        table.append(row)
    return summary_table(table)


BLOCKS = {"metric_calls": metric_calls}
