"""Images whose channels come first are recognised wherever images are asked for, and nowhere else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import models
from jaxsurr.core.images import channels_first
from jaxsurr.data import Split
from jaxsurr.data.augment import augmentation
from jaxsurr.models.bodies import IMAGES
from jaxsurr.training import default_config, prepare, update

MOVE = r"reads images \[N, H, W, C\], .* seem to have the channels first.* x\.transpose\(0, 2, 3, 1\)"


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_models_of_images_say_to_move_the_channels(name, channels):
    model = models.build(name, outputs=3)
    with pytest.raises(ValueError, match=MOVE):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((2, channels, 32, 32)))
    jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((2, 32, 32, channels)))


@pytest.mark.parametrize("step", ["crop=2", "flip", "rotate"])
def test_augmentations_say_to_move_the_channels(step):
    labels = np.zeros(2, np.int32)
    with pytest.raises(ValueError, match=MOVE):
        augmentation(step, Split(np.zeros((2, 3, 16, 16), np.float32), labels))
    augmentation(step, Split(np.zeros((2, 16, 16, 3), np.float32), labels))


def test_a_missing_axis_of_channels_is_named():
    model = models.build("cnn", outputs=3)
    with pytest.raises(
        ValueError, match=r"got inputs of shape \[2, 28, 28\]; add the axis of channels, x\[..., None\]"
    ):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((2, 28, 28)))


def test_points_in_images_say_to_move_the_channels(tmp_path):
    rng = np.random.default_rng(0)
    points, size = rng.uniform(1, 15, (80, 2, 2)), np.ones(80)
    fields = {"data.source": f"npz:{tmp_path}/p.npz?points=kp&scale=size", "model.name": "mlp", "model.hidden": (4,)}
    config = update(default_config(), loss="l1", metric="pck", conventional="l1", batch_size=16, devices=1, **fields)
    np.savez(tmp_path / "p.npz", x=rng.normal(size=(80, 3, 16, 16)), kp=points, size=size)
    with pytest.raises(ValueError, match="the head 'points' " + MOVE):
        prepare(config)
    np.savez(tmp_path / "p.npz", x=rng.normal(size=(80, 16, 16, 3)), kp=points, size=size)
    prepare(config)


def test_a_table_model_reads_them_as_they_are():
    model = models.build("mlp", outputs=3)
    jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((2, 3, 32, 32)))


@pytest.mark.parametrize(
    "shape", [(9, 1, 128, 12), (9, 28, 28, 1), (9, 3, 3, 64), (9, 3, 32), (9, 32, 32, 64), (9, 64)]
)
def test_other_shapes_are_left_alone(shape):
    assert not channels_first(shape)
