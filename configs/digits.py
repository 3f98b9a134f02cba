"""Digits of scikit-learn (classification): error rate, a linear model, 40 % of the training labels random.

The default job, with value fit and the smoothed metric beside it.

Command: python -m jaxsurr --config=configs/digits.py --workdir=runs/digits
Cost: about a minute on two CPU cores.
Expect: test error 0.111 for cross-entropy, 0.078 for value fit, 0.076 for the smoothed metric and 0.074 for correlated
gradients, each better than cross-entropy by an interval that excludes zero, and level with each other.
"""

from jaxsurr.training import update
from jaxsurr.training.default import get_config as default_job


def get_config():
    return update(default_job(), losses=("cross_entropy", "value_fit", "smoothed", "correlated_gradients"))
