"""The config of the default job: `python -m jaxsurr` without `--config`.

Compares cross-entropy with the learned loss on the 8x8 digits of scikit-learn, a linear model, five seeds each; 40 % of
the training and validation labels are redrawn at random. Cross-entropy fits the wrong labels as eagerly as the right
ones; the error rate does not care how wrong a hopeless example is. So metric and loss disagree, and the difference
repeats over seeds. With so many wrong labels the loss is the metric's from the switch on (`path="constant"`), and the
smoothing scale is wide: both were chosen on validation with eight other seeds (100 to 107).
Cost: about a minute on two CPU cores.
"""

import functools
from typing import Any, NamedTuple

from jaxsurr.training.config import default_config, flatten, update
from jaxsurr.training.protocols import Config

__all__ = ["OWN", "get_config"]

OWN = {
    "data.label_noise": 0.4,
    "surrogate.relative_scale": 0.5,
    "surrogate.power": 1.0,
    "surrogate.path": "constant",
}
"""What was chosen for the data of the job and their wrong labels, and is for no others."""


class _Lazy(NamedTuple):
    """An operation of a reference of ml_collections: the field is `fn(value, *found)`, until it is set."""

    fn: Any
    args: list


def get_config() -> Config:
    """The config of the job.

    Fields of `OWN` are those of the default config where the source, or the fraction of wrong labels, is another than
    the job's. One that is set stays as it was set.

    >>> config = get_config()
    >>> config.data.label_noise, config.surrogate.power, config.surrogate.path
    (0.4, 1.0, 'constant')
    >>> config.data.source = "csv:mine.csv"
    >>> config.data.label_noise, config.surrogate.power, config.surrogate.path
    (0.0, 0.7, 'linear')
    """
    from ml_collections import FieldReference

    fractions = {"data.test_fraction": 0.25, "data.validation_fraction": 0.25}
    config: Any = update(default_config(), losses=("cross_entropy", "correlated_gradients"), seeds=5, **fractions)
    plain, data = flatten(config), config.data
    given = [data.get_ref("source")]
    for path, own in OWN.items():
        lazy = _Lazy(functools.partial(_own, [part.get() for part in given], plain[path]), list(given))
        reference = FieldReference(own, op=lazy)
        update(config, **{path: reference})
        if path == "data.label_noise":
            given.append(reference)
    return config


def _own(expected: list[Any], plain: Any, own: Any, *found: Any) -> Any:
    """What was chosen for the expected data, where the data are these; else what the default config has."""
    return own if list(found) == expected else plain
