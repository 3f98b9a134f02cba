"""Directions that are functions: without bias on what they span, with the noise that they say, and carried over."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.stats import norm

import jaxsurr
from jaxsurr import metrics, spaces, surrogates
from jaxsurr.core.reductions import masked_mean
from jaxsurr.smoothing import function_directions
from jaxsurr.smoothing.goal import estimated_goal, noise_ceiling
from jaxsurr.smoothing.set_estimators import choose_estimator
from jaxsurr.smoothing.smoothed_metric import smoothed_metric

SCALE = 0.3
A, B = 0.5, -1.5  # of the counts of all examples, and of positives less negatives


def soft_counts(predictions, targets, *, where=None, weights=None):
    """Counts of scores above 0, as soft as one scale; smoothed by one scale they are atoms."""
    each = (A + B * (2 * targets - 1)) * norm.cdf(predictions / SCALE)
    return masked_mean(each, where if weights is None else weights)


COUNTS = jaxsurr.metric(soft_counts, higher_is_better=False, space=spaces.binary_scores, per_example=False)


def exact(scores, labels):
    """The gradient of the smoothed soft counts: `E Phi((z + s e) / s)` is `Phi(z / (s sqrt 2))`."""
    width = SCALE * np.sqrt(2)
    return (A + B * (2 * labels - 1)) * norm.pdf(scores / width) / width / len(scores)


def data(size, seed=0):
    labels = (jnp.arange(size) % 4 == 0).astype(jnp.int32)
    return labels - 0.5 + jax.random.normal(jax.random.key(seed), (size,)), labels


def no_noise(key, ids, first_pair, pairs, num_pairs, size):
    return jnp.zeros((pairs, len(ids), size))


def estimate(metric, predictions, targets, **options):
    options = dict(key=jax.random.key(1), scale=SCALE, num_pairs=16, estimator="functions") | options
    return jax.jit(lambda z, y: smoothed_metric(metric, z, y, **options))(predictions, targets)


def cosine(one, other):
    one, other = jnp.ravel(one), jnp.ravel(other)
    return float(one @ other / jnp.linalg.norm(one) / jnp.linalg.norm(other))


@functools.cache
def estimates(size, pairs, repeats=24):
    """Gradients and errors of independent estimates of the soft counts, and the exact gradient."""
    scores, labels = data(size)

    def one(key):
        out = smoothed_metric(COUNTS, scores, labels, key=key, scale=SCALE, num_pairs=pairs, estimator="functions")
        return out.gradient, out.error

    found = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(2), repeats))
    return *map(np.asarray, found), np.asarray(exact(scores, labels))


def test_the_mean_of_estimates_is_the_gradient(monkeypatch):
    monkeypatch.setattr(function_directions, "_AMPLITUDE", 0.05)  # a difference is a derivative
    gradients, _, wanted = estimates.__wrapped__(60, 100)
    mean = gradients.mean(axis=0)
    noise = np.linalg.norm(gradients - mean) / len(gradients)  # of the mean of as many estimates
    assert noise < 0.05 * np.linalg.norm(wanted)
    assert np.linalg.norm(mean - wanted) < 3 * noise + 0.02 * np.linalg.norm(wanted)


def test_the_squared_error_falls_as_one_over_the_number_of_pairs():
    few, many = (estimates(60, pairs)[0] for pairs in (25, 100))
    errors = [np.mean(np.sum((part - part.mean(axis=0)) ** 2, axis=1)) for part in (few, many)]
    assert 2 < errors[0] / errors[1] < 8


def test_the_estimate_does_not_get_noisier_with_the_size_of_the_set():
    for size in (60, 600):
        gradients, _, wanted = estimates(size, 16)
        assert np.mean([cosine(one, wanted) for one in gradients]) > 0.9
    scores, labels = data(600)
    at_once = estimate(COUNTS, scores, labels, estimator="groups", group_size=600)
    assert cosine(at_once.gradient, exact(scores, labels)) < 0.5


def test_ceiling_is_the_cosine_that_estimates_have():
    gradients, errors, wanted = estimates(60, 16)
    cosines = [cosine(one, wanted) for one in gradients]
    ceilings = noise_ceiling(np.sum(errors**2, axis=1), np.sum(gradients**2, axis=1))
    assert abs(np.mean(cosines) - float(jnp.mean(ceilings))) < 0.07


def test_size_of_the_estimate():
    gradients, _, wanted = estimates(600, 16)
    sizes = np.linalg.norm(gradients, axis=1) / np.linalg.norm(wanted)
    assert 0.75 < np.mean(sizes) < 1.1


def test_order_of_the_examples_does_not_matter():
    scores, labels = data(40)
    order = np.random.default_rng(0).permutation(40)
    out = estimate(COUNTS, scores, labels, directions=no_noise)
    again = estimate(COUNTS, scores[order], labels[order], directions=no_noise)
    np.testing.assert_allclose(again.gradient, out.gradient[order], rtol=2e-3, atol=1e-5)


def test_masked_examples_count_for_nothing_and_weights_as_repeats():
    scores, labels = data(30)
    alone = estimate(COUNTS, scores[:20], labels[:20], directions=no_noise)
    where = jnp.arange(30) < 20
    with_rest = estimate(COUNTS, scores.at[25].set(jnp.nan), labels, directions=no_noise, where=where)
    assert not np.any(with_rest.gradient[20:])
    np.testing.assert_allclose(with_rest.gradient[:20], alone.gradient, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(with_rest.value, alone.value, rtol=1e-4)
    repeats = np.where(np.arange(20) < 5, 3, 1)
    repeated = estimate(COUNTS, jnp.repeat(scores[:20], repeats), jnp.repeat(labels[:20], repeats), directions=no_noise)
    weighed = estimate(COUNTS, scores[:20], labels[:20], directions=no_noise, where=jnp.asarray(repeats, jnp.float32))
    summed = np.add.reduceat(np.asarray(repeated.gradient), np.concatenate([[0], np.cumsum(repeats)[:-1]]))
    np.testing.assert_allclose(weighed.gradient, summed, rtol=2e-3, atol=1e-5)


def test_several_metrics_at_once_and_a_black_box():
    both = jaxsurr.metric(
        lambda z, y, where=None: jnp.stack([soft_counts(z, y, where=where), jnp.zeros(())]),
        higher_is_better=False,
        name="both",
        space=spaces.binary_scores,
        per_example=False,
    )
    box = metrics.black_box(
        lambda y, z: np.mean((A + B * (2 * y - 1)) * np.asarray(norm.cdf(z / SCALE))),
        higher_is_better=False,
        space=spaces.binary_scores,
    )
    scores, labels = data(40)
    alone, two, boxed = (estimate(metric, scores, labels) for metric in (COUNTS, both, box))
    assert two.gradient.shape == (2, 40) and two.value.shape == (2,)
    np.testing.assert_allclose(two.gradient[0], alone.gradient, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(boxed.gradient, alone.gradient, rtol=1e-2, atol=1e-4)
    assert not np.any(two.gradient[1]) and not np.any(two.error[1])  # a metric that is flat


def test_the_solution_carries_over():
    key = jax.random.key(3)
    labels = jnp.arange(128) % 5
    logits = jax.random.normal(key, (128, 5)) + jax.nn.one_hot(labels, 5)
    metric = metrics.f_beta
    wanted = jax.jit(lambda: smoothed_metric(metric, logits, labels, key=key, scale=SCALE, num_pairs=400).gradient)()

    @jax.jit
    def along(keys):
        def step(sums, key):
            view = jaxsurr.View(logits, labels)
            options = dict(key=key, scale=SCALE, num_pairs=4, estimator="functions", sums=sums)
            out = estimated_goal(metric, view, **options)
            return out.sums, -out.gradient

        return jax.lax.scan(step, function_directions.no_sums(20, 1), keys)[1]

    found = [[cosine(one, wanted) for one in along(jax.random.split(jax.random.key(seed), 12))] for seed in range(3)]
    first, last = np.mean(found, axis=0)[[0, -1]]
    assert last > 0.9 and last > first + 0.1


# --- which metrics ----------------------------------------------------------------------------------------------------


def own(predictions, targets, *, where=None):
    return jnp.mean(jnp.argmax(predictions, axis=-1) == targets)


OWN = jaxsurr.metric(own, higher_is_better=True, space=spaces.class_logits, per_example=False)


def classes(size, number=3):
    return jax.random.normal(jax.random.key(0), (size, number)), jnp.arange(size) % number


def test_choice():
    count = functools.partial(function_directions.num_functions, "auto")
    assert count(OWN, spaces.class_logits, *classes(8)) == 12  # classes, two temperatures, all and its own
    assert count(OWN, spaces.class_logits, *classes(8, 100)) == 200  # one temperature
    assert count(OWN, spaces.class_logits, *classes(8, 200)) == 0
    assert count(OWN, spaces.generic, *classes(8)) == 0  # its features say nothing of a decision
    assert count(OWN, spaces.real_numbers, jnp.zeros(8), jnp.zeros(8)) == 64
    assert count(metrics.r2, spaces.real_numbers, jnp.zeros(8), jnp.zeros(8)) == 0
    assert count(metrics.f_beta, spaces.class_logits, *classes(8)) == 0  # it knows replacements
    assert count(metrics.error_rate, spaces.class_logits, *classes(8)) == 0
    assert choose_estimator("auto", OWN, 12) == "functions"
    assert choose_estimator("auto", OWN, 0) == "groups"
    with pytest.raises(ValueError, match=r"too many functions .* use 'groups'"):
        estimate(OWN, *classes(8, 200))


def test_spaces_that_pool_nothing_have_random_functions():
    scores, labels = data(300)
    out = estimate(COUNTS, scores[:, None], labels[:, None], space=spaces.generic, num_pairs=100)
    assert cosine(out.gradient, exact(scores, labels)) > 0.9


OF_SPACES = {  # a metric of examples whose mean is a function of one's own, and the size of predictions
    "numbers": (metrics.within_tolerance.bind(tolerance=0.5), 1),
    "points": (metrics.pck, 3),
    "lists": (metrics.ndcg, 4),
    "intervals": (metrics.interval_score, 1),
    "costs": (metrics.example_cost, 3),
}


@pytest.mark.parametrize("kind", OF_SPACES)
def test_functions_of_ones_own_in_spaces_that_pool_nothing(kind):
    metric, size = OF_SPACES[kind]
    space = metric.space
    z, y = jaxsurr.sample(space, jax.random.key(0), 128, size)
    scale = 0.3 * float(jnp.sqrt(jnp.mean(space.squared_size(z, y))))

    def own(predictions, targets, *, where=None):
        return metric.mean(predictions, targets, where=where)

    of_set = jaxsurr.metric(own, higher_is_better=True, space=space, per_example=False)

    @jax.jit
    def estimates(z, y):
        options = dict(key=jax.random.key(1), scale=scale)
        wanted = smoothed_metric(metric, z, y, num_pairs=400, **options)
        return wanted.gradient, [
            smoothed_metric(of_set, z, y, num_pairs=64, estimator=estimator, **options).gradient
            for estimator in ("auto", "groups")
        ]

    wanted, (found, groups) = estimates(z, y)
    assert cosine(found, wanted) > 0.75 and cosine(found, wanted) > cosine(groups, wanted) + 0.1


# --- in a surrogate ---------------------------------------------------------------------------------------------------

learned = functools.partial(
    jaxsurr.correlated_gradients, num_pairs=4, estimation=surrogates.Estimation(estimator="functions")
)


def test_state_carries_sums_which_a_bad_batch_does_not_touch():
    surrogate = learned(OWN)
    logits, labels = classes(16)
    state = surrogate.init(jax.random.key(0), logits, labels)
    assert state.functions.gram.shape == (12, 12) and state.functions.number == 0
    after, info = surrogate.update(state, jax.random.key(1), logits, labels)
    assert after.functions.number == 4 and 0 <= info.ceiling <= 1
    again, _ = surrogate.update(after, jax.random.key(2), logits, labels)
    np.testing.assert_allclose(again.functions.number, 4 + 0.9 * 4)
    with pytest.raises(ValueError, match="NaN"):
        surrogate.update(after, jax.random.key(3), logits.at[0].set(jnp.nan), labels)
    spoilt, info = jax.jit(surrogate.update)(after, jax.random.key(3), logits.at[0].set(jnp.nan), labels)
    assert info.skipped == 1
    jax.tree.map(np.testing.assert_array_equal, spoilt, after)
    for metric, there in ((OWN, True), (metrics.f_beta, False)):  # the second has replacements, which are better
        by_default = jaxsurr.correlated_gradients(metric, num_pairs=4).init(jax.random.key(0), logits, labels)
        assert (by_default.functions is not None) == there


def test_states_are_saved_with_their_sums_and_without(tmp_path):
    logits, labels = classes(16)
    surrogate = learned(metrics.f_beta, family="network")  # a state of which any example tells the other shapes
    state = surrogate.init(jax.random.key(0), logits, labels)
    state, _ = surrogate.update(state, jax.random.key(1), logits, labels)
    path = jaxsurr.save(tmp_path / "a", surrogate, state, example=(logits, labels))
    _, same = jaxsurr.load(path)
    jax.tree.map(np.testing.assert_array_equal, same, state)
    bare = state._replace(functions=None)
    _, same = jaxsurr.load(jaxsurr.save(tmp_path / "b", surrogate, bare))
    jax.tree.map(np.testing.assert_array_equal, same, bare)
    with pytest.raises(ValueError, match="example="):
        jaxsurr.save(tmp_path / "c", surrogate, state)


def in_rows(predictions, targets, *, where=None):
    """Of neighbours: it depends on the order of the examples."""
    right = jnp.argmax(predictions, axis=-1) == targets
    return jnp.mean(right[1:] & right[:-1])


ROWS = jaxsurr.metric(in_rows, higher_is_better=True, space=spaces.class_logits, per_example=False)


@pytest.mark.parametrize("method", [learned, surrogates.smoothed])
def test_a_metric_that_depends_on_the_order_is_noticed(method):
    logits, labels = classes(40)
    surrogate = method(ROWS)
    with pytest.warns(UserWarning, match="in_rows depends on the order of the examples"):
        state = surrogate.init(jax.random.key(0), jnp.zeros_like(logits), labels)
    assert state.functions is None
    state, _ = surrogate.update(state, jax.random.key(1), logits, labels)
    assert state.functions is None and np.isfinite(surrogate.loss(state, logits, labels))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert method(OWN).init(jax.random.key(0), logits, labels).functions is not None
        surrogates.smoothed(metrics.f_beta).init(jax.random.key(0), logits, labels)


def in_jit(logits, labels):
    return jax.jit(lambda: surrogates.smoothed(ROWS).init(jax.random.key(0), logits, labels))()


def test_a_metric_that_depends_on_the_order_is_noticed_in_a_direct_call():
    logits, labels = classes(70)
    options = dict(key=jax.random.key(1), scale=SCALE, num_pairs=4)
    for estimator in ("auto", "functions"):
        with pytest.warns(UserWarning, match="in_rows depends on the order of the examples") as caught:
            noticed = smoothed_metric(ROWS, logits, labels, **options, estimator=estimator)
        assert [warning.filename for warning in caught] == [__file__]
        groups = smoothed_metric(ROWS, logits, labels, **options, estimator="groups")
        jax.tree.map(np.testing.assert_array_equal, noticed, groups)
    with pytest.warns(UserWarning, match="in_rows depends on the order"):
        few = smoothed_metric(ROWS, logits[:40], labels[:40], **options)
    together = smoothed_metric(ROWS, logits[:40], labels[:40], **options, estimator="groups")
    jax.tree.map(np.testing.assert_array_equal, few, together)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        smoothed_metric(OWN, logits, labels, **options)
        smoothed_metric(ROWS, logits, labels, **options, estimator="groups")
        jax.jit(lambda z, y: smoothed_metric(ROWS, z, y, **options))(logits, labels)  # there it cannot be known
        assert in_jit(logits, labels).functions is not None  # of constants neither


def test_runs_side_by_side_and_devices():
    surrogate = learned(OWN, num_pairs=3)
    logits, labels = jnp.stack([classes(16)[0], 2 * classes(16)[0]]), jnp.stack([classes(16)[1]] * 2)
    key = jax.random.key(1)
    state = surrogate.init(jax.random.key(0), logits[0], labels[0])
    states = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state)
    together, _ = jax.jit(jax.vmap(lambda *part: surrogate.update(part[0], key, *part[1:])))(states, logits, labels)
    alone, _ = surrogate.update(state, key, logits[1], labels[1])
    for one, of_both in zip(alone.functions, together.functions, strict=True):
        np.testing.assert_allclose(of_both[1], one, rtol=1e-3, atol=1e-6)

    def shared(logits, labels):
        return surrogate.update(state, key, logits, labels, axis_name="devices")[0].functions

    of_devices = jax.jit(jax.vmap(shared, axis_name="devices"))(logits, labels)
    assert of_devices.number.tolist() == [6, 6]  # each device's share is a set, and all are summed
    np.testing.assert_allclose(of_devices.gram[0], of_devices.gram[1])
