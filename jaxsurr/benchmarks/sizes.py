"""How time and memory of an update grow with classes, examples of a set, points and pairs.

  python -m jaxsurr.benchmarks.sizes --output=sizes.jsonl --figure=sizes.png
  python -m jaxsurr.benchmarks.sizes --output=sizes.jsonl --figure=sizes.png --draw  # what is there

Updates of all sizes of an axis, and beside them the gradient of cross-entropy by classes, are timed alternately, in
rounds of one process, and their time is given over that of the smallest. Time is that of the process on all cores,
since other work on the machine slows what runs on several of them most. Memory is the temporary memory that XLA plans
for an update, in bytes, the same on every machine of a kind. The file gets a line of JSON for each size, and the figure
a curve for each axis. It takes some minutes on two CPU cores.
"""

import argparse
import json
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import metrics, report, surrogates
from jaxsurr.benchmarks import programs

__all__ = ["AXES", "CLASSES", "EXAMPLES", "PAIRS", "POINTS", "Axis", "main", "measured", "update_of"]

CLASSES = (10, 100, 1_000, 10_000)
EXAMPLES = (128, 1_024, 8_192, 65_536)
POINTS = (14, 68, 272, 1_088)
PAIRS = (4, 16, 64, 256)


class Axis(NamedTuple):
    """What is made larger: its name, the metric's, the sizes, and `size -> (metric, predictions, targets)`.

    Without a metric the gradient of cross-entropy is measured, for that many classes.
    """

    name: str
    metric: str
    sizes: tuple[int, ...]
    problem: Callable[[int], tuple[metrics.Metric, Any, Any]] | None
    num_pairs: Callable[[int], int] = lambda size: 16


AXES = (
    Axis("classes", "gradient of cross-entropy, 128 examples", CLASSES, None),
    Axis("classes", "error rate, 128 examples", CLASSES, lambda n: programs.class_problem(metrics.error_rate, n)),
    Axis(
        "levels",
        "mean absolute error, 128 examples",
        (8, 64, 512),
        lambda n: programs.class_problem(programs.LEVELS, n),
    ),
    Axis(
        "classes",
        "macro F1, 512 examples",
        CLASSES[:-1],
        lambda n: programs.class_problem(metrics.f_beta.bind(average="macro"), n, 512),
    ),
    Axis("examples", "F1, two logits", EXAMPLES, lambda n: programs.class_problem(metrics.f_beta, 2, n)),
    Axis("examples", "error rate, 10 classes", EXAMPLES, lambda n: programs.class_problem(metrics.error_rate, 10, n)),
    Axis("points", "PCK, 128 examples", POINTS, programs.point_problem),
    Axis("pairs", "error rate, 10 classes", PAIRS, lambda n: programs.class_problem(metrics.error_rate, 10), int),
)


def update_of(axis: Axis, size: int) -> tuple[Callable, tuple, int]:
    """A compiled update, its arguments, and its temporary memory in bytes."""
    if axis.problem is None:
        function, shapes = programs.cross_entropy_gradient(size)
        arguments = jax.tree.map(lambda leaf: _filled(leaf, size), shapes)
    else:
        metric, *shapes = axis.problem(size)
        predictions, targets = jax.tree.map(lambda leaf: _filled(leaf, size), shapes)
        surrogate = surrogates.correlated_gradients(metric, num_pairs=axis.num_pairs(size))
        state = surrogate.init(jax.random.key(0), predictions, targets)
        function, arguments = surrogate.update, (state, jax.random.key(1), predictions, targets)
    compiled = jax.jit(function).lower(*arguments).compile()
    planned: Any = compiled.memory_analysis()  # None only where a platform does not report it
    return compiled, arguments, planned.temp_size_in_bytes


def _filled(leaf: jax.ShapeDtypeStruct, seed: int) -> jax.Array:
    """Normal numbers, of which those that must be positive are so, or labels 0 and 1."""
    if jnp.issubdtype(leaf.dtype, jnp.integer):
        return jnp.arange(leaf.size, dtype=leaf.dtype).reshape(leaf.shape) % 2
    normal = jax.random.normal(jax.random.key(seed), leaf.shape, leaf.dtype)
    return normal if leaf.ndim != 1 else jnp.abs(normal) + 1


def measured(axis: Axis, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """A line for each size of an axis."""
    updates = {size: update_of(axis, size) for size in axis.sizes}
    times: dict[int, list[float]] = {size: [] for size in updates}
    counts = {}
    for size, (update, arguments, _) in updates.items():
        jax.block_until_ready(update(*arguments))
        begun = time.process_time()
        jax.block_until_ready(update(*arguments))
        counts[size] = max(1, int(seconds / (time.process_time() - begun)))
    for _ in range(rounds):
        for size, (update, arguments, _) in updates.items():
            begun = time.process_time()
            for _ in range(counts[size]):
                jax.block_until_ready(update(*arguments))
            times[size].append((time.process_time() - begun) / counts[size])
    smallest = np.array(times[axis.sizes[0]])
    return [
        {
            "axis": axis.name,
            "metric": axis.metric,
            "size": size,
            "bytes": updates[size][-1],
            "time": round(float(np.median(np.array(times[size]) / smallest)), 2),
        }
        for size in axis.sizes
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes a line for each size, and draws them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", required=True, help="File for the raw lines.")
    parser.add_argument("--figure", help="PNG file for their curves.")
    parser.add_argument("--draw", action="store_true", help="Only draws the lines of the file.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds in which every update is timed once.")
    parser.add_argument("--seconds", type=float, default=0.1, help="How long an update is repeated in each round.")
    given = parser.parse_args(arguments)
    path, found = pathlib.Path(given.output), {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
    if not given.draw:
        with path.open("w") as file:
            for axis in AXES:
                for line in measured(axis, given.rounds, given.seconds):
                    file.write(json.dumps(line | found) + "\n")
                file.flush()
    if given.figure:
        report.save(report.growth_curves([json.loads(line) for line in path.read_text().splitlines()]), given.figure)


if __name__ == "__main__":
    main()
