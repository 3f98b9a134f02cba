"""The config of the default job: `python -m jaxsurr` without `--config`.

Compares cross-entropy with the learned loss on the 8x8 digits of scikit-learn, a linear model, five seeds each; 40 % of
the training and validation labels are redrawn at random. Cross-entropy fits the wrong labels as eagerly as the right
ones; the error rate does not care how wrong a hopeless example is. So metric and loss disagree, and the difference
repeats over seeds. With so many wrong labels the loss is the metric's from the switch on (`path="constant"`), and the
smoothing scale is wide: both were chosen on validation with eight other seeds (100 to 107).
Cost: about a minute on two CPU cores.
"""

from collections.abc import Collection

from jaxsurr.training.config import default_config, flatten, update
from jaxsurr.training.protocols import Config

__all__ = ["OWN", "for_other_data", "get_config"]

OWN = {
    "data.label_noise": 0.4,
    "surrogate.relative_scale": 0.5,
    "surrogate.power": 1.0,
    "surrogate.path": "constant",
}
"""What was chosen for the data of the job and their wrong labels, and is for no others."""


def get_config():
    fractions = {"data.test_fraction": 0.25, "data.validation_fraction": 0.25}
    return update(default_config(), losses=("cross_entropy", "correlated_gradients"), seeds=5, **OWN, **fractions)


def for_other_data(config: Config, chosen: Collection[str]) -> Config:
    """The config of the job; with other data or wrong labels, fields of `OWN` that were not chosen are as by default.

    >>> config = for_other_data(update(get_config(), **{"data.source": "csv:mine.csv"}), ["data.source"])
    >>> config.data.label_noise, config.surrogate.power, config.surrogate.path
    (0.0, 0.7, 'linear')
    """
    job, plain = get_config(), flatten(default_config())
    if (config.data.source, config.data.label_noise) == (job.data.source, job.data.label_noise):
        return config
    return update(config, **{field: plain[field] for field in OWN if field not in chosen})
