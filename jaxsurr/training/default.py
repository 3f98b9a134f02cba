"""The config of the default job: `python -m jaxsurr` without `--config`.

Compares cross-entropy with the learned loss on scikit-learn's digits with 40 % random training labels, five seeds each.
Cost: about a minute on two CPU cores.
"""


def get_config():
    from jaxsurr.training.config import default_config, update

    return update(default_config(), losses=("cross_entropy", "correlated_gradients"), seeds=5)
