"""Learns the ready losses of the library, and measures their fidelity.

  python -m jaxsurr.pretraining
  python -m jaxsurr.pretraining --ready=error_rate --folder=somewhere

Each is learned on random predictions (`jaxsurr.sample`), cycling through several numbers of classes, levels or points,
and measured on others, also with numbers that were not used for learning. A table of the measurements is printed; they
are in the card of each file too. It takes about half an hour on two CPU cores.
"""

import pathlib
from typing import Any

import jax
from absl import app, flags

from jaxsurr.metrics import get
from jaxsurr.pretraining.fitting import fit
from jaxsurr.pretraining.ready import PRETRAINED, file_name
from jaxsurr.report import summary_table
from jaxsurr.saving import save
from jaxsurr.smoothing.goal import Estimation
from jaxsurr.spaces import class_logits, keypoint_coordinates, level_logits

# Learned with these numbers of classes, levels or points, and measured with those.
SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    class_logits.name: ((3, 10, 30, 100), (2, 10, 100, 1000)),
    level_logits.name: ((3, 5, 10, 20), (3, 8, 20, 100)),
    keypoint_coordinates.name: ((6, 14), (1, 14, 68)),
}
SPECIAL = {"top_k_error?k=5": ((10, 30, 100), (10, 100, 1000))}  # with k classes there are no errors
STEPS = flags.DEFINE_integer("steps", 2000, "Updates of each surrogate.", lower_bound=1)
PAIRS = flags.DEFINE_integer("pairs", 4096, "Antithetic pairs of the reference.", lower_bound=2)
ONLY = flags.DEFINE_list("ready", list(PRETRAINED), "Which to learn.")
FOLDER = flags.DEFINE_string("folder", str(pathlib.Path(__file__).parent), "Where files go.")


def pretrain(name: str, folder: pathlib.Path, *, steps: int, pairs: int) -> list[dict[str, Any]]:
    """Learns a ready loss, writes its file, and returns a row for each number of classes, levels or points."""
    metric = get(name)
    learned, measured = SPECIAL.get(name, SIZES[metric.space.name])
    # A longer memory than beside a model, whose predictions move: the calibration of the last updates counts for good.
    memory = Estimation(decay=0.995)
    surrogate, state, card = fit(
        metric,
        key=jax.random.key(0),
        steps=steps,
        sizes=learned,
        measured_sizes=measured,
        pairs=pairs,
        estimation=memory,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / file_name(name), surrogate, state, card=card)
    return [
        {
            "loss": name,
            "classes, levels or points": found["size"],
            "gradient correlation": found["gradient"],
            "ceiling": found["ceiling"],
            "value correlation": found["value"],
        }
        for found in card["fidelity"]
    ]


def main(argv: list[str]) -> None:
    """Learns the ready losses, and prints the table."""
    rows = []
    for name in ONLY.value or ():
        rows += pretrain(name, pathlib.Path(FOLDER.value), steps=STEPS.value, pairs=PAIRS.value)
        print(summary_table(rows), flush=True)


if __name__ == "__main__":
    app.run(main)
