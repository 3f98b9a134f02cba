"""The table of the results page on scale, power and path, as Markdown, from raw lines."""

from collections import Counter
from pathlib import Path

import numpy as np

from jaxsurr.benchmarks import power as measured
from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.comparison import statistics
from jaxsurr.report import summary_table

__all__ = ["BLOCKS", "power"]


def power(folder: Path) -> str:
    """Differences of learned losses to the fixed loss that they start on, on validation."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    for line in rows.lines_of(folder / "power.jsonl"):
        if not line["diverged"]:
            found.setdefault((line["loss"], line["setting"]), {})[line["seed"]] = line["validation"]
    fixed = {setting: measured.config_of(setting, "").loss for setting in measured.SETTINGS}
    row = {setting: f"{np.mean(list(found[loss, setting].values())):.4f}" for setting, loss in fixed.items()}
    table = [{"loss": "fixed loss", "better / tie / worse": "", **row}]
    for name, loss in measured.LEARNED.items():
        cells, verdicts = {}, Counter()
        for setting in measured.SETTINGS:
            here, there = found.get((loss, setting)), found[fixed[setting], setting]
            if here:
                shared = sorted(here.keys() & there.keys())
                pair = statistics.paired(np.array([here[seed] - there[seed] for seed in shared]), False)
                verdicts[pair["verdict"]] += 1
                half = pair["high"] - pair["difference"]
                cells[setting] = f"{pair['difference']:+.4f} ± {half:.4f}"
        if cells:
            counts = " / ".join(str(verdicts[word]) for word in rows.VERDICTS)
            empty = dict.fromkeys(measured.SETTINGS, "")
            table.append({"loss": name, "better / tie / worse": counts, **empty, **cells})
    return summary_table(table)


BLOCKS = {"power": power}
