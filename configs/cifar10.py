"""CIFAR-10 (classification): error rate.

  python -m jaxsurr.compare --config=configs/cifar10.py --config.data.source=npz:FILE --workdir=runs/cifar10
      two CPU cores: a small convolutional network; FILE holds x_train, y_train, x_test, y_test (uint8)
  python -m jaxsurr.compare --config=configs/cifar10.py:full --config.data.source=npz:FILE --workdir=runs/cifar10_full
      a GPU or TPU: ResNet-20 with batch normalisation, crops and flips; `--config.data.source=tfds:cifar10` reads the
      set prepared by TensorFlow Datasets

`full` is meant for an accelerator.
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update

LOSSES = ("cross_entropy", "label_smoothing", "focal", "value_fit", "correlated_gradients?fallback=True")


def get_config(setting: str = "cpu"):
    config = update(
        default_config(),
        losses=LOSSES,
        seeds=5,
        trials=4,
        batch_size=128,
        **{"data.source": "npz:FILE", "surrogate.burn_in": 50},
    )
    if setting == "cpu":
        fields = {"model.name": "cnn", "model.hidden": (16, 32), "data.augment": "crop,flip"}
        return update(config, epochs=24, warm_epochs=12, learning_rate=2e-3, **fields)
    if setting == "full":
        sgd = dict(optimizer="sgd", learning_rate=0.1, weight_decay=1e-4)
        fields = {"model.name": "resnet20", "data.validation_fraction": 0.1, "data.augment": "crop,flip"}
        return update(config, epochs=160, warm_epochs=120, **sgd, **fields)
    raise ValueError(f"the setting is {setting!r}; there are 'cpu' and 'full'.")
