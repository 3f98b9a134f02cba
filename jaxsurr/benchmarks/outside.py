"""Metrics and fixed losses called outside of compiled code, beside the same functions run operation by operation.

  JAX_ENABLE_COMPILATION_CACHE=false python -m jaxsurr.benchmarks.outside --output=outside.jsonl

Of each function: CPU seconds of a first call, with all caches of JAX emptied before, and seconds of later calls, as
`jaxsurr.core.whole` makes them and as JAX would run the function alone, in turn. Predictions and targets are 128 random
ones. Ratios of the medians are what counts. It takes a minute or two on two CPU cores.
"""

import argparse
import json
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxsurr import losses, metrics, spaces
from jaxsurr.core.types import Array, PyTree
from jaxsurr.spaces.sampling import sample

__all__ = ["KEY", "LOSSES", "METRICS", "ROWS", "SIZE", "main", "problems", "seconds_of"]

KEY, ROWS, SIZE = jax.random.key(0), 128, 10
METRICS = {
    "error_rate": spaces.class_logits,
    "f_beta": spaces.class_logits,
    "matthews_correlation": spaces.class_logits,
    "mean_absolute_error": spaces.level_logits,
    "ndcg": spaces.ranked_lists,
    "pck": spaces.keypoint_coordinates,
    "roc_auc": spaces.binary_scores,
}
LOSSES = {
    "cross_entropy": spaces.class_logits,
    "huber": spaces.real_numbers,
    "or_cnn": spaces.cumulative_logits,
    "pairwise_auc": spaces.binary_scores,
    "wing": spaces.keypoint_coordinates,
}


def problems() -> dict[str, tuple[Callable[..., Array], Callable[..., Array], Array, PyTree]]:
    """Functions as they are called, as they are alone, predictions and targets, by name."""
    found = {}
    for name, space in METRICS.items():
        metric = metrics.get(name)
        found[name] = metric, metric._values, *sample(space, KEY, ROWS, SIZE)
    for name, space in LOSSES.items():
        loss: Any = losses.get(name)
        found[name] = loss, loss.__wrapped__, *sample(space, KEY, ROWS, SIZE)
    return found


def seconds_of(clock: Callable[[], float], call: Callable[..., Array], *arguments: Any) -> float:
    """Seconds, by a clock, until a call's result is there."""
    begun = clock()
    jax.block_until_ready(call(*arguments))
    return clock() - begun


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes a line for each function."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", required=True, help="File for the raw lines.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds in which every function is called first once.")
    parser.add_argument("--calls", type=int, default=50, help="Later calls in each round.")
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_compilation_cache", False)
    with pathlib.Path(given.output).open("w") as file:
        for name, (whole, alone, *batch) in problems().items():
            seconds_of(time.perf_counter, whole, *batch)  # what is loaded once for each process is not counted
            first, later = ([], []), ([], [])
            for _ in range(given.rounds):
                for times, call in zip(first, (whole, alone), strict=True):
                    jax.clear_caches()
                    times.append(seconds_of(time.process_time, call, *batch))
                seconds_of(time.perf_counter, whole, *batch)
                for _ in range(given.calls):
                    for times, call in zip(later, (whole, alone), strict=True):
                        times.append(seconds_of(time.perf_counter, call, *batch))
            line: dict[str, Any] = {"function": name}
            for of, (own, theirs) in {"first": first, "later": later}.items():
                line |= {of: float(np.median(own)), f"{of}_alone": float(np.median(theirs))}
            file.write(json.dumps(line | {"jax": jax.__version__}) + "\n")


if __name__ == "__main__":
    main()
