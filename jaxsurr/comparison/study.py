"""A study: several losses, the same seeds for each, one table."""

import contextlib
import os
from typing import Any

import jax
import numpy as np

from jaxsurr.comparison.statistics import paired
from jaxsurr.report import summary_table
from jaxsurr.training import locks, notes, records
from jaxsurr.training.checking import validate
from jaxsurr.training.config import as_dict, update
from jaxsurr.training.epochs import first_metric
from jaxsurr.training.loop import prepare, run
from jaxsurr.training.protocols import Config, Report, Say, Stop
from jaxsurr.training.stopping import never


def study(
    config: Config,
    workdir: str | os.PathLike,
    *,
    report: Report | None = None,
    say: Say | None = None,
    model: Any = None,
    stop: Stop = never,
) -> dict[str, Any]:
    """Runs every loss of `config.losses` with every seed, and compares them with the first loss.

    Runs share seeds: for one seed the split, the initial weights and the batch order are the same for every loss. A
    study that was interrupted goes on where it stopped.

    Args:
      config: with `losses` and `seeds`.
      workdir: gets a directory for each run, `results.jsonl` (a line a run), `table.md` and `study.json`.
      report: called after every epoch of every run.
      say: called with a line that says which rows or labels were changed or left out, before anything is trained.
      model: one of your own, as for `jaxsurr.training.run`.
      stop: as for `jaxsurr.training.run`.

    Returns:
      `{"rows": [...], "runs": [...]}`: a row of the table for each loss, and the results of all runs.

    Raises:
      ValueError: the config is wrong, or the directory belongs to another one.
      BlockingIOError: another run or study is at work in the directory.
    """
    validate(config)
    if not config.losses:
        raise ValueError("a study needs losses: set losses=('cross_entropy', 'correlated_gradients'), say.")
    path = records.check_workdir(workdir, as_dict(config))
    writes = jax.process_index() == 0
    runs = []
    with contextlib.ExitStack() as held:
        for loss in config.losses:
            program = None
            for seed in range(config.seed, config.seed + config.seeds):
                single = update(config.copy_and_resolve_references(), loss=loss, losses=(), seeds=1, seed=seed)
                data = None
                where = path / f"{loss}-seed{seed}"
                if not (where / "result.json").exists():
                    data, program = prepare(single, program, model=model)
                records.open_workdir(path, as_dict(config))
                if not runs:
                    held.enter_context(locks.alone(path))
                first = None if runs else say  # what differs between seeds is in the table
                shared: dict[str, Any] = dict(report=report, data=data, program=program, stop=stop)
                runs.append(run(single, where, say=first, **shared))
                if writes:
                    records.write_lines(path / "results.jsonl", [_line(result) for result in runs])
        rows = table(runs)
        if writes:
            records.write_json(path / "study.json", {"rows": rows})
            parts = [notes.said_of(runs), summary_table(rows)]
            records.write_text(path / "table.md", "\n\n".join(filter(None, parts)) + "\n")
    return {"rows": rows, "runs": runs}


def _line(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "history"}


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each loss: mean and standard deviation over seeds, and the paired difference with the first loss.

    The 95 % interval of the difference is Student's t over the paired seeds (scipy); it needs two seeds or more. Of
    several metrics the first counts.

    Args:
      runs: results of `run`, the same seeds for every loss.

    Returns:
      Rows with `loss`, `seeds`, `validation`, `test`, `std`, `difference`, `low`, `high`, `verdict`
      ("better", "worse", "tie"), `gradient correlation`
      and `ceiling` of the last epoch; None where there is nothing to say.
    """
    losses = list(dict.fromkeys(result["loss"] for result in runs))
    test = {
        loss: {result["seed"]: first_metric(result["test"]) for result in runs if result["loss"] == loss}
        for loss in losses
    }
    rows = []
    for loss in losses:
        mine = [result for result in runs if result["loss"] == loss]
        values = np.array(list(test[loss].values()))
        correlations = [r["gradient_correlation"] for r in mine if r["gradient_correlation"] is not None]
        ceilings = [r["ceiling"] for r in mine if r["ceiling"] is not None]
        row = {
            "loss": loss,
            "seeds": len(values),
            "validation": float(np.mean([first_metric(result["validation"]) for result in mine])),
            "test": float(values.mean()),
            "std": float(values.std(ddof=1)) if len(values) > 1 else None,
            "difference": None,
            "low": None,
            "high": None,
            "verdict": "reference",
            "gradient correlation": float(np.mean(correlations)) if correlations else None,
            "ceiling": float(np.mean(ceilings)) if ceilings else None,
        }
        if loss != losses[0]:
            shared = [seed for seed in test[loss] if seed in test[losses[0]]]
            difference = np.array([test[loss][seed] - test[losses[0]][seed] for seed in shared])
            row |= paired(difference, mine[0]["higher_is_better"])
            del row["p"]
        rows.append(row)
    return rows
