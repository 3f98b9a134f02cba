"""Wrong input is refused in a sentence that names it; degenerate input has a documented, finite result."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import Keypoints, losses, metrics, smoothed_metric, surrogates
from jaxsurr.smoothing.smoothed_metric import table_directions
from jaxsurr.surrogates import Estimation

KEY = jax.random.key(0)
TABLE = table_directions()
LOGITS = jax.random.normal(jax.random.key(1), (8, 4))
LABELS = jnp.arange(8) % 4
FIGURES = Keypoints(jnp.zeros((8, 3, 2)), jnp.ones((8, 3)), jnp.full(8, 2.0))
POINTS = jax.random.normal(jax.random.key(2), (8, 3, 2))


def everywhere(metric, predictions, targets):
    """All the ways in which a batch reaches the library."""
    yield lambda: metric(predictions, targets)
    yield lambda: smoothed_metric(metric, predictions, targets, key=KEY, scale=1.0, directions=TABLE)
    yield lambda: jaxsurr.correlated_gradients(metric).init(KEY, predictions, targets)
    yield lambda: surrogates.smoothed(metric).init(KEY, predictions, targets)


ERROR, MAE, PCK = metrics.error_rate, metrics.mean_absolute_error, metrics.pck
ONE_LOGIT = metrics.error_rate.bind(space=jaxsurr.spaces.binary_scores)
TOP = metrics.top_k_error

REFUSED = {
    "too few labels": (ERROR, LOGITS, LABELS[:7], ValueError, r"targets must hold one of the classes .* got \[7\]"),
    "labels with an axis more": (ERROR, LOGITS, LABELS[:, None], ValueError, r"shape \[8\], got \[8, 1\]"),
    "floating labels": (ERROR, LOGITS, LABELS * 1.0, TypeError, "targets must be integers"),
    "labels in a list": (ERROR, LOGITS, [0, 1], TypeError, "targets must be an integer array"),
    "label too large": (ERROR, LOGITS, LABELS + 1, ValueError, "classes from 0 to 3.* got values from 1 to 4"),
    "negative label": (ERROR, LOGITS, LABELS - 1, ValueError, "classes from 0 to 3.* got values from -1 to 2"),
    "level too large": (MAE, LOGITS, LABELS + 1, ValueError, "levels from 0 to 3"),
    "integer logits": (ERROR, LABELS[:, None] + LABELS[None], LABELS, TypeError, "predictions must have a floating"),
    "logits in a list": (ERROR, [[0.0, 1.0]], LABELS[:1], TypeError, "predictions must be an array, got list"),
    "one logit of four classes": (ONE_LOGIT, LOGITS[:, 0], LABELS, ValueError, "classes from 0 to 1"),
    "soft labels of one logit": (ONE_LOGIT, LOGITS[:, 0], LABELS / 4, TypeError, "targets must be integers"),
    "whole labels of one logit": (ONE_LOGIT, LOGITS[:, 0], LABELS * 1.0, TypeError, r"pass targets.astype\(int\)"),
    "one logit of several classes": (TOP, LOGITS[:, 0], LABELS, ValueError, r"\[B, K\], .* is binary_cross_entropy\."),
    "one class": (TOP, LOGITS[:, :1], 0 * LABELS, ValueError, r"at least 2 classes.* error_rate.bind\(space="),
    "empty batch": (ERROR, LOGITS[:0], LABELS[:0], ValueError, "the batch is empty"),
    "points in space": (PCK, jnp.zeros((8, 3, 3)), FIGURES, ValueError, r"shape \[B, J, 2\].* got \[8, 3, 3\]"),
    "flat points": (PCK, POINTS.reshape(8, 6), FIGURES, ValueError, r"predictions must have shape \[B, J, 2\]"),
    "points without scale": (PCK, POINTS, FIGURES.points, TypeError, r"Keypoints\(points, visible, scale\)"),
    "too few points": (PCK, POINTS[:, :2], FIGURES, ValueError, r"targets.points must have shape \[8, 2, 2\]"),
    "visibility of x and y": (
        PCK, POINTS, FIGURES._replace(visible=jnp.ones((8, 3, 2))), ValueError, "targets.visible must have shape",
    ),
    "scale with an axis more": (
        PCK, POINTS, FIGURES._replace(scale=jnp.ones((8, 1))), ValueError, "targets.scale must have shape",
    ),
    "scale zero": (PCK, POINTS, FIGURES._replace(scale=jnp.arange(8.0)), ValueError, "targets.scale must be positive"),
    "scale negative": (PCK, POINTS, FIGURES._replace(scale=-FIGURES.scale), ValueError, "scale must be positive"),
    "scale NaN": (PCK, POINTS, FIGURES._replace(scale=jnp.full(8, jnp.nan)), ValueError, "scale must be positive"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_words(case):
    metric, predictions, targets, kind, sentence = REFUSED[case]
    for call in everywhere(metric, predictions, targets):
        with pytest.raises(kind, match=sentence):
            call()


@pytest.mark.parametrize(
    "case", ["too few labels", "floating labels", "integer logits", "flat points", "too few points", "empty batch"]
)
def test_shapes_and_types_are_refused_while_tracing(case):
    metric, predictions, targets, kind, sentence = REFUSED[case]
    with pytest.raises(kind, match=sentence):
        jax.eval_shape(metric, predictions, targets)
    with pytest.raises(kind, match=sentence):
        jax.eval_shape(jaxsurr.correlated_gradients(metric).init, KEY, predictions, targets)


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_predictions_that_are_not_finite(value):
    spoilt = LOGITS.at[2, 1].set(value)
    for make in (jaxsurr.correlated_gradients, surrogates.smoothed):
        surrogate = make(metrics.error_rate)
        state = surrogate.init(KEY, LOGITS, LABELS)
        for call in (
            lambda f=surrogate: f.init(KEY, spoilt, LABELS),
            lambda f=surrogate, s=state: f.loss(s, spoilt, LABELS),
            lambda f=surrogate, s=state: f.update(s, KEY, spoilt, LABELS),
        ):
            with pytest.raises(ValueError, match=r"predictions hold 1 values that are NaN .* index \(2, 1\)"):
                call()


@pytest.mark.parametrize(
    ("where", "kind", "sentence"),
    [
        (jnp.ones(7, bool), ValueError, r"of shape \[8\], one for each example, got \[7\]"),
        (jnp.ones((8, 1), bool), ValueError, r"shape \[8\], one for each example, got \[8, 1\]"),
        (jnp.ones(8, int), TypeError, "where must be booleans"),
    ],
)
def test_masks(where, kind, sentence):
    own = jaxsurr.metric(lambda z, y: z[:, 0], higher_is_better=True)
    for metric in (metrics.error_rate, metrics.mean_absolute_error, own):
        with pytest.raises(kind, match=sentence):
            metric(LOGITS, LABELS, where=where)
        with pytest.raises(kind, match=sentence):
            smoothed_metric(metric, LOGITS, LABELS, key=KEY, scale=1.0, where=where, directions=TABLE)
        for make in (jaxsurr.correlated_gradients, surrogates.smoothed):
            with pytest.raises(kind, match=sentence):
                make(metric).init(KEY, LOGITS, LABELS, where)


# --- metrics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "per_example", "kind", "sentence"),
    [
        (lambda z, y: jnp.mean(z), True, ValueError, r"with B = 8 it returned shape \[\]"),
        (lambda z, y: z[:5, 0], True, ValueError, r"with B = 8 it returned shape \[5\]"),
        (lambda z, y: z[:, :, None], True, ValueError, r"it returned shape \[8, 4, 1\]"),
        (lambda z, y, where=None: z, False, ValueError, r"of a set, \[\] or \[M\], .* shape \[8, 4\]"),
        (lambda z, y: jnp.argmax(z, axis=-1), True, TypeError, "must return a floating array, got int32; cast"),
        (lambda z, y: z[:, 0] > 0, True, TypeError, "must return a floating array, got bool; cast"),
        (lambda z, y: (z[:, 0], z[:, 1]), True, TypeError, "must return a floating array, got tuple"),
    ],
)
def test_metric_that_returns_something_else(function, per_example, kind, sentence):
    metric = jaxsurr.metric(function, higher_is_better=True, name="mine", per_example=per_example)
    with pytest.raises(kind, match=sentence):
        smoothed_metric(metric, LOGITS, LABELS, key=KEY, scale=1.0, directions=TABLE)
    with pytest.raises(kind, match="mine.*" + sentence):
        jaxsurr.correlated_gradients(metric).init(KEY, LOGITS, LABELS)


def test_metric_without_direction():
    def own(predictions, targets):
        return predictions[:, 0]

    for call in (
        lambda: jaxsurr.correlated_gradients(own),
        lambda: surrogates.smoothed(own),
        lambda: smoothed_metric(own, LOGITS, LABELS, key=KEY, scale=1.0),
    ):
        with pytest.raises(TypeError, match="'own' does not say which direction is better"):
            call()
    with pytest.raises(TypeError, match="higher_is_better"):
        jaxsurr.metric(own)
    with pytest.raises(TypeError, match="a metric is a function"):
        jaxsurr.metric(3, higher_is_better=True)
    with pytest.raises(TypeError, match="own is a metric of sets and must take where="):
        jaxsurr.metric(own, higher_is_better=True, per_example=False)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: metrics.get("mean_absolut_error"), ValueError, "did you mean 'mean_absolute_error'"),
        (lambda: losses.get("cross_entropi"), ValueError, "did you mean 'cross_entropy'"),
        (lambda: MAE(LOGITS, LABELS, decode="mediam"), ValueError, "did you mean 'median'"),
        (lambda: jaxsurr.correlated_gradients(ERROR, family="netwrk"), ValueError, "did you mean 'network'"),
        (lambda: jaxsurr.correlated_gradients(ERROR, objective="params"), ValueError, "did you mean 'parameters'"),
        (lambda: jaxsurr.correlated_gradients(ERROR, correlation="pearso"), ValueError, "did you mean 'pearson'"),
        (lambda: PCK.bind(tresholds=1), TypeError, "no option 'tresholds'; did you mean 'threshold'"),
        (lambda: metrics.top_k_error(LOGITS, LABELS, k=0), ValueError, "k must be an integer of at least 1"),
        (lambda: PCK(POINTS, FIGURES, threshold=0.0), ValueError, "threshold must be positive"),
        (lambda: PCK(POINTS, FIGURES, threshold=()), ValueError, "threshold must be positive"),
        (lambda: jaxsurr.correlated_gradients(ERROR, num_pairs=0), ValueError, "num_pairs must be an integer"),
        (lambda: surrogates.smoothed(ERROR, num_pairs=0), ValueError, "num_pairs must be an integer"),
        (
            lambda: surrogates.smoothed(ERROR, estimation=Estimation(chunk_size=0)),
            ValueError,
            "chunk_size must be an integer",
        ),
        (lambda: jaxsurr.correlated_gradients(ERROR, relative_scale=0), ValueError, "relative_scale must be positive"),
        (lambda: surrogates.smoothed(ERROR, relative_scale=0), ValueError, "relative_scale must be positive"),
        (lambda: surrogates.value_fit(ERROR, estimation=Estimation(spread=-1)), ValueError, "spread must be"),
        (
            lambda: surrogates.smoothed(ERROR, estimation=Estimation(decay=1)),
            ValueError,
            "decay must be a finite number of at least 0 and below 1",
        ),
        (lambda: jaxsurr.correlated_gradients(ERROR, value_weight=-1), ValueError, "value_weight must be"),
        (
            lambda: jaxsurr.correlated_gradients(ERROR, value_weight=0, correlation_weight=0),
            ValueError,
            "at least one of value_weight, correlation_weight must be positive",
        ),
        (
            lambda: jaxsurr.correlated_gradients(ERROR, estimation=dict(decay=0.9)),
            TypeError,
            r"must be jaxsurr\.surrogat",
        ),
        (
            lambda: jaxsurr.correlated_gradients(ERROR, decay=0.9),
            TypeError,
            r"pass estimation=Estimation\(decay=\.\.\.\)",
        ),
        (lambda: surrogates.smoothed(ERROR, exact_noise=True), TypeError, "no option 'exact_noise' any more"),
        (lambda: surrogates.value_fit(ERROR, family="basis"), ValueError, "value_fit needs family="),
    ],
)
def test_options_are_refused_in_words(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(scale=0.0), r"scale must be positive and finite \(without noise .*\), got 0.0"),
        (dict(scale=-1.0), r"scale must be positive and finite \(without noise .*\), got -1.0"),
        (dict(scale=float("nan")), r"scale must be positive and finite \(without noise .*\), got nan"),
        (dict(scale=1.0, num_pairs=0), "num_pairs must be an integer of at least 1, got 0"),
        (dict(scale=1.0, num_pairs=2.5), "num_pairs must be an integer of at least 1, got 2.5"),
        (dict(scale=1.0, chunk_size=0), "chunk_size must be an integer of at least 1, got 0"),
    ],
)
def test_smoothing_options_are_refused_in_words(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        smoothed_metric(metrics.error_rate, LOGITS, LABELS, key=KEY, **options)


# --- degenerate, but allowed ------------------------------------------------------------------------------------------


def assert_finite(tree):
    for leaf in jax.tree.leaves(tree):
        assert np.all(np.isfinite(np.asarray(leaf, np.float32)))


@functools.cache
def compiled(metric, **options):
    """A function of a batch: state, info, losses and gradient after two updates on it."""
    surrogate = jaxsurr.correlated_gradients(metric, **options)

    @jax.jit
    def run(predictions, targets, where):
        def update(state, key):  # in a loop, which is compiled once for both updates
            return surrogate.update(state, key, predictions, targets, where)

        state = surrogate.init(KEY, predictions, targets, where)
        state, infos = jax.lax.scan(update, state, jax.vmap(jax.random.key)(jnp.arange(2)))
        info = jax.tree.map(lambda leaf: leaf[-1], infos)
        losses, pullback = jax.vjp(lambda z: surrogate.loss(state, z, targets, where), predictions)
        return state, info, losses, pullback(jnp.ones_like(losses))[0]

    return run


ALL = jnp.ones(8, bool)
FAMILIES = pytest.mark.parametrize("family", ["network", "basis", "kernel"])


@FAMILIES
def test_mask_that_leaves_nothing(family):
    results = compiled(metrics.error_rate, family=family)(LOGITS, LABELS, ~ALL)
    assert_finite(results)
    assert results[2].tolist() == [0.0] * 8
    assert float(jnp.max(jnp.abs(results[3]))) == 0
    assert float(metrics.error_rate.mean(LOGITS, LABELS, where=jnp.zeros(8, bool))) == 0


@FAMILIES
def test_batch_of_one_example(family):
    assert_finite(compiled(metrics.error_rate, family=family)(LOGITS[:1], LABELS[:1], ALL[:1]))


@FAMILIES
def test_batch_of_one_class(family):
    assert_finite(compiled(metrics.error_rate, family=family)(LOGITS, jnp.zeros_like(LABELS), ALL))


@FAMILIES
def test_equal_predictions(family):
    assert_finite(compiled(metrics.error_rate, family=family)(jnp.zeros((8, 4)), LABELS, ALL))


@FAMILIES
def test_metric_that_is_constant_on_the_data(family):
    sure = 100.0 * jax.nn.one_hot(LABELS, 4)
    here = Estimation(spread=0.0)
    results = compiled(metrics.error_rate, family=family, relative_scale=0.01, estimation=here)(sure, LABELS, ALL)
    assert_finite(results)
    info = results[1]
    assert float(info.zero_gradient_fraction) == 1
    assert float(info.metric) == 0
    assert float(info.ceiling) == 0
    assert float(info.gradient_correlation) == 0
    assert float(jnp.max(jnp.abs(results[3]))) < 1e-3  # there is nowhere to go


@FAMILIES
def test_figures_without_a_visible_point(family):
    hidden = FIGURES._replace(visible=jnp.zeros((8, 3)))
    results = compiled(metrics.pck, family=family)(POINTS, hidden, ALL)
    assert_finite(results)
    assert float(jnp.max(jnp.abs(results[3]))) == 0


def test_with_one_pair_the_ceiling_is_unknown():
    state, info, losses, slope = compiled(metrics.error_rate, num_pairs=1)(LOGITS, LABELS, ALL)
    assert np.isnan(info.ceiling)
    assert_finite((state, info._replace(ceiling=0.0), losses, slope))
