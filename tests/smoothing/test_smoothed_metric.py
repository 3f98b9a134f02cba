"""The smoothed metric against closed forms: value, gradient, its error, masks and devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxsurr
from jaxsurr import Keypoints, matched_scale, metrics, smoothed_metric, spaces
from jaxsurr.smoothing.smoothed_metric import normal_directions, table_directions

KEY = jax.random.key(0)
MANY = 2**16
TABLE = table_directions()  # compiles faster than fresh noise; what depends on the source of noise is tested with both


def quick_directions(key, example_ids, first_pair, pairs, num_pairs, size):
    """Independent noise, drawn at once for a chunk: for references of many pairs."""
    return jax.random.normal(jax.random.fold_in(key, first_pair), (pairs, len(example_ids), size))


# Compiled: operation by operation it is slow.
estimate = jax.jit(smoothed_metric, static_argnames=("metric", "num_pairs", "chunk_size", "space", "directions"))


@jaxsurr.metric(higher_is_better=True)
def linear(predictions, targets):
    return predictions @ targets[0]


def linear_problem(batch=2000, size=10):
    weights = jax.random.normal(jax.random.key(1), (size,))
    weights = weights / jnp.linalg.norm(weights)
    return jnp.zeros((batch, size)), jnp.broadcast_to(weights, (batch, size))


# --- closed forms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("difference", [-1.0, 0.3, 1.5])
def test_two_classes(difference):
    scale = 0.7
    logits = jnp.array([[2.0 + difference, 2.0]])
    out = estimate(
        metrics.error_rate, logits, jnp.array([0]), key=KEY, scale=scale, num_pairs=MANY, chunk_size=1024,
        directions=quick_directions,
    )  # fmt: skip
    law = scipy.stats.norm(scale=np.sqrt(2) * scale)
    # 5 standard errors of a mean of 2^16 pairs: of values within [0, 1], of slopes times noise within 1 / (2 s).
    np.testing.assert_allclose(out.value, [law.cdf(-difference)], atol=5 * 0.5 / np.sqrt(MANY))
    slope = law.pdf(difference)
    np.testing.assert_allclose(out.gradient, [[-slope, slope]], atol=5 / (2 * scale) / np.sqrt(MANY))


@pytest.mark.parametrize("distance", [0.2, 0.6])
def test_one_point(distance):
    scale, threshold, size = 0.4, 0.5, 20.0
    direction = np.array([0.6, -0.8])
    targets = Keypoints(jnp.full((1, 1, 2), 3.0), jnp.ones((1, 1)), jnp.array([size]))
    predictions = targets.points + distance * size * jnp.asarray(direction)[None, None]
    metric = metrics.pck.bind(threshold=threshold)

    def hit(distance):
        return scipy.stats.ncx2.cdf((threshold / scale) ** 2, 2, (distance / scale) ** 2)

    out = estimate(
        metric, predictions, targets, key=KEY, scale=scale, num_pairs=MANY, chunk_size=1024, directions=quick_directions
    )
    np.testing.assert_allclose(out.value, [hit(distance)], atol=5 * 0.5 / np.sqrt(MANY))
    slope = (hit(distance + 1e-4) - hit(distance - 1e-4)) / 2e-4 / size
    np.testing.assert_allclose(out.gradient[0, 0], slope * direction, atol=5 / (2 * scale * size) / np.sqrt(MANY))


def test_metric_of_a_set():
    @jaxsurr.metric(higher_is_better=True, per_example=False)
    def share_above(predictions, targets, *, where=None):
        return jnp.mean((predictions[:, 0] > 0).astype(predictions.dtype))

    predictions, scale = jnp.array([[-0.5], [0.1], [0.4], [1.2]]), 0.8
    out = estimate(
        share_above, predictions, predictions, key=KEY, scale=scale, num_pairs=MANY, chunk_size=1024,
        directions=quick_directions,
    )  # fmt: skip
    law = scipy.stats.norm(scale=scale)
    assert out.value.shape == ()
    np.testing.assert_allclose(out.value, np.mean(law.cdf(predictions)), atol=5 * 0.5 / np.sqrt(MANY))
    np.testing.assert_allclose(out.gradient, law.pdf(predictions) / 4, atol=5 / (2 * scale) / np.sqrt(MANY))


# --- laws of the estimate ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_pairs", "directions"),
    [(16, normal_directions), (4, TABLE), (16, TABLE), (90, TABLE)],
    ids=["16-normal", "4-table", "16-table", "90-table"],
)
def test_squared_cosine_with_the_true_gradient(num_pairs, directions):
    predictions, targets = linear_problem()
    out = estimate(linear, predictions, targets, key=KEY, scale=1.0, num_pairs=num_pairs, directions=directions)
    cosine = jnp.sum(out.gradient * targets, axis=-1) / jnp.linalg.norm(out.gradient, axis=-1)
    # P / (P + d - 1) holds for noise of unit length; that the length varies adds at most 2 to both P and P + d - 1.
    low, high = num_pairs / (num_pairs + 9), (num_pairs + 2) / (num_pairs + 11)
    assert low - 0.02 < float(jnp.mean(cosine**2)) < high + 0.02  # 0.02: 4 standard errors of 2000 examples


@pytest.mark.parametrize("num_pairs", [2, 7, 16])
def test_error_has_the_mean_square_of_the_true_error(num_pairs):
    predictions, targets = linear_problem()
    out = estimate(
        linear, predictions, targets, key=KEY, scale=1.0, num_pairs=num_pairs, chunk_size=4, directions=TABLE
    )
    true = jnp.mean((out.gradient - targets) ** 2)
    # 10 %: the standard error of either mean square over 2000 heavy-tailed examples is about 2 %.
    np.testing.assert_allclose(jnp.mean(out.error**2), true, rtol=0.1)


def test_error_of_a_single_pair_is_unknown():
    out = estimate(linear, *linear_problem(3), key=KEY, scale=1.0, num_pairs=1, directions=TABLE)
    assert bool(jnp.all(jnp.isnan(out.error)))
    assert bool(jnp.all(jnp.isfinite(out.gradient)))


def test_table_has_the_law_of_normal_noise():
    noise = table_directions()(jax.random.key(3), jnp.arange(3000), 0, 4, 4, 6)
    assert noise.shape == (4, 3000, 6)
    together = jnp.swapaxes(noise, 0, 1).reshape(3000, 24)
    # 4.5 standard errors, 1 / sqrt(3000) each; two examples may share entries of the table, which widens them a little.
    np.testing.assert_allclose(jnp.mean(together, axis=0), 0, atol=4.5 / np.sqrt(3000))
    np.testing.assert_allclose(jnp.cov(together.T), np.eye(24), atol=4.5 * np.sqrt(2 / 3000))


def test_table_gradient_is_unbiased():
    predictions, targets = linear_problem()
    out = estimate(linear, predictions, targets, key=KEY, scale=0.5, num_pairs=16, directions=TABLE)
    # The mean of 2000 examples of 16 pairs, whose coordinates have a standard deviation of at most sqrt(2).
    np.testing.assert_allclose(jnp.mean(out.gradient, axis=0), targets[0], atol=5 * np.sqrt(2 / 32000))


SHORT = table_directions(entries=79)  # of which 8 pairs of 5 numbers need more than half: a table is drawn


def test_table_that_is_too_short_gives_way_to_one_that_is_drawn_for_all_examples():
    arguments = KEY, jnp.arange(300), 0, 8, 8, 5
    assert len(np.unique(SHORT(*arguments))) <= 2 * 8 * 5 < len(np.unique(normal_directions(*arguments)))
    assert SHORT(*arguments).tolist() != table_directions(entries=200)(*arguments).tolist()
    assert SHORT(*arguments).tolist() != SHORT(jax.random.key(8), *arguments[1:]).tolist()


def test_noise_of_a_drawn_table_is_a_function_of_key_example_and_pair():
    noise = SHORT(KEY, jnp.arange(6), 0, 8, 8, 5)
    np.testing.assert_array_equal(SHORT(KEY, jnp.arange(4, 6), 3, 2, 8, 5), noise[3:5, 4:])


def test_drawn_table_has_the_law_of_normal_noise():
    noise = jax.vmap(lambda key: SHORT(key, jnp.array([5]), 0, 8, 8, 5).ravel())(jax.random.split(KEY, 3000))
    np.testing.assert_allclose(jnp.mean(noise, axis=0), 0, atol=4.5 / np.sqrt(3000))
    np.testing.assert_allclose(jnp.cov(noise.T), np.eye(40), atol=4.5 * np.sqrt(2 / 3000))


def test_table_that_would_be_too_long_gives_way_to_fresh_noise():
    arguments = KEY, jnp.arange(1), 0, 1, 2**10, 2**10 + 1
    assert TABLE(*arguments).tolist() == normal_directions(*arguments).tolist()


# --- how the work is cut ----------------------------------------------------------------------------------------------


def classes(batch=6):
    return jax.random.normal(jax.random.key(4), (batch, 5)), jnp.arange(batch) % 5


@pytest.mark.parametrize("directions", [normal_directions, TABLE], ids=["normal", "table"])
def test_result_does_not_depend_on_the_chunk_size(directions):
    results = [
        estimate(
            metrics.error_rate, *classes(), key=KEY, scale=0.5, num_pairs=13, chunk_size=size, directions=directions
        )
        for size in (5, 13, 64)
    ]
    assert float(jnp.max(jnp.abs(results[0].gradient))) > 0.1
    for other in results[1:]:
        for got, wanted in zip(other, results[0], strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-6)


@pytest.mark.parametrize("directions", [normal_directions, TABLE], ids=["normal", "table"])
def test_noise_of_a_row_depends_on_its_index_alone(directions):
    logits, labels = classes()
    options = dict(key=KEY, scale=0.5, num_pairs=8, directions=directions)
    whole = estimate(metrics.error_rate, logits, labels, **options)
    half = estimate(metrics.error_rate, logits[3:], labels[3:], first_example=3, **options)
    np.testing.assert_allclose(half.gradient, whole.gradient[3:], atol=1e-6)
    np.testing.assert_allclose(half.value, whole.value[3:], atol=1e-6)


def test_memory_does_not_grow_with_the_number_of_pairs():
    logits, labels = classes(32)

    def memory(num_pairs):
        def gradient(logits):
            return smoothed_metric(
                metrics.error_rate, logits, labels, key=KEY, scale=0.5, num_pairs=num_pairs, chunk_size=16
            ).gradient

        return jax.jit(gradient).lower(logits).compile().memory_analysis().temp_size_in_bytes

    few, many = memory(64), memory(4096)
    assert few > 0
    assert many <= few + 4096 * 4  # bytes: a number or two for each pair would be forgiven, noise would not


# --- several metrics, masks, spaces, dtypes ---------------------------------------------------------------------------


def test_several_metrics_at_once_are_each_alone():
    figures = Keypoints(jnp.zeros((5, 4, 2)), jnp.ones((5, 4)), jnp.full(5, 2.0))
    predictions = jax.random.normal(jax.random.key(6), (5, 4, 2))
    options = dict(key=KEY, scale=0.4, num_pairs=12, directions=TABLE)
    both = estimate(metrics.pck.bind(threshold=(0.3, 0.6)), predictions, figures, **options)
    assert both.value.shape == (5, 2)
    assert both.gradient.shape == both.error.shape == (2, 5, 4, 2)
    for i, threshold in enumerate((0.3, 0.6)):
        alone = estimate(metrics.pck.bind(threshold=threshold), predictions, figures, **options)
        np.testing.assert_allclose(both.value[:, i], alone.value, rtol=1e-6)
        np.testing.assert_allclose(both.gradient[i], alone.gradient, atol=1e-6)


def test_rows_that_do_not_count():
    logits, labels = classes()
    where = jnp.arange(6) != 2
    options = dict(key=KEY, scale=0.5, num_pairs=8, directions=TABLE)
    out = estimate(metrics.error_rate, logits.at[2].set(jnp.nan), labels, where=where, **options)
    whole = estimate(metrics.error_rate, logits, labels, **options)
    assert float(out.value[2]) == 0
    assert out.gradient[2].tolist() == [0.0] * 5
    np.testing.assert_allclose(out.gradient[where], whole.gradient[where], atol=1e-6)


def test_gradient_has_no_part_along_the_invariance():
    options = dict(key=KEY, scale=0.5, num_pairs=4, directions=TABLE)
    out = estimate(metrics.error_rate, *classes(), **options)
    np.testing.assert_allclose(jnp.sum(out.gradient, axis=-1), 0, atol=1e-6)
    free = estimate(metrics.error_rate, *classes(), space=spaces.generic, **options)
    assert float(jnp.max(jnp.abs(jnp.sum(free.gradient, axis=-1)))) > 0.01


def test_points_that_are_not_visible_are_not_moved():
    targets = Keypoints(jnp.zeros((2, 3, 2)), jnp.array([[1, 0, 1], [0, 0, 0]]), jnp.ones(2))
    out = estimate(metrics.pck, jnp.full((2, 3, 2), 0.3), targets, key=KEY, scale=0.5, num_pairs=8, directions=TABLE)
    assert float(jnp.max(jnp.abs(out.gradient[0, 1]))) == 0
    assert float(jnp.max(jnp.abs(out.gradient[1]))) == 0
    assert float(jnp.min(jnp.max(jnp.abs(out.gradient[0, ::2]), axis=-1))) > 0


def test_difference_smaller_than_the_margin_is_exactly_zero():
    out = estimate(
        metrics.error_rate, jnp.array([[50.0, 0.0]]), jnp.array([0]), key=KEY, scale=0.1, num_pairs=32, directions=TABLE
    )
    assert out.value.tolist() == [0.0]
    assert out.gradient.tolist() == [[0.0, 0.0]]


def test_gradient_of_noise_free_metric_is_exact():
    # A linear metric in one dimension: each pair alone gives w e^2, whose mean over unit noise is w.
    def unit_noise(key, example_ids, first_pair, pairs, num_pairs, size):
        return jnp.ones((pairs, len(example_ids), size))

    out = estimate(
        linear, jnp.array([[2.0]]), jnp.array([[3.0]]), key=KEY, scale=0.5, num_pairs=5, directions=unit_noise
    )
    np.testing.assert_allclose(out.value, [2.0 * 3.0], rtol=1e-6)
    np.testing.assert_allclose(out.gradient, [[3.0]], rtol=1e-6)
    np.testing.assert_allclose(out.error, [[0.0]], atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, np.float32(0.5)], ids=["float", "array"])
def test_half_precision_predictions(scale):
    logits, labels = classes()
    scale = jnp.asarray(scale) if isinstance(scale, np.floating) else scale
    options = dict(key=KEY, scale=scale, num_pairs=40, directions=TABLE)
    of = jax.jit(lambda z: smoothed_metric(metrics.error_rate, z, labels, **options))
    half = of(logits.astype(jnp.bfloat16))
    whole = of(logits.astype(jnp.bfloat16).astype(jnp.float32))
    # 40 pairs are added in 8 bits at worst; a decision or two may fall the other way.
    np.testing.assert_allclose(half.gradient.astype(jnp.float32), whole.gradient, atol=0.2)
    assert float(jnp.max(jnp.abs(whole.gradient))) > 0.3


def test_same_key_same_estimate():
    options = dict(scale=0.5, num_pairs=8, directions=TABLE)
    one, again = (estimate(metrics.error_rate, *classes(), key=KEY, **options) for _ in range(2))
    other = estimate(metrics.error_rate, *classes(), key=jax.random.key(1), **options)
    assert one.gradient.tolist() == again.gradient.tolist()
    assert one.gradient.tolist() != other.gradient.tolist()


# --- the scale at which the smoothed metric has a value ---------------------------------------------------------------

LABELS = jnp.arange(4000) % 2
match = jax.jit(lambda metric, *args: matched_scale(metric, *args, key=KEY), static_argnums=0)


def test_matched_scale_is_that_of_the_closed_form():
    """Margins of 1 with noise of variance 2 s^2 in their difference: the smoothed error is Phi(-1 / (s sqrt 2))."""
    logits = jax.nn.one_hot(LABELS, 2)  # centred they are 1/2 and -1/2, whose mean square is 1/4
    for relative in (0.7, 0.9):
        error = scipy.stats.norm.cdf(-1 / (relative / 2 * np.sqrt(2)))
        assert float(match(metrics.error_rate, logits, LABELS, error)) == pytest.approx(relative, rel=0.04)


def test_matched_scale_stays_in_its_bounds_and_knows_the_direction():
    logits = jax.nn.one_hot(LABELS, 2)
    ends = [float(match(metrics.error_rate, logits, LABELS, value)) for value in (0.0, 0.5)]
    assert ends == pytest.approx([0.05, 1.0], rel=0.02)
    points = Keypoints(jnp.zeros((500, 1, 2)), jnp.ones((500, 1), bool), jnp.ones(500))
    found = [float(match(metrics.pck, 0.3 * jnp.ones((500, 1, 2)), points, share)) for share in (0.95, 0.7, 0.1)]
    assert found[0] < found[1] < found[2] == pytest.approx(1.0, rel=0.02)


def test_matched_scale_reads_the_examples_that_have_weight():
    labels = jnp.arange(200) % 2
    logits = 4.0 * jax.nn.one_hot(labels, 2)
    weights = jnp.where(jnp.arange(200) < 100, 3.0, 0.0)
    wrong = jnp.where((weights > 0)[:, None], logits, -logits)  # the others are all wrong, and do not count
    found = matched_scale(metrics.error_rate, wrong, labels, 0.05, key=KEY, where=weights)
    mask = matched_scale(metrics.error_rate, logits, labels, 0.05, key=KEY, where=weights > 0)
    assert float(found) == pytest.approx(float(mask), rel=1e-5)


def test_matched_scale_refuses_bounds_that_are_not_in_order():
    with pytest.raises(ValueError, match=r"high must be a finite number above 0\.5 .*got 0\.1"):
        matched_scale(metrics.error_rate, jnp.eye(2), jnp.arange(2), 0.1, key=KEY, low=0.5, high=0.1)


def test_matched_scale_refuses_a_value_that_is_not_finite():
    with pytest.raises(ValueError, match="value must be the metric of held-out examples, a finite number, got nan"):
        matched_scale(metrics.error_rate, jnp.eye(2), jnp.arange(2), float("nan"), key=KEY)
    with pytest.raises(ValueError, match="NaN or infinit"):
        matched_scale(metrics.error_rate, jnp.full((2, 2), jnp.nan), jnp.arange(2), 0.1, key=KEY)


def test_memory_does_not_grow_with_the_pairs_of_large_predictions():
    def planned(num_pairs):
        def estimate(key, logits, labels):
            return smoothed_metric(metrics.error_rate, logits, labels, key=key, scale=0.5, num_pairs=num_pairs)

        shapes = jax.ShapeDtypeStruct((64, 8192), jnp.float32), jax.ShapeDtypeStruct((64,), jnp.int32)
        compiled = jax.jit(estimate).lower(KEY, *shapes).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert planned(16) < 1.5 * planned(2)
