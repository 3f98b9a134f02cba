"""The trade-off between two metrics of one learned surrogate, by weights that are changed after learning.

  python -m jaxsurr.benchmarks.trade_off --seeds=20 --output=trade_off.jsonl --figure=trade_off.png

A linear model predicts which patients of scikit-learn's diabetes data have a disease that progressed more than the
median. Misses and false alarms are stacked into one metric; one surrogate of both is learned on the predictions of the
model after cross-entropy, and then frozen. The model then continues training on it with 11 weights between the two, in
the states of one compiled step under `jax.vmap`, without learning or compiling again for a weight. The baseline is the
model trained on cross-entropy for the same time, with its threshold moved.

A line of JSON is printed for each weight and each threshold, with means over seeds of the fractions of misses and false
alarms on test rows; the objective of a weight is the weighted sum of both. The thresholds of cross-entropy have the
lowest cost on the training rows at the same weights; for two classes and a linear model they are better, and no
surrogate is needed. It takes about half a minute on two CPU cores.
"""

import argparse
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr import bilevel, losses, metrics, report, surrogates
from jaxsurr.core.types import Array, Batch
from jaxsurr.spaces import generic

__all__ = [
    "LEARN_STEPS", "METHODS", "STEPS", "WARM_STEPS", "WEIGHTS", "apply", "curves", "descend", "false_alarms", "main",
    "misses", "patients",
]  # fmt: skip

WEIGHTS = np.linspace(0.1, 0.9, 11)
METHODS = ("one surrogate, weights", "cross-entropy, thresholds")
WARM_STEPS, LEARN_STEPS, STEPS = 200, 200, 400
# The metrics below treat the classes differently, but features of the space of class logits are symmetric in the
# classes: hence the generic space.


@metrics.metric(higher_is_better=False, space=generic)
def misses(predictions: Array, targets: Array) -> Array:
    """Fraction of examples that are of class 1 and not found; lower is better."""
    return ((targets == 1) & (predictions[:, 1] <= predictions[:, 0])).astype(predictions.dtype)


@metrics.metric(higher_is_better=False, space=generic)
def false_alarms(predictions: Array, targets: Array) -> Array:
    """Fraction of examples that are of class 0 and predicted as class 1; lower is better."""
    return ((targets == 0) & (predictions[:, 1] > predictions[:, 0])).astype(predictions.dtype)


def apply(params: Any, inputs: Array) -> Array:
    """A linear model of two classes."""
    return inputs @ params["weights"] + params["offset"][None]


def patients(seed: int) -> tuple[Batch, Batch]:
    """Training and test rows, split by the seed."""
    from sklearn.datasets import load_diabetes

    loaded: Any = load_diabetes(return_X_y=True)
    inputs, progression = loaded
    order = np.random.default_rng(seed).permutation(len(inputs))
    labels = (progression > np.median(progression)).astype(np.int32)
    inputs = (inputs / inputs.std(axis=0)).astype(np.float32)
    train, test = (Batch(jnp.asarray(inputs[rows]), jnp.asarray(labels[rows])) for rows in np.split(order, [260]))
    return train, test


def descend(step: Any, state: bilevel.TrainState, batch: Batch, steps: int) -> bilevel.TrainState:
    """Several steps on one batch, in one program (the model has no convolution)."""
    return jax.lax.fori_loop(0, steps, lambda _, carry: step(carry, batch)[0], state)


def curves(train: Batch, test: Batch) -> tuple[Array, Array]:
    """Misses and false alarms on the test rows, `[11, 2]`: by weights of the surrogate, by thresholds."""
    both = metrics.stack(misses, false_alarms)
    optimizer, key = optax.adam(0.01), jax.random.key(0)
    conventional, surrogate = surrogates.conventional(losses.cross_entropy), surrogates.correlated_gradients(both)
    params = {"weights": jnp.zeros((train.inputs.shape[1], 2)), "offset": jnp.zeros(2)}
    warm = bilevel.make_step(apply, optimizer, conventional, learn=False)
    start = bilevel.init_state(key, params, optimizer, conventional, apply, train)
    start = descend(warm, start, train, WARM_STEPS)
    on_entropy = descend(warm, start, train, STEPS)

    weights = jnp.stack([jnp.asarray(WEIGHTS), 1 - jnp.asarray(WEIGHTS)], axis=1).astype(jnp.float32)
    state = bilevel.init_state(key, start.params, optimizer, surrogate, apply, train, metric_weights=weights[0])
    state = descend(bilevel.make_step(apply, optimizer, surrogate, train=False), state, train, LEARN_STEPS)
    frozen = bilevel.make_step(apply, optimizer, surrogate, learn=False)

    def with_weights(one):
        end = descend(frozen, state._replace(metric_weights=one), train, STEPS)
        return both.mean(apply(end.params, test.inputs), test.targets)

    def with_threshold(one):
        def cost(threshold, batch):
            return both.mean(apply(on_entropy.params, batch.inputs) + jnp.stack([threshold, 0.0])[None], batch.targets)

        grid = jnp.linspace(-4, 4, 161)
        best = jnp.argmin(jax.vmap(lambda threshold: cost(threshold, train) @ one)(grid))
        return cost(grid[best], test)

    return jax.vmap(with_weights)(weights), jax.vmap(with_threshold)(weights)


def main() -> None:
    """Prints a line for each weight and method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="Splits of the data, at least 2.")
    parser.add_argument("--output", help="A JSON-lines file to write as well.")
    parser.add_argument("--figure", help="A PNG to draw.")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error(f"--seeds must be at least 2, for a standard deviation, got {options.seeds}")
    run = jax.jit(curves)
    found = [run(*patients(seed)) for seed in range(options.seeds)]
    lines, drawn = [], {}
    for method, each in zip(METHODS, zip(*found, strict=True), strict=True):
        points = np.stack(each)  # [seeds, weights, 2]
        drawn[method] = points.mean(axis=0)
        asked = np.einsum("swm,wm->sw", points, np.stack([WEIGHTS, 1 - WEIGHTS], axis=1))
        for weight, point, cost in zip(WEIGHTS, drawn[method], asked.T, strict=True):
            lines.append(
                {
                    "method": method,
                    "weight of misses": round(float(weight), 3),
                    "misses": round(float(point[0]), 4),
                    "false alarms": round(float(point[1]), 4),
                    "weighted": round(float(cost.mean()), 4),
                    "weighted std": round(float(cost.std(ddof=1)), 4),
                    "seeds": len(cost),
                }
            )
            print(json.dumps(lines[-1]), flush=True)
    if options.output:
        with open(options.output, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    if options.figure:
        names = ("share of misses", "share of false alarms")
        labels = [f"{weight:.2f}" for weight in WEIGHTS]
        figure = report.trade_off_curve(drawn, metrics=names, higher_is_better=False, labels=labels)
        report.save(figure, options.figure)


if __name__ == "__main__":
    main()
