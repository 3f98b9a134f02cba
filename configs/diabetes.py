"""Disease progression of scikit-learn's diabetes data in 8 ordinal levels: mean absolute error, median decoding.

Command: python -m jaxsurr --config=configs/diabetes.py --workdir=runs/diabetes
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update


def get_config():
    data = {"data.source": "sklearn:diabetes", "data.levels": 8}
    return update(
        default_config(),
        metric="mean_absolute_error?decode=median",
        losses=("cross_entropy", "squared_emd", "value_fit", "smoothed", "correlated_gradients"),
        seeds=5,
        epochs=60,
        warm_epochs=30,
        batch_size=32,
        learning_rate=1e-3,
        **data,
        **{"model.name": "mlp", "model.hidden": (32,)},
    )
