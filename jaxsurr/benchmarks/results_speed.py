"""Tables of the results page on the first step, on each step, and on size, as Markdown, from raw lines."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.first_step import HOW
from jaxsurr.benchmarks.programs import CROSS_ENTROPY
from jaxsurr.report import summary_table

__all__ = [
    "BLOCKS", "TASKS", "accelerator", "accelerator_sets", "cost", "default_job", "first_step", "outside", "sizes",
    "torch_losses",
]  # fmt: skip

TASKS = {
    "classes_10": "10 classes",
    "classes_1000": "1,000 classes",
    "levels_8": "8 levels",
    "levels_100": "100 levels",
    "points_14": "14 points",
    "points_68": "68 points",
    "f1": "F1",
    "auc": "AUC",
}
_MODELS = {
    "mlp": "MLP",
    "resnet20": "ResNet-20",
    "resnet20_group_norm": "ResNet-20, group norm",
    "resnet50": "ResNet-50",
}
_SETS = {"f_beta": "F1, two logits", "roc_auc": "AUC, two logits"}


def _first_steps(path: Path) -> dict[tuple[str, str, str], tuple[float, int]]:
    """CPU seconds over those of the gradient of cross-entropy, and lines of HLO, by problem, program and way."""
    found: dict[tuple[str, str, str], tuple[float, int]] = {}
    unit = 1.0
    for line in rows.lines_of(path):
        seconds = line["lowering"] + line["compiling"]
        if line["problem"] == CROSS_ENTROPY:
            unit = seconds
        else:
            found[line["problem"], line["program"], line.get("how", "jax.jit")] = (seconds / unit, line["lines"])
    return found


def first_step(folder: Path) -> str:
    """CPU time of tracing, lowering and compiling, over that of the gradient of cross-entropy; lines of HLO."""
    before, now = (_first_steps(folder / f"first_step{when}.jsonl") for when in ("_before", ""))
    table = []
    for problem, program in dict.fromkeys(key[:2] for key in now):
        was, (bare, quick, call) = before[problem, program, "jax.jit"], (now[problem, program, how] for how in HOW)
        table.append(
            {
                "metric": problem,
                "program": program,
                "`jax.jit`": f"{was[0]:.1f} → {bare[0]:.1f}",
                "with `compiler_options()`": f"{quick[0]:.1f}",
                "call": f"{call[0]:.1f}",
                "lines": f"{was[1]:,} → {bare[1]:,}",
            }
        )
    return summary_table(table)


def default_job(folder: Path) -> str:
    """CPU seconds of the default job by version."""
    found: dict[str, list[float]] = {}
    for line in rows.lines_of(folder / "default_job.jsonl"):
        found.setdefault(line["version"], []).append(line["cpu_seconds"])
    now = np.median(list(found.values())[-1])
    return summary_table(
        [
            {
                "version": version,
                "CPU seconds": ", ".join(f"{one:.0f}" for one in seconds),
                "median over that of this version": f"{np.median(seconds) / now:.2f}",
            }
            for version, seconds in found.items()
        ]
    )


def outside(folder: Path) -> str:
    """Time of metrics and losses outside of compiled code, run operation by operation over that of one program."""
    return summary_table(
        [
            {
                "function": f"`{line['function']}`",
                "first call": f"{line['first_alone'] / line['first']:.1f}",
                "later calls": f"{line['later_alone'] / line['later']:.1f}",
            }
            for line in rows.lines_of(folder / "outside.jsonl")
        ]
    )


def cost(folder: Path) -> str:
    """Time of a training step over that of the same model on a fixed loss."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for line in rows.lines_of(folder / "cost.jsonl"):
        found.setdefault((line["model"], line["task"]), {})[line["step"]] = float(np.median(line["ratios"]))
    steps = [step for step in dict.fromkeys(step for of in found.values() for step in of) if step != "fixed loss"]
    return summary_table(
        [
            {"step": step}
            | {
                f"{_MODELS[model]}, {TASKS[task]}": f"{ratios[step]:.2f}" if step in ratios else ""
                for (model, task), ratios in found.items()
            }
            for step in steps
        ]
    )


def torch_losses(folder: Path) -> str:
    """Time of a training step over that on a fixed loss of the same framework."""
    return summary_table(
        [
            {
                "what is trained": f"MLP, {TASKS[line['task']]}",
                "framework": line["framework"],
                "step": line["step"],
                "over the fixed loss": f"{np.median(line['ratios']):.2f}",
            }
            for line in rows.lines_of(folder / "torch_losses.jsonl")
            if line["step"] != "fixed loss"
        ]
    )


def accelerator(folder: Path) -> str:
    """Time of a training step over that on cross-entropy on an accelerator, with the quartiles over rounds."""
    table = [
        {
            "device": line["device"],
            "model": f"{_MODELS[line['model']]}, batch {line['batch']}",
            "computes in": line["dtype"],
            **{
                step: f"{middle:.3f} ({low:.3f} to {high:.3f})"
                for step, (low, middle, high) in line["over_cross_entropy"].items()
                if step != "cross-entropy"
            },
        }
        for line in rows.lines_of(folder / "accelerator.jsonl")
        if "model" in line
    ]
    return summary_table(table)


def accelerator_sets(folder: Path) -> str:
    """Time of an update of a set metric on an accelerator, over that for the smallest set."""
    table = [
        {"device": line["device"], "metric": _SETS[line["metric"]]}
        | {f"{int(size):,} examples": f"{time:.2g}" for size, time in line["over_smallest_set"].items()}
        for line in rows.lines_of(folder / "accelerator.jsonl")
        if "over_smallest_set" in line
    ]
    return summary_table(table)


def sizes(folder: Path) -> str:
    """Time and memory of an update by size, and the exponents of their growth, whole and between neighbours."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in rows.lines_of(folder / "sizes.jsonl"):
        found.setdefault((line["axis"], line["metric"]), []).append(line)
    table, last = [], {}
    for (axis, metric), lines in found.items():
        sizes_of, time, memory = (np.log([line[name] for line in lines]) for name in ("size", "time", "bytes"))
        last[f"{axis}: {metric}"] = (np.diff(time) / np.diff(sizes_of))[-1]
        table.append(
            {
                "what grows": f"{axis}: {metric}",
                "sizes": ", ".join(f"{line['size']:,}" for line in lines),
                "CPU time over the smallest": ", ".join(f"{line['time']:.3g}" for line in lines),
                "temporary memory, MiB": ", ".join(f"{line['bytes'] / 2**20:.3g}" for line in lines),
                "exponent of time (between neighbours)": _exponents(sizes_of, time),
                "exponent of memory (between neighbours)": _exponents(sizes_of, memory),
            }
        )
    steepest = max(last, key=lambda name: last[name])
    return (
        f"{summary_table(table)}\n\nBetween the two largest sizes the exponent of time is at most {last[steepest]:.2f} "
        f"({steepest})."
    )


def _exponents(sizes_of: np.ndarray, values: np.ndarray) -> str:
    """Exponents of growth, of logarithms: from the smallest size to the largest, and between neighbours."""
    between = ", ".join(f"{exponent:.2f}" for exponent in np.diff(values) / np.diff(sizes_of))
    return f"{(values[-1] - values[0]) / (sizes_of[-1] - sizes_of[0]):.2f} ({between})"


BLOCKS = {
    block.__name__: block
    for block in (first_step, default_job, outside, cost, torch_losses, accelerator, accelerator_sets, sizes)
}
"""The blocks of this file by their names."""
