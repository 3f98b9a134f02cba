"""Tables and sentences of the results page on comparisons of losses, as Markdown, each from its raw lines.

A block is a function of the results' folder; `results_page` writes it between the markers of its name.
"""

from pathlib import Path
from typing import Any

from jaxsurr.benchmarks import results_path, results_zoo
from jaxsurr.benchmarks import results_rows as rows
from jaxsurr.benchmarks.results_words import halves, label, standing, untuned
from jaxsurr.report import summary_table

__all__ = [
    "BLOCKS", "against_each", "ages", "capacity", "choice_sentences", "choices", "classification", "comparison",
    "in_short", "ordinal_linear", "ordinal_mlp", "other_pck", "poses", "sets_and_lists", "small_jobs",
]  # fmt: skip

_CLASSIFICATION = {
    "Fashion-MNIST, linear, 40 % random labels": "fashion_noisy_linear",
    "Fashion-MNIST, linear, clean": "fashion_clean_linear",
    "Fashion-MNIST, CNN, clean": "fashion_clean_cnn",
    "CIFAR-10, CNN": "cifar10",
}
_LISTS = {
    "F1": "set_f1",
    "average precision": "set_average_precision",
    "ROC AUC": "set_roc_auc",
    "quadratic weighted kappa": "set_quadratic_weighted_kappa",
    "NDCG": "set_ndcg",
}


def comparison(folder: Path, name: str, reference: str, digits: int = 3) -> str:
    """The table of a comparison: mean over seeds, difference to a reference, and the learned loss against each loss."""
    found, table = rows.against(folder, name), []
    for row in rows.rows_of(rows.runs_of(folder, name), reference):
        loss = row["loss"]
        line = {
            "loss": label(loss),
            "seeds": row["seeds"],
            "test (std)": f"{row['test']:.{digits}f} ({row['std']:.{digits}f})",
        }
        line[f"difference to {label(reference)}"] = "" if loss == reference else rows.interval(row, digits)
        line["learned loss minus this one"] = rows.interval(found[loss], digits) if loss in found else ""
        line["the learned loss is"] = found[loss]["verdict"] if loss in found else ""
        table.append(line)
    return summary_table(table)


def in_short(folder: Path) -> str:
    """Wins of the learned loss against fixed losses, and what it adds to a choice on validation."""
    parts = [results_zoo.in_short(folder), results_path.in_short(folder), "", "With the loss of the first version:"]
    for prefix, model in (("linear", "a linear model"), ("ordinal", "an MLP of 64 units")):
        table = rows.ordinal_tables(folder, prefix)
        won, tied, lost = (sum(row[verdict] for row in table) for verdict in rows.VERDICTS)
        parts.append(
            f"On ten ordinal tables with {model} the learned loss is better than a fixed loss in {won} of "
            f"{won + tied + lost} comparisons, level in {tied} and worse in {lost}."
        )
    return "\n".join([*parts, *choice_sentences(folder)])


def choice_sentences(folder: Path) -> list[str]:
    """Sentences on a choice of the loss on validation."""
    sentences, better, worse, gain, loss_of = [], 0, 0, 0.0, 0.0
    names, titles = rows.all_tables(folder), {name: title for title, name in rows.SETS.items()}
    for name in names:
        found = rows.choice(folder, name)
        if found["verdict"] != "tie":
            verb, where = "raises" if found["difference"] > 0 else "lowers", titles.get(name, name)
            sentences.append(
                f"Choosing the loss on validation, per seed: adding the learned loss {verb} the test metric on {where} "
                f"from {found['known']:.3f} to {found['all']:.3f} ({rows.interval(found)}, {found['verdict']})."
            )
            continue
        gained = found["difference"] if found["higher_is_better"] else -found["difference"]
        better, worse = better + (gained > 0), worse + (gained < 0)
        gain, loss_of = max(gain, gained / abs(found["known"])), max(loss_of, -gained)
    ties = len(names) - len(sentences)
    same = ties - better - worse
    sentences.append(
        f"On the other {ties} tables the interval of this difference holds zero: the mean is better on {better} of "
        f"them, by up to {100 * gain:.0f} %, worse on {worse}, by up to {loss_of:.4f}, and the same on {same}."
    )
    return sentences


def against_each(folder: Path) -> str:
    """Numbers of tables in which the learned loss is better than, level with and worse than each other loss."""
    return summary_table([row | {"against": label(row["against"])} for row in rows.counts(folder)])


def choices(folder: Path) -> str:
    """The test metric where validation chooses the loss, for each table."""
    return summary_table(rows.choices(folder))


def poses(folder: Path) -> str:
    """LSP Extended."""
    table = rows.rows_of(rows.runs_of(folder, "lsp_pose"), rows.OURS)
    largest = max((row["p (Holm)"], row["loss"]) for row in table if row["p (Holm)"] is not None)
    return "\n".join(
        [
            comparison(folder, "lsp_pose", "l1"),
            "",
            standing(folder, "lsp_pose"),
            f"After Holm's correction for {len(table) - 1} comparisons the largest p-value is {largest[0]:.3f} "
            f"({label(largest[1])}).",
            "",
            "The learned loss minus another one, on the five seeds that were run first, and on the five that were "
            f"added with the settings tuned before: {halves(folder, 'lsp_pose', 'wing')}; "
            f"{halves(folder, 'lsp_pose', 'value_fit')}.",
            "",
            untuned(folder, "lsp_pose_untuned"),
        ]
    )


def other_pck(folder: Path) -> str:
    """PCK at 0.2 of the torso, and PCKh."""
    sentences = []
    for name, what in (("lsp_pose_pck02", "PCK at 0.2 of the torso"), ("lsp_pose_pckh", "PCKh at 0.5 of the head")):
        mean, found = rows.means(rows.runs_of(folder, name)), rows.against(folder, name)["l1"]
        sentences.append(
            f"{what}, two seeds: learned loss {mean[rows.OURS]:.3f}, L1 {mean['l1']:.3f}, difference "
            f"{rows.interval(found)}, {found['verdict']} (`study/{name}.jsonl`)."
        )
    return "\n".join(sentences)


def classification(folder: Path) -> str:
    """Fashion-MNIST and CIFAR-10."""
    table: dict[str, dict[str, Any]] = {}
    for column, name in _CLASSIFICATION.items():
        digits, found = 4 if "linear" in name else 3, rows.against(folder, name)
        for row in rows.rows_of(rows.runs_of(folder, name), rows.OURS):
            loss = row["loss"]
            word = f", {found[loss]['verdict']}" if loss in found else ""
            table.setdefault(loss, {})[column] = f"{row['test']:.{digits}f} ({row['std']:.{digits}f}){word}"
    first = [loss for loss in (rows.OURS, rows.FALLBACK) if loss in table]
    order = [*first, *(loss for loss in table if loss not in first)]
    lines = [{"loss": label(loss), **{c: table[loss].get(c, "") for c in _CLASSIFICATION}} for loss in order]
    said = [f"- {column}: {standing(folder, name)}" for column, name in _CLASSIFICATION.items()]
    seeds = (
        "The learned loss minus another one, on the five seeds that were run first, and on the five that were added: "
        f"with wrong labels {halves(folder, 'fashion_noisy_linear', 'generalised_cross_entropy')}; on CIFAR-10 "
        f"{halves(folder, 'cifar10', 'cross_entropy')}."
    )
    return "\n".join([summary_table(lines), "", *said, "", seeds, "", untuned(folder, "cifar10_untuned")])


def ages(folder: Path) -> str:
    """UTKFace."""
    parts = (comparison(folder, "utkface", "squared_emd", 2), standing(folder, "utkface"))
    return "\n\n".join([*parts, untuned(folder, "utkface_untuned")])


def ordinal_mlp(folder: Path) -> str:
    """Ten ordinal tables with an MLP."""
    return _ordinal(folder, "ordinal", peers="ordinal_kinematics")


def ordinal_linear(folder: Path) -> str:
    """The same tables with a linear model."""
    return _ordinal(folder, "linear", peers="linear_kinematics")


def _ordinal(folder: Path, prefix: str, peers: str) -> str:
    found = rows.ordinal_tables(folder, prefix)
    table = []
    for row in found:
        best = row.pop("best fixed loss")
        line = {"table": row.pop("table"), "best fixed loss, on test": f"{label(best)} {row.pop('its error'):.3f}"}
        table.append(line | {key: f"{value:.3f}" if isinstance(value, float) else value for key, value in row.items()})
    won, tied, lost = (sum(row[verdict] for row in found) for verdict in rows.VERDICTS)
    mean = rows.means(rows.runs_of(folder, peers))
    others = ", ".join(f"{label(loss)} {mean[loss]:.3f}" for loss in mean if not rows.is_fixed(loss))
    return "\n".join(
        [
            summary_table(table),
            "",
            f"Against the fixed losses the learned loss is better in {won} comparisons, level in {tied} and worse in "
            f"{lost}.",
            f"Means of all learned losses on kinematics: {others}.",
        ]
    )


def capacity(folder: Path) -> str:
    """Kinematics, by the number of hidden units."""
    losses = ("squared_emd", "sord", "or_cnn", "coral", rows.OURS)
    return summary_table(
        [
            {label(key) if key in losses else key: f"{v:.3f}" if isinstance(v, float) else v for key, v in row.items()}
            for row in rows.capacity(folder, losses)
        ]
    )


def sets_and_lists(folder: Path) -> str:
    """F1, average precision, AUC, kappa and NDCG."""
    parts = []
    for metric, name in _LISTS.items():
        mean = {loss: f"{value:.3f}" for loss, value in rows.means(rows.runs_of(folder, name)).items()}
        table = [
            {
                "loss": label(loss),
                "test": value,
                "learned loss minus this one": rows.interval(rows.against(folder, name)[loss])
                if loss != rows.OURS
                else "",
                "the learned loss is": rows.against(folder, name)[loss]["verdict"] if loss != rows.OURS else "",
            }
            for loss, value in sorted(mean.items(), key=lambda item: item[1], reverse=True)
        ]
        parts.append(f"{metric} (`study/{name}.jsonl`):\n\n{summary_table(table)}")
    return "\n\n".join(parts)


def small_jobs(folder: Path) -> str:
    """Digits, diabetes and stick figures: the configs that need no file."""
    parts = []
    for name, reference in (("digits", "cross_entropy"), ("diabetes", "cross_entropy"), ("stick_figures", "l1")):
        table = rows.rows_of(rows.lines_of(folder / f"{name}.jsonl"), reference)
        lines = [
            {
                "loss": label(row["loss"]),
                "test (std)": f"{row['test']:.3f} ({row['std']:.3f})",
                f"difference to {label(reference)}": "" if row["loss"] == reference else rows.interval(row, 4),
                "verdict": "" if row["loss"] == reference else row["verdict"],
            }
            for row in table
        ]
        parts.append(f"`configs/{name}.py` (`{name}.jsonl`):\n\n{summary_table(lines)}")
    return "\n\n".join(parts)


BLOCKS = {
    block.__name__: block
    for block in (
        in_short,
        against_each,
        choices,
        poses,
        other_pck,
        classification,
        ages,
        ordinal_mlp,
        ordinal_linear,
        capacity,
        sets_and_lists,
        small_jobs,
    )
}
"""The blocks of this file by their names."""
