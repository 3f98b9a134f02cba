"""Fashion-MNIST (classification): error rate, from the four published files.

Commands, each with --config.data.source=idx:FILES and --workdir=DIR (FILES is the directory that holds
train-images-idx3-ubyte.gz and the other three):

  python -m jaxsurr --config=configs/fashion_mnist.py:noisy_linear
  python -m jaxsurr --config=configs/fashion_mnist.py:clean_linear
  python -m jaxsurr --config=configs/fashion_mnist.py:clean_cnn
  python -m jaxsurr.compare --config=configs/fashion_mnist.py:full

Each runs four losses with five seeds. `noisy_linear`: a linear model, 40 % of training and validation labels random.
`clean_linear`: the same model on the unchanged labels, for more epochs.
`clean_cnn`: a small convolutional network on the unchanged labels. `full`: ResNet-20, for a GPU or TPU.
`full` is meant for an accelerator.
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update


def get_config(setting: str = "noisy_linear"):
    config = update(
        default_config(),
        losses=("cross_entropy", "value_fit", "smoothed", "correlated_gradients"),
        seeds=5,
        learning_rate=1e-3,
        **{"data.source": "idx:FILES"},
    )
    if setting == "noisy_linear":
        return update(config, epochs=15, batch_size=256, **{"data.label_noise": 0.4})
    if setting == "clean_linear":
        return update(config, epochs=40, warm_epochs=5, batch_size=256)
    if setting == "clean_cnn":
        model = {"model.name": "cnn", "model.hidden": (16, 32)}
        return update(config, epochs=10, warm_epochs=5, batch_size=128, **model)
    if setting == "full":
        sgd = dict(optimizer="sgd", learning_rate=0.1, weight_decay=1e-4)
        fields = {"model.name": "resnet20", "data.augment": "crop=4,flip"}
        return update(config, epochs=80, warm_epochs=60, batch_size=128, trials=4, **(sgd | fields))
    raise ValueError(f"the setting is {setting!r}; there are 'noisy_linear', 'clean_linear', 'clean_cnn' and 'full'.")
