"""A surrogate comes back from a file as it was; a file that is damaged, hostile or of another version is refused."""

import copy
import functools
import hashlib
import inspect
import json
import os
import random
from pathlib import Path

import jax
import jax.numpy as jnp
import msgpack
import numpy as np
import optax
import pytest

import jaxsurr
from jaxsurr import losses, metrics, spaces, surrogates
from jaxsurr.saving import arrays, container
from jaxsurr.saving.header import DTYPES
from jaxsurr.surrogates import Estimation
from jaxsurr.surrogates.description import GONE
from jaxsurr.surrogates.families.mlp import mlp
from jaxsurr.surrogates.plain_options import only_plain

KEY = jax.random.key(0)
LOGITS, LABELS = jaxsurr.sample(spaces.class_logits, jax.random.key(1), 8, 4)
LISTS = jaxsurr.sample(spaces.ranked_lists, jax.random.key(3), 8, 5)
POINTS = jaxsurr.sample(spaces.keypoint_coordinates, jax.random.key(2), 8, 3)


@jaxsurr.metric(higher_is_better=False, space=spaces.class_logits)
def cost(logits, labels):
    return (jnp.argmax(logits, axis=-1) != labels) * jnp.where(labels == 0, 5.0, 1.0)


def same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for x, y in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def checked(data):
    """Bytes with their checksum where the first 64 zeros are."""
    return data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode(), 1)


def sealed(header, body):
    return checked(len(header).to_bytes(8, "little") + header + body)


def seal(header, body, version=3):
    """A file with a right checksum, whatever is in it."""
    said = {"version": version, "sha256": "0" * 64} | {name: part for name, part in header.items() if name != "arrays"}
    held = header["arrays"] if isinstance(header.get("arrays"), dict) else {"arrays": header.get("arrays")}
    text = json.dumps({"__metadata__": {"jaxsurr": json.dumps(said, separators=(",", ":"))}} | held, separators=",:")
    return sealed(text.encode(), body)


def parts(data):
    """What `seal` makes a file of: what is said, with what safetensors says of the arrays, and their bytes."""
    length = int.from_bytes(data[:8], "little")
    held = json.loads(data[8 : 8 + length])
    said = json.loads(held.pop("__metadata__")["jaxsurr"])
    del said["version"], said["sha256"]
    return said | {"arrays": held}, data[8 + length :]


# --- what is kept -----------------------------------------------------------------------------------------------------

TWO = metrics.pck.bind(threshold=(0.2, 0.5))
MADE = {
    "network": (jaxsurr.correlated_gradients(metrics.error_rate), LOGITS, LABELS),
    "basis of two": (
        jaxsurr.correlated_gradients(TWO, family="basis", estimation=Estimation(spread=0.5)), *POINTS,
    ),
    "kernel": (jaxsurr.correlated_gradients(metrics.mean_absolute_error, family="kernel"), LOGITS, LABELS),
    "counts": (jaxsurr.correlated_gradients(metrics.f_beta, family="counts"), LOGITS, LABELS),
    "cumulative": (
        jaxsurr.correlated_gradients(metrics.get("mean_absolute_error?decode=thresholds")), LOGITS, LABELS,
    ),
    "other space": (jaxsurr.correlated_gradients(metrics.error_rate, space=spaces.level_logits), LOGITS, LABELS),
    "value fit": (surrogates.value_fit(metrics.top_k_error.bind(k=2), value_weight=np.float64(0.5)), LOGITS, LABELS),
    "smoothed": (surrogates.smoothed(metrics.within_one_level), LOGITS, LABELS),
    "conventional": (surrogates.conventional(losses.cross_entropy), LOGITS, LABELS),
    "conventional with options": (surrogates.conventional(functools.partial(losses.focal, gamma=1.0)), LOGITS, LABELS),
    "relational": (surrogates.relational(metrics.error_rate, groups=8), LOGITS, LABELS),
    "interpolation": (surrogates.interpolation(metrics.error_rate), LOGITS, LABELS),
    "set value fit": (surrogates.set_value_fit(metrics.error_rate, code=4, hidden=(8,)), LOGITS, LABELS),
    "embedding": (surrogates.embedding(metrics.pck, hidden=(8,)), *POINTS),
    "lists": (jaxsurr.correlated_gradients(metrics.ndcg), *LISTS),
}  # fmt: skip


COMPUTED = ("network", "conventional with options", "interpolation")


@pytest.mark.parametrize("case", MADE)
def test_what_is_saved_comes_back(case, tmp_path):
    surrogate, predictions, targets = MADE[case]
    state = surrogate.init(KEY, predictions, targets)
    example = (predictions, targets) if case in ("counts", "embedding", "lists") else None
    path = jaxsurr.save(tmp_path / "it.jaxsurr", surrogate, state, card={"rows": 8}, example=example)
    assert os.listdir(tmp_path) == ["it.jaxsurr"]
    again, back = jaxsurr.load(path)
    same(back, state)
    assert again.settings == surrogate.settings
    if case in COMPUTED:
        np.testing.assert_array_equal(*(s.loss(state, predictions, targets) for s in (again, surrogate)))
    said = jaxsurr.read_card(path)
    assert said["card"] == {"rows": 8} and said["saved"]["versions"]["jax"] == jax.__version__
    assert said["settings"]["method"] == surrogate.settings["method"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_all_dtypes_and_shapes_come_back(dtype, tmp_path):
    numbers = np.arange(6).reshape(2, 3).astype(jnp.dtype(dtype))
    leaves = {"whole": numbers, "turned": numbers.T, "one": numbers[1, 1], "none": numbers[:, :0], "key": KEY}
    wanted = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in leaves.items()}
    header = {"settings": dict(MADE["smoothed"][0].settings), "example": None, "card": {}, "saved": {}}
    path = tmp_path / "it"
    path.write_bytes(container.pack(header, arrays.stored(leaves, wanted)))
    found, back = container.unpack(path)
    with jax.enable_x64(True):
        same(dict(zip(leaves, arrays.restored(back(), wanted), strict=True)), leaves)
    assert found == header


def test_a_card_beyond_what_is_read_is_refused(tmp_path):
    surrogate, *batch = MADE["smoothed"]
    card = {str(part): "x" * 9_000 for part in range(150)}
    with pytest.raises(ValueError, match=r"card must be plain data .*more than 1048576 bytes"):
        jaxsurr.save(tmp_path / "it", surrogate, surrogate.init(KEY, *batch), card=card)


def test_another_dtype_is_refused(tmp_path):
    surrogate = surrogates.smoothed(metrics.error_rate)
    state = surrogate.init(KEY, LOGITS, LABELS)._replace(squared_size=jnp.bfloat16(1.5))
    with pytest.raises(ValueError, match=r"state.squared_size is bfloat16\[\], and should be float32\[\]"):
        jaxsurr.save(tmp_path / "it", surrogate, state)


def test_a_surrogate_is_still_three_functions():
    plain = jaxsurr.Surrogate(lambda *_: (), lambda *_: 0.0, lambda *_: ((), None))
    assert plain.settings is None


def test_settings_name_the_method_and_its_options():
    settings = surrogates.value_fit(metrics.pck.bind(threshold=0.2), num_pairs=4).settings
    assert (settings["method"], settings["metric"]["options"]) == ("value_fit", {"threshold": 0.2})
    assert (settings["options"]["num_pairs"], settings["options"]["correlation_weight"]) == (4, 0.0)
    assert json.loads(json.dumps(settings)) == settings


# --- what has to be handed in -----------------------------------------------------------------------------------------


def test_a_metric_of_ones_own_is_named_and_handed_in(tmp_path):
    surrogate = jaxsurr.correlated_gradients(cost)
    state = surrogate.init(KEY, LOGITS, LABELS)
    path = jaxsurr.save(tmp_path / "cost", surrogate, state)
    with pytest.raises(ValueError, match=r"made with a metric of its user's own.*'cost'.*load\(path, metric=...\)"):
        jaxsurr.load(path)
    same(jaxsurr.load(path, metric=cost)[1], state)
    for other, differs in (
        (jaxsurr.metric(cost.function, higher_is_better=False, name="price", space=cost.space), "name 'cost' in the"),
        (jaxsurr.metric(cost.function, higher_is_better=True, name="cost", space=cost.space), "higher_is_better False"),
        (jaxsurr.metric(cost.function, higher_is_better=False, name="cost"), "space 'class_logits' in the file"),
    ):
        with pytest.raises(ValueError, match=f"not the one that the surrogate was learned for: {differs}"):
            jaxsurr.load(path, metric=other)
    assert jaxsurr.read_card(path)["settings"]["metric"]["name"] == "cost"


def test_what_the_file_holds_is_not_handed_in(tmp_path):
    surrogate, *batch = MADE["network"]
    path = jaxsurr.save(tmp_path / "it", surrogate, surrogate.init(KEY, *batch))
    with pytest.raises(ValueError, match="the file holds metric itself: leave it out"):
        jaxsurr.load(path, metric=metrics.error_rate)


def test_an_optimizer_and_a_network_are_handed_in(tmp_path):
    network = functools.partial(mlp, hidden=(4,))
    surrogate = jaxsurr.correlated_gradients(metrics.error_rate, optimizer=optax.sgd(0.1, 0.9), network=network)
    state = surrogate.init(KEY, LOGITS, LABELS)
    path = jaxsurr.save(tmp_path / "it", surrogate, state)
    with pytest.raises(ValueError, match=r"a network and a optimizer|network.*optimizer"):
        jaxsurr.load(path)
    same(jaxsurr.load(path, optimizer=optax.sgd(0.1, 0.9), network=network)[1], state)
    with pytest.raises(
        ValueError, match="does not hold the state of its surrogate: the state does not have the arrays"
    ):
        jaxsurr.load(path, optimizer=optax.adam(0.1), network=network)
    with pytest.raises(ValueError, match=r"Dense_0.*should be float32\[5\], and is float32\[4\]"):
        jaxsurr.load(path, optimizer=optax.sgd(0.1, 0.9), network=functools.partial(mlp, hidden=(5,)))


def test_an_example_is_needed_where_shapes_depend_on_it(tmp_path):
    generic = jaxsurr.metric(lambda z, y: jnp.abs(z[:, 2] - y), higher_is_better=False, name="third")
    surrogate = jaxsurr.correlated_gradients(generic)
    batch = jnp.ones((4, 3)), jnp.ones(4)
    state = surrogate.init(KEY, *batch)
    with pytest.raises(ValueError, match="is not known; pass example="):
        jaxsurr.save(tmp_path / "it", surrogate, state)
    path = jaxsurr.save(tmp_path / "it", surrogate, state, example=batch)
    same(jaxsurr.load(path, metric=generic)[1], state)
    embedding = surrogates.embedding(metrics.error_rate)
    state = embedding.init(KEY, LOGITS, LABELS)
    with pytest.raises(
        ValueError, match="number of classes, levels or points that it was learned for is not known; pass"
    ):
        jaxsurr.save(tmp_path / "it", embedding, state)
    with pytest.raises(ValueError, match=r"state is not of this surrogate: state\.params"):
        jaxsurr.save(tmp_path / "it", embedding, state, example=(LOGITS[:, :3], LABELS % 3))
    table = jnp.ones((4, 4)) - jnp.eye(4)
    of_four = jaxsurr.metric(
        lambda z, y: jax.nn.one_hot(jnp.argmax(z, -1), z.shape[1]) @ table @ jnp.ones(4),
        higher_is_better=False, name="table", space=spaces.class_logits,
    )  # fmt: skip
    surrogate = jaxsurr.correlated_gradients(of_four)
    with pytest.raises(ValueError, match=r"cannot learn from sampled predictions \(.*pass example="):
        jaxsurr.save(tmp_path / "it", surrogate, surrogate.init(KEY, LOGITS, LABELS))


def test_a_class_count_that_was_not_learned():
    embedding = surrogates.embedding(metrics.error_rate)
    state = embedding.init(KEY, LOGITS, LABELS)
    with pytest.raises(ValueError, match="for another number of classes or another shape of predictions"):
        embedding.loss(state, LOGITS[:, :3], LABELS % 3)


# --- what is refused when it is written -------------------------------------------------------------------------------


def test_saving_refuses_in_words(tmp_path):
    surrogate, *batch = MADE["network"]
    state = surrogate.init(KEY, *batch)
    path = tmp_path / "it"
    for call, sentence in (
        (lambda: jaxsurr.save(path, surrogate._replace(settings=None), state), "has no settings that name a method"),
        (lambda: jaxsurr.save(path, surrogates.smoothed(metrics.error_rate), state), "the state is not of this surro"),
        (lambda: jaxsurr.save(path, surrogate, state._replace(step=jnp.int32([0]))), r"state\.step is int32\[1\]"),
        (lambda: jaxsurr.save(path, surrogate, state._replace(offset=jnp.full(1, jnp.nan))), "offset holds NaN"),
        (lambda: jaxsurr.save(path, surrogate, state, card={"a": jnp.ones(2)}), "must be plain data that JSON holds"),
        (lambda: jaxsurr.save(path, surrogate, state, card={"a": float("nan")}), "must be plain data that JSON holds"),
        (lambda: jaxsurr.save(path, surrogate, state, card={"a": [[[[[[[[[[]]]]]]]]]]}), "nested more than 8 deep"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=sentence):
            call()
    with pytest.raises(TypeError, match="targets of an example must be an array"):
        jaxsurr.save(path, surrogate, state, example=(LOGITS, [1, 2]))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_what_was_there_stays_when_writing_fails(fails, tmp_path, monkeypatch):
    surrogate, *batch = MADE["smoothed"]
    path = jaxsurr.save(tmp_path / "it", surrogate, surrogate.init(KEY, *batch))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(
        OSError, match=r"it could not be written: No space left on device. What was there before is unt"
    ):
        jaxsurr.save(path, surrogate, surrogate.init(jax.random.key(5), *batch))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["it"]


# --- what is refused when it is read ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The smallest file: the bytes of a smoothed metric."""
    surrogate, *batch = MADE["smoothed"]
    return jaxsurr.save(tmp_path_factory.mktemp("small") / "it", surrogate, surrogate.init(KEY, *batch)).read_bytes()


@pytest.mark.parametrize("version", [2, 3])
def test_a_thousand_damaged_files(version, small, tmp_path):
    draw = random.Random(0)
    small = small if version == 3 else seal2(*as_version2(small))
    damaged = [small[:length] for length in range(len(small))]
    for place in range(0, len(small), 3):
        flipped = bytearray(small)
        flipped[place] ^= 1 << draw.randrange(8)
        damaged.append(bytes(flipped))
    for _ in range(50):
        damaged.append(draw.randbytes(draw.randrange(400)))
        damaged.append(small[:100] + draw.randbytes(draw.randrange(400)))
        start = draw.randrange(len(small))
        damaged.append(small[:start] + small[start + 1 + draw.randrange(40) :])
        damaged.append(small + draw.randbytes(1 + draw.randrange(40)))
    assert len(damaged) >= 1000
    path = tmp_path / "damaged"
    sentences = r"is damaged or cut short|is cut short|format version \d+|does not begin as jaxsurr.save begins"
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(ValueError, match="cut short" if small.startswith(data) else sentences):
            jaxsurr.load(path)


def test_a_file_can_be_sealed_by_the_test(small, tmp_path):
    path = tmp_path / "it"
    path.write_bytes(seal(*parts(small)))
    assert jaxsurr.load(path)[0].settings == MADE["smoothed"][0].settings


def changed(*way, to):
    """A header with an entry replaced, or removed where `to` is None."""

    def change(header):
        part = header
        for step in way[:-1]:
            part = part[step]
        if to is None:
            del part[way[-1]]
        else:
            part[way[-1]] = to
        return header

    return change


ODD = [
    {},
    [],
    "x",
    3,
    True,
    -1.5,
    "../../etc/passwd",
    "__import__('os').system('true')",
    "a" * 20_000,
    [[[[]]]],
    {"a": {}},
]
HOSTILE = {
    "a method by path": changed("settings", "method", to="jaxsurr.surrogates.smoothed"),
    "code for a method": changed("settings", "method", to="__import__('os').system('true')"),
    "a metric by path": changed("settings", "metric", "registered", to="os.system"),
    "a space by path": changed("settings", "metric", "space", to="../spaces"),
    "an unknown field": changed("code", to="1"),
    "an unknown setting": changed("settings", "code", to="1"),
    "an unknown option": changed("settings", "options", "code", to=1),
    "a huge option": changed("settings", "options", "num_pairs", to=10**12),
    "a negative option": changed("settings", "options", "num_pairs", to=-3),
    "an option that is a function's name": changed("settings", "options", "relative_scale", to="eval"),
    "an endless option": changed("settings", "options", "relative_scale", to=[1.0] * 1000),
    "metric's unknown option": changed("settings", "metric", "options", "k", to=3),
    "a metric renamed": changed("settings", "metric", "name", to="accuracy"),
    "a metric turned": changed("settings", "metric", "higher_is_better", to=False),
    "another metric": changed("settings", "metric", "registered", to="pck"),
    "a loss in place of nothing": changed("settings", "loss", to={"name": "cross_entropy", "options": {}}),
    "something given": changed("settings", "given", to=["__builtins__"]),
    "a space that says nothing": changed("settings", "space", to="generic"),
    "a huge array": changed("arrays", ".squared_size", "shape", to=[2**24, 2**24]),
    "a huger array": changed("arrays", ".squared_size", "shape", to=[2**70]),
    "a huge array of nothing": changed("arrays", ".squared_size", to={
        "dtype": "F32", "shape": [2**60, 0], "data_offsets": [4, 4],
    }),
    "a negative shape": changed("arrays", ".squared_size", "shape", to=[-1]),
    "many axes": changed("arrays", ".squared_size", "shape", to=[1] * 40),
    "objects": changed("arrays", ".squared_size", "dtype", to="object"),
    "another dtype": changed("arrays", ".squared_size", "dtype", to="I32"),
    "an array less": changed("arrays", ".squared_size", to=None),
    "an array more": changed("arrays", "../../x", to={"dtype": "F32", "shape": [0], "data_offsets": [20, 20]}),
    "an array outside": changed("arrays", ".squared_size", "data_offsets", to=[2**40, 2**40 + 4]),
    "an array turned": changed("arrays", ".squared_size", "data_offsets", to=[4, 0]),
    "two arrays in one place": changed("arrays", ".squared_size", "data_offsets", to=[0, 4]),
    "a huge example": changed("example", to={
        "predictions": {"dtype": "float32", "shape": [2**24] * 8},
        "targets": {"array": {"dtype": "int32", "shape": []}},
    }),
    "an example of nothing": changed("example", to={"predictions": {}, "targets": {}}),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers(case, small, tmp_path):
    header, body = parts(small)
    path = tmp_path / "hostile"
    path.write_bytes(seal(HOSTILE[case](copy.deepcopy(header)), body))
    with pytest.raises(ValueError, match=r"header of|cannot be used|does not hold the state|made with a") as caught:
        jaxsurr.load(path)
    assert str(path) in str(caught.value)


def test_an_option_that_the_file_does_not_know_has_its_default(small, tmp_path):
    header, body = parts(small)
    path = tmp_path / "older"
    path.write_bytes(seal(changed("settings", "options", "num_pairs", to=None)(copy.deepcopy(header)), body))
    assert jaxsurr.load(path)[0].settings["options"]["num_pairs"] == 16


def test_a_file_that_names_a_space_by_its_old_name_is_read(tmp_path, recwarn):
    surrogate = surrogates.smoothed(metrics.get("mean_absolute_error?decode=rounded&levels=4"), num_pairs=2)
    example = (LOGITS[:, :1], LABELS)
    path = tmp_path / "kept"
    jaxsurr.save(path, surrogate, surrogate.init(KEY, *example), example=example)
    header, body = parts(path.read_bytes())
    assert header["settings"]["space"] == header["settings"]["metric"]["space"] == "level_scores"
    header["settings"]["space"] = header["settings"]["metric"]["space"] = "scores"
    path.write_bytes(seal(header, body))
    loaded, _ = jaxsurr.load(path)
    assert loaded.settings == surrogate.settings
    assert not [warning for warning in recwarn if warning.category is DeprecationWarning]


@pytest.mark.parametrize(
    ("name", "metric"),
    [("f_beta", {"average": "binary"}), ("mean_absolute_error", {"decode": "rounded", "levels": 4})],
)
def test_options_that_fit_some_predictions_only_are_read_back(name, metric, tmp_path):
    spec = name + "?" + "&".join(f"{key}={value}" for key, value in metric.items())
    surrogate = surrogates.smoothed(metrics.get(spec), num_pairs=2)
    predictions = LOGITS[:, : 2 if name == "f_beta" else 1]
    state = surrogate.init(KEY, predictions, LABELS % 2)
    jaxsurr.save(tmp_path / "kept", surrogate, state, example=(predictions, LABELS % 2))
    assert jaxsurr.load(tmp_path / "kept")[0].settings == surrogate.settings


@pytest.mark.parametrize("option", GONE)
@pytest.mark.parametrize("name", ["correlated_gradients", "relational", "interpolation"])
def test_an_option_that_is_no_more_must_have_had_its_default(name, option, tmp_path):
    surrogate = surrogates.METHODS[name](metrics.error_rate)
    path, mine = tmp_path / "older", option in inspect.signature(surrogates.METHODS[name]).parameters
    if mine:
        return
    header, body = parts(jaxsurr.save(path, surrogate, surrogate.init(KEY, LOGITS, LABELS)).read_bytes())
    header["settings"]["options"][option] = GONE[option]
    path.write_bytes(seal(header, body))
    assert jaxsurr.load(path)[0].settings == surrogate.settings
    header["settings"]["options"][option] = True if option == "exact_noise" else 3
    path.write_bytes(seal(header, body))
    with pytest.raises(ValueError, match=rf"made with {option}=(True|3), an option that {name} has no more"):
        jaxsurr.load(path)


def test_anything_in_place_of_anything(small, tmp_path):
    """Each entry of the header, replaced by each of some odd values: never another error than a `ValueError`."""
    header, body = parts(small)

    def ways(part, way=()):
        entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for name, inner in entries:
            yield (*way, name)
            yield from ways(inner, (*way, name))

    path, tried = tmp_path / "odd", 0
    unread = ("card", "saved")  # of which anything may be said
    for way in list(ways({name: part for name, part in header.items() if name not in unread})):
        for odd in ODD:
            odd_header = changed(*way, to=odd)(copy.deepcopy(header))
            if odd_header == header:
                continue
            path.write_bytes(seal(odd_header, body))
            tried += 1
            try:
                loaded, _ = jaxsurr.load(path)
            except ValueError:
                continue
            # An option may have another sound value, or be left out.
            assert loaded.settings | {"options": loaded.settings["options"] | odd_header["settings"]["options"]} == (
                loaded.settings
            )
            assert way[:2] == ("settings", "options")
    assert tried > 250


# In place of an option. Whole numbers may be in place of numbers, not the other way round.
WRONG = [
    "16", "", [1.0], ["x"], [], {}, None, True, False, 0.5, 1.0, 16, 0, -1, -0.5, 1e9, 2**15, 10**9, 1e300, [-3],
    [10**9], [1] * 65,
]  # fmt: skip
KINDS = {bool: [bool], int: [int], float: [int, float], str: [str], list: [list], type(None): [type(None), int, float]}


def options_of(header):
    """The paths of all options of a header: of the method, its metric and its loss."""
    for way in (("options",), ("metric", "options"), ("loss", "options")):
        part = header["settings"]
        for step in way:
            part = part[step] if part else {}
        yield from (("settings", *way, name) for name in part)


OPTIONS = {
    **{case: MADE[case] for case in ("network", "relational", "interpolation", "set value fit", "embedding")},
    "smoothed": (surrogates.smoothed(metrics.pck.bind(threshold=(0.2, 0.5))), *POINTS),
    "conventional": MADE["conventional with options"],
}


def test_options_of_all_methods_are_tried():
    tried = {surrogate.settings["method"] for surrogate, *_ in OPTIONS.values()}
    assert tried == surrogates.METHODS.keys() - {"value_fit"}  # which has those of correlated_gradients


@pytest.mark.parametrize("case", OPTIONS)
def test_options_of_a_wrong_kind_or_size_are_refused_when_loaded(case, tmp_path):
    """Over all options of all methods: a file with one is refused in words, or the surrogate works with it."""
    surrogate, *batch = OPTIONS[case]
    path = tmp_path / "it"
    saved = jaxsurr.save(path, surrogate, surrogate.init(KEY, *batch), example=tuple(batch)).read_bytes()
    header, body = parts(saved)
    for way in options_of(header):
        usual = header
        for step in way:
            usual = usual[step]
        for wrong in WRONG:
            other = copy.deepcopy(header)
            part = other
            for step in way[:-1]:
                part = part[step]
            part[way[-1]] = wrong
            path.write_bytes(seal(other, body))
            try:
                loaded, _ = jaxsurr.load(path)
            except ValueError as error:
                assert str(path) in str(error)
                continue
            natural = way[-1] == "relative_scale" and wrong is None
            assert natural or type(wrong) in KINDS[type(usual)], (way, wrong)
            if type(wrong) in (int, float):
                assert abs(wrong) <= 2**24 and (wrong >= 0 or way[-1] in ("best", "gamma")), (way, wrong)
            assert json.loads(json.dumps(loaded.settings)) == other["settings"]


@pytest.mark.parametrize("name", surrogates.METHODS)
def test_no_method_takes_an_option_of_a_wrong_kind(name):
    """The same when a surrogate is made: each option that is plain data, in place of each of some wrong ones."""
    method = surrogates.METHODS[name]
    asked = dict(inspect.signature(surrogates.correlated_gradients if name == "value_fit" else method).parameters)
    metric, fields = metrics.error_rate, ()
    if "estimation" in asked:
        fields = inspect.signature(Estimation).parameters
    for option, parameter in (asked | dict(fields)).items():
        if not only_plain(parameter.annotation) or (name, option) == ("value_fit", "correlation_weight"):  # it is 0
            continue
        for wrong in ("16", [1.0], {}, None, True, -1, float("nan"), float("inf")):
            allowed = (True,) if parameter.annotation is bool else (None, -1) if option == "best" else ()
            allowed += (None,) if option == "relative_scale" else ()
            if any(wrong is one for one in allowed):
                continue
            with pytest.raises((ValueError, TypeError)) as caught:
                method(
                    metric, **({"estimation": Estimation(**{option: wrong})} if option in fields else {option: wrong})
                )
            assert option in str(caught.value), (option, wrong)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"a":' * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}',
        b"9" * 100_000, b'{"a": 1e999}',
    ],
)  # fmt: skip
def test_headers_that_are_none(text, small, tmp_path):
    path = tmp_path / "it"
    within = '{"version":3,"sha256":"' + "0" * 64 + '"' + text.decode("latin-1").replace("{", ",", 1)
    outside = [
        container.START + b"0" * 64 + text,
        container.START + b"0" * 64 + b'\\"}"},' + text,
        json.dumps({"__metadata__": {"jaxsurr": within}}, separators=",:").encode(),
        json.dumps({"__metadata__": {"jaxsurr": within, "more": "x"}}, separators=",:").encode(),
    ]
    for header in outside:
        path.write_bytes(sealed(header, parts(small)[1]))
        with pytest.raises(ValueError, match=r"the header of .* is not one that jaxsurr.save writes"):
            jaxsurr.load(path)
        with pytest.raises(ValueError, match=r"the header of .* is not one that jaxsurr.save writes"):
            jaxsurr.read_card(path)


def test_bodies_that_are_none(small, tmp_path):
    header, body = parts(small)
    path = tmp_path / "it"
    for wrong in (b"", body[:-1], body + b"x", body + body, b"\xff" * len(body)):
        path.write_bytes(seal(header, wrong))
        with pytest.raises(ValueError, match="does not hold the state of its surrogate: "):
            jaxsurr.load(path)


def test_lengths_and_versions(small, tmp_path):
    path = tmp_path / "it"
    header, body = parts(small)
    for version in (4, 12, 2, None):
        path.write_bytes(seal(header, body, version))
        with pytest.raises(ValueError, match=r"format version \w+, .* reads versions 2 and 3. Install a newer"):
            jaxsurr.load(path)
    for length in (len(small) - 7, 2**31 - 1, 2**64 - 1):
        data = length.to_bytes(8, "little") + container.START + b"0" * 64 + small[8 + len(container.START) + 64 :]
        path.write_bytes(checked(data))
        with pytest.raises(ValueError, match=f"declares a header of {length} bytes"):
            jaxsurr.load(path)


def test_what_is_no_file(tmp_path, monkeypatch, small):
    with pytest.raises(FileNotFoundError):
        jaxsurr.load(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match="it is not a regular file"):
            jaxsurr.load(path)
    monkeypatch.setattr(container, "LARGEST_FILE", 100)
    (tmp_path / "large").write_bytes(small)
    with pytest.raises(ValueError, match="or too large"):
        jaxsurr.load(tmp_path / "large")


# --- files of version 2 -----------------------------------------------------------------------------------------------


def seal2(header, body, version=2):
    """A file as jaxsurr 0.1 wrote it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = b"jaxsurr\n" + version.to_bytes(4, "little")
    rest = len(text).to_bytes(4, "little") + text + body
    return start + hashlib.sha256(start + rest).digest() + rest


def as_version2(data):
    """Header and body of version 2 that say the same."""
    header, body = parts(data)
    names = {code: name for name, code in DTYPES.items()}
    places = {name: header["arrays"][name] for name in (".key", ".squared_size", ".step", ".relative_scale")}
    header["arrays"] = [
        {"name": name, "dtype": names[one["dtype"]], "shape": one["shape"]} for name, one in places.items()
    ]
    return header, msgpack.packb({name: body[slice(*one["data_offsets"])] for name, one in places.items()})


def test_a_file_of_version_2_is_read(small, tmp_path):
    (tmp_path / "2").write_bytes(seal2(*as_version2(small)))
    (tmp_path / "3").write_bytes(small)
    same(*(jaxsurr.load(tmp_path / version)[1] for version in "23"))
    assert jaxsurr.read_card(tmp_path / "2") == jaxsurr.read_card(tmp_path / "3")
    assert jaxsurr.load(tmp_path / "2")[0].settings == MADE["smoothed"][0].settings


def test_a_file_that_0_1_wrote_is_read():
    path = Path(__file__).with_name("written_by_0.1.jaxsurr")
    surrogate, state = jaxsurr.load(path)
    wanted = surrogates.smoothed(metrics.error_rate)
    assert surrogate.settings == wanted.settings and jaxsurr.read_card(path)["card"] == {"rows": 8}
    same(state, wanted.init(KEY, LOGITS, LABELS))


def test_arrays_and_spaces_of_old_names_are_read(tmp_path):
    path = tmp_path / "it"
    surrogate = jaxsurr.correlated_gradients(metrics.pck, family="basis")
    state = surrogate.init(KEY, *POINTS)._replace(dot_sg=jnp.ones(1), dot_ss=jnp.full(1, 2.0))
    header, body = parts(jaxsurr.save(path, surrogate, state).read_bytes())
    header["settings"]["space"] = header["settings"]["metric"]["space"] = "points_in_plane"
    old = {".dot_sg": ".along", ".dot_ss": ".length"}
    header["arrays"] = {old.get(name, name): one for name, one in header["arrays"].items()}
    path.write_bytes(seal(header, body))
    again, found = jaxsurr.load(path)
    assert again.settings == surrogate.settings
    same(found, state)
    header["arrays"][".dot_sg"] = header["arrays"][".along"] | {"data_offsets": [len(body), len(body) + 4]}
    path.write_bytes(seal(header, body + bytes(4)))
    with pytest.raises(ValueError, match="does not have the arrays of such a surrogate: old and new names differ"):
        jaxsurr.load(path)


def test_hostile_files_of_version_2(small, tmp_path):
    header, body = as_version2(small)
    contents = msgpack.unpackb(body)
    name, path = next(iter(contents)), tmp_path / "it"

    def read(data, sentence):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=sentence):
            jaxsurr.load(path)

    for wrong in (
        b"", b"\xc1", body[:-1], body + body, b"\xdd\xff\xff\xff\xff" * 1000, b"\xdf\xff\xff\xff\xff" * 1000,
        b"\x81\xa1a" * 5000, b"\xc6\xff\xff\xff\xff", msgpack.packb(contents | {name: b""}),
        msgpack.packb(contents | {name: "text"}), msgpack.packb(contents | {name: msgpack.ExtType(1, b"x")}),
        msgpack.packb({}), msgpack.packb([1]), msgpack.packb(contents | {"more": b""}),
        msgpack.packb({key: b"\xff" * len(value) for key, value in contents.items()}),
    ):  # fmt: skip
        read(seal2(header, wrong), "does not hold the state of its surrogate: ")
    for way, to in (
        (("arrays", 1, "shape"), [2**24, 2**24]), (("arrays", 1, "shape"), [2**70]), (("arrays", 1, "shape"), [-1]),
        (("arrays", 1, "shape"), [1] * 40), (("arrays", 1, "dtype"), "object"), (("arrays", 1, "dtype"), "int32"),
        (("arrays", 0), None), (("arrays", 0, "name"), "../../x"), (("arrays",), None), (("arrays",), "x"),
        (("arrays", 0), "x"), (("arrays", 0, "shape"), "x"), (("settings", "method"), "os.system"), (("code",), "1"),
    ):  # fmt: skip
        read(seal2(changed(*way, to=to)(copy.deepcopy(header)), body), r"header of|does not hold the state")
    for text in (b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}'):
        read(seal2(text, body), r"the header of .* is not one that jaxsurr.save writes")
    read(
        seal2(header, body, version=1), r"format version 1.*reads versions 2 and 3. Learn and save the surrogate again"
    )
    start, rest = b"jaxsurr\n" + (2).to_bytes(4, "little"), b"\xff\xff\xff\x7f{}"
    read(start + hashlib.sha256(start + rest).digest() + rest, "declares a header of 2147483647 bytes")
