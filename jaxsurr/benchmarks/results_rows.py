"""Rows of the results' tables, computed from the raw lines of `notebooks/results/`.

A raw line is the JSON record of one run (loss, settings, seed, history, validation and test metric). The results
notebook and `python -m jaxsurr.benchmarks.results_page` both take their figures from here: each is computed once.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.comparison import statistics
from jaxsurr.core.spec import parse_spec
from jaxsurr.training.config import CONVENTIONAL

__all__ = [
    "FALLBACK", "OURS", "SETS", "UNITS", "VERDICTS", "against", "all_tables", "by_seed", "capacity", "choice",
    "choices", "counts", "interval", "is_fixed", "lines_of", "matched_scales", "means", "ordinal_tables", "overview",
    "results_folder", "rows_of", "runs_of",
]  # fmt: skip

OURS, FALLBACK = "correlated_gradients", "correlated_gradients?fallback=True"
"""The learned loss, and the learned loss with the option to keep the fixed loss that it starts on."""

VERDICTS = ("better", "tie", "worse")
SETS = {
    "LSP Extended": "lsp_pose",
    "CIFAR-10": "cifar10",
    "Fashion-MNIST, linear, 40 % noise": "fashion_noisy_linear",
    "Fashion-MNIST, linear, clean": "fashion_clean_linear",
    "Fashion-MNIST, CNN, clean": "fashion_clean_cnn",
    "UTKFace": "utkface",
    "kinematics, MLP": "ordinal_kinematics",
    "kinematics, linear": "linear_kinematics",
}
"""The main comparisons: their names and raw files."""

UNITS = {
    "linear": "linear_kinematics",
    "4": "capacity_4",
    "8": "capacity_8",
    "16": "capacity_16",
    "64": "ordinal_kinematics",
}
"""Raw files of the kinematics table by the number of hidden units."""

_STUDIES = ("ordinal", "linear", "capacity", "set")


def results_folder() -> Path:
    """The folder of raw lines: that of the clone that holds the package, else `results` in the working directory."""
    import jaxsurr

    folder = Path(jaxsurr.__file__).parents[1] / "notebooks" / "results"
    return folder if folder.is_dir() else Path("results")


@functools.cache
def lines_of(path: Path) -> tuple[dict[str, Any], ...]:
    """The lines of a raw file."""
    return tuple(json.loads(line) for line in path.read_text().splitlines())


def runs_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """The runs of a comparison, without those of tuning.

    Args:
      folder: of the results.
      name: of the comparison, the name of its raw file in `folder / "study"`.
    """
    return [line for line in lines_of(folder / "study" / f"{name}.jsonl") if line["purpose"] == "run"]


def by_seed(runs: Sequence[Mapping[str, Any]], field: str) -> dict[str, dict[int, float]]:
    """The "test" or "validation" metric of each loss, by seed; NaN for a run that diverged."""
    out: dict[str, dict[int, float]] = {}
    for run in runs:
        out.setdefault(run["loss"], {})[run["seed"]] = float("nan") if run[field] is None else run[field]
    return out


def means(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean test metric of each loss over its seeds."""
    return {loss: float(np.mean(list(values.values()))) for loss, values in by_seed(runs, "test").items()}


def rows_of(runs: Sequence[Mapping[str, Any]], reference: str) -> list[dict[str, Any]]:
    """The table of a comparison, best mean first (`jaxsurr.comparison.statistics.rows`)."""
    test, validation = by_seed(runs, "test"), by_seed(runs, "validation")
    return statistics.rows(test, validation, higher_is_better=runs[0]["higher_is_better"], reference=reference)


@functools.cache
def against(
    folder: Path, name: str, reference: str = OURS, seeds: tuple[int, ...] | None = None
) -> dict[str, dict[str, Any]]:
    """Paired differences of a loss, by default the learned one, to each other loss of a comparison.

    Args:
      folder: of the results.
      name: of the comparison.
      reference: the loss.
      seeds: which to use; None: all.

    Returns:
      For each other loss `difference`, `low`, `high`, `p` and `verdict` (`jaxsurr.comparison.statistics.paired`) of the
      reference minus the other, over the seeds that both have; best mean first.
    """
    runs = runs_of(folder, name)
    test, higher = by_seed(runs, "test"), runs[0]["higher_is_better"]
    out = {}
    for loss in sorted(test, key=lambda loss: np.mean(list(test[loss].values())), reverse=higher):
        shared = sorted(test[loss].keys() & test[reference].keys() & set(seeds or test[reference]))
        if loss != reference and shared:
            mine, other = np.array([[test[of][seed] for seed in shared] for of in (reference, loss)])
            out[loss] = statistics.paired(mine - other, higher, size=float(np.abs([mine, other]).max()))
    return out


def overview(folder: Path) -> list[dict[str, str]]:
    """A row for each loss: the verdict on the learned loss against it in each of `SETS`."""
    found: dict[str, dict[str, str]] = {}
    for column, name in SETS.items():
        for loss, row in against(folder, name).items():
            found.setdefault(loss, {})[column] = row["verdict"]
    return [{"against": loss, **{column: row.get(column, "") for column in SETS}} for loss, row in found.items()]


def all_tables(folder: Path) -> list[str]:
    """Names of the comparisons in the counts: `SETS`, the ordinal tables, the small MLPs, sets and lists."""
    names = [path.stem for path in sorted((folder / "study").glob("*.jsonl")) if path.stem.split("_")[0] in _STUDIES]
    return list(dict.fromkeys([*SETS.values(), *names]))


def counts(folder: Path, least: int = 3) -> list[dict[str, Any]]:
    """Numbers of `all_tables` in which the learned loss is better than, level with and worse than each other loss.

    Args:
      folder: of the results.
      least: losses of fewer tables are left out.
    """
    found: dict[str, list[str]] = {}
    for name in all_tables(folder):
        for loss, row in against(folder, name).items():
            found.setdefault(loss, []).append(row["verdict"])
    return [
        {"against": loss, "tables": len(seen), **{verdict: seen.count(verdict) for verdict in VERDICTS}}
        for loss, seen in sorted(found.items(), key=lambda item: -len(item[1]))
        if len(seen) >= least
    ]


def is_fixed(loss: str) -> bool:
    """Whether a loss is a fixed one, not learned from the metric."""
    return parse_spec(loss)[0] in CONVENTIONAL


def choice(folder: Path, name: str) -> dict[str, Any]:
    """The test metric where validation chooses the loss, per seed: among fixed losses, and with the learned loss added.

    Returns:
      The result of `jaxsurr.comparison.statistics.selection`, with `higher_is_better` and the number of fixed `losses`.
    """
    runs = [run for run in runs_of(folder, name) if run["loss"] == OURS or is_fixed(run["loss"])]
    test, validation, higher = by_seed(runs, "test"), by_seed(runs, "validation"), runs[0]["higher_is_better"]
    fixed = [loss for loss in test if loss != OURS]
    found = statistics.selection(test, validation, higher_is_better=higher, known=fixed)
    return (found or {}) | {"higher_is_better": higher, "losses": len(fixed)}


def choices(folder: Path) -> list[dict[str, Any]]:
    """A row for each of `all_tables`: `choice`, to be shown as a table."""
    rows = []
    for name in all_tables(folder):
        found = choice(folder, name)
        row = {"table": name, "losses": found["losses"], "fixed losses": found["known"], "and learned": found["all"]}
        row |= {"picked": found["picked"].get(OURS, 0), "difference": interval(found, 4), "verdict": found["verdict"]}
        rows.append(row)
    return rows


def ordinal_tables(folder: Path, prefix: str) -> list[dict[str, Any]]:
    """A row for each ordinal table of a study.

    Args:
      folder: of the results.
      prefix: "ordinal" (an MLP) or "linear".

    Returns:
      Mean test errors; paired differences of the learned loss, without and with the option to keep the squared EMD, to
      the squared EMD that it starts on and to the fixed loss that is best on test; and the number of fixed losses that
      it is better than, level with and worse than.
    """
    rows = []
    for path in sorted((folder / "study").glob(f"{prefix}_*.jsonl")):
        mean = means(runs_of(folder, path.stem))
        best = min(filter(is_fixed, mean), key=mean.__getitem__)
        row = {"table": path.stem.removeprefix(f"{prefix}_"), "best fixed loss": best, "its error": mean[best]}
        row |= {"squared EMD": mean["squared_emd"], "smoothed": mean["smoothed"]}
        row |= {"learned": mean[OURS], "with fall-back": mean[FALLBACK]}
        for label, ours in {"learned": OURS, "fall-back": FALLBACK}.items():
            found = against(folder, path.stem, ours)
            for name, other in {"squared EMD": "squared_emd", "best": best}.items():
                row[f"{label} to {name}"] = f"{interval(found[other])} {found[other]['verdict']}"
        verdicts = [found["verdict"] for loss, found in against(folder, path.stem).items() if is_fixed(loss)]
        row |= {verdict: verdicts.count(verdict) for verdict in VERDICTS}
        rows.append(row)
    return rows


def capacity(folder: Path, losses: Sequence[str]) -> list[dict[str, Any]]:
    """Mean test error of losses on the kinematics table, a row for each number of hidden units."""
    found = {units: means(runs_of(folder, name)) for units, name in UNITS.items()}
    return [{"hidden units": units, **{loss: mean[loss] for loss in losses}} for units, mean in found.items()]


def matched_scales(folder: Path) -> dict[str, list[float]]:
    """The relative scale that was matched to the data (`relative_scale=0`), for each set one number a seed."""
    out = {}
    for path in sorted((folder / "study").glob("matched_*.jsonl")):
        scales: dict[str, dict[int, float]] = {}
        for run in runs_of(folder, path.stem):
            scales.setdefault(run["loss"], {})[run["seed"]] = run["history"][-1].get("scale")
        given = scales.get(OURS) or scales[f"{OURS}?relative_scale=0.15"]  # the same noise unit at a known scale
        matched = scales[f"{OURS}?relative_scale=0"]
        out[path.stem.removeprefix("matched_")] = [0.15 * matched[seed] / given[seed] for seed in sorted(matched)]
    return out


def interval(found: Mapping[str, Any], digits: int = 3) -> str:
    """A paired difference with its 95 % interval.

    >>> interval({"difference": -0.037, "low": -0.046, "high": -0.029})
    '-0.037 [-0.046, -0.029]'
    """
    if found["low"] is None:
        return f"{found['difference']:+.{digits}f}"
    return f"{found['difference']:+.{digits}f} [{found['low']:+.{digits}f}, {found['high']:+.{digits}f}]"
