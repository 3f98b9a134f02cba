"""Joints of stick figures (pose): PCK at half the torso, a small convolutional network.

The learned loss is a basis (non-negative mixture of ramps and fixed losses) whose gradients are compared in the last
layer's parameters on another training batch: the setting for poses in which it gains.

Command: python -m jaxsurr --config=configs/stick_figures.py --workdir=runs/stick_figures
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update


def get_config():
    data = {"data.source": "synthetic:stick_figures?n=4000&size=32"}
    return update(
        default_config(),
        metric="pck?threshold=0.5",
        conventional="l1",
        losses=("l1", "value_fit", "smoothed", "correlated_gradients"),
        seeds=5,
        epochs=20,
        warm_epochs=5,
        batch_size=64,
        learning_rate=1e-3,
        **data,
        **{"model.name": "cnn", "model.hidden": (16, 32)},
        **{"surrogate.family": "basis", "surrogate.objective": "parameters", "surrogate.relative_scale": 0.3},
    )
