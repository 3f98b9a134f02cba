import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import models

KEY = jax.random.key(0)
TABLE, IMAGES = jnp.ones((2, 6)), jnp.ones((2, 16, 16, 1))

# name, inputs, hidden, number of parameters of the body, and its number of features
BODIES = {
    "linear": (TABLE, (), 0, 6),
    "mlp": (TABLE, (5, 4), (6 * 5 + 5) + (5 * 4 + 4), 4),
    "cnn": (IMAGES, (3, 2), (9 * 1 * 3 + 3) + (9 * 3 * 2 + 2) + (4 * 4 * 2 * 128 + 128), 128),
    "resnet20": (
        IMAGES,
        (),
        # the first convolution, and blocks of two convolutions (a third where the width changes); 2 a channel for norms
        9 * 16 + 32
        + 3 * (2 * 9 * 16 * 16 + 64)
        + (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32 + 128) + 2 * (2 * 9 * 32 * 32 + 128)
        + (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64 + 256) + 2 * (2 * 9 * 64 * 64 + 256),
        64,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_parameters_are_counted_by_hand(name):
    inputs, hidden, body, features = BODIES[name]
    model = models.build(name, outputs=10, hidden=hidden)
    params = jax.eval_shape(model.init, KEY, inputs)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == body + features * 10 + 10
    assert params["params"]["head"]["kernel"].shape == (features, 10)
    assert jax.eval_shape(model.apply, params, inputs).shape == (2, 10)


@pytest.mark.parametrize(("head", "shape"), [("logits", (2, 7)), ("cumulative", (2, 6)), ("points", (2, 7, 2))])
def test_heads(head, shape):
    model = models.build("linear", outputs=7, head=head)
    assert model.apply(model.init(KEY, TABLE), TABLE).shape == shape


def test_linear_is_linear():
    model = models.build("linear", outputs=3)
    params = model.init(KEY, TABLE)
    inputs = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    head = params["params"]["head"]
    expected = inputs.reshape(4, 6) @ np.asarray(head["kernel"]) + np.asarray(head["bias"])[None]
    np.testing.assert_allclose(model.apply(params, inputs), expected, rtol=1e-5, atol=1e-6)


def test_points_start_in_the_centre_and_are_in_pixels():
    model = models.build("linear", outputs=1, head="points", size=9)
    params = model.init(KEY, TABLE)
    assert model.apply(params, TABLE).tolist() == [[[4.0, 4.0]]] * 2  # pixels 0 .. 8
    params["params"]["head"]["bias"] = jnp.array([1.0, -1.0])
    assert model.apply(params, TABLE).tolist() == [[[4 + 9 / 2, 4 - 9 / 2]]] * 2


@pytest.mark.parametrize("name", ["cnn", "resnet20"])
def test_image_models_refuse_tables(name):
    with pytest.raises(ValueError, match=rf"'{name}' reads images \[B, H, W, C\], got inputs of shape \[2, 6\]"):
        models.build(name, outputs=3).init(KEY, TABLE)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="model is 'resnet', which is unknown; did you mean 'resnet20'"):
        models.build("resnet", outputs=3)
    with pytest.raises(ValueError, match="head is 'point', which is unknown; did you mean 'points'"):
        models.build("mlp", outputs=3, head="point")
