"""Names of losses in words, and sentences on how they compare, for the pages that are written from raw lines."""

from collections.abc import Sequence
from pathlib import Path

from jaxsurr.benchmarks import results_rows as rows

__all__ = ["NAMES", "STANDS", "halves", "label", "labels", "standing", "stands", "untuned"]

NAMES = {
    "absolute_error": "absolute error of a score",
    "auc_margin": "AUC margin",
    "binary_cross_entropy": "binary cross-entropy",
    "coral": "CORAL",
    "corn": "CORN",
    "correlated_gradients": "learned loss",
    "cost_proportionate_cross_entropy": "cost-proportionate cross-entropy",
    "cox": "Cox",
    "cross_entropy": "cross-entropy",
    "embedding": "LS-ED",
    "euclidean": "Euclidean distance",
    "expected_absolute_error": "expected absolute error",
    "expected_error": "expected error",
    "expected_example_cost": "expected cost",
    "focal": "focal loss",
    "generalised_cross_entropy": "generalised cross-entropy",
    "interpolation": "UniLoss",
    "l1": "L1",
    "label_cross_entropy": "cross-entropy of labels",
    "label_smoothing": "label smoothing",
    "list_logistic": "logistic loss of lists",
    "list_softmax": "softmax of lists",
    "mse": "squared error",
    "one_sided_regression": "one-sided regression",
    "or_cnn": "OR-CNN",
    "pairwise_auc": "pairwise squared hinge",
    "quadratic_weighted_kappa": "soft kappa",
    "relational": "ReLoss",
    "smooth_average_precision": "smooth AP",
    "smooth_l1": "smooth L1",
    "smoothed": "smoothed metric",
    "soft_f_beta": "soft F1",
    "sord": "SORD",
    "squared_emd": "squared EMD",
    "squared_error": "squared error",
    "token_cross_entropy": "cross-entropy of tokens",
    "value_fit": "value fit",
}
_OPTIONS = {
    "fallback=True": "with fall-back",
    "start=auto": "from the best start",
    "tune_threshold=True": "threshold tuned",
}


STANDS = {"better": "better than", "tie": "level with", "worse": "worse than"}
"""Verdicts in words."""


def label(loss: str) -> str:
    """The name of a loss in words.

    >>> label("cross_entropy?tune_threshold=True"), label("focal?gamma=1")
    ('cross-entropy (threshold tuned)', 'focal loss (`gamma=1`)')
    """
    name, _, options = loss.partition("?")
    words = [_OPTIONS.get(option, f"`{option}`") for option in filter(None, options.split("&"))]
    return NAMES.get(name, name) + (f" ({', '.join(words)})" if words else "")


def labels(losses: Sequence[str]) -> str:
    """Names of losses in words, as an enumeration."""
    names = [label(loss) for loss in losses]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def standing(folder: Path, name: str) -> str:
    """A sentence: which losses of a comparison the learned loss is better than, level with and worse than."""
    found = rows.against(folder, name)
    parts = []
    for verdict, words in (("better", "better than"), ("tie", "level with"), ("worse", "worse than")):
        losses = [loss for loss, row in found.items() if row["verdict"] == verdict and loss != rows.FALLBACK]
        parts += [f"{words} {labels(losses)}"] if losses else []
    return f"The learned loss is {'; '.join(parts)}."


def stands(folder: Path, name: str, loss: str) -> str:
    """The verdict on the learned loss against another one, in words: "better than L1"."""
    return f"{STANDS[rows.against(folder, name)[loss]['verdict']]} {label(loss)}"


def halves(folder: Path, name: str, loss: str) -> str:
    """The learned loss against another one on the five seeds that were run first, and on the five that were added."""
    first, added = (rows.against(folder, name, seeds=tuple(part))[loss] for part in (range(5), range(5, 10)))
    both = [f"{rows.interval(found, 4)}, {found['verdict']}" for found in (first, added)]
    return f"{label(loss)} {' and '.join(both)}"


def untuned(folder: Path, name: str) -> str:
    """A sentence: means without tuning, best first."""
    runs = rows.runs_of(folder, name)
    mean = sorted(rows.means(runs).items(), key=lambda item: item[1], reverse=runs[0]["higher_is_better"])
    return f"Without tuning (`study/{name}.jsonl`): {', '.join(f'{label(loss)} {value:.3f}' for loss, value in mean)}."
