"""Fidelity of learned gradients on held-out predictions.

  python -m jaxsurr.benchmarks.fidelity --seeds=3 --out=fidelity.jsonl

A model is trained on a fixed loss; surrogates are learned on its predictions for training rows, and compared on its
predictions for test rows with a reference gradient of 4,096 antithetic pairs. Value fit is the same network with the
same number of updates and without the correlation term. It takes about five minutes on two CPU cores.
"""

import itertools
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging

from jaxsurr import surrogates
from jaxsurr.core.types import Surrogate
from jaxsurr.data import Split, batches
from jaxsurr.diagnosis.fidelity import fidelity
from jaxsurr.metrics import get
from jaxsurr.pretraining.fitting import learn
from jaxsurr.report import summary_table
from jaxsurr.smoothing.smoothed_metric import normal_directions
from jaxsurr.training import default_config, prepare, update
from jaxsurr.training.epochs import fresh_state
from jaxsurr.training.protocols import Config

__all__ = ["METHODS", "ONLY", "OUT", "SEEDS", "TASKS", "UPDATES", "learned", "main", "trained_predictions"]

TASKS = {
    "error_rate": {"metric": "error_rate", "data.label_noise": 0.4},
    "mean_absolute_error?decode=argmax": {"data.source": "sklearn:diabetes"},
    "mean_absolute_error?decode=median": {"data.source": "sklearn:diabetes"},
    "pck?threshold=0.5": {
        "data.source": "synthetic:stick_figures?n=3000&size=32",
        "model.name": "mlp",
        "model.head": "points",
        "conventional": "l1",
        "learning_rate": 1e-3,
        "epochs": 15,
        "warm_epochs": 0,
    },
}
METHODS = {
    "value fit": lambda metric: surrogates.value_fit(metric),
    "correlated gradients, decisions": lambda metric: surrogates.correlated_gradients(metric),
    "correlated gradients, network": lambda metric: surrogates.correlated_gradients(metric, family="network"),
    "correlated gradients, basis": lambda metric: surrogates.correlated_gradients(metric, family="basis"),
    "correlated gradients, kernel": lambda metric: surrogates.correlated_gradients(metric, family="kernel"),
}


def trained_predictions(config: Config) -> tuple[Split, Split]:
    """Predictions (as `inputs`) and targets of train and test rows, of a model trained on a config's fixed loss."""
    config = update(config, loss=config.conventional or "cross_entropy")
    data, program = prepare(config)
    state = program.executor.place(fresh_state(config, data.train, program, program.warm))
    for epoch in range(1, config.epochs + 1):
        for batch in batches(data.train, config.batch_size, seed=config.seed, epoch=epoch):
            state, _ = program.steps["conventional"](state, program.executor.shard(batch))
    params = program.executor.fetch(state).params
    train, test = (
        Split(np.asarray(program.model.apply(params, jnp.asarray(split.inputs))), split.targets)
        for split in (data.train, data.test)
    )
    return train, test


def learned(surrogate: Surrogate, split: Split, *, updates: int, batch_size: int, seed: int) -> tuple[Any, float]:
    """Learns a surrogate on stored predictions; its state, and the smoothing scale at the end."""
    whole = (batch for epoch in range(updates) for batch in batches(split, batch_size, seed=seed, epoch=epoch))
    rows = ((jnp.asarray(batch.inputs), batch.targets) for batch in itertools.islice(whole, updates))
    state = surrogate.init(jax.random.key(seed), jnp.asarray(split.inputs), split.targets)
    state, info = learn(surrogate, state, rows, key=jax.random.key(seed + 1))
    return state, float(info.scale)


SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each method.", lower_bound=1)
UPDATES = flags.DEFINE_integer("updates", 1000, "Updates of each surrogate.", lower_bound=1)
ONLY = flags.DEFINE_list("only", list(TASKS), "Which metrics to measure.")
OUT = flags.DEFINE_string("out", None, "A JSON-lines file to add each measurement to.")


def main(argv: list[str]) -> None:
    """Measures all tasks and methods, and prints a table."""
    logging.set_verbosity(logging.WARNING)
    rows = []
    for spec in ONLY.value:
        fields, metric, found = TASKS[spec], get(spec), {method: [] for method in METHODS}
        for seed in range(SEEDS.value):
            config = update(default_config(), **({"metric": spec, "seed": seed} | fields))
            train, test = trained_predictions(config)
            for method, make in METHODS.items():
                surrogate = make(metric)
                state, scale = learned(surrogate, train, updates=UPDATES.value, batch_size=128, seed=seed)
                unseen = jax.tree.map(lambda leaf: jnp.asarray(leaf[:1000]), test)
                options = dict(key=jax.random.key(12345), scale=scale, directions=normal_directions)
                measured = fidelity(surrogate, state, metric, *unseen, **options)
                found[method].append(measured)
                if OUT.value:
                    line = {"metric": metric.name, "method": method, "seed": seed, "updates": UPDATES.value, **measured}
                    with open(OUT.value, "a") as file:
                        file.write(json.dumps(line) + "\n")
        for method, measured in found.items():
            gradients = [one["gradient"] for one in measured]
            rows.append(
                {
                    "metric": metric.name,
                    "method": method,
                    "gradient correlation": float(np.mean(gradients)),
                    "lowest seed": min(gradients),
                    "value correlation": float(np.mean([one["value"] for one in measured])),
                    "ceiling": float(np.mean([one["ceiling"] for one in measured])),
                }
            )
        print(summary_table(rows[-len(METHODS) :]), flush=True)


if __name__ == "__main__":
    app.run(main)
