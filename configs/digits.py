"""Digits of scikit-learn (classification): error rate, a linear model, 40 % of the training labels random.

Command: python -m jaxsurr --config=configs/digits.py --workdir=runs/digits
Cost: FILL
Expect: FILL
"""

from jaxsurr.training import default_config, update


def get_config():
    return update(default_config(), losses=("cross_entropy", "value_fit", "smoothed", "correlated_gradients"), seeds=5)
