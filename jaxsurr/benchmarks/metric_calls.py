"""Quality by the number of evaluations of a metric that is a black box: learned loss against smoothed metric.

  python -m jaxsurr.benchmarks.metric_calls --seeds=8 --output=metric_calls.jsonl

A linear classifier of scikit-learn's digits, 40 % of whose training and validation labels are random, is trained on
macro F1, which is a NumPy function here and called on the host. After a warm start on cross-entropy the learned loss
asks for it before every step, before every 5th and before every 20th (with as many fewer updates at the switch), the
smoothed metric at every step, with 8 pairs or with one. Beside them stands cross-entropy, with and without tuned
shifts. A line of JSON is printed for each run, with the test metric at the epoch that is best on validation, and the
number of sets that the run asked for. It takes three minutes on two CPU cores.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxsurr import metrics
from jaxsurr.training import default_config, prepare, update
from jaxsurr.training.loop import train

__all__ = ["BURN_IN", "FIELDS", "LOSSES", "PAIRS", "macro_f1", "main", "measured"]

PAIRS, BURN_IN = 8, 100
LOSSES = {
    "cross-entropy": "cross_entropy",
    "cross-entropy, shifts tuned": "cross_entropy?tune_threshold=True",
    "learned, every step": f"correlated_gradients?outer_every=1&burn_in={BURN_IN}",
    "learned, every 5th step": f"correlated_gradients?outer_every=5&burn_in={BURN_IN // 5}",
    "learned, every 20th step": f"correlated_gradients?outer_every=20&burn_in={BURN_IN // 20}",
    "smoothed, every step": "smoothed",
    "smoothed, one pair": "smoothed?num_pairs=1",
}
FIELDS = {
    "metric": "macro_f1", "data.label_noise": 0.4, "epochs": 24, "warm_epochs": 8, "batch_size": 48,
    "surrogate.num_pairs": PAIRS,
}  # fmt: skip


def macro_f1(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Mean F1 of the classes that are true or predicted somewhere."""
    size = int(max(targets.max(), predictions.max())) + 1
    hits = np.bincount(targets[targets == predictions], minlength=size)
    both = np.bincount(targets, minlength=size) + np.bincount(predictions, minlength=size)
    return float(np.mean(2 * hits[both > 0] / both[both > 0]))


def measured(seeds: int) -> Iterator[dict[str, Any]]:
    """A line for each run."""
    box = metrics.register(metrics.black_box(macro_f1, higher_is_better=True, decode="argmax"))
    try:
        for method, loss in LOSSES.items():
            program = None
            for seed in range(seeds):
                config = update(default_config(), **FIELDS | {"loss": loss, "seed": seed})
                data, program = prepare(config, program=program)
                outcome = train(config, data, program)
                shown = {field: outcome[field] for field in ("validation", "test", "metric_calls")}
                yield {"method": method, "loss": loss, "seed": seed} | shown
    finally:
        metrics.METRICS.pop(box.name)


def main() -> None:
    """Prints a line for each run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8, help="Runs of each method, at least 2.")
    parser.add_argument("--output", help="A JSON-lines file to write as well.")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error(f"--seeds must be at least 2, for an interval, got {options.seeds}")
    lines = []
    for line in measured(options.seeds):
        lines.append(json.dumps(line) + "\n")
        print(lines[-1], end="", flush=True)
        if options.output:
            with open(options.output, "w") as file:
                file.writelines(lines)


if __name__ == "__main__":
    main()
