"""The cost of decisions: against loops and scikit-learn, as an option, in files and in runs; what is learned of it."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import losses, metrics, spaces
from jaxsurr.comparison import compare
from jaxsurr.core.moments import cosine, moments
from jaxsurr.core.types import View
from jaxsurr.smoothing.goal import estimated_goal
from jaxsurr.training import default_config, prepare, run, update

KEY = jax.random.key(0)
MATRIX = np.round(np.random.default_rng(0).gamma(1, 2, (4, 4)), 2)


def problem(seed=0, rows=200, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(seed))
    return jax.random.normal(keys[0], (rows, 4)).astype(dtype), jax.random.randint(keys[1], (rows,), 0, 4)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("decode", ["argmax", "expected"])
def test_values_against_a_loop(decode, dtype):
    logits, labels = problem(dtype=dtype)
    where = np.arange(200) % 3 > 0
    values = jax.jit(metrics.cost.bind(matrix=MATRIX, decode=decode))(logits, labels, where=where)
    for value, z, label, counts in zip(values, np.asarray(logits, np.float64), labels.tolist(), where, strict=True):
        risk = [sum(np.exp(z[true]) * MATRIX[true, decided] for true in range(4)) for decided in range(4)]
        decided = int(np.argmax(z)) if decode == "argmax" else int(np.argmin(risk))
        np.testing.assert_allclose(value, MATRIX[label, decided] if counts else 0, rtol=1e-6)


def test_the_mean_is_the_sum_of_the_confusion_matrix_times_the_costs():
    logits, labels = problem()
    counts = sklearn.metrics.confusion_matrix(labels, np.argmax(logits, axis=-1))
    mean = metrics.cost.bind(matrix=MATRIX).mean(logits, labels)
    np.testing.assert_allclose(mean, np.sum(counts * MATRIX) / 200, rtol=1e-5)
    assert metrics.cost(logits, labels).tolist() == metrics.error_rate(logits, labels).tolist()


def test_ties_nan_and_many_classes():
    tied = jnp.zeros((2, 4))
    assert metrics.cost.bind(matrix=MATRIX)(tied, jnp.array([1, 2])).tolist() == np.float32(MATRIX[1:3, 0]).tolist()
    alike = metrics.cost.bind(matrix=np.ones((4, 4)), decode="expected")
    assert alike(tied, jnp.array([1, 2])).tolist() == [1, 1]
    assert np.isnan(metrics.cost(tied.at[0, 1].set(jnp.nan), jnp.array([1, 2]))).tolist() == [True, False]
    ruled = jnp.array([[0.0, -jnp.inf, 1.0, -jnp.inf]])
    for decode in ("argmax", "expected"):
        assert np.isfinite(metrics.cost.bind(matrix=MATRIX, decode=decode)(ruled, jnp.array([0]))).all()


def test_a_matrix_is_an_option_in_any_form_and_part_of_the_name():
    forms = MATRIX, MATRIX.tolist(), tuple(map(tuple, MATRIX.tolist())), jnp.asarray(MATRIX)
    bound = [metrics.cost.bind(matrix=form) for form in forms]
    assert bound[0] == bound[1] == bound[2] and len(set(bound[:3])) == 1
    assert metrics.cost.bind(matrix=[[0, 1], [5, 0.5]]).name == "cost(matrix=0 1 / 5 0.5)"
    assert bound[0].name.startswith("cost(matrix=4 rows ") and bound[0].name != bound[3].name
    other = MATRIX.copy()
    other[3, 3] += 0.01
    assert metrics.cost.bind(matrix=other).name != bound[0].name


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (MATRIX[:3, :3], "matrix is 3 by 3, but predictions are of 4 classes"),
        (-MATRIX, "the cost -.* of deciding 0 where 0 is true; costs must be finite and at least 0"),
        (MATRIX * np.nan, "the cost nan of deciding"),
        ("costs.csv", "must be a square matrix"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused_by_everything(matrix, sentence):
    logits, labels = problem()
    bound = metrics.cost.bind(matrix=matrix)
    for call in (
        lambda: bound(logits, labels),
        lambda: jax.jit(bound)(logits, labels),
        lambda: jaxsurr.correlated_gradients(bound).init(KEY, logits, labels),
        lambda: losses.expected_cost(logits, labels, matrix=matrix),
    ):
        with pytest.raises(ValueError, match=sentence):
            call()
    with pytest.raises(ValueError, match="decode is 'median'"):
        metrics.cost(logits, labels, decode="median")


def test_what_is_learned_knows_each_pair_of_class_and_decision_and_is_kept_in_a_file(tmp_path):
    metric = metrics.cost.bind(matrix=MATRIX)
    surrogate = jaxsurr.correlated_gradients(metric)

    def data(key):
        logits, labels = jaxsurr.sample(spaces.decision_logits, key, 128, 4)
        return logits, labels

    def step(state, key):
        return surrogate.update(state, key, *data(key))[0], None

    state = jax.jit(surrogate.init)(KEY, *data(KEY))
    state = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(KEY, 400))[0])(state)
    logits, labels = data(jax.random.key(7))
    _, info = surrogate.update(state, KEY, logits, labels)
    goal = estimated_goal(metric, View(logits, labels), key=KEY, scale=info.scale, num_pairs=512, space=metric.space)
    gradient = jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, labels)))(logits)
    assert cosine(moments(gradient, goal.gradient[0])) > 0.9
    loaded, again = jaxsurr.load(jaxsurr.save(tmp_path / "it", surrogate, state, example=(logits, labels)))
    np.testing.assert_array_equal(loaded.loss(again, logits, labels), surrogate.loss(state, logits, labels))
    assert loaded.settings["metric"]["options"]["matrix"] == MATRIX.tolist()


TINY = {
    "epochs": 1,
    "warm_epochs": 1,
    "batch_size": 16,
    "devices": 1,
    "data.limit": 60,
    "surrogate.num_pairs": 2,
    "surrogate.burn_in": 1,
}


@pytest.fixture
def file(tmp_path):
    np.savetxt(tmp_path / "costs.csv", 1 + np.arange(100).reshape(10, 10) % 3, delimiter=",")
    return tmp_path / "costs.csv"


def test_a_run_keeps_the_matrix_and_a_file_that_has_changed_is_noticed(file, tmp_path):
    config = update(default_config(), metric=f"cost?matrix={file}", loss="expected_cost", **TINY)
    result = run(config, tmp_path / "run")
    assert result["config"]["metric"] == f"cost?matrix={file}"
    assert result["config"]["matrix"] == (1.0 + np.arange(100).reshape(10, 10) % 3).tolist()
    assert run(config, tmp_path / "run") == result
    file.write_text(file.read_text().replace("3", "4", 1))
    with pytest.raises(ValueError, match=r"belongs to a run with another config: matrix \(\[\["):
        run(config, tmp_path / "run")
    file.unlink()
    with pytest.raises(FileNotFoundError, match="there is no file"):
        run(config, tmp_path / "run")


def test_losses_have_the_matrix_of_the_metric_and_each_decides_as_it_says(file, tmp_path):
    config = update(default_config(), metric=f"cost?matrix={file}", **TINY)
    data, program = prepare(update(config.copy_and_resolve_references(), loss="expected_cost"))
    logits, labels = jnp.zeros((2, 10)), jnp.array([0, 1])
    expected = losses.expected_cost(logits, labels, matrix=metrics.get(config.metric).options[0][1])
    np.testing.assert_array_equal(program.warm.loss((), logits, labels), expected)
    assert float(expected[0]) > 1
    _, led = prepare(update(config.copy_and_resolve_references(), conventional="expected_cost"), data=data)
    np.testing.assert_array_equal(led.warm.loss((), logits, labels), expected)
    names = ("cross_entropy", "cross_entropy?decode=expected", "cost_weighted_cross_entropy")
    rows = {row["loss"]: row for row in compare(config, names, 2, workdir=tmp_path / "all", figures=False)["rows"]}
    assert set(names) <= set(rows)
    lines = [json.loads(line) for line in (tmp_path / "all" / "results.jsonl").read_text().splitlines()]
    decoded = {line["loss"]: line["metric"].rpartition("decode=")[2] for line in lines}
    assert (decoded[names[0]], decoded[names[1]]) == ("argmax)", "expected)")
    with pytest.raises(ValueError, match="the loss has the matrix of the metric, metric='cost"):
        prepare(update(config.copy_and_resolve_references(), loss=f"expected_cost?matrix={file}"), data=data)
    with pytest.raises(ValueError, match="use one of argmax, expected"):
        prepare(update(config.copy_and_resolve_references(), loss="cross_entropy?decode=median"), data=data)


def test_a_fixed_loss_is_kept_with_the_matrix_of_many_classes(tmp_path):
    matrix = np.random.default_rng(1).random((100, 100))
    surrogate = jaxsurr.surrogates.conventional(functools.partial(losses.expected_cost, matrix=matrix.tolist()))
    logits, labels = jnp.eye(100)[:4], jnp.arange(4)
    loaded, state = jaxsurr.load(jaxsurr.save(tmp_path / "it", surrogate, (), example=(logits, labels)))
    expected = losses.expected_cost(logits, labels, matrix=matrix)
    np.testing.assert_allclose(loaded.loss(state, logits, labels), expected, rtol=1e-6)
