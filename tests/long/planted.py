"""Calibration of the comparison: equal losses must tie, and a better loss must win.

  python -m tests.long.planted --comparisons=200 --output=planted.jsonl

Each comparison is of five seeds on 300 digits with a linear model, trained for 3 epochs, by the code that
`jaxsurr.compare` runs (`prepare`, `train_runs`, `statistics.rows`):

- `same formula`: expected error against generalised cross-entropy with q = 1, which is the same function, with paired
  seeds. Every comparison must tie.
- `same law`: cross-entropy against cross-entropy with five other seeds, so that they differ by chance only. 5 % of the
  95 % intervals should exclude zero.
- `known advantage`: cross-entropy against label smoothing of 0.98, which removes almost all information of the labels,
  with paired seeds. Every comparison should be a win.

A line of JSON is printed for each check: the number of comparisons won, tied and lost, and the two-sided p-value of the
binomial test of the false wins against 5 %.
"""

import json
from collections import Counter
from typing import Any

from absl import app, flags, logging

from jaxsurr.comparison import statistics
from jaxsurr.training import default_config, side_by_side, update
from jaxsurr.training.loop import load_data, prepare, train_runs
from jaxsurr.training.methods import resolve

COMPARISONS = flags.DEFINE_integer("comparisons", 200, "Comparisons of each check.", lower_bound=2)
OUTPUT = flags.DEFINE_string("output", None, "A JSON-lines file to write as well.")
SEEDS = 5
CHECKS = {
    "same formula": ("expected_error", "generalised_cross_entropy?q=1", 0),
    "same law": ("cross_entropy", "cross_entropy", 1_000_000),
    "known advantage": ("label_smoothing?smoothing=0.98", "cross_entropy", 0),
}


def config_of(loss: str, seed: int) -> Any:
    """Config of the small run of a loss and a seed."""
    data = {"data.limit": 300, "data.label_noise": 0.0}
    return update(default_config(), loss=loss, seed=seed, epochs=3, warm_epochs=0, batch_size=32, **data)


def values(loss: str, seeds: range) -> dict[int, float]:
    """Test error by index of the seed."""
    program, found = None, []
    for first in range(0, len(seeds), side_by_side.MOST):
        configs = [config_of(loss, seed) for seed in seeds[first : first + side_by_side.MOST]]
        datas = [load_data(config) for config in configs]
        _, program = prepare(configs[0], data=datas[0], program=program)
        for outcome in train_runs([resolve(config) for config in configs], datas, program):
            if isinstance(outcome, FloatingPointError):
                raise outcome
            found.append(outcome["test"])
    return dict(enumerate(found))


def check(first: str, second: str, shift: int, comparisons: int) -> Counter:
    """Verdicts on the second loss against the first, over comparisons of five seeds each."""
    reference = values(first, range(SEEDS * comparisons))
    other = values(second, range(shift, shift + SEEDS * comparisons))
    verdicts = Counter()
    for number in range(comparisons):
        places = range(SEEDS * number, SEEDS * (number + 1))
        test = {name: {place: found[place] for place in places} for name, found in (("a", reference), ("b", other))}
        rows = statistics.rows(test, test, higher_is_better=False, reference="a")
        verdicts[next(row["verdict"] for row in rows if row["loss"] == "b")] += 1
    return verdicts


def main(argv: list[str]) -> None:
    """Prints a line for each check."""
    from scipy import stats

    logging.set_verbosity(logging.WARNING)
    lines = []
    for name, (first, second, shift) in CHECKS.items():
        verdicts = check(first, second, shift, COMPARISONS.value)
        wrong = COMPARISONS.value - verdicts["tie"]
        lines.append(
            {
                "check": name,
                "losses": [first, second],
                "comparisons": COMPARISONS.value,
                **{verdict: verdicts[verdict] for verdict in ("better", "tie", "worse")},
                "p of 5 % false": round(float(stats.binomtest(wrong, COMPARISONS.value, 0.05).pvalue), 4),
            }
        )
        print(json.dumps(lines[-1]), flush=True)
    if OUTPUT.value:
        with open(OUTPUT.value, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    app.run(main)
