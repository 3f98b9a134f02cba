"""Tables and sentences of the results page on other measurements than comparisons, as Markdown, from raw lines.

A block is a function of the results' folder; `results_page` writes it between the markers of its name.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import label
from jaxsurr.comparison import statistics
from jaxsurr.pretraining import PRETRAINED, shipped
from jaxsurr.report import summary_table

__all__ = [
    "BLOCKS", "collectives", "fidelity", "generated_inputs", "input_of_runs", "instrument", "minutes", "own_ground",
    "ready_losses", "second_start", "surrogate_traffic", "traffic_of",
]  # fmt: skip


def fidelity(folder: Path) -> str:
    """Cosine of learned and reference gradients on held-out predictions."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in rows.lines_of(folder / "fidelity.jsonl"):
        method = line["method"].removeprefix("correlated gradients, ")
        found.setdefault(line["metric"], {}).setdefault(method, []).append(line["gradient"])
        found[line["metric"]].setdefault("ceiling", []).append(line["ceiling"])
    return summary_table(
        [{"metric": metric, **{m: f"{np.mean(v):.3f}" for m, v in row.items()}} for metric, row in found.items()]
    )


def ready_losses(folder: Path) -> str:
    """Fidelity of the ready losses, from their files."""
    table = []
    for name in PRETRAINED:
        measured = shipped(name)[2]["card"]["fidelity"]
        cells = [f"{one['size']}: {one['gradient']:.3f} / {one['ceiling']:.3f}" for one in measured]
        table.append({"loss": f"`{name}`", "classes, levels or points: cosine / ceiling": ", ".join(cells)})
    return summary_table(table)


def own_ground(folder: Path) -> str:
    """Learned baselines on cases similar to those on which their authors report success."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in rows.lines_of(folder / "peers.jsonl"):
        found.setdefault(line["case"], {}).setdefault(line["loss"], {})[line["seed"]] = line["test"]
    table = []
    for case, losses in found.items():
        reference = "before" if "before" in losses else "cross_entropy"
        for loss, values in losses.items():
            name, comma, note = loss.partition(", ")
            row = {
                "case": case,
                "loss": f"{label(name)}{comma}{note}",
                "mean error": f"{np.mean(list(values.values())):.3f}",
            }
            row["lowest to highest"] = f"{min(values.values()):.3f} to {max(values.values()):.3f}"
            row["difference to"], row["95 % t interval"], row["verdict"] = label(reference), "", ""
            if loss != reference:
                difference = np.array([values[seed] - losses[reference][seed] for seed in sorted(values)])
                paired = statistics.paired(difference, higher_is_better=False)
                row["95 % t interval"], row["verdict"] = rows.interval(paired), paired["verdict"]
            table.append(row)
    return summary_table(table)


def generated_inputs(folder: Path) -> str:
    """Number of generated inputs that failed."""
    lines = rows.lines_of(folder / "properties.jsonl")
    inputs, failures = (sum(line[key] for line in lines) for key in ("inputs", "failures"))
    refused = sum("refused" in line for line in lines)
    return (
        f"{len(lines)} metrics, losses, and pairs of a surrogate with a metric, {inputs:,} generated inputs, with NaN "
        f"in masked entries: {failures} gave a value or a gradient that is not finite, or differs from that for zeros. "
        f"{refused} pairs are refused in a sentence."
    )


def instrument(folder: Path) -> str:
    """Planted comparisons, jobs that are killed, and files that are damaged."""
    found = {line["check"]: line for line in rows.lines_of(folder / "planted.jsonl")}
    same, law, better = (found[check] for check in ("same formula", "same law", "known advantage"))
    kills, flips = (rows.lines_of(folder / f"{name}.jsonl") for name in ("kills", "bit_flips"))
    sent, jobs, whole, twice = (sum(line[key] for line in kills) for key in ("SIGKILL", "jobs", "same", "twice"))
    sent += sum(line["SIGTERM"] for line in kills)
    return "\n".join(
        [
            f"- Two losses that are the same function: {same['tie']} of {same['comparisons']} comparisons tie.",
            f"- Cross-entropy against itself with other seeds: {law['better'] + law['worse']} of {law['comparisons']} "
            f"comparisons are won or lost; {0.05 * law['comparisons']:.0f} are expected for intervals of 95 %.",
            f"- A loss that is known to be better: it wins {better['better']} of {better['comparisons']}.",
            f"- {sent} signals, SIGKILL and SIGTERM, to jobs of {len(kills)} kinds (runs, studies, comparisons, two "
            f"processes): {whole} of {jobs} jobs end with the figures and tables of undisturbed ones, {twice} runs "
            "were made twice.",
            f"- {sum(line['flips'] for line in flips):,} bits flipped in checkpoints, files of surrogates, runs and "
            f"comparisons: {sum(line['silently different'] for line in flips)} are read as something else.",
        ]
    )


def second_start(folder: Path) -> str:
    """CPU time of commands whose programs are kept, over that without."""
    table = []
    for line in rows.lines_of(folder / "second_start.jsonl"):
        seconds = line["seconds"]
        over = {f"{start} start": f"{seconds[start] / seconds['off']:.2f}" for start in ("first", "second")}
        same = {"results": "the same to the bit" if line["same"] else "differ"}
        table.append({"job": line["job"], **over, "MiB kept": f"{line['bytes'] / 2**20:.1f}", **same})
    return summary_table(table)


def input_of_runs(folder: Path) -> str:
    """Time of steps with each input over that of steps on one batch, and what a large table takes."""
    *sets, table = rows.lines_of(folder / "input.jsonl")
    columns = {"gathered": "gathered by the step", "streamed": "streamed", "augmented": "streamed, augmented"}
    shown = [
        {"set": line["set"]}
        | {
            title: f"{line['over_one_batch'][name]:.2f}" if name in line["over_one_batch"] else ""
            for name, title in columns.items()
        }
        for line in sets
    ]
    return (
        f"{summary_table(shown)}\n\nA csv of {table['rows']:,} rows ({table['bytes'] / 2**20:.0f} MiB) is loaded in "
        f"{table['seconds']:.1f} CPU seconds and {table['mib']} MiB; `pandas.read_csv` alone takes "
        f"{table['pandas_seconds']:.1f} and {table['pandas_mib']}."
    )


def traffic_of(line: Mapping[str, Any]) -> np.ndarray:
    """Number and bytes of the operations of a line of `collectives`, `[2]`."""
    return np.array([[kind["count"], kind["bytes"]] for kind in line["collectives"].values()]).sum(axis=0)


def surrogate_traffic(folder: Path) -> dict[tuple[str, str, int, str], np.ndarray]:
    """What a learned loss adds to the step on cross-entropy, by model, engine, devices and step, `[2]`."""
    lines = rows.lines_of(folder / "collectives.jsonl")
    found = {(line["model"], line["engine"], line["devices"], line["step"]): traffic_of(line) for line in lines}
    fixed = {"F1": "cross-entropy, two classes"}
    return {
        key: traffic - found[(*key[:3], fixed.get(key[3], "cross-entropy"))]
        for key, traffic in found.items()
        if not key[3].startswith("cross-entropy")
    }


def collectives(folder: Path) -> str:
    """Traffic between devices in a training step, and the part of it that is the surrogate's."""
    table: dict[tuple[str, ...], list[str]] = {}  # numbers of devices by all else that a row says
    own_of = surrogate_traffic(folder)
    for line in rows.lines_of(folder / "collectives.jsonl"):
        (count, size), key = traffic_of(line), (line["model"], line["engine"], line["devices"], line["step"])
        row = (line["model"], line["engine"], line["step"], f"{count}", f"{size / 1024:.1f}")
        own = own_of.get(key)
        share = "" if own is None else f"{own[1] / line['gradient']:.2%}"
        row += ("", "", "") if own is None else (f"{own[0]}", f"{own[1] / 1024:.1f}", share)
        table.setdefault(row, []).append(f"{line['devices']}")
    names = ("model", "engine", "step", "operations", "KiB", "the surrogate's", "its KiB", "over the gradient's")
    return summary_table(
        [dict(zip(names, row, strict=True)) | {"devices": ", ".join(devices)} for row, devices in table.items()]
    )


def minutes(lines: Iterable[Mapping[str, Any]]) -> str:
    """Cost of runs in CPU minutes, with the number of runs. Runs on a GPU are left out."""
    seconds = [line["seconds"] for line in lines if line.get("platform", "cpu") == "cpu"]
    return f"{max(1, round(sum(seconds) / 60))} ({len(seconds)} runs)"


BLOCKS = {
    block.__name__: block
    for block in (
        fidelity,
        ready_losses,
        own_ground,
        generated_inputs,
        instrument,
        second_start,
        input_of_runs,
        collectives,
    )
}
"""The blocks of this file by their names."""
