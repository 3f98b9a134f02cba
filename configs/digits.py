"""Digits of scikit-learn (classification): error rate, a linear model, 40 % of the training labels random.

The default job, with value fit and the smoothed metric in addition.

Command: python -m jaxsurr --config=configs/digits.py --workdir=runs/digits
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import update
from jaxsurr.training.default import get_config as default_job


def get_config():
    return update(default_job(), losses=("cross_entropy", "value_fit", "smoothed", "correlated_gradients"))
