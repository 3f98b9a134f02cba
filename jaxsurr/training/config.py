"""The configuration of a run: every field with its default, and the checks of single fields."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from jaxsurr import losses, metrics, models
from jaxsurr.core import checks
from jaxsurr.core.moments import CORRELATIONS
from jaxsurr.surrogates.correlated_gradients import OBJECTIVES
from jaxsurr.surrogates.families import FAMILIES, MEANT
from jaxsurr.surrogates.peers import LIKELIHOODS, PEERS
from jaxsurr.training.protocols import Config

__all__ = [
    "CONVENTIONAL", "ENGINES", "GONE", "LEARNED", "LEAST", "MOST", "OPTIMIZERS", "OURS", "PATHS", "POSITIVE",
    "STARTS", "as_dict", "check_values", "compares_parameters", "default_config", "family", "flatten", "is_a",
    "no_field", "update", "warm_epochs",
]  # fmt: skip

CONVENTIONAL = (*losses.LOSSES, *LIKELIHOODS)
OURS = "correlated_gradients"  # the learned loss; others that are learned from a metric are its baselines
LEARNED = (OURS, "value_fit", "smoothed", *PEERS)
OPTIMIZERS = ("adam", "sgd")
PATHS = ("linear", "constant", "late", "steps")
STARTS = ("conventional", "auto")
ENGINES = ("pmap", "jit")
# The least value of each number that has one; learning_rate must be above it.
LEAST = {
    "seed": 0, "seeds": 1, "trials": 1, "epochs": 1, "warm_epochs": -1, "mixture": 0, "batch_size": 1,
    "learning_rate": 0, "weight_decay": 0, "data.levels": 0, "data.limit": 0, "data.split_seed": -1,
    "surrogate.num_pairs": 1, "surrogate.relative_scale": -1, "surrogate.spread": 0, "surrogate.value_weight": 0,
    "surrogate.correlation_weight": 0, "surrogate.outer_steps": 1,
    "surrogate.outer_every": 1, "surrogate.metric_calls": 0, "surrogate.burn_in": 0,
    "surrogate.heldout": 0, "devices": 0, "checkpoint.every": 1, "checkpoint.keep": 1,
}  # fmt: skip
POSITIVE = ("learning_rate",)
# The greatest value of integers, which are 32 bits wide on a device. JAX takes seeds modulo 2^32, so that two of
# them would be one; orders of batches are told apart by the number of an epoch, below 10,000,000 (`loading`).
_SEED, _WHOLE = 2**32 - 1, 2**31 - 1
MOST = {"seed": _SEED, "data.split_seed": _SEED, "epochs": 9_999_999, "trials": 10_000}

# Fields of configs from before 0.2 that are no more, and what each is for good now.
GONE = {"surrogate.penalty_weight": 0.0}

_KINDS = {int: "an integer", float: "a number", str: "a string", bool: "a bool", tuple: "a tuple"}


def default_config() -> Config:
    """The default configuration, an `ml_collections.ConfigDict`: a linear classifier of the digits of scikit-learn.

    It changes no row of a data set that is put in their place. (The default job, `jaxsurr.training.default`, redraws
    some labels of the digits.)

    Fields:
      seed: of the split, the initial weights, the batch order and the noise.
      loss: a learned loss ("correlated_gradients", "value_fit", "smoothed") or a conventional one (`jaxsurr.losses`
        and "residual_likelihood"), with options if need be, as in "focal?gamma=1"
        (`jaxsurr.training.methods`).
      losses, seeds: where `losses` is not empty, a comparison: each of them with seeds `seed .. seed + seeds - 1`. The
        loss "auto" stands for all that fit the data and the metric (`jaxsurr.comparison.everything`).
      trials: settings that `jaxsurr.compare` tries for each loss, chosen on validation; 1 takes the defaults.
      reference: the loss that `jaxsurr.compare` takes differences to; the first where empty.
      metric: `name?option=value`, see `jaxsurr.metrics.get`.
      metric_weights: of several metrics at once (`pck?threshold=0.2,0.5`); equal where empty. Choices of an epoch are
        made on the first metric.
      start: of a learned loss: "conventional", the loss of that field; or "auto", the best on validation of the fixed
        losses and heads that fit the targets and the metric, each of which is trained to its end; the better of that
        run and of the learned loss that starts from it then counts (`jaxsurr.training.starts`).
      conventional: the loss of the warm start and of the mixture; where empty, the usual one of the targets
        (`jaxsurr.training.kinds.usual`), which the config that is kept says.
      epochs: in all, whatever the loss.
      warm_epochs: of these, on the conventional loss before the switch to a learned one; -1 is a third of them.
      mixture: weight of the conventional loss after that, in [0, 1].
      fallback: train the conventional loss to the end too, and keep the better of the two runs on validation.
      tune_threshold: add to the predictions of each class, level or score what makes the metric of the validation split
        best (`jaxsurr.decoding.tune`), chosen in each epoch, and the same to those of the test split.
      batch_size: over all devices.
      learning_rate, weight_decay, optimizer: of the model; "adam" (AdamW) or "sgd" (momentum 0.9). The learning rate
        falls to zero along a cosine.
      data: see `jaxsurr.data.load`, whose `notes` say what was changed or left out; with `split_seed` of -1 each seed
        has its own test split. `class_weights` "balanced" weighs training rows so that all classes count the same.
        `augment` changes training images at random, "crop,flip" or "flip,rotate=20"
        (`jaxsurr.data.augment`).
      model: see `jaxsurr.models.build`; an empty head is the one that loss and targets need, and the name "own" stands
        for a model that is handed to `run` or `compare`.
      surrogate: see `jaxsurr.correlated_gradients` (`spread` is one of its `estimation`). Where the surrogate does not
        learn before every step, the family "auto" is a deep set for a metric of sets (`family`). A `relative_scale` of
        0 is matched at the switch: the smoothed metric of training rows is then the metric of validation rows
        (`jaxsurr.matched_scale`); for a metric of sets it is 0.15. One of -1 is natural (`Space.natural`). `power` is q
        of the loss at the end of the run, and `path` how it gets there: "linear", "late", "steps" or "constant"
        (`jaxsurr.training.power`). The surrogate learns in `burn_in` updates at the switch and in `outer_steps` updates
        before every `outer_every`-th model step; where `metric_calls` is not 0, so rarely that a black box is asked for
        no more than so many sets in the updates of an epoch (`jaxsurr.training.budget`). For objective "parameters":
        `part` ("head" or "all") of the model, and `heldout`, the fraction of training rows that are held out (0:
        another training batch is used).
      devices: how many to use, 0 for all.
      engine: of several devices: "pmap", where a metric of sets (F1, AUC) sees each device's share of a batch as a set;
        or "jit", on a mesh, where it sees the whole batch (`jaxsurr.parallel.executor`).
      checkpoint: `every` so many epochs, the `keep` newest.
    """
    from ml_collections import ConfigDict

    made: Any = ConfigDict(
        dict(
            seed=0,
            loss="correlated_gradients",
            losses=(),
            seeds=1,
            trials=1,
            reference="",
            metric="error_rate",
            metric_weights=(),
            start="conventional",
            conventional="",
            epochs=60,
            warm_epochs=-1,
            mixture=0.0,
            fallback=False,
            tune_threshold=False,
            batch_size=64,
            optimizer="adam",
            learning_rate=3e-3,
            weight_decay=0.0,
            data=dict(
                source="sklearn:digits",
                kind="",
                levels=0,
                validation_fraction=0.15,
                test_fraction=0.3,
                label_noise=0.0,
                limit=0,
                split_seed=-1,
                augment="",
                class_weights="",
            ),
            model=dict(name="linear", hidden=(128,), head=""),
            surrogate=dict(
                family="auto",
                objective="predictions",
                num_pairs=16,
                relative_scale=0.0,
                power=0.7,
                path="linear",
                spread=1.0,
                value_weight=0.1,
                correlation_weight=1.0,
                correlation="cosine",
                calibrate=True,
                outer_steps=1,
                outer_every=1,
                metric_calls=0,
                burn_in=200,
                part="head",
                heldout=0.0,
            ),
            devices=0,
            engine="pmap",
            checkpoint=dict(every=20, keep=2),
        )
    )
    return made  # a checker cannot see the fields of a ConfigDict


def no_field(path: str, known: Iterable[str]) -> str:
    """What is said of a field that no config has: that it went, or which one is nearest."""
    if path in GONE:
        return f"the config has no field {path!r} any more: it is as {GONE[path]!r} was. Leave it out."
    return f"the config has no field {path!r}; {checks.nearest(path, known)}"


def update(config: Config, **fields: Any) -> Config:
    """Sets fields of a config, and returns it; a field of a part has a path, `update(c, **{"data.source": "idx:DIR"})`.

    Raises:
      ValueError: there is no such field; the nearest is named.
    """
    known = list(flatten(config))
    for path, value in fields.items():
        if path not in known:
            raise ValueError(no_field(path, known))
        with config.ignore_type():
            config.update_from_flattened_dict({path: value})
    return config


def flatten(config: Config | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """All fields of a config by their path, `{"data.source": ...}`."""
    out = {}
    for name, value in config.items():
        if hasattr(value, "items"):
            out |= flatten(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = value
    return out


def warm_epochs(config: Config) -> int:
    """Epochs of the warm start: what the config says, or a third of all epochs where it leaves that open.

    >>> warm_epochs(default_config()), warm_epochs(update(default_config(), epochs=5))
    (20, 2)
    """
    return round(config.epochs / 3) if config.warm_epochs == -1 else config.warm_epochs


def family(config: Config) -> str:
    """The family of a learned loss: what the config says, or what follows where that leaves it open.

    Counts, which a metric of sets has by default, give its slope where the model is. Where the surrogate learns rarely,
    a deep set, which knows how the slope changes, trains better.

    >>> family(default_config()), family(update(default_config(), metric="f_beta"))
    ('decisions', 'auto')
    >>> family(update(default_config(), metric="f_beta", **{"surrogate.outer_every": 5}))
    'decisions'
    """
    options = config.surrogate
    rarely = options.outer_every > 1 or options.metric_calls > 0
    if options.family == "auto" and (rarely or metrics.get(config.metric).per_example):
        return "decisions"
    return options.family


def compares_parameters(config: Config) -> bool:
    """Whether the surrogate is learned in parameter space, and needs a second batch each step."""
    return config.loss == "correlated_gradients" and config.surrogate.objective == "parameters"


def as_dict(config: Config) -> dict[str, Any]:
    """The config as plain JSON data; what follows from other fields is written out, and the matrix of a metric."""
    follows: dict[str, Any] = {"warm_epochs": warm_epochs(config)}
    if "matrix=" in config.metric:  # a file, which may change
        follows["matrix"] = dict(metrics.get(config.metric).options).get("matrix")
    written = json.loads(json.dumps(config.to_dict() | follows, default=list))
    written["surrogate"]["family"] = family(config)
    return written


def check_values(config: Config) -> None:
    """Refuses a field of another type than its default, or a value out of range, naming the field.

    Raises:
      ValueError: there is one.
    """
    got, expected = flatten(config), flatten(default_config())
    for path, like in expected.items():
        if not is_a(got[path], like):
            kind = "a tuple of names" if path == "losses" else _KINDS[type(like)]
            raise ValueError(f"{path} must be {kind} such as {like!r}, got {got[path]!r}.")
    checks.one_of(config.start, "start", STARTS)
    if config.conventional:
        checks.one_of(config.conventional, "conventional", CONVENTIONAL)
    checks.one_of(config.optimizer, "optimizer", OPTIMIZERS)
    checks.one_of(config.engine, "engine", ENGINES)
    checks.one_of(config.model.name, "model.name", (*models.BODIES, "own"))
    checks.one_of(config.model.head, "model.head", ("", *models.HEADS))
    checks.one_of(config.data.class_weights, "data.class_weights", ("", "balanced"))
    checks.one_of(config.surrogate.family, "surrogate.family", FAMILIES, MEANT)
    checks.one_of(config.surrogate.objective, "surrogate.objective", OBJECTIVES)
    checks.one_of(config.surrogate.correlation, "surrogate.correlation", CORRELATIONS)
    checks.one_of(config.surrogate.part, "surrogate.part", ("head", "all"))
    checks.one_of(config.surrogate.path, "surrogate.path", PATHS)
    if not 0 <= (power := config.surrogate.power) <= 1:
        raise ValueError(f"surrogate.power must be a number from 0 to 1, got {power!r}.")
    for path, least in LEAST.items():
        positive = path in POSITIVE
        if not (got[path] > least if positive else got[path] >= least):
            wanted = "above 0" if positive else f"at least {least}"
            raise ValueError(f"{path} must be {wanted}, got {got[path]!r}.")
    for path, like in expected.items():
        if isinstance(like, float) and not _finite(got[path]):
            raise ValueError(f"{path} must be a finite number, got {got[path]!r}.")
        if type(like) is int and got[path] > (most := MOST.get(path, _WHOLE)):
            raise ValueError(f"{path} must be at most {most}, got {got[path]}.")
    if config.seed + config.seeds - 1 > _SEED:
        raise ValueError(f"seeds {config.seed} to {config.seed + config.seeds - 1}: a seed must be at most {_SEED}.")
    if config.warm_epochs > config.epochs:
        raise ValueError(
            f"warm_epochs must lie between 0 and epochs = {config.epochs}, got {config.warm_epochs!r}; set both, or "
            "warm_epochs=-1 for a third of the epochs."
        )
    if config.mixture > 1:
        raise ValueError(f"mixture must be a weight in [0, 1], got {config.mixture!r}.")
    if -1 < config.surrogate.relative_scale < 0:
        raise ValueError(
            "surrogate.relative_scale must be positive, 0 (matched to the data) or -1 (natural), got "
            f"{config.surrogate.relative_scale!r}."
        )
    if config.surrogate.heldout >= 1:
        raise ValueError(f"surrogate.heldout must be a fraction in [0, 1), got {config.surrogate.heldout!r}.")
    if not all(is_a(width, 1) and 1 <= width <= _WHOLE for width in config.model.hidden):
        raise ValueError(
            f"model.hidden must hold integers of at least 1, got {tuple(config.model.hidden)!r}; at most {_WHOLE}."
        )
    if not all(is_a(weight, 1.0) and _finite(weight) for weight in config.metric_weights):
        raise ValueError(f"metric_weights must hold finite numbers, got {tuple(config.metric_weights)!r}.")


def is_a(value: Any, like: Any) -> bool:
    """Whether a value has the type of a default; an integer is a number too, and a list is as good as a tuple."""
    if isinstance(value, bool) or isinstance(like, bool):
        return isinstance(value, bool) and isinstance(like, bool)
    if isinstance(like, tuple):
        return isinstance(value, tuple | list)
    return isinstance(value, int | float if isinstance(like, float) else type(like))


def _finite(value: float) -> bool:
    """Whether a number is finite as a float32 is, which an integer may be too large for."""
    return abs(value) < 2**128 and math.isfinite(value)
