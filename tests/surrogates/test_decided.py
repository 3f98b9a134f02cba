"""Metrics whose decisions are not what a surrogate takes them for are noticed where it begins, outside of `jax.jit`."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, spaces, surrogates

KEY = jax.random.key(0)
POINTS = jax.random.normal(KEY, (8, 3, 2))


def begun(metric, z, y, **options):
    """What the first `init` of a surrogate warns of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        jaxsurr.correlated_gradients(metric, **options).init(KEY, z, y)
    assert all(warning.filename == __file__ for warning in found)
    return [str(warning.message) for warning in found]


def far(z, y):
    """Share of points farther away than 0.5."""
    return jnp.mean((jnp.linalg.norm(z - y, axis=-1) > 0.5).astype(z.dtype), axis=-1)


def wrong(z, y):
    return (jnp.argmax(z, axis=-1) != y).astype(z.dtype)


# --- items ------------------------------------------------------------------------------------------------------------


def test_items_that_the_space_cannot_tell_apart_are_said_to_be_one_decision():
    (said,) = begun(jaxsurr.metric(far, higher_is_better=False, name="far"), POINTS, 0 * POINTS)
    assert said.startswith(
        "far is learned in the space 'generic', which knows no items: each example counts as one decision, whose "
        "margin is the distance of the whole prediction from its target, both [3, 2]. "
    )
    assert "jaxsurr.spaces.generic._replace(features=..., decisions=...)" in said


def test_targets_of_another_shape_are_said_to_have_no_margin():
    own = jaxsurr.metric(wrong, higher_is_better=False, name="wrong")
    (said,) = begun(own, jnp.eye(3), jnp.arange(3))
    assert "one decision without a margin, since targets [3] are not of the shape of predictions [3, 3]" in said
    assert "space=jaxsurr.spaces.class_logits for classes" in said


def one_point_an_item(z, y, scale):
    distance = jnp.sqrt(jnp.sum((z - y) ** 2, axis=-1, keepdims=True) + 1e-12)
    features = jnp.concatenate([z - y, distance], axis=-1) / scale
    return features, jnp.full(features.shape[:2], 1 / features.shape[1])


OF_POINTS = spaces.generic._replace(
    name="points", features=one_point_an_item, decisions=lambda features, z, y: -features[..., 2:]
)
NOTHING_TO_SAY = {
    "one number": (jaxsurr.metric(lambda z, y: (jnp.abs(z - y) > 1).astype(z.dtype)[:, 0], higher_is_better=False), {}),
    "a space with items": (jaxsurr.metric(far, higher_is_better=False, space=OF_POINTS), {}),
    "a network": (jaxsurr.metric(far, higher_is_better=False), {"family": "network"}),
    "ramps of each coordinate": (jaxsurr.metric(far, higher_is_better=False), {"family": "basis"}),
    "no bound": (jaxsurr.metric(lambda z, y: jnp.sum((z - y) ** 2, (1, 2)), higher_is_better=False, bounded=False), {}),
    "a set": (jaxsurr.metric(lambda z, y, where=None: jnp.max(z), higher_is_better=False, per_example=False), {}),
}


@pytest.mark.parametrize("case", NOTHING_TO_SAY)
def test_where_decisions_are_known_or_none_are_asked_for_nothing_is_said(case):
    metric, options = NOTHING_TO_SAY[case]
    z = POINTS[:, :1, 0] if case == "one number" else POINTS
    assert begun(metric, z, 0 * z, **options) == []


def test_a_space_of_the_users_own_with_a_row_for_each_item_has_the_likelihood_of_each():
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metric(far, higher_is_better=False, space=OF_POINTS), power=0.0)
    state = surrogate.init(KEY, POINTS, 0 * POINTS)
    z = jnp.zeros((1, 3, 2)).at[0, 0, 0].set(50.0)
    slope = jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, 0 * z)))(z)
    assert slope[0, 0, 0] > 0.1 and np.isfinite(slope).all()


def test_a_metric_of_the_library_in_its_space_and_compiled_code_say_nothing():
    assert begun(metrics.error_rate, jnp.eye(3), jnp.arange(3)) == []
    surrogate = surrogates.value_fit(jaxsurr.metric(far, higher_is_better=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.jit(surrogate.init)(KEY, POINTS, 0 * POINTS)
    with pytest.warns(UserWarning, match="which knows no items"):
        surrogate.init(KEY, POINTS, 0 * POINTS)


# --- bounds -----------------------------------------------------------------------------------------------------------

LINE = jnp.linspace(-1, 1, 6)[:, None]
ENDLESS = {
    "distance": lambda z, y: jnp.abs(z - y)[:, 0],
    "gain": lambda z, y: -((z - y) ** 2)[:, 0],
    "logarithm": lambda z, y: jnp.log1p(jnp.abs(z - y)[:, 0]),
    "one side": lambda z, y: jax.nn.relu(y - z)[:, 0],
    "exponential": lambda z, y: jnp.exp(jnp.abs(z - y)[:, 0]),
    "several": lambda z, y: jnp.concatenate([jnp.ones_like(z), jnp.abs(z - y)], axis=1),
}
LEVEL = {
    "hit": lambda z, y: (jnp.abs(z - y) > 0.5).astype(z.dtype)[:, 0],
    "costs above 1": lambda z, y: 40.0 * (z > y).astype(z.dtype)[:, 0],
    "a distance up to 5": lambda z, y: jnp.minimum(jnp.abs(z - y), 5.0)[:, 0],
    "a ratio": lambda z, y: 1 / (1 + jnp.abs(z - y)[:, 0]),
    "a wave": lambda z, y: jnp.sin(z - y)[:, 0],
    "always 0": lambda z, y: 0 * y[:, 0],
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("family", ["auto", "basis"])
def test_an_own_metric_without_a_bound_that_declares_none_is_noticed(kind, family):
    if (kind, family) != ("several", "basis"):
        own = jaxsurr.metric(ENDLESS[kind], higher_is_better=kind == "gain", name="mine")
        (said,) = begun(own, LINE, 0 * LINE, family=family)
        assert said.startswith("mine is declared bounded, which is the default, but its values rise from ")
        assert said.endswith("Declare it with jaxsurr.metric(..., bounded=False), and its value is learned.")


@pytest.mark.parametrize("kind", LEVEL)
def test_an_own_metric_with_a_bound_is_not(kind):
    assert begun(jaxsurr.metric(LEVEL[kind], higher_is_better=False), LINE, 0 * LINE) == []


def test_a_black_box_is_not_asked():
    box = metrics.black_box(lambda y, z: abs(z - y)[:, 0], per_example=True, higher_is_better=False)
    with metrics.count_calls() as calls:
        assert begun(box, LINE, 0 * LINE) == []
    assert calls.number == 0


def test_a_function_says_itself_that_it_has_no_bound():
    def distance(z, y):
        return jnp.abs(z - y)[:, 0]

    distance.higher_is_better, distance.bounded = False, False
    assert not metrics.as_metric(distance).bounded
    assert begun(distance, LINE, 0 * LINE) == []
