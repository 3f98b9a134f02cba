"""Age from a face (UTKFace, ordinal levels of a year): mean absolute error in years, decoded by the median.

  python -m jaxsurr.compare --config=configs/utkface.py --config.data.source="npz:FILE?y=age&kind=levels"
      two CPU cores: a small convolutional network; FILE holds x_train, age_train, x_test, age_test
  python -m jaxsurr.compare --config=configs/utkface.py:full --config.data.source="npz:FILE?y=age&kind=levels"
      a GPU or TPU: ResNet-20

each with another --workdir. Levels are all the years from the youngest to the oldest. The pictures show real
people: use them for research on losses and metrics only.
`full` is meant for an accelerator.
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update

LOSSES = (
    "squared_emd",
    "cross_entropy",
    "cross_entropy?decode=argmax",
    "expected_absolute_error",
    "sord",
    "or_cnn",
    "value_fit",
    "correlated_gradients?fallback=True",
)


def get_config(setting: str = "cpu"):
    config = update(
        default_config(),
        metric="mean_absolute_error",
        conventional="squared_emd",
        losses=LOSSES,
        seeds=5,
        trials=4,
        batch_size=128,
        learning_rate=1e-3,
        **{"data.source": "npz:FILE?y=age&kind=levels"},
    )
    if setting == "cpu":
        return update(config, epochs=12, warm_epochs=6, **{"model.name": "cnn", "model.hidden": (16, 32, 64)})
    if setting == "full":
        return update(config, epochs=100, warm_epochs=60, **{"model.name": "resnet20"})
    raise ValueError(f"the setting is {setting!r}; there are 'cpu' and 'full'.")
