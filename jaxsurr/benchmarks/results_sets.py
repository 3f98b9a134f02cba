"""Tables of the results page on gradients of set metrics, as Markdown, from raw lines.

A block is a function of the results' folder; `results_page` writes it between the markers of its name.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.set_fidelity import metrics_of
from jaxsurr.comparison import statistics
from jaxsurr.report import summary_table
from jaxsurr.smoothing.function_directions import by_default
from jaxsurr.smoothing.set_estimators import choose_estimator

__all__ = ["BLOCKS", "set_classes", "set_estimators", "set_functions", "set_learned", "set_sizes", "set_training"]


def _of_f_beta(folder: Path, by: str, kept: Callable[[dict[str, Any]], bool]) -> dict[int, dict[str, Any]]:
    """Lines of the fidelity of gradients of F1, by a number in ascending order and by the quantity measured."""
    found: dict[int, dict[str, Any]] = {}
    for line in rows.lines_of(folder / "set_fidelity.jsonl"):
        if line["metric"] == "f_beta" and not {"carried", "estimator"} & line.keys() and kept(line):
            found.setdefault(line[by], {})[line["what"]] = line
    return dict(sorted(found.items()))


def set_sizes(folder: Path) -> str:
    """Fidelity of gradients of F1 by the size of the set."""
    found = _of_f_beta(folder, "size", lambda line: line["classes"] == 2)
    unit = found[128]["network"]["seconds"]
    return summary_table(
        [
            {
                "examples in the set": size,
                "each example alone": f"{of['replace']['cosine']:.2f}",
                "groups of 32": f"{of['groups']['cosine']:.2f}",
                "all at once": f"{of['whole']['cosine']:.2f}",
                "learned, deep set": f"{of['network']['cosine']:.2f}",
                "learned, counts": f"{of['counts']['cosine']:.2f}" if "counts" in of else "",
                "time of an update, ratio": f"{of['network']['seconds'] / unit:.1f}",
                "its memory": f"{of['network']['MiB']:.1f} MiB",
            }
            for size, of in found.items()
        ]
    )


def set_classes(folder: Path) -> str:
    """The same for macro F1, by the number of classes."""
    found = _of_f_beta(folder, "classes", lambda line: line["classes"] > 2 and line["size"] == 512)
    unit = found[10]["network"]["seconds"]
    return summary_table(
        [
            {
                "classes": classes,
                "each example alone": f"{of['replace']['cosine']:.2f}",
                "learned": f"{of['network']['cosine']:.2f}",
                "time of an update, ratio": f"{of['network']['seconds'] / unit:.0f}",
                "its memory": f"{of['network']['MiB']:.0f} MiB",
            }
            for classes, of in found.items()
        ]
    )


def set_functions(folder: Path) -> str:
    """Fidelity of gradients along functions of an example, beside the other estimators."""
    found: dict[tuple[str, int, int], dict[Any, dict[str, Any]]] = {}
    for line in rows.lines_of(folder / "set_fidelity.jsonl"):
        if "carried" in line and "draws" not in line:
            shape = (line["metric"], line["classes"], line["size"])
            found.setdefault(shape, {})[line["updates"] or line["what"]] = line
    metrics = list(dict.fromkeys(metric for metric, *_ in found))
    found = dict(sorted(found.items(), key=lambda item: (metrics.index(item[0][0]), *item[0][1:])))

    def cell(line: Mapping[str, Any] | None) -> str:
        return "" if line is None else f"{line['cosine']:.2f}"

    return summary_table(
        [
            {
                "metric": f"`{metric}`",
                "classes or levels": classes,
                "examples in the set": size,
                "each example alone": cell(of.get("replace")),
                "groups of 32": cell(of["groups"]),
                "functions": cell(of[1]),
                "after 10 updates": cell(of.get(10)),
                "after 50": cell(of.get(50)),
                "time, functions over groups": f"{of[1]['seconds'] / of['groups']['seconds']:.2f}",
                "memory of both": f"{of[1]['MiB']:.1f} / {of['groups']['MiB']:.1f} MiB",
            }
            for (metric, classes, size), of in found.items()
        ]
    )


def set_estimators(folder: Path) -> str:
    """Fidelity of all estimators of gradients of set metrics, with the one that is the default."""
    found: dict[tuple[str, int], dict[int, dict[Any, dict[str, Any]]]] = {}
    for line in rows.lines_of(folder / "set_fidelity.jsonl"):
        if "draws" in line:
            of_size = found.setdefault((line["metric"], line["classes"]), {}).setdefault(line["size"], {})
            of_size[line["updates"] or line["what"]] = line
    columns = {
        "each example alone": "replace", "functions": 1, "after 10 updates": 10, "groups of 32": "groups",
        "all at once": "whole",
    }  # fmt: skip
    table = []
    for (spec, classes), sizes in found.items():
        metric, lines = metrics_of(spec)[0], list(sizes.values())
        atoms = lines[0]["groups"]["atoms"] if by_default(metric, metric.space) else 0
        default = {"replace": "each example alone", "functions": "functions", "groups": "groups of 32"}
        table.append(
            {
                "metric": f"`{spec}`",
                "predictions": f"`{metric.space.name}`, {classes}",
                "examples in the set": " / ".join(map(str, sizes)),
                **{
                    name: " / ".join(f"{of[what]['cosine']:.2f}" for of in lines if what in of)
                    for name, what in columns.items()
                },
                "default": default[choose_estimator("auto", metric, atoms)],
            }
        )
    return summary_table(table)


def set_learned(folder: Path) -> str:
    """Fidelity of what surrogates learn from estimates of either kind, by the number of updates."""
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for line in rows.lines_of(folder / "set_fidelity.jsonl"):
        if "estimator" in line:
            found.setdefault((line["what"], line["estimator"]), {})[line["updates"]] = line
    families = {"counts": "counts, the default", "network": "deep set"}
    estimators = {"replace": "each example alone, the default", "functions": "functions"}
    return summary_table(
        [
            {
                "learned": families[family],
                "from": estimators[estimator],
                **{f"after {updates} updates": f"{line['cosine']:.2f}" for updates, line in by_updates.items()},
            }
            for (family, estimator), by_updates in sorted(found.items(), reverse=True)
        ]
    ).replace("after 1 updates", "after 1 update ")


def set_training(folder: Path) -> str:
    """Training of a linear model on a black box, from the threshold that is best for it."""
    by_data: dict[str, list[dict[str, Any]]] = {}
    for line in rows.lines_of(folder / "set_training.jsonl"):
        by_data.setdefault(line["data"], []).append(line)
    table = []
    for data, lines in by_data.items():
        for split in ("train", "test"):
            before, after = (np.array([line[f"{split}_{when}"] for line in lines]) for when in ("before", "after"))
            paired = statistics.paired(after - before, higher_is_better=True)
            table.append(
                {
                    "data": data,
                    "rows": f"{split}, {lines[0]['rows' if split == 'train' else 'test_rows']:,}",
                    "with the tuned threshold": f"{np.mean(before):.4f}",
                    "trained on the metric": f"{np.mean(after):.4f}",
                    "95 % t interval of the difference": rows.interval(paired),
                    "verdict": paired["verdict"],
                    "seeds in which it is higher": f"{np.sum(after > before)} of {len(lines)}",
                    "calls of the metric": f"{lines[0]['calls']:,}",
                    "seconds": f"{np.median([line['seconds'] for line in lines]):.0f}",
                }
            )
    return summary_table(table)


BLOCKS = {
    block.__name__: block
    for block in (set_sizes, set_classes, set_functions, set_estimators, set_learned, set_training)
}
"""The blocks of this file by their names."""
