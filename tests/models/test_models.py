"""Bodies and heads: shapes, what heads are decoded to, batch statistics, the models that are refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import Batch, Info, bilevel, models
from jaxsurr.metrics import decoding
from jaxsurr.models.bodies import batch_norm

KEY = jax.random.key(0)
TABLE, IMAGES, STEPS = jnp.ones((2, 6)), jnp.ones((2, 16, 16, 1)), jnp.ones((2, 5, 6))
# the convolutions of a ResNet-20, and 2 parameters a channel for each normalisation
RESNET20 = (
    9 * 16 + 32
    + 3 * (2 * 9 * 16 * 16 + 64)
    + (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32 + 128) + 2 * (2 * 9 * 32 * 32 + 128)
    + (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64 + 256) + 2 * (2 * 9 * 64 * 64 + 256)
)  # fmt: skip

# name, inputs, hidden, number of parameters of the body, and its number of features
BODIES = {
    "linear": (TABLE, (), 0, 6),
    "mlp": (TABLE, (5, 4), (6 * 5 + 5) + (5 * 4 + 4), 4),
    "cnn": (IMAGES, (3, 2), (9 * 1 * 3 + 3) + (9 * 3 * 2 + 2) + (4 * 4 * 2 * 128 + 128), 128),
    "conv_steps": (STEPS, (3, 2), (3 * 6 * 3 + 3) + (3 * 3 * 2 + 2), 2),
    "unet": (
        IMAGES,
        (3, 2),
        (9 * 1 * 3 + 3) + (9 * 3 * 3 + 3) + (9 * 3 * 2 + 2) + (9 * 2 * 2 + 2) + (9 * (2 + 3) * 3 + 3),
        8 * 8 * 3,
    ),
    "resnet20": (IMAGES, (), RESNET20, 64),
    "resnet20_group_norm": (IMAGES, (), RESNET20, 64),
}


@pytest.mark.parametrize("name", models.BODIES)
def test_parameters_are_counted_by_hand(name):
    inputs, hidden, body, features = BODIES[name]
    steps = name == "conv_steps"
    model = models.build(name, outputs=10, hidden=hidden, head="steps" if steps else "logits")
    shape = (2, 5, 10) if steps else (2, 10)
    variables = jax.eval_shape(model.init, KEY, inputs)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == body + features * 10 + 10
    assert variables["params"]["head"]["kernel"].shape == (features, 10)
    assert jax.eval_shape(model.apply, variables, inputs).shape == shape
    outputs, statistics = jax.eval_shape(model.train, variables, inputs)
    assert outputs.shape == shape
    assert set(statistics) == set(variables) - {"params"} == ({"batch_stats"} if name == "resnet20" else set())


# what a head gives for 7 outputs, and what the metric reads; others give [2, 7]
HEADS = {
    "logit": ((2,), (2,)),
    "cumulative": ((2, 6), (2, 6)),
    "coral": ((2, 6), (2, 6)),
    "conditional": ((2, 6), (2, 6)),
    "score": ((2, 1), (2, 1)),
    "items": ((2, 3), (2, 3)),
    "steps": ((2, 3, 7), (2, 3, 7)),
    "points": ((2, 7, 2), (2, 7, 2)),
    "densities": ((2, 7, 4), (2, 7, 2)),
    "heatmaps": ((2, 7, 16, 16), (2, 7, 2)),
    "interval": ((2, 2), (2, 2)),
    "order": ((2,), (2,)),
}


@pytest.mark.parametrize("head", models.HEADS)
@pytest.mark.parametrize("body", ["linear", "unet"])
def test_heads(body, head):
    model = models.build(body, outputs=7, head=head, size=16, hidden=(3, 2))
    inputs = jnp.stack([IMAGES] * 3, axis=1) if models.HEADS[head].each else IMAGES  # a list of three images each
    outputs = jax.eval_shape(lambda: model.apply(model.init(KEY, inputs), inputs))
    read = model.read or (lambda outputs: outputs)
    assert (outputs.shape, jax.eval_shape(read, outputs).shape) == HEADS.get(head, ((2, 7), (2, 7)))


def test_steps_are_read_alone_or_beside_their_neighbours():
    inputs = jax.random.normal(KEY, (2, 5, 4))
    moved = inputs.at[:, 3].add(1.0)
    for name, reach in (("mlp", {3}), ("conv_steps", {2, 3, 4})):
        model = models.build(name, outputs=7, head="steps", hidden=(8,))
        params = model.init(KEY, inputs)
        change = model.apply(params, moved) - model.apply(params, inputs)
        assert set(np.flatnonzero(np.any(np.asarray(change) != 0, axis=(0, 2)))) == reach
    with pytest.raises(ValueError, match="the model 'conv_steps' reads sequences, for the head 'steps', and the head"):
        models.build("conv_steps", outputs=7).init(KEY, inputs)
    with pytest.raises(ValueError, match=r"the head 'steps' reads the steps of sequences \[B, L, ...\], got inputs"):
        models.build("mlp", outputs=7, head="steps").init(KEY, TABLE)


def test_linear_is_linear():
    model = models.build("linear", outputs=3)
    params = model.init(KEY, TABLE)
    inputs = np.random.default_rng(0).normal(size=(4, 2, 3)).astype(np.float32)
    head = params["params"]["head"]
    expected = inputs.reshape(4, 6) @ np.asarray(head["kernel"]) + np.asarray(head["bias"])[None]
    np.testing.assert_allclose(model.apply(params, inputs), expected, rtol=1e-5, atol=1e-6)


def test_the_head_of_one_number_has_no_axis_of_outputs():
    model = models.build("linear", outputs=1, head="number")
    params = model.start(model.init(KEY, TABLE), np.array([3.0, 5.0]))
    np.testing.assert_allclose(model.apply(params, TABLE), np.full(len(TABLE), 4.0))


def linear_of_zero_kernel(head, outputs, size=2, bias=None):
    """A linear model whose head gives its bias alone."""
    model = models.build("linear", outputs=outputs, head=head, size=size)
    variables = model.init(KEY, TABLE)
    layer = variables["params"]["head"]
    layer |= {"kernel": jnp.zeros_like(layer["kernel"])} | ({} if bias is None else {"bias": jnp.array(bias)})
    return model.apply(variables, TABLE)


def test_points_start_in_the_centre_and_are_in_pixels():
    model = models.build("linear", outputs=1, head="points", size=9)
    assert model.apply(model.init(KEY, TABLE), TABLE).tolist() == [[[4.0, 4.0]]] * 2  # pixels 0 .. 8
    assert linear_of_zero_kernel("points", 1, 9, [1.0, -1.0]).tolist() == [[[4 + 9 / 2, 4 - 9 / 2]]] * 2


def test_densities_are_points_and_the_logarithm_of_their_spread():
    model = models.build("linear", outputs=1, head="densities", size=16)
    start = np.asarray(model.apply(model.init(KEY, TABLE), TABLE))
    np.testing.assert_allclose(start, np.array([[[7.5, 7.5, np.log(2), np.log(2)]]] * 2), rtol=1e-6)
    moved = linear_of_zero_kernel("densities", 1, 16, [1.0, -1.0, 3.0, 0.0])
    np.testing.assert_allclose(moved[0, 0], [15.5, -0.5, np.log(2) + 3, np.log(2)], rtol=1e-6)


def test_a_score_starts_about_the_middle_level_and_reaches_both_ends():
    assert [linear_of_zero_kernel("score", 9, bias=[b])[0, 0].tolist() for b in (-1.0, 0.0, 1.0)] == [0.0, 4.0, 8.0]


def test_coral_is_one_score_with_falling_biases():
    model = models.build("linear", outputs=5, head="coral")
    variables = model.init(KEY, TABLE)
    assert variables["params"]["head"]["kernel"].shape == (6, 1)
    inputs = jax.random.normal(KEY, (20, 6))
    logits = np.asarray(model.apply(variables, inputs))
    score = np.asarray(inputs @ variables["params"]["head"]["kernel"])
    np.testing.assert_allclose(logits - score, np.tile([1.0, 0.75, 0.5, 0.25], (20, 1)), atol=1e-6)


def test_conditional_logits_are_read_as_those_of_products_of_sigmoids():
    read = models.build("linear", outputs=5, head="conditional").read
    z = np.asarray(3 * jax.random.normal(KEY, (50, 4)), np.float64)
    expected = np.cumprod(1 / (1 + np.exp(-z)), axis=1)
    np.testing.assert_allclose(jax.nn.sigmoid(read(jnp.asarray(z, jnp.float32))), expected, rtol=1e-4)
    levels = decoding.threshold_count(read(jnp.asarray(z, jnp.float32)))
    assert levels.tolist() == np.sum(expected > 0.5, axis=1).tolist()
    assert len(set(levels.tolist())) == 5


def test_heatmaps_are_as_large_as_the_image_and_read_where_they_peak():
    model = models.build("unet", outputs=2, head="heatmaps", size=16, hidden=(3,))
    variables = model.init(KEY, IMAGES)
    assert variables["params"]["head"]["kernel"].shape == (1, 1, 3, 2)
    bumps = jnp.zeros((1, 2, 16, 16)).at[0, 0, 3, 12].set(1).at[0, 1, 10, 5].set(0.5)
    np.testing.assert_allclose(model.read(bumps), [[[12, 3], [5, 10]]], atol=1e-3)


def test_inputs_that_a_model_cannot_read_are_refused():
    for name in ("cnn", "unet", "resnet20", "resnet20_group_norm"):
        with pytest.raises(ValueError, match=rf"'{name}' reads images \[B, H, W, C\], got inputs of shape \[2, 6\]"):
            models.build(name, outputs=3).init(KEY, TABLE)
    with pytest.raises(ValueError, match=r"heat-maps have the 16 by 16 pixels .* got inputs of shape \[2, 16, 8, 1\]"):
        models.build("linear", outputs=3, head="heatmaps", size=16).init(KEY, IMAGES[:, :, :8])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="model is 'resnet', which is unknown; did you mean 'resnet20'"):
        models.build("resnet", outputs=3)
    with pytest.raises(ValueError, match="head is 'point', which is unknown; did you mean 'points'"):
        models.build("mlp", outputs=3, head="point")


# --- batch statistics -------------------------------------------------------------------------------------------------


def test_batch_statistics_of_shares_are_those_of_the_whole_batch():
    """ResNet-20 on four shares of a batch and on the batch: outputs, gradient and running averages."""
    images = jax.random.normal(KEY, (8, 8, 8, 1)) * jnp.arange(1.0, 9)[:, None, None, None]
    whole = models.build("resnet20", outputs=3)
    shared = models.build("resnet20", outputs=3, axis_name="devices")
    variables = jax.jit(whole.init)(KEY, images)

    def run(model, axis_name=None):
        def trained(inputs):
            def loss(params):
                outputs, statistics = model.train({**variables, "params": params}, inputs)
                return jnp.sum(jnp.tanh(outputs[:, 0])), (outputs, statistics)

            gradient, (outputs, statistics) = jax.grad(loss, has_aux=True)(variables["params"])
            return outputs, statistics, jax.lax.psum(gradient, axis_name) if axis_name else gradient

        return trained

    trained = jax.jit(run(whole))
    outputs, statistics, gradient = trained(images)
    parts = jax.jit(jax.vmap(run(shared, "devices"), axis_name="devices"))(images.reshape(4, 2, 8, 8, 1))
    np.testing.assert_allclose(parts[0].reshape(8, 3), outputs, rtol=1e-3, atol=1e-4)
    for one, many in zip(jax.tree.leaves((statistics, gradient)), jax.tree.leaves(parts[1:]), strict=True):
        size = float(jnp.max(jnp.abs(one)))
        np.testing.assert_allclose(many, np.broadcast_to(one, many.shape), rtol=1e-3, atol=1e-3 * size)
    alone = trained(jnp.tile(images[:2], (4, 1, 1, 1)))[0]
    assert float(jnp.max(jnp.abs(alone - outputs)[:2])) > 1e-2  # a share by itself has other statistics


class Normalised(nn.Module):
    """Normalisation right after the inputs, so that the statistics are known."""

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(3, name="head")(batch_norm(None)(train)()(x))


def test_training_keeps_running_averages_and_evaluation_reads_them():
    module = Normalised()
    inputs = 2 + jax.random.normal(KEY, (32, 4))
    batch = Batch(inputs, jnp.arange(32) % 3)
    surrogate = jaxsurr.surrogates.conventional(jaxsurr.losses.cross_entropy)
    optimizer = optax.adamw(0.01, weight_decay=0.1)  # which must not wear the averages down
    step = bilevel.make_step(
        module.apply,
        optimizer,
        surrogate,
        train_apply=lambda params, x: module.apply(params, x, True, mutable=["batch_stats"]),
    )
    state = bilevel.init_state(KEY, module.init(KEY, inputs), optimizer, surrogate, module.apply, batch)
    state, _ = jax.jit(step)(state, batch)
    (averages,) = state.params["batch_stats"].values()
    np.testing.assert_allclose(averages["mean"], 0.1 * np.mean(inputs, axis=0), rtol=1e-5)
    np.testing.assert_allclose(averages["var"], 0.9 + 0.1 * np.var(inputs, axis=0), rtol=1e-5)
    one = module.apply(state.params, inputs[:1])
    np.testing.assert_allclose(one[0], module.apply(state.params, inputs)[0], rtol=1e-5)  # whatever stands beside it


@pytest.mark.parametrize("part", [bilevel.everything, bilevel.last_layer()], ids=["everything", "last_layer"])
def test_gradients_in_parameters_are_those_of_training_and_leave_statistics_out(part):
    module = Normalised()
    inputs = 2 + jax.random.normal(KEY, (32, 4))
    variables = module.init(KEY, inputs)
    selected, rebuild = part(variables)
    assert "batch_stats" not in selected
    assert jax.tree.structure(rebuild(selected)) == jax.tree.structure(variables)
    batch = Batch(inputs, jnp.argmax(inputs[:, :3], axis=-1))

    def train(params, x):
        return module.apply(params, x, True, mutable=["batch_stats"])

    def update(state, key, predictions, targets, where=None, *, pullback, heldout, axis_name):
        return (pullback(jnp.ones_like(predictions)), heldout.predictions), Info(*(0.0,) * 7)

    still = jaxsurr.surrogates.conventional(jaxsurr.losses.cross_entropy)
    step = bilevel.make_step(
        module.apply,
        optax.sgd(0.1),
        still._replace(update=update),
        in_parameters=True,
        part=part,
        train_apply=train,
    )
    state = bilevel.init_state(KEY, variables, optax.sgd(0.1), still, module.apply, batch)
    (slope, heldout), expected = jax.jit(
        lambda state: (
            step(state, batch, batch)[0].surrogate,
            jax.grad(lambda chosen: jnp.sum(train(rebuild(chosen), inputs)[0]))(selected),
        )
    )(state)
    for one, other in zip(jax.tree.leaves(slope), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(heldout, module.apply(variables, inputs), rtol=1e-5)
