"""Functions that JAX cannot see into, as metrics."""

import functools
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sklearn.metrics

import jaxsurr
from jaxsurr import bilevel, metrics, smoothed_metric, spaces, surrogates
from jaxsurr.metrics import black_box, own_errors
from jaxsurr.metrics.host import Host
from jaxsurr.smoothing.smoothed_metric import table_directions
from tests.started import simulated

KEY = jax.random.key(0)
LABELS = jnp.arange(16) % 3
LOGITS = jax.random.normal(jax.random.key(1), (16, 3)) + jax.nn.one_hot(LABELS, 3)
WHERE = jnp.arange(16) % 4 != 1


class Counted:
    """A function that counts how often it is called, and remembers the shapes that it got last."""

    def __init__(self, function):
        self.function, self.calls, self.shapes = function, 0, None

    def __call__(self, targets, predictions):
        self.calls += 1
        self.shapes = np.shape(targets), np.shape(predictions)
        return self.function(targets, predictions)


def wrong(targets, predictions):
    return targets != predictions


def fraction_wrong(targets, predictions):
    return np.mean(targets != predictions, axis=-1)


def classes(function, *, higher_is_better=False, **options):
    return black_box(function, higher_is_better=higher_is_better, decode="argmax", **options)


# --- values -----------------------------------------------------------------------------------------------------------


def test_matthews_correlation_of_scikit_learn_untouched():
    metric = classes(sklearn.metrics.matthews_corrcoef, higher_is_better=True)
    assert (metric.name, metric.space, metric.per_example) == ("matthews_corrcoef", spaces.class_logits, False)
    decoded = np.argmax(LOGITS, axis=1)
    for where in (None, WHERE):
        rows = slice(None) if where is None else np.asarray(where)
        expected = sklearn.metrics.matthews_corrcoef(np.asarray(LABELS)[rows], decoded[rows])
        for evaluate in (metric, jax.jit(metric)):
            np.testing.assert_allclose(evaluate(LOGITS, LABELS, where=where), expected, rtol=1e-6)


def test_options_of_the_function_are_bound_and_spelt_in_the_name():
    metric = classes(sklearn.metrics.f1_score, higher_is_better=True).bind(average="macro")
    assert metric.name == "f1_score(average=macro)"
    expected = sklearn.metrics.f1_score(LABELS, np.argmax(LOGITS, axis=1), average="macro")
    np.testing.assert_allclose(metric(LOGITS, LABELS), expected, rtol=1e-6)
    with pytest.raises(TypeError, match="no option 'averages'; did you mean 'average'"):
        metric.bind(averages="macro")


@pytest.mark.parametrize("where", [None, WHERE], ids=["all", "masked"])
@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_the_values_are_those_of_the_metric_in_jax(where, dtype):
    logits = LOGITS.astype(dtype)
    reference = metrics.error_rate(logits, LABELS, where=where)
    per_example = classes(wrong, per_example=True)
    of_set = classes(fraction_wrong)
    for transform in (lambda f: f, jax.jit):
        np.testing.assert_array_equal(transform(per_example)(logits, LABELS, where=where), reference)
        np.testing.assert_allclose(
            transform(of_set)(logits, LABELS, where=where), metrics.error_rate.mean(logits, LABELS, where=where)
        )


@pytest.mark.parametrize("options", [{}, {"stacked": True}, {"per_example": True}], ids=str)
def test_vmap_over_everything_or_a_part(options):
    function = wrong if "per_example" in options else fraction_wrong
    metric, reference = classes(function, **options), metrics.error_rate
    logits = LOGITS[None] + jax.random.normal(KEY, (5, 1, 1))
    logits = logits + jax.random.normal(jax.random.key(3), (5, 16, 3))
    masks = jnp.stack([WHERE, ~WHERE, jnp.zeros(16, bool), WHERE, jnp.ones(16, bool)])
    arguments = {
        "predictions": (logits, LABELS, WHERE, (0, None, None)),
        "masks": (logits[0], LABELS, masks, (None, None, 0)),
        "all": (logits, jnp.stack([LABELS] * 5), masks, (0, 0, 0)),
    }
    for *given, axes in arguments.values():

        def every(one, axes=axes):
            value = one.mean
            return jax.jit(jax.vmap(lambda z, y, w: value(z, y, where=w), in_axes=axes))

        np.testing.assert_allclose(every(metric)(*given), every(reference)(*given), rtol=1e-6)
    nested = jax.vmap(jax.vmap(metric, in_axes=(0, None)), in_axes=(None, 0))
    labels = jnp.stack([LABELS, (LABELS + 1) % 3])
    expected = jax.vmap(jax.vmap(reference.mean, in_axes=(0, None)), in_axes=(None, 0))(logits, labels)
    got = nested(logits, labels)
    np.testing.assert_allclose(got.mean(axis=-1) if "per_example" in options else got, expected, rtol=1e-6)


def test_a_tree_of_targets_and_predictions_as_they_are():
    poses = jaxsurr.Keypoints(jnp.zeros((4, 3, 2)), jnp.ones((4, 3)), jnp.full(4, 2.0))
    points = jax.random.normal(KEY, (4, 3, 2))

    def within(targets, predictions):
        distance = np.linalg.norm(predictions - targets.points, axis=-1) / targets.scale[:, None]
        return np.mean(distance <= 0.5, axis=1)

    metric = black_box(within, higher_is_better=True, per_example=True, space=spaces.keypoint_coordinates)
    np.testing.assert_allclose(jax.jit(metric)(points, poses), metrics.pck(points, poses), rtol=1e-6)


def test_decoding_by_name_by_function_and_not_at_all():
    got = {}

    def look(targets, predictions):
        got["dtype"], got["shape"] = predictions.dtype, predictions.shape
        return 0.0

    for decode, space, dtype, shape in (
        ("argmax", spaces.class_logits, np.int32, (16,)),
        ("median", spaces.level_logits, np.int32, (16,)),
        ("expected", spaces.level_logits, np.float32, (16,)),
        ("thresholds", spaces.cumulative_logits, np.int32, (16,)),
        (jax.nn.softmax, spaces.generic, np.float32, (16, 3)),
        (None, spaces.generic, np.float32, (16, 3)),
    ):
        metric = black_box(look, higher_is_better=False, decode=decode)
        assert metric.space is space
        metric(LOGITS.astype(jnp.bfloat16), LABELS)
        assert (got["dtype"], got["shape"]) == (dtype, shape)


def test_no_example_and_predictions_that_are_not_finite():
    function = Counted(fraction_wrong)
    for metric in (classes(function), classes(function, stacked=True)):
        assert float(jax.jit(metric)(LOGITS, LABELS, where=jnp.zeros(16, bool))) == 0
        assert np.isnan(jax.jit(metric)(LOGITS.at[3, 1].set(jnp.nan), LABELS))
        assert function.calls == 0
        hidden = jnp.arange(16) != 3
        assert np.isfinite(metric(LOGITS.at[3, 1].set(jnp.inf), LABELS, where=hidden))
        assert function.calls == 1
        function.calls = 0
    values = jax.jit(classes(wrong, per_example=True))(LOGITS.at[3, 1].set(jnp.nan), LABELS)
    np.testing.assert_array_equal(np.isnan(values), np.arange(16) == 3)


# --- how often --------------------------------------------------------------------------------------------------------


class Asked:
    """How often the host is asked, and how often the function called."""

    def __init__(self, monkeypatch, function, **options):
        self.function, self.host = Counted(function), 0
        self.metric = classes(self.function, **options)
        original = Host.in_program

        def counting(host, *given):
            self.host += 1
            return original(host, *given)

        monkeypatch.setattr(Host, "in_program", counting)

    def by(self, run):
        """(times that the host was asked, calls of the function) by one run of a function."""
        jax.block_until_ready(run())
        self.host = self.function.calls = 0
        jax.block_until_ready(run())
        return self.host, self.function.calls


KINDS = [(fraction_wrong, {}, 1), (fraction_wrong, {"stacked": True}, 0), (wrong, {"per_example": True}, 0)]


@pytest.mark.parametrize(("function", "options", "each"), KINDS, ids=["set", "stacked", "per_example"])
def test_calls_of_a_smoothed_metric(monkeypatch, function, options, each):
    asked = Asked(monkeypatch, function, **options)
    for pairs, chunks in ((4, 1), (40, 3)):
        smooth = jax.jit(
            lambda z, y, pairs=pairs: smoothed_metric(
                asked.metric, z, y, key=KEY, scale=0.5, num_pairs=pairs, directions=table_directions()
            )
        )
        assert asked.by(lambda smooth=smooth: smooth(LOGITS, LABELS)) == (chunks, 2 * pairs if each else chunks)


def test_calls_of_a_loss_and_its_gradient(monkeypatch):
    asked = Asked(monkeypatch, fraction_wrong)
    surrogate = jaxsurr.correlated_gradients(asked.metric, family="basis")
    state = surrogate.init(KEY, LOGITS, LABELS)
    gradient = jax.jit(jax.grad(lambda z: jnp.sum(surrogate.loss(state, z, LABELS))))
    assert asked.by(lambda: gradient(LOGITS)) == (0, 0)  # what is learned needs the metric no more
    surrogate = surrogates.smoothed(asked.metric)
    state = surrogate.init(KEY, LOGITS, LABELS)
    gradient = jax.jit(jax.value_and_grad(lambda z: jnp.sum(surrogate.loss(state, z, LABELS))))
    assert asked.by(lambda: gradient(LOGITS)) == (1, 32)


def test_calls_of_tracing_of_an_evaluation_and_of_a_step(monkeypatch):
    asked = Asked(monkeypatch, fraction_wrong)
    surrogate = jaxsurr.correlated_gradients(asked.metric, num_pairs=8)
    batch = jaxsurr.Batch(LOGITS, LABELS)

    def apply(params, inputs):
        return inputs @ params

    state = bilevel.init_state(KEY, jnp.eye(3), optax.sgd(0.1), surrogate, apply, batch)
    assert (asked.host, asked.function.calls) == (1, 5)  # whether the order of the examples matters
    step = jax.jit(bilevel.make_step(apply, optax.sgd(0.1), surrogate))
    step.lower(state, batch)
    assert (asked.host, asked.function.calls) == (1, 5)
    assert asked.by(lambda: step(state, batch)) == (1, 16)
    evaluate = jax.jit(asked.metric.mean)
    assert asked.by(lambda: evaluate(LOGITS, LABELS)) == (1, 1)
    assert asked.by(lambda: asked.metric.mean(LOGITS, LABELS)) == (0, 1)  # not traced: no program, no call-back
    assert asked.function.shapes == ((16,), (16,))


# --- in every surrogate -----------------------------------------------------------------------------------------------


def test_smoothing_and_learning_are_those_of_the_metric_in_jax():
    theirs = classes(wrong, per_example=True)

    def learned(metric):
        surrogate = jaxsurr.correlated_gradients(metric, num_pairs=4)
        state = jax.jit(surrogate.init)(KEY, LOGITS, LABELS, WHERE)
        state, info = jax.jit(surrogate.update)(state, KEY, LOGITS, LABELS, WHERE)
        return jax.jit(surrogate.loss)(state, LOGITS, LABELS, WHERE), info

    # Two programs, fused and so rounded in different ways. Another draw or a lost call would differ by far more.
    same = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(same, learned(theirs), learned(metrics.error_rate))


SURROGATES = {
    "embedding": (surrogates.embedding, wrong, {"per_example": True}),
    "relational": (functools.partial(surrogates.relational, groups=2, group_size=4), wrong, {"per_example": True}),
    "set_value_fit": (surrogates.set_value_fit, fraction_wrong, {}),
    "value_fit": (surrogates.value_fit, fraction_wrong, {}),
    "smoothed": (surrogates.smoothed, fraction_wrong, {}),
    "basis": (functools.partial(jaxsurr.correlated_gradients, family="basis"), fraction_wrong, {"stacked": True}),
}


@pytest.mark.parametrize("name", SURROGATES)
def test_stands_in_every_surrogate(name):
    make, function, options = SURROGATES[name]
    surrogate = make(classes(function, **options))
    state = surrogate.init(KEY, LOGITS, LABELS)

    @jax.jit
    def learn(state, z):
        state, _ = surrogate.update(state, KEY, z, LABELS)
        return jax.value_and_grad(lambda z: jnp.sum(surrogate.loss(state, z, LABELS)))(z)

    value, gradient = learn(state, LOGITS)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_training_run_by_name_of_a_registered_metric(monkeypatch):
    from jaxsurr import training

    monkeypatch.setattr(metrics, "METRICS", dict(metrics.METRICS))
    metrics.register(classes(sklearn.metrics.matthews_corrcoef, higher_is_better=True))
    fields = {"data.limit": 200, "surrogate.burn_in": 1, "surrogate.num_pairs": 2}
    config = training.update(
        training.default_config(), metric="matthews_corrcoef", epochs=2, warm_epochs=1, devices=1, **fields
    )
    data, program = training.prepare(config)
    outcome = training.loop.train(config, data, program)
    assert -1 <= outcome["test"] <= 1
    assert np.isfinite(outcome["gradient_correlation"])
    with pytest.raises(ValueError, match="there is a metric 'matthews_corrcoef' already"):
        metrics.register(classes(fraction_wrong, name="matthews_corrcoef"))


# --- on many devices --------------------------------------------------------------------------------------------------

ON_FOUR = """
import jax, jax.numpy as jnp, numpy as np, sklearn.metrics, jaxsurr
calls = []
def fraction_wrong(targets, predictions):
    calls.append(len(targets))
    if targets.sum() < 0:
        raise LookupError("negative")
    return np.mean(targets != predictions)
metric = jaxsurr.metrics.black_box(fraction_wrong, higher_is_better=False, decode="argmax")
labels = jnp.arange(64).reshape(4, 16) % 3
logits = jax.random.normal(jax.random.key(0), (4, 16, 3))
every = jax.pmap(metric)
for _ in range(3):
    values = every(logits, labels)
print(np.allclose(values, jaxsurr.metrics.error_rate(logits.reshape(64, 3), labels.ravel()).reshape(4, 16).mean(1)))
print(len(calls), set(calls))
surrogate = jaxsurr.correlated_gradients(metric, num_pairs=4)
state = surrogate.init(jax.random.key(1), logits[0], labels[0])
def learn(state, logits, labels):
    return surrogate.update(state, jax.random.key(2), logits, labels, axis_name="d")
update = jax.pmap(learn, "d", in_axes=(None, 0, 0))
calls.clear()
state, info = jax.block_until_ready(update(state, logits, labels))
print(len(calls), bool(np.isfinite(info.gradient_correlation).all()))
try:
    with jaxsurr.metrics.own_errors():
        jax.block_until_ready(every(logits, -labels))
except LookupError as error:
    print(error)
"""


def test_pmap_on_four_devices():
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR],
        capture_output=True,
        text=True,
        timeout=120,
        env=simulated(4),
    )
    assert done.stdout.splitlines() == ["True", "12 {16}", "32 True", "negative"], done.stderr


# --- bad input --------------------------------------------------------------------------------------------------------


class Unplugged(Exception):
    pass


def raising(targets, predictions):
    raise Unplugged("the scorer is not plugged in")


FAULTY = {
    "raises": (raising, Unplugged, "^the scorer is not plugged in$"),
    "NaN": (lambda y, z: float("nan"), ValueError, "^faulty returned nan for finite predictions"),
    "infinity": (lambda y, z: -np.inf, ValueError, "faulty returned -inf"),
    "nothing": (lambda y, z: None, TypeError, "faulty must return real numbers, got NoneType"),
    "text": (lambda y, z: "good", TypeError, "real numbers, got str"),
    "complex": (lambda y, z: 1j, TypeError, "real numbers, got complex"),
    "a list of one": (lambda y, z: [0.5], ValueError, r"must return one number, shape \[\], got \[1\]"),
    "each example": (wrong, ValueError, r"one number, shape \[\], got \[16\]. Declare .* per_example=True"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faults_reach_the_caller_as_themselves(fault):
    function, kind, message = FAULTY[fault]
    metric = classes(function, name="faulty")
    for evaluate in (metric, jax.jit(metric), jax.jit(metric)):
        for _ in range(2):  # a program's later calls report errors in another way than its first
            with pytest.raises(kind, match=message) as raised, own_errors():
                jax.block_until_ready(evaluate(LOGITS, LABELS))
            assert type(raised.value) is kind


def test_an_error_after_good_calls_has_its_own_traceback():
    def seldom(targets, predictions):
        return {0: 0.5}[int(targets.sum())]

    evaluate = jax.jit(classes(seldom))
    for _ in range(2):
        assert float(evaluate(LOGITS, 0 * LABELS)) == 0.5
    for error in (KeyError, KeyError):
        with pytest.raises(error, match="15") as raised, own_errors():
            jax.block_until_ready(evaluate(LOGITS, LABELS))
        assert raised.traceback[-1].name == "seldom"


def test_without_own_errors_the_text_is_there():
    with pytest.raises(Exception, match="faulty raised Unplugged: the scorer is not plugged in"):
        jax.block_until_ready(jax.jit(classes(raising, name="faulty"))(LOGITS, LABELS))


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), own_errors():
        1 / 0  # noqa: B018


def test_wrong_number_of_examples_or_sets():
    with pytest.raises(ValueError, match=r"one number for each of 16 examples, shape \[16\], got \[\]"):
        classes(fraction_wrong, per_example=True)(LOGITS, LABELS)
    with pytest.raises(ValueError, match=r"one number for each of 1 sets, shape \[1\], got \[\]"):
        classes(lambda y, z: 0.0, stacked=True)(LOGITS, LABELS)


def test_a_function_may_write_into_its_arguments():
    def greedy(targets, predictions):
        targets[:], predictions[:] = 0, 0
        return 0.5

    labels, logits = np.array(LABELS), np.array(LOGITS)
    metric = black_box(greedy, higher_is_better=False)
    for evaluate in (metric, jax.jit(metric)):
        assert float(evaluate(logits, labels)) == 0.5
        assert float(jax.jit(jax.vmap(evaluate, in_axes=(0, None)))(logits[None], labels)[0]) == 0.5
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_array_equal(logits, LOGITS)


def test_a_function_that_blocks():
    metric = classes(lambda y, z: time.sleep(60), name="sleepy", timeout=0.05)
    for evaluate in (metric, jax.jit(metric)):
        with pytest.raises(TimeoutError, match=r"sleepy took longer than 0\.05 s"), own_errors():
            jax.block_until_ready(evaluate(LOGITS, LABELS))
    assert float(classes(fraction_wrong, timeout=60.0)(LOGITS, LABELS)) == float(
        classes(fraction_wrong)(LOGITS, LABELS)
    )
    with pytest.raises(Unplugged):
        classes(raising, timeout=60.0)(LOGITS, LABELS)


def test_has_no_gradient():
    for transform in (jax.grad, lambda f: jax.jit(jax.grad(f))):
        with pytest.raises(TypeError, match="fraction_wrong is a black box, and has no gradient"):
            transform(lambda z: classes(fraction_wrong)(z, LABELS))(LOGITS)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, TypeError, "higher_is_better"),
        ({"higher_is_better": None}, TypeError, "must be True or False, the direction of the metric, got None"),
        ({"higher_is_better": True, "decode": "argmin"}, ValueError, "did you mean 'argmax'"),
        ({"higher_is_better": True, "timeout": 0}, ValueError, "timeout must be positive and finite"),
        ({"higher_is_better": True, "stacked": True, "per_example": True}, ValueError, "stacked is for"),
    ],
)
def test_bad_declarations(options, kind, message):
    with pytest.raises(kind, match=message):
        black_box(fraction_wrong, **options)


def test_no_function_and_wrong_targets():
    with pytest.raises(TypeError, match=r"a function \(targets, predictions\), got 3"):
        black_box(3, higher_is_better=True)
    with pytest.raises(ValueError, match="targets must hold one of the classes"):
        classes(fraction_wrong)(LOGITS, LABELS[:3])
    with pytest.raises(TypeError, match="where must be booleans"):
        classes(fraction_wrong)(LOGITS, LABELS, where=LABELS)


def test_a_function_without_a_signature_has_no_options():
    assert black_box(min, higher_is_better=True).known_options == []
