"""A table with ordered levels (kinematics, abalone, a table of your own): mean absolute error, decoded by the median.

  python -m jaxsurr.compare --config=configs/ordinal_table.py --config.data.source="csv:FILE?target=response"
      two CPU cores: an MLP of 64 units, 40 epochs.
  python -m jaxsurr.compare --config=configs/ordinal_table.py:linear --config.data.source="csv:FILE?target=response"
      the same with a linear model, which underfits, so that the choice of the loss matters most
  python -m jaxsurr.compare --config=configs/ordinal_table.py:full --config.data.source="csv:FILE?target=response"
      the same with 256 + 256 units and 200 epochs

each with another --workdir. Such files have no official test split: each seed has a random one, and is tuned on the
other rows.
The learned loss has a fall-back: the squared EMD that it starts on is also trained to the end, and validation chooses.
Tables of fewer than 2,000 rows: `--config.batch_size=32 --config.epochs=200 --config.warm_epochs=50`.
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
    "squared_error",
    "absolute_error",
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
        learning_rate=1e-2,
        **{"data.source": "csv:FILE?target=response", "model.name": "mlp"},
        **{"surrogate.burn_in": 50},
    )
    if setting == "cpu":
        return update(config, epochs=40, warm_epochs=10, **{"model.hidden": (64,)})
    if setting == "linear":
        return update(config, epochs=40, warm_epochs=10, **{"model.name": "linear"})
    if setting == "full":
        return update(config, epochs=200, warm_epochs=50, **{"model.hidden": (256, 256)})
    raise ValueError(f"the setting is {setting!r}; there are 'cpu', 'linear' and 'full'.")
