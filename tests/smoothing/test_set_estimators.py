"""Estimators of the gradient of set metrics: each without bias where it says so, and with the noise that it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, spaces
from jaxsurr.smoothing import set_estimators as set_differences
from jaxsurr.smoothing.smoothed_metric import smoothed_metric


def data(size, classes=2, seed=0):
    keys = jax.random.split(jax.random.key(seed))
    labels = jnp.arange(size) % classes
    return jax.random.normal(keys[0], (size, classes)) + jax.nn.one_hot(labels, classes), labels


def square_of_mean(predictions, targets, *, where=None, replacements=None):
    """Of the shifted first logit; its smoothed gradient is known: 2 mean (z - 2 y) / n for every example."""
    counts = jnp.ones(len(targets)) if where is None else where.astype(jnp.float32)
    number = jnp.maximum(jnp.sum(counts), 1)

    def value(total):
        return (total / number) ** 2

    each = counts * (predictions[:, 0] - 2 * targets)
    if replacements is None:
        return value(jnp.sum(each))
    return value(jnp.sum(each) - each + counts * (replacements[:, 0] - 2 * targets))


MEAN = jaxsurr.metric(square_of_mean, higher_is_better=False, space=spaces.generic, per_example=False)


@pytest.mark.parametrize(("estimator", "group_size"), [("replace", 6), ("groups", 6), ("groups", 32)])
def test_mean_of_many_pairs_is_the_gradient(estimator, group_size):
    logits, labels = data(24)
    where = jnp.arange(24) < 20
    out = jax.jit(
        lambda: smoothed_metric(
            MEAN, logits, labels, key=jax.random.key(1), scale=0.1, num_pairs=2000, where=where, chunk_size=500,
            estimator=estimator, group_size=group_size,
        )
    )()  # fmt: skip
    wanted = 2 * jnp.mean((logits[:, 0] - 2 * labels)[:20]) / 20
    assert not np.any(out.gradient[20:])
    got = out.gradient[:20, 0]
    noise = float(jnp.sqrt(jnp.mean(out.error[:20, 0] ** 2)))
    np.testing.assert_allclose(jnp.mean(got), wanted, atol=4 * noise / np.sqrt(20) + 0.02 * abs(float(wanted)))
    if estimator == "replace" or group_size > 20:  # of a group an example is a larger part than of the set
        np.testing.assert_allclose(got, jnp.full(20, wanted), atol=5 * noise)
    assert noise < 0.2 * abs(float(wanted))


def cosines(metric, size, estimator, pairs=16, group_size=32):
    """Mean cosine of an estimate of a few pairs with one of many."""
    logits, labels = data(size)

    @jax.jit
    def compared():
        def gradient(key, number, how):
            options = dict(key=key, scale=0.3, num_pairs=number, estimator=how, group_size=group_size)
            return smoothed_metric(metric, logits, labels, **options).gradient.ravel()

        many = gradient(jax.random.key(1), 512, "replace")
        few = jax.lax.map(lambda key: gradient(key, pairs, estimator), jax.random.split(jax.random.key(2), 8))
        return jnp.mean(few @ many / jnp.linalg.norm(few, axis=1) / jnp.linalg.norm(many))

    return float(compared())


def test_replacing_one_does_not_get_noisier_with_the_size_of_the_set():
    small, large = (cosines(metrics.f_beta, size, "replace") for size in (16, 64))
    assert min(small, large) > 0.85 and abs(small - large) < 0.07
    # All at once: a squared cosine of about P / (P + n d - 1), one fifth for 64 examples that have one direction each
    # (of two logits, whose mean is projected out).
    assert cosines(metrics.f_beta, 64, "groups", group_size=64) < 0.65 * large


def test_one_group_and_replaced_agree_on_a_single_example():
    logits, labels = data(1)

    @jax.jit
    def both():
        options = dict(key=jax.random.key(0), scale=2.0, num_pairs=8)
        return [smoothed_metric(MEAN, logits, labels, estimator=e, **options) for e in ("groups", "replace")]

    together, replaced = both()
    np.testing.assert_allclose(together.gradient, replaced.gradient, rtol=1e-5)


@pytest.mark.parametrize("size", [5, 24, 50])
def test_every_example_is_dealt_once_and_classes_evenly(size):
    labels, where = (jnp.arange(size) * 7) % 3, jnp.arange(size) % 5 > 0
    deal = jax.jit(set_differences.groups, static_argnums=(3, 4))
    members, taken = map(np.asarray, deal(jax.random.key(0), labels, where, size, 8))
    labels, where = np.asarray(labels), np.asarray(where)
    assert sorted(members[taken].tolist()) == list(range(size))
    assert members.shape[0] == max(1, size // 8)
    for label in range(3):
        counts = np.sum(taken & where[members] & (labels[members] == label), axis=1)
        assert int(np.max(counts) - np.min(counts)) <= 1
    again, _ = deal(jax.random.key(1), labels, where, size, 8)
    assert again.tolist() != members.tolist()


def test_choice_of_the_estimator():
    plain = jaxsurr.metric(lambda z, y, where=None: jnp.mean(z), higher_is_better=True, name="plain", per_example=False)
    assert set_differences.choose_estimator("auto", metrics.f_beta) == "replace"
    assert set_differences.choose_estimator("auto", metrics.f_beta, 12) == "replace"
    assert set_differences.choose_estimator("auto", plain, 12) == "functions"
    assert set_differences.choose_estimator("auto", plain) == "groups"
    assert set_differences.one_group(63, 32) and not set_differences.one_group(64, 32)
    with pytest.warns(DeprecationWarning, match="estimator='whole' is now 'groups'"):
        set_differences.check_estimator("whole", 32)
    assert set_differences.choose_estimator("whole", plain, 12) == "groups"  # in a file of before
    with pytest.raises(ValueError, match="plain does not; use 'groups'"):
        set_differences.choose_estimator("replace", plain)
    with pytest.raises(ValueError, match="did you mean 'groups'"):
        jaxsurr.surrogates.smoothed(metrics.f_beta, estimation=jaxsurr.surrogates.Estimation(estimator="group"))


def test_several_metrics_of_sets_at_once():
    both = jaxsurr.metric(
        lambda z, y, where=None: jnp.stack([metrics.f_beta(z, y, where=where), metrics.roc_auc(z, y, where=where)]),
        higher_is_better=True,
        name="both",
        space=spaces.class_logits,
        per_example=False,
    )
    logits, labels = data(16)
    options = dict(key=jax.random.key(0), scale=0.5, num_pairs=4, estimator="groups", group_size=8)
    out, alone = jax.jit(
        lambda: [smoothed_metric(metric, logits, labels, **options) for metric in (both, metrics.roc_auc)]
    )()
    assert out.gradient.shape == (2, 16, 2) and out.value.shape == (2,)
    np.testing.assert_allclose(out.gradient[1], alone.gradient, rtol=1e-5, atol=1e-7)


OF_SUMS = [
    name
    for name, one in metrics.METRICS.items()
    if not one.per_example and one.replaces and one.space is spaces.class_logits
]


@pytest.mark.parametrize("name", OF_SUMS)
def test_many_sets_at_once_have_the_values_of_few(name):
    """On CPU, XLA of jax 0.10 had wrong sums for more than 32,768 sets."""
    keys = jax.random.split(jax.random.key(0), 3)
    z, other = (jax.random.normal(key, (320, 128, 2)) for key in keys[:2])
    y = jax.random.bernoulli(keys[2], 0.2, (128,)).astype(jnp.int32)
    values = jax.jit(jax.vmap(lambda z, other: metrics.METRICS[name](z, y, replacements=other)))
    few = jnp.concatenate([values(z[i : i + 64], other[i : i + 64]) for i in range(0, 320, 64)])
    np.testing.assert_allclose(values(z, other), few, rtol=1e-5, atol=1e-6)
