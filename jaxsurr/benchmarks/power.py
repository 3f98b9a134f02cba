"""Smoothing scale, power and path of a learned loss, on validation rows.

  python -m jaxsurr.benchmarks.power --data=FOLDER --only=kinematics_mlp --out=power.jsonl

A fixed loss, and learned ones that begin on it, are trained to the end in each of `SETTINGS`, eight paired seeds each
and one rate for all, known to suit the fixed loss. No test rows are read: this is what defaults were chosen by. A
setting takes one to ten minutes of a CPU core for each loss; start several processes with `--only` and `--losses`.
"""

import argparse
import json
from typing import Any

from jaxsurr.core import checks
from jaxsurr.training import default_config, prepare, update
from jaxsurr.training.loop import load_data, train_runs
from jaxsurr.training.methods import resolve
from jaxsurr.training.protocols import Config

__all__ = ["LEARNED", "SCALES", "SEEDS", "SETTINGS", "config_of", "main", "measured"]

SEEDS = range(100, 108)
_FASHION: dict[str, Any] = {"data.source": "idx:{data}/fashion_mnist", "batch_size": 256, "learning_rate": 1e-3}
_FASHION |= {"conventional": "cross_entropy"}
_LEVELS = {"metric": "mean_absolute_error", "conventional": "or_cnn", "learning_rate": 1e-2}
_MLP = {"model.name": "mlp", "model.hidden": (64,)}


def _table(name: str, **fields: Any) -> dict[str, Any]:
    return _LEVELS | {"data.source": f"csv:{{data}}/ordinal_tabular/{name}.csv?target=response"} | fields


SETTINGS: dict[str, dict[str, Any]] = {
    "fashion_linear": _FASHION | {"epochs": 25},
    "fashion_noisy_linear": _FASHION | {"epochs": 15, "data.label_noise": 0.4},
    "fashion_mlp": _FASHION | _MLP | {"epochs": 20},
    "kinematics_mlp": _table("kinematics", epochs=100, **_MLP) | {"learning_rate": 3e-2},
    "kinematics_mlp_coral": _table("kinematics", epochs=100, conventional="coral", **_MLP) | {"learning_rate": 3e-2},
    "kinematics_linear": _table("kinematics", epochs=40),
    "california_mlp": _table("californiahousing", epochs=60, batch_size=128, **_MLP) | {"learning_rate": 2e-2},
    "wine_mlp": _table("winequality-white", epochs=60, **{"model.name": "mlp", "model.hidden": (32,)}),
    "abalone_linear": _table("abalone", epochs=40),
}
SCALES = {"matched": 0.0, "natural": -1.0, "0.15": 0.15}
_DEFAULT = "correlated_gradients?relative_scale=0.0&power=0.7&path=linear"
LEARNED = {
    f"{name} scale, {path} to {power:g}": f"correlated_gradients?relative_scale={scale}&power={power}&path={path}"
    for name, scale in SCALES.items()
    for path, power in (("linear", 0.7), ("linear", 1.0), ("late", 0.7), ("late", 1.0), ("constant", 0.7))
} | {
    "matched scale, linear to 0.3": "correlated_gradients?relative_scale=0.0&power=0.3&path=linear",
    "matched scale, steps to 0.7": "correlated_gradients?relative_scale=0.0&power=0.7&path=steps",
    "matched scale, likelihood": "correlated_gradients?relative_scale=0.0&power=0.0&path=constant",
    "natural scale, likelihood": "correlated_gradients?relative_scale=-1.0&power=0.0&path=constant",
    "matched scale, value network": "correlated_gradients?relative_scale=0.0&family=network",
    "0.15 scale, value network": "correlated_gradients?relative_scale=0.15&family=network",
    "linear to 0.7, no correlation term": f"{_DEFAULT}&correlation_weight=0.0&value_weight=1.0",
    "linear to 0.7, no warm start": f"{_DEFAULT}&warm_epochs=0",
    "linear to 0.7, no network": "smoothed?relative_scale=0.0&power=0.7&path=linear",
    "metric, no network": "smoothed?relative_scale=0.0&power=1.0&path=constant",
}
"""Learned losses by what they are called in tables."""


def config_of(setting: str, data: str) -> Config:
    """The config of a setting, with its fixed loss."""
    config = update(default_config(), **SETTINGS[setting])
    return update(config, loss=config.conventional, **{"data.source": config.data.source.format(data=data)})


def measured(setting: str, loss: str, data: str) -> list[dict[str, Any]]:
    """A line for each seed: the best epoch on validation, its metric, and the metric of every epoch."""
    config = config_of(setting, data)
    configs = [update(config.copy_and_resolve_references(), seed=seed, loss=loss) for seed in SEEDS]
    datas = [load_data(one)._replace(test=None) for one in configs]
    _, program = prepare(configs[0], data=datas[0])
    lines = []
    outcomes = train_runs([resolve(one) for one in configs], datas, program)
    for one, found in zip(configs, outcomes, strict=True):
        line = {"setting": setting, "loss": loss, "seed": one.seed, "diverged": isinstance(found, Exception)}
        if not isinstance(found, Exception):
            curve = [round(entry["validation"], 5) for entry in found["history"]]
            line |= {"validation": found["validation"], "best_epoch": found["best_epoch"], "curve": curve}
        lines.append(line)
    return lines


def main() -> None:
    """Measures, and writes lines as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="The folder that holds fashion_mnist/ and ordinal_tabular/.")
    parser.add_argument("--only", default=",".join(SETTINGS), help="Settings, with commas between.")
    parser.add_argument("--losses", default="", help="Losses, with commas between; by default all of LEARNED.")
    parser.add_argument("--out", required=True, help="A JSON-lines file to add to.")
    options = parser.parse_args()
    for setting in options.only.split(","):
        checks.one_of(setting, "setting", SETTINGS)
        learned = options.losses.split(",") if options.losses else LEARNED.values()
        for loss in (config_of(setting, options.data).loss, *learned):
            with open(options.out, "a") as file:
                file.writelines(json.dumps(line) + "\n" for line in measured(setting, loss, options.data))


if __name__ == "__main__":
    main()
