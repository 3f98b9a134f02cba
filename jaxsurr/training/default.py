"""The config of the default job: `python -m jaxsurr` without `--config`.

Compares cross-entropy with the learned loss on the 8x8 digits of scikit-learn, a linear model, five seeds each; 40 % of
the training and validation labels are redrawn at random. Cross-entropy fits the wrong labels as eagerly as the right
ones; the error rate does not care how wrong a hopeless example is. So metric and loss disagree, and the difference
repeats over seeds. With so many wrong labels the loss is the metric's from the switch on (`path="constant"`), and the
smoothing scale is wide: both were chosen on validation with eight other seeds (100 to 107).
Cost: about a minute on two CPU cores.
"""

from jaxsurr.training.config import default_config, update


def get_config():
    fractions = {"data.test_fraction": 0.25, "data.validation_fraction": 0.25}
    return update(
        default_config(),
        losses=("cross_entropy", "correlated_gradients"),
        seeds=5,
        **{"surrogate.relative_scale": 0.5, "surrogate.power": 1.0, "surrogate.path": "constant"},
        **{"data.label_noise": 0.4},
        **fractions,
    )
