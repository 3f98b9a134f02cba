"""The config of the default job: `python -m jaxsurr` without `--config`.

Compares cross-entropy with the learned loss on scikit-learn's digits with 40 % random labels, five seeds each. The
smoothing scale of 0.5 was chosen among 0.15, 0.3, 0.5 and 0.8 on validation, with eight other seeds (100 to 107).
Cost: about a minute on two CPU cores.
"""

from jaxsurr.training.config import default_config, update


def get_config():
    fractions = {"data.test_fraction": 0.25, "data.validation_fraction": 0.25}
    return update(
        default_config(),
        losses=("cross_entropy", "correlated_gradients"),
        seeds=5,
        **{"surrogate.relative_scale": 0.5},
        **fractions,
    )
