"""Cost of a training step on a learned loss, over a cross-entropy step of the same model and batch.

  python -m jaxsurr.benchmarks.cost --model=mlp
  python -m jaxsurr.benchmarks.cost --model=resnet20_group_norm

Steps are timed alternately, in many rounds of one process, and the median of the ratios is printed, since absolute
times are not reliable on a shared machine. `frozen` trains on a learned surrogate, `bilevel` also updates it once a
step with 16 antithetic pairs. Memory is the temporary memory that XLA plans for the estimate of the gradient.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import app, flags, logging

from jaxsurr import bilevel, losses, metrics, models, surrogates
from jaxsurr.core.types import Batch
from jaxsurr.report import summary_table
from jaxsurr.smoothing.smoothed_metric import smoothed_metric

SHAPES = {"mlp": (128, (64,)), "resnet20": (128, (32, 32, 3)), "resnet20_group_norm": (128, (32, 32, 3))}
MODEL = flags.DEFINE_enum("model", "mlp", list(SHAPES), "64-128-10 MLP, or ResNet-20 on 32x32 images; batch 128.")
ROUNDS = flags.DEFINE_integer("rounds", 15, "Rounds in which every step is timed once.", lower_bound=3)
SECONDS = flags.DEFINE_float("seconds", 0.2, "How long a step is repeated in each round.", lower_bound=0.0)


def steps(name: str) -> dict[str, tuple]:
    """The steps to compare: `{name: (compiled step, state, batches)}`."""
    size, shape = SHAPES[name]
    model = models.build(name, outputs=10, hidden=(128,))
    key = jax.random.key(0)
    batch = Batch(jax.random.normal(key, (size, *shape)), jnp.arange(size) % 10)
    params = model.init(key, batch.inputs)
    optimizer = optax.adam(1e-3)
    error = metrics.error_rate

    def entry(surrogate, *more, **options):
        step = bilevel.make_step(model.apply, optimizer, surrogate, train_apply=model.train, **options)
        state = bilevel.init_state(key, params, optimizer, surrogate, model.apply, batch)
        return jax.jit(step), state, (batch, *more)

    decisions = surrogates.correlated_gradients(error)
    network = surrogates.correlated_gradients(error, family="network")
    path = optax.linear_schedule(0.0, 0.7, 1000)
    basis = surrogates.correlated_gradients(error, family="basis")
    held = surrogates.correlated_gradients(error, family="basis", objective="parameters")
    return {
        "cross-entropy": entry(surrogates.conventional(losses.cross_entropy), learn=False),
        "decisions, frozen": entry(decisions, learn=False, power=path),
        "decisions, bilevel": entry(decisions, power=path),
        "network, frozen": entry(network, learn=False),
        "network, bilevel": entry(network),
        "basis, frozen": entry(basis, learn=False),
        "basis, bilevel": entry(basis),
        "basis, bilevel, in parameters": entry(held, batch, in_parameters=True, part=bilevel.last_layer()),
        "smoothed metric, no network": entry(surrogates.smoothed(error)),
    }


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


def main(argv: list[str]) -> None:
    """Prints the table of ratios and the memory of the estimator."""
    logging.set_verbosity(logging.WARNING)
    print(f"{MODEL.value}, batch {SHAPES[MODEL.value][0]}, {jax.devices()[0].device_kind}, jax {jax.__version__}")
    measured = ratios(steps(MODEL.value), ROUNDS.value, SECONDS.value)
    rows = [
        {
            "step": name,
            "over cross-entropy": float(np.median(values)),
            "lower quartile": float(np.quantile(values, 0.25)),
            "upper quartile": float(np.quantile(values, 0.75)),
        }
        for name, values in measured.items()
    ]
    print(summary_table(rows))
    memory = {pairs: estimator_memory(pairs) for pairs in (16, 64, 1024, 4096)}
    print("estimator, KiB by pairs:", ", ".join(f"{pairs}: {size / 1024:.0f}" for pairs, size in memory.items()))


if __name__ == "__main__":
    app.run(main)
