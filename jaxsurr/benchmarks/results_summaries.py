"""Tables of README.md and `configs/README.md`, as Markdown, from raw lines.

A block is a function of the results' folder; `results_page` writes it between the markers of its name.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxsurr.benchmarks import results_path, results_zoo
from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_measurements import minutes
from jaxsurr.benchmarks.results_words import STANDS, label
from jaxsurr.benchmarks.zoo import TASKS
from jaxsurr.report import summary_table

__all__ = ["BLOCKS", "CONFIGS", "Config", "configs", "default_run", "when_it_helps"]

_PAGE = "notebooks/results/README.md"
_TABLE = '--config.data.source="csv:FILE?target=response'


class Config(NamedTuple):
    """A row of `configs/README.md`.

    Attributes:
      name: of the config and its setting, for `--config=configs/`.
      command: the other arguments.
      raw: file of raw lines in `notebooks/results/`; empty where the setting was not run.
      shown: losses whose results are shown.
    """

    name: str
    command: str
    raw: str = ""
    shown: tuple[str, ...] = ()


CONFIGS = (
    Config("digits.py", "", "digits", ("cross_entropy", "value_fit", "smoothed", rows.OURS)),
    Config("diabetes.py", "", "diabetes", ("cross_entropy", "squared_emd", rows.OURS)),
    Config("stick_figures.py", "", "stick_figures", ("l1", "value_fit", rows.OURS)),
    Config(
        "fashion_mnist.py:noisy_linear",
        "--config.data.source=idx:FILES",
        "study/fashion_noisy_linear",
        ("cross_entropy", "generalised_cross_entropy", rows.OURS),
    ),
    Config(
        "fashion_mnist.py:clean_linear",
        "--config.data.source=idx:FILES",
        "study/fashion_clean_linear",
        ("cross_entropy", "generalised_cross_entropy", rows.OURS),
    ),
    Config(
        "fashion_mnist.py:clean_cnn",
        "--config.data.source=idx:FILES --config.data.limit=12000",
        "study/fashion_clean_cnn",
        ("cross_entropy", "label_smoothing", rows.OURS),
    ),
    Config("fashion_mnist.py:full", "--config.data.source=idx:FILES"),
    Config(
        "cifar10.py",
        "--config.data.source=npz:FILE",
        "study/cifar10",
        ("cross_entropy", "label_smoothing", rows.OURS, rows.FALLBACK),
    ),
    Config("cifar10.py:full", "--config.data.source=npz:FILE"),
    Config(
        "utkface.py",
        '--config.data.source="npz:FILE?y=age&kind=levels"',
        "study/utkface",
        ("squared_emd", "or_cnn", rows.OURS, rows.FALLBACK),
    ),
    Config("utkface.py:full", '--config.data.source="npz:FILE?y=age&kind=levels"'),
    Config(
        "ordinal_table.py",
        f'{_TABLE}"',
        "study/ordinal_kinematics",
        ("squared_emd", "coral", rows.OURS, rows.FALLBACK),
    ),
    Config(
        "ordinal_table.py:linear",
        f'{_TABLE}"',
        "study/linear_kinematics",
        ("squared_emd", "coral", rows.OURS, rows.FALLBACK),
    ),
    Config("ordinal_table.py:full", f'{_TABLE}"'),
    Config(
        "lsp_pose.py",
        '--config.data.source="npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names"',
        "study/lsp_pose",
        ("l1", "wing", rows.OURS),
    ),
    Config(
        "lsp_pose.py:full", '--config.data.source="npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names"'
    ),
    Config(
        "sets_and_lists.py:f_beta",
        f'{_TABLE}&at_least=6"',
        "study/set_f1",
        ("cross_entropy", "cross_entropy?tune_threshold=True", rows.OURS),
    ),
    Config(
        "sets_and_lists.py:average_precision",
        f'{_TABLE}&at_least=6"',
        "study/set_average_precision",
        ("cross_entropy", rows.OURS),
    ),
    Config(
        "sets_and_lists.py:roc_auc",
        f'{_TABLE}&at_least=6"',
        "study/set_roc_auc",
        ("cross_entropy", "pairwise_auc", rows.OURS),
    ),
    Config(
        "sets_and_lists.py:quadratic_weighted_kappa",
        f'{_TABLE}"',
        "study/set_quadratic_weighted_kappa",
        ("cross_entropy", "cross_entropy?tune_threshold=True", rows.OURS),
    ),
    Config("sets_and_lists.py:ndcg", f'{_TABLE}&list_size=16"', "study/set_ndcg", ("list_softmax", rows.OURS)),
)
"""Every config with each of its settings."""


def default_run(folder: Path) -> str:
    """The default job."""
    table = []
    for row in reversed(rows.rows_of(rows.lines_of(folder / "default.jsonl"), "cross_entropy")):
        line = {"loss": label(row["loss"]), "validation error": f"{row['validation']:.3f}"}
        line["test error (std)"] = f"{row['test']:.3f} ({row['std']:.3f})"
        line["difference, 95 % t interval"] = "" if row["loss"] == "cross_entropy" else rows.interval(row)
        table.append(line)
    return summary_table(table)


def when_it_helps(folder: Path) -> str:
    """Cases: where the learned loss helps, and where not."""

    def row(case: str, measured: str, found: str, section: str) -> dict[str, str]:
        link = f"[{section}]({_PAGE}#{section.replace(' ', '-').replace(':', '')})"
        return {"case": case, "what was measured": measured, "the learned loss is": found, "details": link}

    def counted(found: Sequence[Mapping[str, Any]]) -> str:
        verdicts = Counter(one["learned"]["verdict"] for one in found)
        return f"better on {verdicts['better']}, level on {verdicts['tie']}, worse on {verdicts['worse']}"

    def against(found: Mapping[str, Any]) -> str:
        return f"best fixed loss by validation {found['fixed']:.3f}, learned {found['learned']['test']:.3f}"

    metrics = results_zoo.by_task(folder)
    late = metrics["mcc"]
    linear, mlp = (
        [results_path.of_table(folder, name) for name in results_path.names(folder, model)]
        for model in ("linear", "mlp")
    )
    noisy, clean, poses, *images = (
        results_path.of_table(folder, f"path_{name}")
        for name in ("fashion_noisy_linear", "fashion_clean_mlp", "images_lsp_pose", "images_cifar10", "images_utkface")
    )
    usual = TASKS["mcc"].usual
    return summary_table(
        [
            row(
                "a metric without a loss of its own, a model that cannot fit all",
                f"{len(metrics)} metrics on flights, diamonds and Fashion-MNIST, linear, against the best conventional "
                f"loss and decoding by validation; Matthews correlation of late flights: cross-entropy "
                f"{late['means'][usual]:.3f}, its threshold tuned {late['means'][f'{usual}?tune_threshold=True']:.3f}, "
                f"learned {late['learned']['test']:.3f}",
                f"{counted(list(metrics.values()))}; {STANDS[late['learned']['verdict']]} the best of the others",
                "zoo of metrics",
            ),
            row(
                "poses",
                f"Leeds Sports Pose Extended, CNN, PCK: {against(poses)}",
                f"{STANDS[poses['learned']['verdict']]} it",
                "on test rows",
            ),
            row(
                "wrong labels, a model that cannot fit them",
                f"Fashion-MNIST, linear, 40 % random labels, error: {against(noisy)}",
                f"{STANDS[noisy['learned']['verdict']]} it",
                "on test rows",
            ),
            row(
                "a model too small for the data",
                f"{len(linear)} ordinal tables, linear, against the best fixed loss by validation",
                counted(linear),
                "on test rows",
            ),
            row(
                "clean labels, a model that fits them",
                f"Fashion-MNIST, MLP, error: {against(clean)}; this, CIFAR-10 and UTKFace with a CNN, and {len(mlp)} "
                "ordinal tables with an MLP",
                f"{STANDS[clean['learned']['verdict']]} it; {counted([clean, *images, *mlp])}",
                "on test rows",
            ),
        ]
    )


def configs(folder: Path) -> str:
    """Every config with command, cost and result."""
    table = []
    for config in CONFIGS:
        row = {"config": f"`{config.name}`", "data": f"`{config.command}`" if config.command else ""}
        row |= {"minutes": "not run", "result": ""}
        if config.raw:
            lines = rows.lines_of(folder / f"{config.raw}.jsonl")
            runs = [line for line in lines if line.get("purpose", "run") == "run"]
            mean = rows.means(runs)
            found = ", ".join(f"{label(loss)} {mean[loss]:.3f}" for loss in config.shown)
            seeds = max(len(values) for values in rows.by_seed(runs, "test").values())
            row |= {"minutes": minutes(lines), "result": f"{runs[0]['metric']}, {seeds} seeds: {found}"}
        table.append(row)
    return summary_table(table)


BLOCKS = {block.__name__: block for block in (default_run, when_it_helps, configs)}
"""The blocks of this file by their names."""
