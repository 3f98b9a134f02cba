"""Learned baselines on cases similar to those on which their authors report success: a check of the implementations.

  python -m jaxsurr.benchmarks.peers --seeds=5 --output=peers.jsonl

- `from random weights`. UniLoss (arXiv 2007.13870): classifiers trained on it alone, without a warm start, are as good
  as with cross-entropy. Here: digits of scikit-learn, an MLP of 64 units. Value fit and this library's learned loss are
  run too, at their default scale and at 1.
- `frozen`. ReLoss (arXiv 2202.13197): learned on the predictions of a run on cross-entropy, epoch after epoch, then
  frozen; a new model trained on it alone is at least as good as one on cross-entropy. Here: the same digits and MLP,
  and the predictions of the first ten epochs, or of all sixty, at the end of which they are saturated.
- `strings`. LS-ED (arXiv 2007.00799): a text recogniser improves when it is trained further on the learned edit
  distance. Here: rows of two to six such digits with gaps between them, an MLP with a token for each of seven steps.
  Cross-entropy and the learned loss of this library continue from the same model for the same time, and all are
  compared with that model.

Data, models and sizes are this library's, for two CPU cores. Each loss has three learning rates; the rate and the epoch
are chosen on validation only. A line of JSON is printed for each loss and seed, and a table of paired differences for
each case. It takes about 15 minutes on one CPU core.
"""

import argparse
import functools
import itertools
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr import bilevel, losses, metrics, models, report, surrogates
from jaxsurr.comparison import statistics
from jaxsurr.core.types import Array, Batch, PyTree, Sequences, Surrogate
from jaxsurr.pretraining import fitting

__all__ = [
    "BATCH_SIZE", "BEFORE", "BURN_IN", "CASES", "END", "EPOCHS", "RATES", "REFERENCE", "STEPS", "Data", "Fit",
    "batch_of", "best_rate", "fit", "from_random_weights", "frozen", "main", "pools", "read_strings", "read_text",
    "single_digits", "strings", "token_entropy",
]  # fmt: skip

RATES = (1e-3, 3e-3, 1e-2)
EPOCHS, BATCH_SIZE, BURN_IN = 60, 64, 500
STEPS, END = 7, 10  # of a string, and the token that ends it
REFERENCE, BEFORE = "cross_entropy", "before"


class Data(NamedTuple):
    """Training, validation and test rows."""

    train: Batch
    validation: Batch
    test: Batch


class Fit(NamedTuple):
    """The metric at the epoch that is best on validation, its parameters, and training predictions of every epoch."""

    validation: Array
    test: Array
    params: PyTree
    predictions: Array


def fit(
    key: Array,
    rate: Array,
    params: PyTree,
    data: Data,
    learned: PyTree = None,
    *,
    metric: metrics.Metric,
    apply: Callable[..., Array],
    surrogate: Surrogate,
    epochs: int = EPOCHS,
    learn: bool = True,
) -> Fit:
    """Trains by Adam with a cosine schedule.

    Args:
      key, rate, params, data: of the run.
      learned: a state of the surrogate; None: a new one, which has `BURN_IN` updates first where `learn`.
      metric: lower is better.
      apply: the model.
      surrogate: the loss.
      epochs: to train for.
      learn: whether the surrogate is updated.
    """
    start_key, burn_key, order_key = jax.random.split(key, 3)
    batches = len(data.train.inputs) // BATCH_SIZE
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, epochs * batches))
    step, burn = (bilevel.make_step(apply, optimizer, surrogate, learn=learn, train=train) for train in (True, False))

    def run(step, state, key, number):
        rows = jax.random.permutation(key, jnp.arange(number * BATCH_SIZE) % len(data.train.inputs))

        def body(state, rows):
            return step(state, jax.tree.map(lambda leaf: leaf[rows], data.train))[0], None

        return jax.lax.scan(body, state, rows.reshape(number, BATCH_SIZE))[0]

    def value(params, batch):
        return metric.mean(apply(params, batch.inputs), batch.targets)

    def epoch(carry, key):
        state, best = carry
        state = run(step, state, key, batches)
        now = (value(state.params, data.validation), state.params)
        best = jax.tree.map(functools.partial(jnp.where, now[0] < best[0]), now, best)
        return (state, best), apply(state.params, data.train.inputs)

    state = bilevel.init_state(start_key, params, optimizer, surrogate, apply, data.train)
    if learned is not None:
        state = state._replace(surrogate=learned)
    elif learn:
        state = run(burn, state, burn_key, BURN_IN)._replace(step=state.step)  # training begins at step 0
    start = (state, (value(params, data.validation), params))
    (_, (validation, chosen)), predictions = jax.lax.scan(epoch, start, jax.random.split(order_key, epochs))
    return Fit(validation, value(chosen, data.test), chosen, predictions)


def best_rate(key: Array, params: PyTree, data: Data, learned: PyTree = None, **options: Any) -> Fit:
    """The run with the learning rate that is best on validation."""
    run = jax.jit(functools.partial(fit, **options))
    fits = [run(key, jnp.float32(rate), params, data, learned) for rate in RATES]
    return min(fits, key=lambda fit: float(fit.validation))


def batch_of(inputs: np.ndarray, targets: Any) -> Batch:
    """Rows on the device."""
    return Batch(*jax.tree.map(jnp.asarray, (inputs, targets)))


def pools(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images `[N, 8, 8]` and labels of digits, in three splits by the seed."""
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images, labels = (digits.images / 8 - 1).astype(np.float32), digits.target.astype(np.int32)
    return [(images[rows], labels[rows]) for rows in np.split(order, [1077, 1437])]


def single_digits(seed: int) -> Data:
    """Data of single digits."""
    return Data(*(batch_of(images.reshape(-1, 64), labels) for images, labels in pools(seed)))


def strings(seed: int, sizes: tuple[int, int, int] = (8000, 1000, 1000)) -> Data:
    """Rows of two to six digits with up to two empty columns before each, on a canvas of 8 x 64."""
    random = np.random.default_rng([seed, 1])

    def draw(images, labels, size):
        canvas, tokens = np.full((size, 8, 64), -1, np.float32), np.full((size, STEPS), END, np.int32)
        lengths = random.integers(2, STEPS, size).astype(np.int32)
        for row, length in enumerate(lengths):
            at = 0
            for place, which in enumerate(random.integers(len(labels), size=length)):
                at += random.integers(3)
                canvas[row, :, at : at + 8], tokens[row, place] = images[which], labels[which]
                at += 8
        return batch_of(canvas.reshape(size, -1), Sequences(tokens, lengths))

    return Data(*(draw(*pool, size) for pool, size in zip(pools(seed), sizes, strict=True)))


def token_entropy(logits: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Mean cross-entropy of the tokens of all steps; steps after the end have the end token."""
    del where  # the rows here are whole
    each = losses.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.tokens.reshape(-1))
    return jnp.mean(each.reshape(targets.tokens.shape), axis=1)


def read_strings(logits: Array, targets: Sequences) -> tuple[Array, Array]:
    """Inputs of LS-ED's embedding: probabilities of the tokens of all steps, and the true ones."""
    true = jax.nn.one_hot(targets.tokens, logits.shape[-1], dtype=logits.dtype)
    return jax.nn.softmax(logits).reshape(len(logits), -1), true.reshape(len(logits), -1)


def _starts(seed: int) -> list[Array]:
    return list(jax.random.split(jax.random.key(seed), 4))


def from_random_weights(seed: int) -> dict[str, Fit]:
    """Classifiers trained on one loss from the first step."""
    data, (init_key, key, *_) = single_digits(seed), _starts(seed)
    metric, model = metrics.error_rate, models.build("mlp", outputs=10, hidden=(64,))
    options = dict(metric=metric, apply=model.apply)
    params = model.init(init_key, data.train.inputs[:1])
    found = {
        REFERENCE: surrogates.conventional(losses.cross_entropy),
        "interpolation": surrogates.interpolation(metric),
    }
    for method, scale in itertools.product((surrogates.value_fit, surrogates.correlated_gradients), (0.15, 1.0)):
        found[f"{method.__name__}?relative_scale={scale:g}"] = method(metric, relative_scale=scale)
    return {
        name: best_rate(key, params, data, surrogate=surrogate, learn=name != REFERENCE, **options)
        for name, surrogate in found.items()
    }


def frozen(seed: int, updates: int = 300, rows: int = 1024) -> dict[str, Fit]:
    """ReLoss learned on the predictions of a run on cross-entropy, then a new model trained on it alone."""
    data, (init_key, key, other_key, learn_key) = single_digits(seed), _starts(seed)
    metric, model = metrics.error_rate, models.build("mlp", outputs=10, hidden=(64,))
    options = dict(metric=metric, apply=model.apply, learn=False)
    entropy = surrogates.conventional(losses.cross_entropy)
    surrogate = surrogates.relational(metric, groups=64, group_size=32)
    first = best_rate(key, model.init(init_key, data.train.inputs[:1]), data, surrogate=entropy, **options)

    def learned(epochs):
        """The surrogate's state, learned on the predictions of the first epochs."""
        predictions = first.predictions[:epochs].reshape(-1, 10)
        targets = jnp.tile(data.train.targets, epochs)
        start_key, batch_key, update_key = jax.random.split(learn_key, 3)
        batches = jax.random.randint(batch_key, (updates, rows), 0, len(targets))
        state = surrogate.init(start_key, predictions[:rows], targets[:rows])
        return fitting.learn(surrogate, state, ((predictions[i], targets[i]) for i in batches), key=update_key)[0]

    params = model.init(other_key, data.train.inputs[:1])
    return {REFERENCE: best_rate(key, params, data, surrogate=entropy, **options)} | {
        f"relational, {epochs} epochs": best_rate(key, params, data, learned(epochs), surrogate=surrogate, **options)
        for epochs in (10, EPOCHS)
    }


def read_text(seed: int, epochs: int = 20) -> dict[str, Fit]:
    """A string recogniser trained on cross-entropy, and further on the edit distance that LS-ED learns."""
    data, (init_key, key, *_) = strings(seed), _starts(seed)
    metric = metrics.edit_distance.bind(end=END)
    model = models.build("mlp", outputs=STEPS * (END + 1), hidden=(256,))

    def apply(params, inputs):
        return model.apply(params, inputs).reshape(-1, STEPS, END + 1)

    options = dict(metric=metric, apply=apply, epochs=epochs)
    entropy = surrogates.conventional(token_entropy)
    params = model.init(init_key, data.train.inputs[:1])
    before = best_rate(key, params, data, surrogate=entropy, learn=False, **options)
    found = {
        REFERENCE: entropy,
        "embedding": surrogates.embedding(metric, read=read_strings),
        "correlated_gradients": surrogates.correlated_gradients(metric),
    }
    return {BEFORE: before} | {
        name: best_rate(key, before.params, data, surrogate=surrogate, learn=name != REFERENCE, **options)
        for name, surrogate in found.items()
    }


CASES = {"from random weights": from_random_weights, "frozen": frozen, "strings": read_text}


def main() -> None:
    """Prints a line for each case, loss and seed, and a table for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="Splits of the data, at least 2.")
    parser.add_argument("--cases", default=",".join(CASES), help="Which cases, with commas between them.")
    parser.add_argument("--output", help="A JSON-lines file that the lines are added to.")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error(f"--seeds must be at least 2, for an interval, got {options.seeds}")
    cases = options.cases.split(",")
    if unknown := set(cases) - set(CASES):
        parser.error(f"--cases: unknown {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    for case in cases:
        test, validation = {}, {}
        for seed in range(options.seeds):
            for loss, found in CASES[case](seed).items():
                validation.setdefault(loss, {})[seed] = float(found.validation)
                test.setdefault(loss, {})[seed] = float(found.test)
                line = {"case": case, "loss": loss, "seed": seed}
                line |= {"validation": validation[loss][seed], "test": test[loss][seed]}
                print(json.dumps(line), flush=True)
                if options.output:
                    with open(options.output, "a") as file:
                        file.write(json.dumps(line) + "\n")
        reference = BEFORE if BEFORE in test else REFERENCE
        print(report.summary_table(statistics.rows(test, validation, higher_is_better=False, reference=reference)))


if __name__ == "__main__":
    main()
