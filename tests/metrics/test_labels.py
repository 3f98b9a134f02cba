"""Metrics of several labels against scikit-learn and loops; what they say of examples without a label."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import metrics, spaces

NAMES = {
    "example_f_beta": "f1_score",
    "hamming_error": "hamming_loss",
    "label_f_beta": "f1_score",
    "label_f_beta?average=micro": "f1_score",
    "label_f_beta?average=weighted": "f1_score",
    "label_ranking_average_precision": "label_ranking_average_precision_score",
    "subset_error": "zero_one_loss",
}


def data(seed, batch=40, labels=5):
    """Logits with ties and zeros, labels of which some examples have none and some all, weights and a mask."""
    rng = np.random.default_rng(seed)
    there = (rng.random((batch, labels)) < np.linspace(0.05, 0.7, labels)).astype(np.int32)
    there[0], there[1] = 0, 1
    logits = np.round(rng.normal(size=there.shape) + there - 0.5, seed % 2).astype(np.float32)
    return logits, there, rng.uniform(0.1, 2, batch).astype(np.float32), rng.random(batch) < 0.8


def reference(spec, logits, labels, weights):
    name, predicted = spec.partition("?")[0], logits > 0
    if name == "label_ranking_average_precision":
        return sklearn.metrics.label_ranking_average_precision_score(labels, logits, sample_weight=weights)
    options = {}
    if name.endswith("f_beta"):
        average = "samples" if name == "example_f_beta" else spec.partition("average=")[2] or "macro"
        options = dict(average=average, zero_division=0)
    return getattr(sklearn.metrics, NAMES[spec])(labels, predicted, sample_weight=weights, **options)


@functools.cache
def compiled(spec):
    metric = metrics.get(spec)
    if metric.per_example:
        return jax.jit(lambda z, y, where: metric(z, y, where=where))
    return jax.jit(
        lambda z, y, where, weights, other=None: metric(z, y, where=where, weights=weights, replacements=other)
    )


@pytest.mark.parametrize("spec", NAMES)
def test_agrees_with_scikit_learn_whole_masked_and_weighted(spec):
    for seed in range(6):
        logits, labels, weights, where = data(seed)
        for w, rows in ((np.ones_like(weights), where | True), (weights, where | True), (weights, where)):
            spoilt = np.where(rows[:, None], logits, np.nan)
            if metrics.get(spec).per_example:
                got = np.sum(w * compiled(spec)(spoilt, labels, rows)) / np.sum(w[rows])
            else:
                got = compiled(spec)(spoilt, labels, rows, w)
            np.testing.assert_allclose(got, reference(spec, logits[rows], labels[rows], w[rows]), rtol=2e-5)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_beta(beta):
    logits, labels, weights, _ = data(3)
    for average in ("macro", "micro", "weighted"):
        options = dict(average=average, sample_weight=weights, zero_division=0, beta=beta)
        wanted = sklearn.metrics.fbeta_score(labels, logits > 0, **options)
        got = metrics.label_f_beta(logits, labels, weights=weights, beta=beta, average=average)
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
    wanted = sklearn.metrics.fbeta_score(labels, logits > 0, average="samples", beta=beta, zero_division=1)
    got = metrics.example_f_beta.bind(beta=beta, empty=1).mean(logits, labels)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


@pytest.mark.parametrize("spec", [spec for spec in NAMES if spec.startswith("label_f")])
def test_replacements_are_the_values_of_sets_with_one_example_replaced(spec):
    logits, labels, weights, where = data(1, batch=10)
    other = data(7, batch=10)[0]
    got = compiled(spec)(logits, labels, where, weights, other)
    for row in range(10):
        moved = logits.copy()
        moved[row] = other[row]
        np.testing.assert_allclose(got[row], compiled(spec)(moved, labels, where, weights), rtol=1e-5, atol=1e-6)


WITHOUT = {  # no label is set: none predicted, all predicted
    "example_f_beta": (0, 0),
    "hamming_error": (0, 1),
    "label_f_beta": (0, 0),
    "label_f_beta?average=micro": (0, 0),
    "label_f_beta?average=weighted": (0, 0),
    "label_ranking_average_precision": (1, 1),
    "subset_error": (0, 1),
}


@pytest.mark.parametrize("spec", NAMES)
def test_without_labels_with_all_of_one_label_and_of_nobody(spec):
    def value(z, y, rows=None):
        return float(metrics.get(spec).mean(jnp.asarray(z, jnp.float32), jnp.asarray(y), where=rows))

    nothing = np.zeros((4, 3), int)
    assert (value(nothing - 1, nothing), value(nothing + 1, nothing)) == WITHOUT[spec]
    best = 0.0 if spec.endswith("error") else 1.0
    assert value(nothing + 1, nothing + 1) == pytest.approx(best)
    assert value(np.ones((4, 1)), np.ones((4, 1), bool)) == best
    assert value(np.full((4, 3), np.nan), nothing, jnp.zeros(4, bool)) == 0
    halves = metrics.get(spec)(jnp.ones((4, 3), jnp.bfloat16), nothing)
    assert halves.dtype == jnp.float32
    broken = metrics.get(spec).mean(jnp.full((4, 3), jnp.nan), jnp.asarray(np.eye(4, 3, dtype=int)))
    if spec.startswith("label_f"):
        assert np.isnan(broken)
    else:
        assert float(broken) == (1 if spec.endswith("error") else pytest.approx(0.25 * (spec[0] == "l")))


def test_forms_of_targets_and_refusals():
    logits, labels, _, _ = data(2)
    for spec in NAMES:
        wanted = metrics.get(spec).mean(logits, labels)
        for dtype in (bool, np.uint8, np.float32):
            assert float(metrics.get(spec).mean(logits, labels.astype(dtype))) == float(wanted)
        with pytest.raises(ValueError, match="Soft labels are not read"):
            metrics.get(spec)(logits, 0.5 * labels)
        with pytest.raises(ValueError, match=r"With one class for each example use metrics and losses of classes"):
            metrics.get(spec)(logits, labels[:, 0])
        traced = jax.jit(metrics.get(spec))(logits, labels + (np.arange(40) == 3)[:, None])
        assert np.isnan(traced).tolist() == ((np.arange(40) == 3).tolist() if traced.ndim else True)
    for call, sentence in (
        (lambda: metrics.label_f_beta(logits, labels, average="samples"), "average is 'samples'"),
        (lambda: metrics.label_f_beta(logits, labels, beta=0), "beta must be positive"),
        (lambda: metrics.example_f_beta(logits, labels, empty=2), "empty must be"),
        (lambda: metrics.get("hamming_loss"), "that is hamming_error"),
        (lambda: metrics.error_rate(logits, labels), r"shape \[40\], got \[40, 5\].* hamming_error"),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()


def test_a_function_of_scikit_learn_reads_labels_as_a_black_box():
    logits, labels, _, _ = data(4)
    score = functools.partial(sklearn.metrics.jaccard_score, average="samples", zero_division=0)
    metric = metrics.black_box(
        score, higher_is_better=True, decode=lambda z: z > 0, space=spaces.label_logits, name="jaccard"
    )
    wanted = sklearn.metrics.jaccard_score(labels, logits > 0, average="samples", zero_division=0)
    assert float(metric(logits, jnp.asarray(labels))) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", ["subset_error", "label_f_beta"])
def test_a_loss_of_labels_is_learned_kept_and_diagnosed(name, tmp_path):
    surrogate, state, card = jaxsurr.fit(name, key=jax.random.key(0), steps=20, sizes=3, pairs=4)
    z, y = jaxsurr.sample(spaces.label_logits, jax.random.key(1), 64, 3)
    loaded, again = jaxsurr.load(jaxsurr.save(tmp_path / "it", surrogate, state, card=card))[:2]
    kept = [jaxsurr.frozen(*pair) for pair in ((surrogate, state), (loaded, again))]
    np.testing.assert_array_equal(kept[0](z, y), kept[1](z, y))
    found = jaxsurr.diagnose(surrogate, state, z, y, key=jax.random.key(2), pairs=64)
    assert found.metrics == (name,) and np.isfinite(found.gradient).all() and len(str(found)) > 100
    more, labels = jaxsurr.sample(spaces.label_logits, jax.random.key(3), 64, 7)  # labels that it was not learned with
    assert np.isfinite(kept[0](more, labels)).all()
