"""Several metrics as one, weights between them, and the trade-off that they give."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import bilevel, metrics, report, surrogates
from jaxsurr.benchmarks import trade_off
from jaxsurr.metrics import error_rate, stack, top_k_error

LABELS = jnp.arange(12) % 3
LOGITS = jax.random.normal(jax.random.key(0), (12, 3)) + jax.nn.one_hot(LABELS, 3)
WHERE = jnp.arange(12) != 4
BOTH = stack(error_rate, top_k_error.bind(k=2))


def apply(params, inputs):
    return inputs @ params


def set_error(predictions, targets, *, where=None):
    return error_rate.mean(predictions, targets, where=where)


def test_stacked_values_are_those_of_each():
    got = BOTH(LOGITS, LABELS, where=WHERE)
    assert got.shape == (12, 2)
    np.testing.assert_array_equal(got[:, 0], error_rate(LOGITS, LABELS, where=WHERE))
    np.testing.assert_array_equal(got[:, 1], top_k_error(LOGITS, LABELS, where=WHERE, k=2))
    assert (BOTH.name, BOTH.space, BOTH.per_example) == ("error_rate, top_k_error(k=2)", error_rate.space, True)


def test_a_metric_of_sets_makes_all_metrics_of_sets():
    of_set = metrics.metric(set_error, higher_is_better=False, per_example=False, space=error_rate.space)
    mixed = stack(of_set, top_k_error.bind(k=2), name="mixed")
    means = [metric.mean(LOGITS, LABELS, where=WHERE) for metric in (error_rate, top_k_error.bind(k=2))]
    assert (mixed.name, mixed.per_example) == ("mixed", False)
    np.testing.assert_allclose(mixed(LOGITS, LABELS, where=WHERE), means, rtol=1e-6)


def test_black_boxes_are_stacked():
    box = metrics.black_box(lambda y, z: np.mean(y != z), higher_is_better=False, decode="argmax", name="box")
    got = jax.jit(stack(box, error_rate))(LOGITS, LABELS)
    np.testing.assert_allclose(got[0], got[1], rtol=1e-6)


def test_what_cannot_be_stacked():
    accuracy = metrics.metric(lambda z, y: 1 - error_rate(z, y), higher_is_better=True, space=error_rate.space)
    with pytest.raises(ValueError, match="two or more, got 1"):
        stack(error_rate)
    with pytest.raises(ValueError, match="must have one direction; higher is better in <lambda>, lower in error_rate"):
        stack(error_rate, accuracy)
    with pytest.raises(ValueError, match="error_rate has class_logits, normalised_mean_error has keypoint_coordinates"):
        stack(error_rate, metrics.normalised_mean_error)
    with pytest.raises(ValueError, match="is several metrics by itself"):
        stack(BOTH, error_rate)(LOGITS, LABELS)
    with pytest.raises(TypeError, match="does not say which direction"):
        stack(error_rate, lambda z, y: z)


def test_weights_of_the_state_change_the_loss_and_nothing_is_compiled_or_learned_again():
    surrogate, batch = surrogates.smoothed(BOTH, num_pairs=4), jaxsurr.Batch(LOGITS, LABELS)
    state = bilevel.init_state(
        jax.random.key(1), jnp.eye(3), optax.sgd(0.1), surrogate, apply, batch, metric_weights=(1.0, 0.0)
    )
    step = jax.jit(bilevel.make_step(apply, optax.sgd(0.1), surrogate, learn=False, metric_weights=(0.3, 0.3)))
    parts = jnp.mean(surrogate.loss(state.surrogate, LOGITS, LABELS), axis=0)
    for weights in ([1.0, 0.0], [0.0, 1.0], [0.25, 2.0]):
        after, info = step(state._replace(metric_weights=jnp.array(weights)), batch)
        np.testing.assert_allclose(info.loss, parts @ jnp.array(weights), rtol=1e-5)
        np.testing.assert_array_equal(after.metric_weights, weights)
        jax.tree.map(np.testing.assert_array_equal, *map(_data, (after.surrogate, state.surrogate)))
    assert step._cache_size() == 1
    _, info = step(state._replace(metric_weights=None), batch)  # those of the step
    np.testing.assert_allclose(info.loss, 0.3 * jnp.sum(parts), rtol=1e-5)


def _data(tree):
    typed = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if typed(leaf) else leaf, tree)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0), 1.0], ids=str)
def test_wrong_number_of_weights(weights):
    surrogate, batch = surrogates.smoothed(BOTH, num_pairs=2), jaxsurr.Batch(LOGITS, LABELS)
    state = bilevel.init_state(
        jax.random.key(1), jnp.eye(3), optax.sgd(0.1), surrogate, apply, batch, metric_weights=weights
    )
    with pytest.raises(ValueError, match="metric_weights must be one number for each of several metrics"):
        jax.eval_shape(bilevel.make_step(apply, optax.sgd(0.1), surrogate, learn=False), state, batch)


# --- the figure and the study -----------------------------------------------------------------------------------------


def draw(curves, **options):
    return report.trade_off_curve(
        curves, **(dict(metrics=("misses", "alarms"), higher_is_better=False, labels="abc") | options)
    )


CURVE = [[0.1, 0.5], [0.2, 0.2], [0.3, 0.3]]


@pytest.mark.parametrize(("higher", "beaten"), [(False, [[0.3, 0.3]]), (True, [[0.2, 0.2]])])
def test_figure_shows_points_labels_and_what_no_weight_should_choose(higher, beaten):
    (axes,) = draw({"learned": CURVE}, higher_is_better=higher).axes
    curve, hollow = axes.lines
    np.testing.assert_allclose(curve.get_xydata(), CURVE)
    np.testing.assert_allclose(hollow.get_xydata(), beaten)
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert ("higher" if higher else "lower") in axes.get_xlabel()


def test_figure_refuses_what_it_cannot_draw():
    for curves, message in (
        ({}, "there is no curve"),
        ({"a": [0.1, 0.2]}, r"must hold finite values \[W, 2\] of two metrics, got shape \[2\]"),
        ({"a": [[0.1, np.nan]] * 3}, "must hold finite values"),
        ({"a": CURVE[:2]}, "has 2 points, and there are 3 labels"),
    ):
        with pytest.raises(ValueError, match=message):
            draw(curves)


def test_more_weight_on_misses_means_fewer_of_them(monkeypatch):
    monkeypatch.setattr(trade_off, "WEIGHTS", np.array([0.2, 0.8]))
    learned, thresholds = jax.jit(trade_off.curves)(*trade_off.patients(0))
    for curve in (learned, thresholds):
        assert curve.shape == (2, 2)
        assert curve[1, 0] < curve[0, 0]
        assert curve[1, 1] > curve[0, 1]
