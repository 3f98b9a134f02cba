"""The basis and the kernel reach the least-squares solution that SciPy finds, with coefficients of no sign but one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats

import jaxsurr
from jaxsurr import metrics, spaces
from jaxsurr.core.types import View
from jaxsurr.smoothing.smoothed_metric import smoothed_metric, table_directions
from jaxsurr.surrogates.families import basis
from jaxsurr.surrogates.families.basis import basis_family, non_negative_least_squares

KEY = jax.random.key(0)


def problem(seed, rows=40, atoms=6):
    keys = jax.random.split(jax.random.key(seed), 2)
    return jax.random.normal(keys[0], (rows, atoms)), jax.random.normal(keys[1], (rows,))


@pytest.mark.parametrize("seed", range(4))
def test_least_squares_against_scipy(seed):
    matrix, wanted = problem(seed)
    expected, _ = scipy.optimize.nnls(np.asarray(matrix, np.float64), np.asarray(wanted, np.float64))
    got = non_negative_least_squares(
        matrix.T @ matrix, (matrix.T @ wanted)[:, None], jnp.zeros((6, 1)), iterations=2000, ridge=0.0
    )
    assert 0 < np.sum(expected == 0) < 6  # some constraints bind, some do not
    np.testing.assert_allclose(got[:, 0], expected, atol=1e-4)  # single precision, after a Gram matrix
    assert float(jnp.min(got)) >= 0


def test_several_metrics_are_solved_each_for_itself():
    matrix, wanted = problem(0)
    both = jnp.stack([matrix.T @ wanted, matrix.T @ wanted[::-1]], axis=-1)
    solve = jax.jit(lambda cross: non_negative_least_squares(matrix.T @ matrix, cross, jnp.zeros_like(cross)))
    for i in range(2):
        np.testing.assert_allclose(solve(both)[:, i], solve(both[:, i : i + 1])[:, 0], atol=1e-6)


def test_warm_starts_reach_what_many_iterations_reach():
    matrix, wanted = problem(1)
    gram, cross = matrix.T @ matrix, (matrix.T @ wanted)[:, None]
    here = jnp.ones((6, 1))
    for _ in range(20):
        here = non_negative_least_squares(gram, cross, here, iterations=20)
    np.testing.assert_allclose(here, non_negative_least_squares(gram, cross, here, iterations=3000), atol=1e-4)


def test_atom_that_is_nowhere_active_has_no_coefficient():
    gram = jnp.diag(jnp.array([2.0, 0.0]))
    got = non_negative_least_squares(gram, jnp.array([[3.0], [0.0]]), jnp.ones((2, 1)), ridge=0.0)
    np.testing.assert_allclose(got[:, 0], [3.0 / 2.0, 0.0], rtol=1e-5)


def test_atoms_of_any_size_are_solved_alike():
    matrix, wanted = problem(2)
    sizes = jnp.array([1e-3, 1.0, 1e3, 10.0, 0.1, 1.0])
    start = jnp.zeros((6, 1))
    plain = non_negative_least_squares(matrix.T @ matrix, (matrix.T @ wanted)[:, None], start)
    scaled = matrix * sizes[None]
    other = non_negative_least_squares(scaled.T @ scaled, (scaled.T @ wanted)[:, None], start)
    np.testing.assert_allclose(other * sizes[:, None], plain, atol=1e-4)


def class_data(batch=64, classes=5):
    keys = jax.random.split(jax.random.key(3), 2)
    labels = jnp.arange(batch) % classes
    confidence = 4 * jax.random.uniform(keys[0], (batch, 1))
    return confidence * jax.nn.one_hot(labels, classes) + jax.random.normal(keys[1], (batch, classes)), labels


def test_kernel_centres_are_quantiles_of_remembered_margins():
    logits, labels = class_data()
    scale = jnp.float32(0.5)
    family = basis_family(spaces.class_logits, remembered=True, width=2.0)
    state = jax.jit(family.init, static_argnums=3)(KEY, View(logits, labels), scale, 1)
    margins = np.asarray(jax.jit(spaces.class_logits.margins)(logits, labels, scale)[0][:, 0], np.float64)
    assert (np.abs(margins) > 4).any()  # out of reach: they must not count
    shares = [0.1, 0.3, 0.5, 0.7, 0.9]  # (i + 1/2) / 5: a grid of width 2 from -4 to 4 would have 5 centres
    expected = [np.quantile(column[np.abs(column) <= 4], shares) for column in margins.T]
    np.testing.assert_allclose(state.centres, expected, rtol=1e-4, atol=1e-5)
    assert bool(jnp.all((state.widths >= 0.5) & (state.widths <= 4)))


def test_kernel_without_margins_within_reach_stands_on_the_grid():
    logits, labels = 100 * jax.nn.one_hot(jnp.arange(8) % 4, 4), jnp.arange(8) % 4
    families = [basis_family(spaces.class_logits, remembered=flag) for flag in (False, True)]
    view, scale = View(logits, labels), jnp.float32(1)
    states = [jax.jit(family.init, static_argnums=3)(KEY, view, scale, 1) for family in families]
    np.testing.assert_array_equal(states[0].centres, states[1].centres)


def test_kernel_centres_leave_out_rows_that_do_not_count():
    logits, labels = class_data()
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, family="kernel")
    alone = jax.jit(surrogate.init)(KEY, logits[:32], labels[:32])
    filled = jax.jit(surrogate.init)(KEY, logits, labels, jnp.arange(64) < 32)
    np.testing.assert_allclose(filled.family.centres, alone.family.centres, rtol=1e-5)


def test_grid_centres():
    logits, labels = class_data()
    state = basis_family(spaces.class_logits, width=2.0).init(KEY, View(logits, labels), jnp.float32(1), 3)
    assert state.centres.tolist() == [[-4.0, -2.0, 0.0, 2.0, 4.0]] * 2
    assert state.widths.tolist() == [[2.0] * 5] * 2
    assert state.coefficients.shape == (2 * 5 + 3, 3)


@pytest.mark.parametrize("family", ["basis", "kernel"])
def test_closed_form_reaches_the_direct_solution(family):
    """With spread 0 and one key for all updates each sees one problem, which SciPy can solve."""
    logits, labels = class_data()
    surrogate = jaxsurr.correlated_gradients(
        metrics.error_rate, family=family, num_pairs=32, estimation=jaxsurr.surrogates.Estimation(spread=0.0)
    )
    state = jax.jit(surrogate.init)(KEY, logits, labels)
    update = jax.jit(surrogate.update)
    for _ in range(60):
        state, info = update(state, KEY, logits, labels)
        assert float(jnp.min(state.family.coefficients)) >= 0

    def atoms_sum(coefficients, z):
        family_state = state.family._replace(coefficients=coefficients[:, None])
        learned = state._replace(family=family_state, dot_sg=jnp.ones(1), dot_ss=jnp.ones(1), offset=jnp.zeros(1))
        return jnp.sum(surrogate.loss(learned, z, labels))

    number = len(state.family.coefficients)
    rows = jax.jit(jax.vmap(lambda one: jax.grad(lambda z: atoms_sum(one, z))(logits)))(jnp.eye(number))
    noise_key, _ = jax.random.split(KEY)
    goal = smoothed_metric(
        metrics.error_rate, logits, labels, key=noise_key, scale=info.scale, num_pairs=32, directions=table_directions()
    ).gradient
    matrix = np.asarray(rows, np.float64).reshape(number, -1).T
    ridge = np.diag(np.sqrt(1e-4) * np.linalg.norm(matrix, axis=0))  # as the library adds it
    wanted = np.concatenate([np.ravel(goal), np.zeros(number)])
    expected, _ = scipy.optimize.nnls(np.concatenate([matrix, ridge]), wanted)
    fitted, best = (matrix @ a for a in (np.asarray(state.family.coefficients[:, 0]), expected))
    # Neighbouring ramps are nearly collinear, so gradients are compared and not coefficients.
    assert np.linalg.norm(fitted - best) < 0.02 * np.linalg.norm(best)
    residual = [np.sum((gradient - np.ravel(goal)) ** 2) for gradient in (fitted, best)]
    assert residual[0] < 1.001 * residual[1]


def test_loss_falls_as_the_margin_grows():
    logits, labels = class_data()
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, family="basis")
    state = jax.jit(surrogate.init)(KEY, logits, labels)
    update = jax.jit(surrogate.update)
    for i in range(5):
        state, _ = update(state, jax.random.key(i), logits, labels)
    better = jnp.linspace(-3, 3, 13)[:, None] * jnp.array([[1.0, 0, 0, 0, 0]])
    values = jax.jit(surrogate.loss)(state, better, jnp.zeros(13, jnp.int32))
    assert bool(jnp.all(jnp.diff(values) < 0))


@pytest.mark.parametrize("x", [5.0, 0.0, -5.0, -29.9, -30.0, -30.1, -1e3, -1e5, -7e6, -1e10])
def test_the_log_of_the_distribution_function_and_its_slope_far_out_in_the_tail(x):
    """JAX's own slope is infinite for some numbers below -3000, and 0 for others."""
    np.testing.assert_allclose(basis._log_cdf(jnp.float32(x)), scipy.stats.norm.logcdf(x), rtol=1e-5, atol=1e-7)
    slope = np.exp(scipy.stats.norm.logpdf(x) - scipy.stats.norm.logcdf(x)) if x > -1e3 else -x
    np.testing.assert_allclose(jax.grad(basis._log_cdf)(x), slope, rtol=1e-4)


@pytest.mark.parametrize("family", ["basis", "kernel"])
@pytest.mark.parametrize("power", [0.0, 0.7, 1.0])
def test_gradients_are_finite_however_far_a_prediction_is_wrong(family, power):
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate, family=family, num_pairs=2, power=power)
    z, y = jaxsurr.sample(jaxsurr.spaces.class_logits, jax.random.key(0), 64, 3)
    state = surrogate.init(jax.random.key(0), z, y)
    state, _ = surrogate.update(state, jax.random.key(1), z, y)
    far = jnp.logspace(0, 9, 64)[:, None] * -jax.nn.one_hot(y, 3)
    assert np.isfinite(jax.grad(lambda z: surrogate.loss(state, z, y).sum())(far)).all()
