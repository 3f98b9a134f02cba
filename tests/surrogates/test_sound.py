"""What counts for nothing may hold anything, and a batch that is not finite costs one update, in every surrogate."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import Keypoints, bilevel, losses, metrics, spaces, surrogates
from jaxsurr.core.types import RankedLists, Sequences
from jaxsurr.pretraining import PRETRAINED, shipped
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.surrogates.families import network_family

KEY = jax.random.key(0)
ROWS = 8
WHERE = np.arange(ROWS) % 4 != 1
NETWORK = functools.partial(jaxsurr.surrogates.families.mlp.mlp, hidden=(4,))
OPTIONS = dict(num_pairs=2, network=NETWORK, calibrate=False)  # one update can calibrate a loss to 0
learned = functools.partial(jaxsurr.correlated_gradients, **OPTIONS)
MAE, PCK = metrics.mean_absolute_error, metrics.pck


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def labels(count, *shape):
    return np.random.default_rng(9).integers(0, count, (ROWS, *shape)).astype(np.int32)


def classes():
    return normal(0, ROWS, 4), labels(4)


def points(width=2):
    visible = np.ones((ROWS, 3), np.float32)
    visible[::2, 1] = 0
    return normal(1, ROWS, 3, width), Keypoints(normal(2, ROWS, 3, 2), visible, np.exp(normal(3, ROWS)))


def lists():
    items = np.ones((ROWS, 4), np.float32)
    items[1::2, 2] = 0
    return normal(4, ROWS, 4), RankedLists(labels(3, 4).astype(np.float32), items)


def pixels():
    target = labels(3, 2, 2)
    target[:, 0, 1] = -1
    return normal(5, ROWS, 2, 2, 3), target


def sequences():
    return normal(6, ROWS, 3, 4), Sequences(labels(4, 3), labels(3) + 1)


def mean_of_examples(space):
    """A family of one's own for sets: the network of examples, whose mean stands for the set."""
    weights = dict(value_weight=0.1, correlation_weight=1.0, correlation="cosine")
    return network_family(space, network=NETWORK, optimizer=optax.adam(1e-2), **weights)


OWN = jaxsurr.metric(
    lambda z, y: jnp.mean(jnp.abs(jnp.round(z) - y), axis=-1), higher_is_better=False, name="rounded_error"
)

CASES = {  # surrogate, and a batch for it
    "network, classes": (learned("error_rate"), classes),
    "several metrics": (learned(metrics.stack(metrics.error_rate, metrics.top_k_error.bind(k=2))), classes),
    "basis, levels": (learned(MAE, family="basis"), classes),
    "kernel, thresholds": (
        learned(metrics.get("mean_absolute_error?decode=thresholds"), family="kernel"),
        lambda: (classes()[0][:, :3], labels(4)),
    ),
    "network, points": (learned(PCK), points),
    "basis, points": (learned(PCK, family="basis"), points),
    "network, lists": (learned(metrics.ndcg), lists),
    "basis, lists": (learned(metrics.ndcg, family="basis"), lists),
    "set, pixels": (learned(metrics.mean_iou, estimation=surrogates.Estimation(estimator="groups")), pixels),
    "network, sequences": (learned(metrics.edit_distance), sequences),
    "own family, scores of a set": (
        learned(metrics.roc_auc.bind(space=spaces.binary_scores), family=mean_of_examples(spaces.binary_scores)),
        lambda: (normal(0, ROWS), labels(2)),
    ),
    "counts, levels of a set": (learned(metrics.quadratic_weighted_kappa, family="counts"), classes),
    "network, anything": (learned(OWN), lambda: (normal(0, ROWS, 2), normal(1, ROWS, 2))),
    "value_fit": (surrogates.value_fit(PCK, **OPTIONS), points),
    "smoothed": (surrogates.smoothed(PCK, num_pairs=2), points),
    "conventional": (surrogates.conventional(losses.euclidean), points),
    "embedding": (surrogates.embedding(PCK, hidden=(4,)), points),
    "relational": (surrogates.relational(PCK, groups=4, group_size=4), points),
    "interpolation": (surrogates.interpolation(PCK), points),
    "set_value_fit": (surrogates.set_value_fit(PCK, sets=2, hidden=(4,)), points),
    "residual_likelihood": (surrogates.residual_likelihood(layers=1, width=4), lambda: points(4)),
    "pretrained": (jaxsurr.follow_scale(shipped("error_rate")[0]), classes),
}
LEARNS = [name for name in CASES if name not in ("conventional", "interpolation")]
every_case = pytest.mark.parametrize("name", CASES)


@functools.cache
def functions(name):
    """`init`, `update`, and value and gradient of the loss, each compiled once for all tests."""
    surrogate, _ = CASES[name]

    def loss(state, predictions, targets, where):
        values, pullback = jax.vjp(lambda z: surrogate.loss(state, z, targets, where), predictions)
        return values, pullback(jnp.ones_like(values))[0]

    return jax.jit(surrogate.init), jax.jit(surrogate.update), jax.jit(loss)


def everything(name, predictions, targets, where):
    init, update, loss = functions(name)
    state = init(KEY, predictions, targets, where)
    state, info = update(state, KEY, predictions, targets, where)
    return state, info, loss(state, predictions, targets, where)


def one_wrong(targets):
    """The first example's targets are out of range: a label, a scale, a relevance, a length."""
    targets = jax.tree.map(np.array, targets)
    if isinstance(targets, Keypoints):
        targets.scale[0] = -1
    elif isinstance(targets, RankedLists):
        targets.relevance[0] = -1
    elif isinstance(targets, Sequences):
        targets.lengths[0] = 9
    else:
        targets[0] = 99
    return targets


@pytest.mark.parametrize("name", [name for name in CASES if name != "network, anything"])
def test_targets_out_of_range_inside_jit_give_nan_and_teach_nothing(name):
    predictions, targets = CASES[name][1]()
    init, update, loss = functions(name)
    where = None if name in ("network, points", "basis, levels", "relational") else np.ones(ROWS, bool)
    state = init(KEY, predictions, targets, where)
    wrong = one_wrong(targets)
    values, gradient = loss(state, predictions, wrong, where)
    per_example = np.ndim(values) and len(values) == ROWS
    assert np.isnan(values[0] if per_example else values).all()
    assert np.isnan(gradient[0]).any()
    if per_example and name not in (
        "interpolation",
        "set_value_fit",
    ):  # each example of theirs has the value of the set
        assert_finite((values[1:], gradient[1:]))
    after, info = update(state, KEY, predictions, wrong, where)
    assert_equal(after, state)
    assert np.all(info.skipped == 1) or name not in LEARNS


def numbers(tree):
    return [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
            for x in map(jnp.asarray, jax.tree.leaves(tree))]  # fmt: skip


def assert_equal(got, wanted):
    for one, other in zip(numbers(got), numbers(wanted), strict=True):
        np.testing.assert_array_equal(one, other)


def assert_finite(tree):
    for leaf in numbers(tree):
        assert np.isfinite(leaf).all()


def spoilt(tree, rows, value):
    """The rows of each array hold a value, or a number far out of range."""

    def one(leaf):
        leaf = np.array(leaf)
        leaf[rows] = value if leaf.dtype.kind == "f" else (0 if value == 0 else 10**6)
        return leaf

    return jax.tree.map(one, tree)


def absent(predictions, targets, value):
    """Points, items, tokens and pixels that are absent hold a value."""
    predictions = predictions.copy()
    wild = 0 if value == 0 else 10**6
    if isinstance(targets, Keypoints):
        hidden = targets.visible == 0
        predictions[hidden] = value
        places = targets.points.copy()
        places[hidden] = value
        return predictions, targets._replace(points=places)
    if isinstance(targets, RankedLists):
        empty = targets.items == 0
        predictions[empty] = value
        relevance = targets.relevance.copy()
        relevance[empty] = value
        return predictions, targets._replace(relevance=relevance)
    if isinstance(targets, Sequences):
        beyond = np.arange(targets.tokens.shape[1])[None] >= targets.lengths[:, None]
        return predictions, targets._replace(tokens=np.where(beyond, wild, targets.tokens).astype(np.int32))
    if predictions.ndim == 4:
        predictions[targets < 0] = value
    return predictions, targets


def batch_of(name, value):
    predictions, targets = absent(*CASES[name][1](), value)
    return spoilt(predictions, ~WHERE, value), spoilt(targets, ~WHERE, value)


@every_case
def test_what_counts_for_nothing_may_hold_anything(name):
    zeros = everything(name, *batch_of(name, 0), WHERE)
    for value in (np.nan, np.inf):
        assert_equal(everything(name, *batch_of(name, value), WHERE), zeros)
    if name.startswith("network"):  # and not because nothing is learned
        assert np.abs(numbers(zeros[2])[1][WHERE]).max() > 0


@pytest.mark.parametrize("name", ["network, points", "conventional", "pretrained"])
def test_what_counts_for_nothing_is_not_looked_at_outside_jit_either(name):
    surrogate, _ = CASES[name]
    state = functions(name)[0](KEY, *batch_of(name, 0), WHERE)
    results = []
    for value in (0, np.nan):
        predictions, targets = batch_of(name, value)
        loss = lambda z, targets=targets: surrogate.loss(state, z, targets, jnp.asarray(WHERE)).sum()  # noqa: E731
        results.append((loss(jnp.asarray(predictions)), jax.grad(loss)(jnp.asarray(predictions))))
    assert_equal(*results)


@every_case
def test_a_batch_of_which_no_row_counts_leaves_a_sound_state(name):
    predictions, targets = (spoilt(part, slice(None), np.nan) for part in CASES[name][1]())
    nothing = np.zeros(ROWS, bool)
    state, _, (values, slope) = everything(name, predictions, targets, nothing)
    assert_finite((state, values, slope))
    assert np.abs(slope).max() == 0
    sound = functions(name)[0](KEY, *CASES[name][1](), WHERE)
    assert_finite(functions(name)[1](sound, KEY, predictions, targets, nothing)[0])


@pytest.mark.parametrize("name", LEARNS)
def test_a_batch_that_is_not_finite_is_skipped(name):
    init, update, loss = functions(name)
    predictions, targets = batch_of(name, 0)
    state, info = update(init(KEY, predictions, targets, WHERE), KEY, predictions, targets, WHERE)
    assert_equal(info.skipped, jnp.zeros_like(info.metric))
    for value in (np.nan, np.inf):
        bad = predictions.copy()
        bad[0] = value
        after, told = update(state, jax.random.key(1), bad, targets, WHERE)
        assert_equal(after, state)
        assert_equal(told.skipped, jnp.ones_like(info.metric))
    again = update(after, jax.random.key(2), predictions, targets, WHERE)
    assert_equal(again, update(state, jax.random.key(2), predictions, targets, WHERE))
    assert_finite((again[0], loss(again[0], predictions, targets, WHERE), again[1].skipped))
    # A state that began on such a batch learns from the next one.
    late, _ = update(init(KEY, bad, targets, WHERE), KEY, predictions, targets, WHERE)
    assert_finite(late)


def sometimes_nothing(predictions, targets):
    return jnp.where(targets < 0, jnp.nan, jnp.mean(jnp.round(predictions), axis=-1) - targets)


@pytest.mark.parametrize("make", [learned, functools.partial(surrogates.relational, groups=2)])
def test_a_metric_that_is_not_a_number_is_skipped(make):
    surrogate = make(jaxsurr.metric(sometimes_nothing, higher_is_better=False))
    predictions, targets = normal(0, ROWS, 2), np.ones(ROWS, np.float32)
    state = jax.jit(surrogate.init)(KEY, predictions, targets)
    update = jax.jit(surrogate.update)
    after, info = update(state, KEY, predictions, -targets)
    assert_equal(after, state)
    assert float(info.skipped) == 1
    assert float(update(state, KEY, predictions, targets)[1].skipped) == 0


def test_all_devices_skip_what_one_of_them_cannot_use():
    surrogate, _ = CASES["network, classes"]
    predictions, targets = classes()
    state = functions("network, classes")[0](KEY, predictions, targets, None)
    predictions[5] = np.inf  # of the second device
    shared = [part.reshape(2, ROWS // 2, *part.shape[1:]) for part in (predictions, targets)]
    update = jax.vmap(lambda z, y: surrogate.update(state, KEY, z, y, axis_name="devices"), axis_name="devices")
    after, info = jax.jit(update)(*shared)
    assert info.skipped.tolist() == [1, 1]
    for device in range(2):
        assert_equal(jax.tree.map(lambda leaf, device=device: leaf[device], after), state)


def test_training_goes_on_after_a_batch_that_is_not_finite():
    surrogate = learned("error_rate", family="basis")
    inputs = jax.random.normal(KEY, (64, 4))
    batch = jaxsurr.Batch(inputs, inputs[:, :3].argmax(1))
    optimizer = optax.apply_if_finite(optax.adam(1e-2), 5)

    def apply(params, inputs):
        return inputs @ params

    state = bilevel.init_state(KEY, 0.1 * normal(0, 4, 3), optimizer, surrogate, apply, batch)
    step = jax.jit(bilevel.make_step(apply, optimizer, surrogate))
    for i in range(6):
        state, info = step(state, batch._replace(inputs=inputs.at[3, 0].set(jnp.inf)) if i == 2 else batch)
        assert float(info.surrogate.skipped) == (i == 2)
    assert_finite((state.params, state.surrogate, info.loss, info.surrogate.metric))


# --- classes, levels and items that are ruled out ---------------------------------------------------------------------

MASKS = (-1e4, -1e9, -np.inf)
READY = {"error_rate": jaxsurr.pretrained("error_rate"), "median": jaxsurr.pretrained(PRETRAINED[2])}


@functools.cache
def ready(name):
    return jax.jit(jax.value_and_grad(lambda z, y: jnp.mean(READY[name](z, y))))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", READY)
def test_a_ready_loss_is_what_it_is_without_what_is_ruled_out(name, mask):
    """The first classes are the same with and without two more at the end, which are ruled out."""
    predictions, targets = 2 * normal(0, 16, 4), np.arange(16, dtype=np.int32) % 4
    wide = np.concatenate([predictions, np.full((16, 2), mask, np.float32)], axis=1)
    value, slope = ready(name)(predictions, targets)
    value_of_wide, slope_of_wide = ready(name)(wide, targets)
    np.testing.assert_allclose(slope_of_wide[:, :4], slope, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(slope_of_wide[:, 4:], 0)
    np.testing.assert_allclose(value_of_wide, value, rtol=1e-5)
    if mask == -np.inf:  # and outside jit
        np.testing.assert_allclose(READY[name](wide, jnp.asarray(targets)).mean(), value, rtol=1e-5)


def masked_batches(mask):
    """Spaces, predictions in which something is ruled out, where, the same without it, and targets of both."""
    logits, target = normal(0, ROWS, 5), np.arange(ROWS, dtype=np.int32) % 4
    out = np.zeros(logits.shape, bool)
    out[:, 4] = True
    hidden = np.where(out, np.float32(mask), logits)
    for space in (spaces.class_logits, spaces.named_class_logits, spaces.level_logits):
        yield space, hidden, target, out, logits[:, :4], target
    yield (spaces.cumulative_logits, hidden, target, out, logits[:, :4], target)
    relevance = labels(3, 5).astype(np.float32) * ~out
    whole, short = RankedLists(relevance, np.ones_like(relevance)), RankedLists(relevance, (~out).astype(np.float32))
    yield spaces.ranked_lists, hidden, whole, out, logits, short
    shape = (2, ROWS // 2, 1)
    yield (
        *(spaces.pixel_logits, hidden.reshape(*shape, 5), target.reshape(shape), out.reshape(*shape, 5)),
        *(logits[:, :4].reshape(*shape, 4), target.reshape(shape)),
    )


@pytest.mark.parametrize("mask", MASKS)
def test_what_is_ruled_out_has_no_unit_and_no_part_in_the_spread(mask):
    for space, predictions, targets, out, without, of_those in masked_batches(mask):
        finite, found, unit, spread, read = measures(space)(predictions, targets)
        *_, spread_without, read_without = measures(space)(without, of_those)
        assert_finite(finite)
        np.testing.assert_array_equal(found, out, err_msg=space.name)
        np.testing.assert_array_equal(unit, ~out, err_msg=space.name)
        np.testing.assert_allclose(spread, spread_without, rtol=1e-5, err_msg=space.name)
        if space is spaces.class_logits:
            for got, wanted in zip(read, read_without, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@functools.cache
def measures(space):
    def of_batch(predictions, targets):
        predictions, targets = prepared(space, predictions, targets, None)
        return (
            *(predictions, space.ruled_out(predictions, targets)),
            *(
                jnp.broadcast_to(space.unit(predictions, targets), predictions.shape),
                space.squared_size(predictions, targets),
            ),
            [read(predictions, targets, jnp.float32(0.3))[0] for read in (space.features, space.margins)],
        )

    return jax.jit(of_batch)


def test_large_logits_are_not_ruled_out():
    steep = -(jnp.arange(100.0)[None] ** 2) / 2  # of a hundred levels
    for logits in (
        200 * normal(0, 64, 10),
        1e5 * normal(1, 64, 10),
        steep,
        jnp.array([[200.0, -200.0]]),
        jnp.zeros((1, 3)),
    ):
        assert not spaces.class_logits.ruled_out(jnp.asarray(logits), None).any()


def test_masks_of_half_precision_and_of_two_kinds():
    for dtype, row in ((jnp.float16, [3.0, 1.0, -65504.0]), (jnp.bfloat16, [3.0, 1.0, -1e4])):
        assert spaces.class_logits.ruled_out(jnp.array([row], dtype), None).tolist() == [[False, False, True]]
    both = jnp.array([[3.0, 1.0, -1e4, -1e9, -jnp.inf]])
    (filled, _) = spaces.class_logits.clear(both, None)
    assert_finite(filled)
    assert spaces.class_logits.ruled_out(filled, None).tolist() == [[False, False, True, True, True]]


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_a_row_that_is_not_finite_at_all_is_refused(value):
    surrogate, _ = CASES["network, classes"]
    predictions, targets = classes()
    state = functions("network, classes")[0](KEY, predictions, targets, WHERE)
    predictions[2] = value
    with pytest.raises(ValueError, match="predictions hold 4 values that are NaN or infinite"):
        surrogate.loss(state, jnp.asarray(predictions), targets)


def test_learning_with_a_class_that_is_ruled_out():
    surrogate, (predictions, targets) = learned("error_rate", family="basis"), masked_batch()
    update = jax.jit(surrogate.update)
    state = jax.jit(surrogate.init)(KEY, predictions, targets)
    for i in range(3):
        state, info = update(state, jax.random.key(i), predictions, targets)
    assert float(info.scale) < 0.3
    assert float(info.skipped) == 0
    slope = jax.jit(jax.grad(lambda z: surrogate.loss(state, z, targets).sum()))(predictions)
    np.testing.assert_array_equal(slope[:, 3], 0)
    assert np.abs(slope[:, :3]).max() > 0


def masked_batch():
    predictions = normal(0, 32, 4)
    predictions[:, 3] = -np.inf
    return predictions, np.arange(32, dtype=np.int32) % 3


def test_diagnose_says_how_many_are_ruled_out():
    surrogate, state, _ = shipped("error_rate")
    found = jaxsurr.diagnose(surrogate, state, *masked_batch(), key=KEY, pairs=4, regions=2, follow=True)
    assert found.ruled_out == (32, 32)
    assert "32 predictions (classes, levels or items), in 32 of the examples, are ruled out" in str(found)
    assert found.spread < 2


# --- predictions that are all equal -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0.0, 1e-5, 1e-3])
def test_a_head_that_starts_at_zero_trains_on_a_ready_loss(size):
    inputs = jax.random.normal(KEY, (256, 8))
    targets = (inputs[:, :5] + 0.3 * jax.random.normal(jax.random.key(1), (256, 5))).argmax(1)

    def run(loss):
        slope = jax.grad(lambda p: loss(inputs @ p, targets).mean())

        def step(params, _):
            gradient = slope(params)
            return params - 0.1 * gradient, jnp.max(jnp.abs(gradient))

        params, largest = jax.lax.scan(step, size * jax.random.normal(jax.random.key(2), (8, 5)), length=100)
        return largest, metrics.error_rate.mean(inputs @ params, targets)

    compared = (READY["error_rate"], losses.cross_entropy)
    (first, error), (fixed, usual) = (jax.jit(run, static_argnums=0)(loss) for loss in compared)
    assert first.max() < 30 * fixed.max()
    assert error < usual + 0.05


@pytest.mark.parametrize("name", ["network, classes", "basis, levels", "network, lists", "smoothed"])
def test_equal_predictions_bound_the_first_gradient_of_a_learned_loss(name):
    predictions, targets = CASES[name][1]()
    where = np.ones(ROWS, bool)
    state, _, (_, slope) = everything(name, np.zeros_like(predictions), targets, where)
    assert_finite(state)
    assert np.abs(slope).max() < 100


# --- number types, and messages ---------------------------------------------------------------------------------------


@every_case
def test_strict_promotion_and_double_precision(name):
    surrogate, batch = CASES[name]
    predictions, targets = batch()

    def run(predictions):
        state = jax.eval_shape(surrogate.init, KEY, predictions, targets, WHERE)
        after, _ = jax.eval_shape(surrogate.update, state, KEY, predictions, targets, WHERE)
        jax.eval_shape(
            lambda state, z: jax.grad(lambda z: surrogate.loss(state, z, targets, WHERE).sum())(z), state, predictions
        )
        for before, now in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
            assert (before.shape, before.dtype) == (now.shape, now.dtype)

    with jax.enable_x64(True):
        with jax.numpy_dtype_promotion("strict"):  # which says more where numbers of 64 bits are not made 32
            run(predictions)
        run(predictions.astype(np.float64))


@every_case
@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (0, r"key must be a typed random key, got the number 0: pass jax\.random\.key\(0\)"),
        (jax.random.PRNGKey(0), r"an array of uint32 of shape \[2\]: make it by jax\.random\.key\(0\)"),
    ],
)
def test_a_key_of_another_kind_is_refused(name, key, sentence):
    surrogate, batch = CASES[name]
    state = functions(name)[0](KEY, *batch(), WHERE)
    for call in (lambda: surrogate.init(key, *batch()), lambda: surrogate.update(state, key, *batch())):
        with pytest.raises(TypeError, match=sentence):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: jaxsurr.fit("error_rate", key=0),
        lambda: jaxsurr.sample(spaces.class_logits, 0, 8, 4),
        lambda: jaxsurr.smoothed_metric("error_rate", *classes(), key=0, scale=1.0),
        lambda: jaxsurr.matched_scale("error_rate", *classes(), 0.5, key=0),
        lambda: jaxsurr.diagnose(*shipped("error_rate")[:2], *classes(), key=0),
        lambda: bilevel.init_state(
            0, (), optax.sgd(1.0), CASES["network, classes"][0], lambda p, x: x, jaxsurr.Batch(*classes())
        ),
    ],
)
def test_a_number_is_no_key_anywhere(call):
    with pytest.raises(TypeError, match=r"pass jax\.random\.key\(0\)"):
        call()


def test_messages_say_what_to_do():
    with pytest.raises(ValueError, match="did you mean 'error_rate'"):
        jaxsurr.correlated_gradients("eror_rate")
    with pytest.raises(ValueError, match=r"write 'pck\?threshold=0.5' or 'pck\?threshold=0.2'"):
        jaxsurr.pretrained("pck")
    of_numpy = jaxsurr.metric(lambda z, y: np.asarray(z)[:, 0], higher_is_better=True, name="mine")
    branching = jaxsurr.metric(lambda z, y: z[:, 0] if y[0] > 0 else z[:, 1], higher_is_better=True, name="mine")
    for metric in (of_numpy, branching):
        with pytest.raises(TypeError, match=r"mine cannot be traced .* jaxsurr\.metrics\.black_box"):
            jaxsurr.correlated_gradients(metric).init(KEY, *classes())
    with pytest.raises(TypeError, match="weights is an array with a row for each example, and cannot be bound"):
        metrics.f_beta.bind(weights=jnp.ones(4))
