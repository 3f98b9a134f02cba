"""Surrogates that are linear in soft counts: what one update tells, and what they are not for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, spaces
from jaxsurr.core.types import View
from jaxsurr.smoothing.function_directions import atoms_of
from jaxsurr.smoothing.smoothed_metric import smoothed_metric
from jaxsurr.surrogates.families import count_family
from jaxsurr.surrogates.families.base import Problem
from jaxsurr.surrogates.families.counts import CountState, least_squares

KEY = jax.random.key(0)


def draw(seed, size=128, classes=4):
    of_labels, of_noise = jax.random.split(jax.random.key(seed))
    labels = jax.random.categorical(of_labels, jnp.log(jnp.arange(1.0, classes + 1)), shape=(size,))
    return jax.random.normal(of_noise, (size, classes)) + jax.nn.one_hot(labels, classes), labels


@pytest.mark.parametrize("seed", range(3))
def test_least_squares_against_numpy(seed):
    random = np.random.default_rng(seed)
    matrix, wanted = random.normal(size=(40, 5)), random.normal(size=(40, 2))
    matrix[:, 2] *= 100
    got = least_squares(jnp.asarray(matrix.T @ matrix), jnp.asarray(matrix.T @ wanted), ridge=0.0)
    np.testing.assert_allclose(got, np.linalg.lstsq(matrix, wanted)[0], rtol=1e-3, atol=1e-5)


def exact(z, y, where=None):
    """The problem of a metric that is linear in the counts, with its exact gradient."""
    wanted = jnp.asarray(np.random.default_rng(0).normal(size=(16, 1)), jnp.float32)
    share = jnp.ones(len(z)) if where is None else where

    def metric(z):
        return (share @ atoms_of(spaces.class_logits, z, y, jnp.ones(()), where) @ wanted)[0] / jnp.sum(share)

    value, slope = jax.value_and_grad(metric)(z)
    each = jnp.where(share > 0, jnp.sum(share) / jnp.where(share > 0, share, 1), 0)
    view = View(z, y, where)
    return Problem(
        view, (each[:, None] * slope)[None], view, jnp.full((len(z), 1), value), value[None], jnp.ones(()), None
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_that_is_linear_in_the_counts_is_found_at_once(weighted):
    z, y = draw(1)
    where = jax.random.exponential(KEY, (128,)).at[5].set(0) if weighted else None
    family, problem = count_family(spaces.class_logits), exact(z, y, where)
    state = family.init(KEY, problem.gradient_view, jnp.ones(()), 1)
    state, _, _ = family.learn(state, problem)
    state, _, gradient_sums = family.learn(state, problem)
    assert gradient_sums.xy[0] / jnp.sqrt(gradient_sums.xx * gradient_sums.yy)[0] > 0.999  # but for the ridge
    other = exact(*draw(2))  # another set, of the same law
    gradient = jax.grad(lambda z: family.values(state, z, other.gradient_view.targets, jnp.ones(()), 1)[0, 0])
    found, wanted = gradient(other.gradient_view.predictions).ravel(), other.target_gradient.ravel()
    assert found @ wanted / jnp.linalg.norm(found) / jnp.linalg.norm(wanted) > 0.999


@pytest.mark.parametrize("name", ["f_beta", "matthews_correlation", "g_mean", "r2"])
def test_one_update_gives_the_gradient_on_an_unseen_set(name):
    metric = metrics.get(name)
    sets = (
        draw
        if metric.space == spaces.class_logits
        else (lambda seed: metric.space.sample(jax.random.key(seed), 128, 1))
    )
    surrogate = jaxsurr.correlated_gradients(metric, family="counts")
    state = surrogate.init(KEY, *sets(1))
    state, info = surrogate.update(state, KEY, *sets(1))
    z, y = sets(2)
    slope = jax.grad(lambda z: surrogate.loss(state, z, y))(z)
    reference = smoothed_metric(metric, z, y, key=KEY, scale=info.scale, num_pairs=256).gradient
    cosine = metric.sign * jnp.vdot(slope, reference) / jnp.linalg.norm(slope) / jnp.linalg.norm(reference)
    assert cosine > 0.9


@pytest.mark.parametrize("name", ["f_beta", "cohen_kappa", "roc_auc", "balanced_error"])
def test_the_gradient_has_the_size_of_the_metric_s_on_small_sets_as_well(name):
    """A small set hardly shows some of the events; their coefficients must not explode on the next one."""
    metric = metrics.get(name)
    surrogate = jaxsurr.correlated_gradients(metric, family="counts", num_pairs=64)
    learn = jax.jit(surrogate.update)
    state, ratios = surrogate.init(KEY, *draw(1, 32, 2)), []
    for step in range(1, 31):
        state, info = learn(state, jax.random.key(step), *draw(step, 32, 2))
        if step in (2, 5, 30):
            z, y = draw(100 + step, 32, 2)
            slope = jax.grad(lambda z, y=y, state=state: surrogate.loss(state, z, y))(z)
            reference = smoothed_metric(metric, z, y, key=KEY, scale=info.scale, num_pairs=256).gradient
            ratios.append(float(jnp.linalg.norm(slope) / jnp.linalg.norm(reference)))
    assert all(1 / 3 < ratio < 3 for ratio in ratios), ratios


@pytest.mark.parametrize("classes, kind", [(4, CountState), (100, dict)])
def test_the_default_takes_counts_where_they_are_few(classes, kind):
    z, y = draw(0, 64, classes)
    chosen = jaxsurr.correlated_gradients(metrics.balanced_error)
    named = jaxsurr.correlated_gradients(metrics.balanced_error, family="counts" if kind is CountState else "network")
    states = [one.update(one.init(KEY, z, y), KEY, z, y)[0] for one in (chosen, named)]
    assert isinstance(states[0].family, CountState) == (kind is CountState)
    losses = [one.loss(state, z, y) for one, state in zip((chosen, named), states, strict=True)]
    assert losses[0] == losses[1] != 0


def test_what_it_is_not_for():
    with pytest.raises(ValueError, match="family='counts' is for metrics of sets, and error_rate has a value for each"):
        jaxsurr.correlated_gradients(metrics.error_rate, family="counts")
    surrogate = jaxsurr.correlated_gradients(metrics.f_beta, family="counts")
    with pytest.raises(ValueError, match="has 400 counts of such predictions, and solves for at most 256"):
        surrogate.init(KEY, *draw(0, 16, 200))
