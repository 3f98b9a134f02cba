"""Tables of README.md and `configs/README.md`, as Markdown, from raw lines.

A block is a function of the results' folder; `results_page` writes it between the markers of its name.
"""

from pathlib import Path
from typing import NamedTuple

from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_measurements import minutes
from jaxsurr.benchmarks.results_words import label, stands
from jaxsurr.report import summary_table

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
    """Five cases: where the learned loss helps, and where not."""
    pose, noisy, cifar, f1 = (
        {loss: f"{value:.3f}" for loss, value in rows.means(rows.runs_of(folder, name)).items()}
        for name in ("lsp_pose", "fashion_noisy_linear", "cifar10", "set_f1")
    )
    linear = rows.ordinal_tables(folder, "linear")
    won, tied, lost = (sum(row[verdict] for row in linear) for verdict in rows.VERDICTS)

    def row(case: str, measured: str, found: str, section: str) -> dict[str, str]:
        link = f"[{section}]({_PAGE}#{section.replace(' ', '-').replace(':', '')})"
        return {"case": case, "what was measured": measured, "the learned loss is": found, "details": link}

    tuned = "cross_entropy?tune_threshold=True"
    return summary_table(
        [
            row(
                "keypoints that are often annotated wrongly",
                f"LSP Extended, PCK: L1 {pose['l1']}, wing {pose['wing']}, learned {pose[rows.OURS]}",
                f"{stands(folder, 'lsp_pose', 'l1')}, {stands(folder, 'lsp_pose', 'wing')}",
                "poses",
            ),
            row(
                "wrong labels, a model that cannot fit them",
                f"Fashion-MNIST, linear, 40 % noise, error: cross-entropy {noisy['cross_entropy']}, generalised "
                f"cross-entropy {noisy['generalised_cross_entropy']}, learned {noisy[rows.OURS]}",
                f"{stands(folder, 'fashion_noisy_linear', 'cross_entropy')}, "
                f"{stands(folder, 'fashion_noisy_linear', 'generalised_cross_entropy')}",
                "classes",
            ),
            row(
                "a model too small for the data",
                f"ten ordinal tables, linear, {won + tied + lost} comparisons with fixed losses",
                f"better in {won}, level in {tied}, worse in {lost}",
                "levels: linear model",
            ),
            row(
                "clean labels, a model that fits them",
                f"CIFAR-10, CNN, error: cross-entropy {cifar['cross_entropy']}, learned {cifar[rows.OURS]}, with "
                f"`?fallback=True` {cifar[rows.FALLBACK]}",
                f"{stands(folder, 'cifar10', 'cross_entropy')}, {stands(folder, 'cifar10', rows.FALLBACK)}",
                "classes",
            ),
            row(
                "F1 of a rare class",
                f"F1: cross-entropy {f1['cross_entropy']}, its threshold tuned {f1[tuned]}, learned {f1[rows.OURS]}",
                f"{stands(folder, 'set_f1', 'cross_entropy')}, {stands(folder, 'set_f1', tuned)}",
                "sets and lists",
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
