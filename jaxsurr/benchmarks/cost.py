"""Cost of a training step on a learned loss, over a step on a fixed loss of the same model and batch.

  python -m jaxsurr.benchmarks.cost --model=mlp --output=cost.jsonl
  python -m jaxsurr.benchmarks.cost --model=mlp --task=levels_100 --output=cost.jsonl
  python -m jaxsurr.benchmarks.cost --model=resnet20_group_norm --output=cost.jsonl

Steps are timed alternately, in many rounds of one process, and the median of the ratios is printed, since absolute
times are not reliable on a shared machine. `frozen` trains on a learned surrogate, `bilevel` also updates it once a
step with 16 antithetic pairs. The fixed loss is cross-entropy, binary for one logit, and the L1 loss of points. A line
of JSON for each step is added to the file of `--output`. Memory is the temporary memory that XLA plans for the estimate
of the gradient.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr import bilevel, losses, metrics, models, spaces, surrogates
from jaxsurr.core.types import Batch, Keypoints
from jaxsurr.report import summary_table
from jaxsurr.smoothing.smoothed_metric import smoothed_metric

__all__ = ["FAMILIES", "OF_SETS", "POINTS", "SHAPES", "TASKS", "estimator_memory", "main", "ratios", "steps"]

FAMILIES = ("decisions", "network", "basis", "kernel")
OF_SETS = ("counts", "network")
POINTS = metrics.pck.bind(threshold=0.5)
TASKS: dict[str, tuple[metrics.Metric, int]] = {
    "classes_10": (metrics.error_rate, 10),
    "classes_1000": (metrics.error_rate, 1000),
    "levels_8": (metrics.mean_absolute_error, 8),
    "levels_100": (metrics.mean_absolute_error, 100),
    "points_14": (POINTS, 14),
    "points_68": (POINTS, 68),
    "f1": (metrics.f_beta, 2),
    "auc": (metrics.roc_auc.bind(space=spaces.binary_scores), 1),
}
"""A metric, and the number of logits or points."""
SHAPES = {"mlp": (128, (64,)), "resnet20": (128, (32, 32, 3)), "resnet20_group_norm": (128, (32, 32, 3))}


def steps(name: str, task: str) -> dict[str, tuple]:
    """The steps to compare: `{name: (compiled step, state, batches)}`, the first on a fixed loss."""
    (size, shape), (metric, outputs) = SHAPES[name], TASKS[task]
    of_points = metric is POINTS
    model = models.build(name, outputs=2 * outputs if of_points else outputs, hidden=(128,))
    key = jax.random.key(0)
    targets: Any = jnp.arange(size) % max(2, outputs)
    if of_points:
        targets = Keypoints(jnp.zeros((size, outputs, 2)), jnp.ones((size, outputs)), jnp.ones((size,)))
    batch = Batch(jax.random.normal(key, (size, *shape)), targets)
    params, in_training = model.init(key, batch.inputs), model.train or (lambda *given: (model.apply(*given), {}))
    optimizer = optax.adam(1e-3)

    def shaped(predictions):
        return predictions.reshape(size, outputs, 2) if of_points else predictions

    def apply(params, inputs):
        return shaped(model.apply(params, inputs))

    def train(params, inputs):
        predictions, statistics = in_training(params, inputs)
        return shaped(predictions), statistics

    def entry(surrogate, *more, **options):
        step = bilevel.make_step(apply, optimizer, surrogate, train_apply=train, **options)
        state = bilevel.init_state(key, params, optimizer, surrogate, apply, batch)
        return jax.jit(step), state, (batch, *more)

    usual = losses.l1 if of_points else losses.cross_entropy if outputs > 1 else losses.binary_cross_entropy
    fixed = surrogates.conventional(usual)
    compared = {"fixed loss": entry(fixed, learn=False)}
    path = optax.linear_schedule(0.0, 0.7, 1000)
    for family in FAMILIES if metric.per_example else OF_SETS:
        surrogate = surrogates.correlated_gradients(metric, family=family)
        options = {"power": path} if family == "decisions" and metric.bounded else {}
        compared[f"{family}, frozen"] = entry(surrogate, learn=False, **options)
        compared[f"{family}, bilevel"] = entry(surrogate, **options)
    if metric.per_example:
        held = surrogates.correlated_gradients(metric, family="basis", objective="parameters")
        options = {"in_parameters": True, "part": bilevel.last_layer()}
        compared["basis, bilevel, in parameters"] = entry(held, batch, **options)
    compared["smoothed metric, no network"] = entry(surrogates.smoothed(metric))
    return compared


def ratios(compared: dict[str, tuple], rounds: int, seconds: float) -> dict[str, np.ndarray]:
    """Ratios of the times of each step to those of the first, one for each round."""
    times = {name: [] for name in compared}
    counts = {}
    for name, (step, state, args) in compared.items():
        jax.block_until_ready(step(state, *args))
        begun = time.perf_counter()
        jax.block_until_ready(step(state, *args))
        counts[name] = max(1, int(seconds / (time.perf_counter() - begun)))
    for _ in range(rounds):
        for name, (step, state, args) in compared.items():
            begun = time.perf_counter()
            for _ in range(counts[name]):
                state, _ = step(state, *args)
            jax.block_until_ready(state)
            times[name].append((time.perf_counter() - begun) / counts[name])
    first = np.array(next(iter(times.values())))
    return {name: np.array(values) / first for name, values in times.items()}


def estimator_memory(pairs: int) -> int:
    """Bytes of temporary memory that XLA plans for the gradient of the error rate at 128 x 10 logits."""

    def estimate(key, logits, labels):
        return smoothed_metric(metrics.error_rate, logits, labels, key=key, scale=1.0, num_pairs=pairs)

    compiled = jax.jit(estimate).lower(jax.random.key(0), jnp.zeros((128, 10)), jnp.zeros(128, jnp.int32)).compile()
    planned: Any = compiled.memory_analysis()  # None only where a platform does not report it
    return planned.temp_size_in_bytes


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table of ratios and the memory of the estimator."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=SHAPES, default="mlp", help="64-128-K, or ResNet-20 on 32 x 32 images.")
    parser.add_argument("--task", choices=TASKS, default="classes_10", help="Metric, and the shape of predictions.")
    parser.add_argument("--output", help="File to which the raw lines are added.")
    parser.add_argument("--rounds", type=int, default=15, help="Rounds in which every step is timed once.")
    parser.add_argument("--seconds", type=float, default=0.2, help="How long a step is repeated in each round.")
    given = parser.parse_args(arguments)
    where = {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
    print(f"{given.model}, {given.task}, batch {SHAPES[given.model][0]}, {where['device']}, jax {where['jax']}")
    measured = ratios(steps(given.model, given.task), given.rounds, given.seconds)
    if given.output:
        with open(given.output, "a") as file:
            for name, values in measured.items():
                line = {"model": given.model, "task": given.task, "step": name, "ratios": np.round(values, 3).tolist()}
                file.write(json.dumps(line | where) + "\n")
    rows = [
        {
            "step": name,
            "over the fixed loss": float(np.median(values)),
            "lower quartile": float(np.quantile(values, 0.25)),
            "upper quartile": float(np.quantile(values, 0.75)),
        }
        for name, values in measured.items()
    ]
    print(summary_table(rows))
    memory = {pairs: estimator_memory(pairs) for pairs in (16, 64, 1024, 4096)}
    print("estimator, KiB by pairs:", ", ".join(f"{pairs}: {size / 1024:.0f}" for pairs, size in memory.items()))


if __name__ == "__main__":
    main()
