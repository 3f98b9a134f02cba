"""Joints of a person (Leeds Sports Pose Extended): fraction of joints within half of the torso, PCK at 0.5.

  python -m jaxsurr.compare --config=configs/lsp_pose.py --config.data.source="SOURCE"
      with SOURCE npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names
      two CPU cores: a small convolutional network on 64 x 64 grey images, cropped, flipped and rotated at random; FILE
      holds x_train, kp_train, visible_train, torso_train, the same for test, and joint_names
  ... --config.metric=pck?threshold=0.2
      PCK at 0.2 of the torso; with scale=head in the source, PCKh (images without a head are left out)
  ... --config=configs/lsp_pose.py:full
      a GPU or TPU: ResNet-20

each with another --workdir. The photographs show real people: use them for research on losses and metrics only.
`full` is meant for an accelerator.
Cost and results: `configs/README.md`, `notebooks/results/README.md`.
"""

from jaxsurr.training import default_config, update

LOSSES = ("l1", "smooth_l1", "mse", "euclidean", "wing", "correlated_gradients")


def get_config(setting: str = "cpu"):
    config = update(
        default_config(),
        metric="pck?threshold=0.5",
        conventional="l1",
        losses=LOSSES,
        seeds=5,
        trials=4,
        batch_size=64,
        learning_rate=3e-3,
        **{"data.source": "npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names"},
        **{"data.augment": "crop=8,flip,rotate=20", "surrogate.burn_in": 50},
    )
    if setting == "cpu":
        return update(config, epochs=16, warm_epochs=4, **{"model.name": "cnn", "model.hidden": (16, 32, 64)})
    if setting == "full":
        return update(config, epochs=150, warm_epochs=50, **{"model.name": "resnet20"})
    raise ValueError(f"the setting is {setting!r}; there are 'cpu' and 'full'.")
