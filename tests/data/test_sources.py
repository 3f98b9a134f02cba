"""Sources by text: what is loaded, how it is split, which text is refused and how."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import sklearn.datasets

from jaxsurr.core.types import Keypoints
from jaxsurr.data import load
from jaxsurr.data.scikit_learn import digits

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared(name):
    if not (SHARED / name).exists():
        pytest.skip(f"needs the data set {name} in shared/data, beside the repository")
    return SHARED / name


@pytest.fixture
def table(tmp_path):
    """Column `a` is the number of the row, `b` does not vary, `grade` is 1, 3, 4 in turn, `price` is continuous."""
    lines = [f"{i},7.1,{(1, 3, 4)[i % 3]},{i + 0.5}" for i in range(100)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,grade,price", *lines]))
    return f"csv:{tmp_path / 'table.csv'}"


@pytest.fixture
def arrays(tmp_path):
    """Images of constant grey (the number of the row) with an official test set, and labels 0, 1 in turn."""
    images = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None], (40, 4, 4))
    labels = np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x_train=images, y_train=labels, x_test=images[:10] + 200, y_test=labels[:10])
    return f"npz:{tmp_path / 'a.npz'}"


def splits(data):
    return data.train, data.validation, data.test


def same(first, second):
    pairs = zip(jax.tree.leaves(splits(first)), jax.tree.leaves(splits(second)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def rows_of(split):
    """The numbers of the rows of `table`, up to the standardisation of column `a`."""
    return split.inputs[:, 0].round(5).tolist()


def test_sizes_and_rows_of_a_seeded_split(table):
    data = load(f"{table}?target=grade", seed=0, test_fraction=0.2, validation_fraction=0.25)
    assert [len(split.inputs) for split in splits(data)] == [100 - 20 - 20, round(0.25 * 80), round(0.2 * 100)]
    assert len({row for split in splits(data) for row in rows_of(split)}) == 100


def test_levels_are_counted_from_zero_in_order_and_keep_their_names(table):
    data = load(f"{table}?target=grade", seed=0)
    assert (data.kind, data.outputs, data.names) == ("levels", 4, ("1", "2", "3", "4"))  # 2 is missing, and counts
    assert data.train.targets.dtype == np.int32
    assert set(data.train.targets.tolist()) == {0, 2, 3}
    assert "4 levels" in data.description and "table.csv" in data.description
    assert load(f"{table}?target=grade&kind=classes", seed=0).kind == "classes"
    assert load(f"{table}?target=grade&kind=classes", seed=0, kind="levels").kind == "levels"
    three = load(f"{table}?target=grade", seed=0, levels=3)  # it has exactly three values
    assert three.names == ("1", "3", "4") and set(three.train.targets.tolist()) == {0, 1, 2}


def write_table(tmp_path, targets):
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},{target}\n" for i, target in enumerate(targets)))
    return f"csv:{tmp_path / 't.csv'}?target=y"


def test_levels_are_equally_spaced(tmp_path):
    source = write_table(tmp_path, [10, 40, 20, 10, 20, 40] * 10)
    assert load(source, seed=0).names == ("10", "20", "30", "40")
    assert load(f"{source}&kind=classes", seed=0).names == ("10", "20", "40")


def test_two_classes_are_divided_at_a_number(tmp_path):
    source = write_table(tmp_path, [1, 2, 3, 4] * 10)
    data = load(f"{source}&at_least=3", seed=0)
    assert (data.kind, data.outputs, data.names) == ("classes", 2, ("0", "1"))
    whole = load(source, seed=0)
    np.testing.assert_array_equal(data.train.targets, whole.train.targets >= 2)
    np.testing.assert_array_equal(data.test.targets, whole.test.targets >= 2)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("at_least=x", "at_least='x': expected a number"),
        ("at_least=9", "all have the same value"),
        ("at_least=3&levels=3", "levels=3, but cut at the quantiles"),
        ("list=x", "no column 'x'"),
        ("list=y", "'y' cannot be both the target and"),
        ("list=a", "has the column 'y' and 'a' only"),
        ("list_size=1", r"list_size must be an integer of at least 2 \(items to be ordered\), got 1"),
        ("list_size=2&list=a", "leave one of them out"),
        ("list_size=2&levels=2", "leave it out for lists"),
        ("list_size=2&kind=levels", "kind='levels' does not fit .* expected 'lists'"),
        ("list_size=2&at_least=2", "divides numeric targets into two classes, and .* has lists"),
    ],
)
def test_options_of_targets_that_make_no_sense_are_refused(query, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(f"{write_table(tmp_path, [1, 2, 3, 4] * 10)}&{query}", seed=0)


def test_rows_of_a_list_stay_together_and_are_standardised_without_what_fills_up(tmp_path):
    lines = [f"{query},{query + 10 * place},{place}" for query in range(40) for place in range(2 + query % 2)]
    (tmp_path / "t.csv").write_text("query,x,relevance\n" + "\n".join(lines))
    data = load(f"csv:{tmp_path / 't.csv'}?target=relevance&list=query", seed=0)
    assert (data.kind, data.outputs) == ("lists", 3)
    assert data.train.inputs.shape == (29, 3, 1)
    for inputs, targets, _ in splits(data):
        assert set(targets.items.sum(axis=1)) == {2, 3}
        np.testing.assert_array_equal(inputs[targets.items == 0], 0)
        np.testing.assert_array_equal(targets.relevance, [0, 1, 2] * targets.items)
        steps = np.diff(inputs[..., 0], axis=1)[targets.items[:, 1:] > 0]
        np.testing.assert_allclose(steps, steps[0], rtol=1e-4)  # the rows of one query, in their order
    present = data.train.inputs[data.train.targets.items > 0]
    np.testing.assert_allclose([present.mean(), present.std()], [0, 1], atol=1e-6)


def test_rows_without_lists_are_dealt_always_alike(tmp_path):
    source = write_table(tmp_path, [0, 1, 2] * 7)
    first, second = (load(f"{source}&list_size=4", seed=seed, split_seed=0) for seed in (0, 1))
    assert sorted(np.concatenate([part.targets.items.sum(axis=1) for part in splits(first)])) == [1, 4, 4, 4, 4, 4]
    np.testing.assert_array_equal(first.test.targets.relevance, second.test.targets.relevance)


def test_a_negative_relevance_is_refused(tmp_path):
    with pytest.raises(ValueError, match="relevance of an item must be at least 0, found -1; add a constant"):
        load(f"{write_table(tmp_path, [-1, 2] * 9)}&list_size=2", seed=0)


def test_levels_without_end_are_refused(tmp_path):
    with pytest.raises(ValueError, match="from 0 to 5000 in steps of 1, which are 5001 levels; give levels=K"):
        load(write_table(tmp_path, [0, 1, 5000] * 10), seed=0)


def test_what_is_tested_but_cannot_be_learned_is_said(tmp_path):
    source = write_table(tmp_path, [1, 2] * 20 + [3])
    with pytest.warns(UserWarning, match=r"1 of 3 levels have rows to validate or test on but none to train on \(3\)"):
        for seed in range(20):  # one of these puts the only row of level 3 elsewhere than into training
            load(source, seed=seed)


def test_inputs_are_standardised_on_the_training_rows(table):
    data = load(f"{table}?target=grade", seed=0)
    assert data.train.inputs.dtype == np.float32
    np.testing.assert_allclose(data.train.inputs[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.inputs[:, 0].std(), 1, rtol=1e-6)
    assert abs(data.test.inputs[:, 0].mean()) > 1e-3  # its own mean was not used
    for split in splits(data):
        np.testing.assert_array_equal(split.inputs[:, 1], 0)  # does not vary


def test_a_feature_that_varies_outside_of_training_only_stays_zero(tmp_path):
    x = np.stack([np.arange(20), np.zeros(20)], axis=1)
    np.savez(tmp_path / "b.npz", x_train=x, y_train=np.arange(20) % 2, x_test=x[:2] + 5, y_test=[0, 1])
    np.testing.assert_array_equal(load(f"npz:{tmp_path / 'b.npz'}", seed=0).test.inputs[:, 1], 0)


def test_continuous_targets_are_cut_at_the_training_quantiles(table):
    data = load(f"{table}?target=price&levels=4", seed=0)
    assert (data.kind, data.outputs) == ("levels", 4)
    counts = np.bincount(data.train.targets)
    assert counts.max() - counts.min() <= 1
    # `price` is `a` + 0.5, so that the level is a function of `a` whose steps are the quantiles of the training rows.
    edges = np.quantile(data.train.inputs[:, 0].astype(np.float64), [0.25, 0.5, 0.75])
    for split in splits(data):
        np.testing.assert_array_equal(split.targets, np.sum(split.inputs[:, :1] >= edges, axis=1))
    assert data.names[0].startswith("< ") and data.names[-1].startswith(">= ") and len(data.names) == 4
    assert same(data, load(f"{table}?target=price&levels=9", seed=0, levels=4))  # the argument overrules


def test_a_target_on_an_edge_belongs_to_the_upper_level(tmp_path):
    y = np.array([0.5] * 4 + [1.5] * 32 + [2.5] * 4)  # the median of nearly any part of it is 1.5
    np.savez(tmp_path / "a.npz", x=y, y=y)
    data = load(f"npz:{tmp_path / 'a.npz'}?levels=2", seed=0)
    assert data.names == ("< 1.5", ">= 1.5")
    for split in splits(data):
        values = np.round((split.inputs[:, 0] - np.median(split.inputs)) * 100)  # below, at or above the middle value
        np.testing.assert_array_equal(split.targets, values >= 0)


def test_test_rows_do_not_move_the_quantiles(tmp_path):
    y = np.arange(40) + 0.5
    for name, test in (("a", y), ("b", y + 1000)):
        np.savez(tmp_path / f"{name}.npz", x_train=y[:, None], y_train=y, x_test=y[:, None], y_test=test)
    a, b = (load(f"npz:{tmp_path / name}.npz?levels=4", seed=0) for name in "ab")
    np.testing.assert_array_equal(a.train.targets, b.train.targets)
    np.testing.assert_array_equal(b.test.targets, 3)


def test_official_test_set_and_images(arrays):
    data = load(arrays, seed=0)
    assert [len(split.inputs) for split in splits(data)] == [40 - 6, round(0.15 * 40), 10]
    assert data.kind == "classes" and data.names == ("0", "1")
    assert data.train.inputs.shape[1:] == (4, 4, 1)
    np.testing.assert_allclose(data.train.inputs.mean(), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.inputs.std(), 1, rtol=1e-5)
    # One mean and one deviation for all: the test rows stay 200 grey values above the first training rows.
    values = np.sort(np.concatenate([data.train.inputs[:, 0, 0, 0], data.validation.inputs[:, 0, 0, 0]]))
    step = (values[-1] - values[0]) / 39
    np.testing.assert_allclose(data.test.inputs[:, 0, 0, 0], values[0] + step * (200 + np.arange(10)), rtol=1e-4)


def test_limit_keeps_the_first_rows_of_the_training_part(table):
    full, part = load(f"{table}?target=grade", seed=0), load(f"{table}?target=grade", seed=0, limit=40)
    assert [len(split.inputs) for split in splits(part)] == [40 - 6, round(0.15 * 40), 15]
    np.testing.assert_array_equal(full.test.targets, part.test.targets)
    order = np.concatenate([full.validation.targets, full.train.targets])
    np.testing.assert_array_equal(np.concatenate([part.validation.targets, part.train.targets]), order[:40])
    assert same(full, load(f"{table}?target=grade", seed=0, limit=1000))


def test_seeds(table):
    first, again, other = (load(f"{table}?target=grade&kind=classes", seed=seed, label_noise=0.3) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_label_noise_redraws_a_share_of_train_and_validation():
    clean, noisy, random = (load("sklearn:digits", seed=0, label_noise=share) for share in (0.0, 0.4, 1.0))
    for name in ("train", "validation"):
        changed = np.mean(getattr(clean, name).targets != getattr(noisy, name).targets)
        assert abs(changed - 0.4 * 9 / 10) < 0.06  # one in ten is redrawn as it was
        np.testing.assert_array_equal(getattr(clean, name).inputs, getattr(noisy, name).inputs)
    assert np.mean(clean.train.targets != random.train.targets) > 0.85
    assert np.bincount(random.train.targets, minlength=10).min() > 0.05 * len(random.train.targets)
    np.testing.assert_array_equal(clean.test.targets, noisy.test.targets)
    assert noisy.train.targets.dtype == np.int32
    assert "40% of the labels redrawn" in noisy.description


def test_scikit_learn_sets():
    digits, diabetes = load("sklearn:digits", seed=0), load("sklearn:diabetes", seed=0)
    assert (digits.kind, digits.outputs, digits.train.inputs.shape[1]) == ("classes", 10, 64)
    assert (diabetes.kind, diabetes.outputs) == ("levels", 8)
    assert np.bincount(diabetes.train.targets).min() > len(diabetes.train.targets) / 8 - 6
    assert load("sklearn:diabetes?levels=3", seed=0).outputs == 3


def test_stick_figures():
    data = load("synthetic:stick_figures?n=60&size=16", seed=0)
    assert (data.kind, data.outputs, len(data.names)) == ("keypoints", 14, 14)
    assert data.train.inputs.shape == (60 - 9 - 8, 16, 16, 1)
    assert isinstance(data.train.targets, Keypoints)
    assert {len(leaf) for leaf in data.test.targets} == {round(0.15 * 60)}
    assert not same(data, load("synthetic:stick_figures?n=60&size=16", seed=1))
    for source, options in (("?n=60&size=16&kind=points", {}), ("?n=60&size=16", {"kind": "points"})):
        with pytest.warns(DeprecationWarning, match="kind='points' is now 'keypoints'"):
            assert same(data, load(f"synthetic:stick_figures{source}", seed=0, **options))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("sklarn:digits", {}, r"unknown source 'sklarn:digits'.*Did you mean 'sklearn'\? There are: sklearn, csv, npz"),
        ("digits", {}, "unknown source 'digits'"),
        ("hub:mnist", {}, "unknown source 'hub:mnist'.*There are: sklearn"),
        ("sklearn:", {}, "names nothing after 'sklearn:'"),
        ("sklearn:digit", {}, r"Did you mean 'digits'\?"),
        ("synthetic:stick_figure", {}, r"Did you mean 'stick_figures'\?"),
        ("synthetic:stick_figures?sise=32", {}, r"'sise' is not a known key.*Did you mean 'size'\?"),
        ("synthetic:stick_figures?n=", {}, "'n' is not a known key with a value"),
        ("synthetic:stick_figures?n=many", {}, "n='many': expected an integer"),
        ("synthetic:stick_figures?n=30", {"levels": 3}, "leave it out for keypoints"),
        ("synthetic:stick_figures?n=30", {"kind": "levels"}, "kind='levels' does not fit.*expected 'keypoints'"),
        ("synthetic:stick_figures?n=30", {"label_noise": 0.1}, "'scores', the kind here is 'keypoints'"),
        ("synthetic:stick_figures?n=3", {}, "the validation split is empty: 3 rows, limit=None"),
        ("synthetic:stick_figures?n=20", {"test_fraction": 0.02}, "the test split is empty: 20 rows"),
        ("sklearn:digits", {"kind": "keypoints"}, "kind='keypoints' does not fit.*expected one of 'classes', 'levels'"),
        ("sklearn:digits", {"kind": "class"}, "kind='class' does not fit"),
        ("sklearn:digits", {"levels": 1}, "levels=1: expected at least 2"),
        ("sklearn:digits", {"kind": "levels", "label_noise": 0.1}, "the kind here is 'levels'"),
        ("sklearn:digits", {"label_noise": 1.5}, r"at least 0 and at most 1 \(a fraction of the labels\), got 1.5"),
        ("sklearn:digits", {"seed": -1}, "seed must be an integer of at least 0 and at most 4294967295, got -1"),
        ("sklearn:digits", {"limit": 0}, "limit must be an integer of at least 1"),
        ("sklearn:digits", {"limit": 3}, "the validation split is empty: 1797 rows, limit=3"),
        (
            "sklearn:digits",
            {"validation_fraction": 0},
            "validation_fraction must be a finite number above 0 and below 1, got 0",
        ),
        ("sklearn:digits", {"test_fraction": 1}, "test_fraction must be a finite number above 0 and below 1"),
        ("sklearn:diabetes", {"levels": 300}, "levels=300, but cut at the quantiles .*use fewer levels"),
    ],
)
def test_refuses(source, options, message):
    with pytest.raises(ValueError, match=message):
        load(source, **{"seed": 0, **options})


def test_refuses_tables_that_do_not_fit(table, tmp_path):
    with pytest.raises(ValueError, match=r"add '\?target=NAME'"):
        load(table, seed=0)
    with pytest.raises(ValueError, match="not integers; give levels=K"):
        load(f"{table}?target=price", seed=0)
    with pytest.raises(ValueError, match="all have the same value"):
        load(f"{table}?target=b&levels=2", seed=0)
    with pytest.raises(ValueError, match=r"no column 'grad'\. Did you mean 'grade'"):
        load(f"{table}?target=grad", seed=0)
    with pytest.raises(FileNotFoundError, match="no csv file"):
        load(f"csv:{tmp_path / 'none.csv'}?target=a", seed=0)
    with pytest.raises(ValueError, match="levels='two': expected an integer"):
        load(f"{table}?target=grade&levels=two", seed=0)


def test_refuses_arrays_that_do_not_fit(tmp_path):
    x, y = np.zeros((20, 2)), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:, :1], y_test=y, names=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"a test input has shape \(1,\), a training input \(2,\)"):
        load(f"npz:{tmp_path / 'a.npz'}", seed=0)
    np.savez(tmp_path / "b.npz", x=x, y=y, names=["a", "b", "c"])
    with pytest.raises(ValueError, match="names 3 classes but has 2"):
        load(f"npz:{tmp_path / 'b.npz'}?names=names", seed=0)
    np.savez(tmp_path / "c.npz", x=x[:0], y=y[:0])
    with pytest.raises(ValueError, match="split is empty: 0 rows"):
        load(f"npz:{tmp_path / 'c.npz'}", seed=0)


def test_refuses_a_source_that_is_no_string():
    with pytest.raises(TypeError, match="a source is a string such as 'sklearn:digits', got int"):
        load(3, seed=0)


def test_says_how_to_install_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"'sklearn:digits' needs scikit-learn: pip install jaxsurr\[train\]"):
        load("sklearn:digits", seed=0)


def test_digits_are_those_of_scikit_learn_with_and_without_its_file(monkeypatch):
    expected = sklearn.datasets.load_digits(return_X_y=True)
    for present in (True, False):
        monkeypatch.setattr(Path, "is_file", lambda path, present=present: present)
        for found, wanted in zip(digits(), expected, strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)


def test_importing_the_data_layer_loads_nothing_heavy():
    heavy = ("sklearn", "tensorflow", "pandas", "polars", "pyarrow")
    code = f"import sys, jaxsurr.data; sys.exit(any(name in sys.modules for name in {heavy}))"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_shared_fashion_mnist():
    data = load(f"idx:{shared('fashion_mnist')}", seed=0, limit=2000)
    assert [len(split.inputs) for split in splits(data)] == [2000 - 300, 300, 10000]
    assert (data.kind, data.outputs, data.train.inputs.shape[1:]) == ("classes", 10, (28, 28, 1))
    np.testing.assert_array_equal(np.bincount(data.test.targets), 1000)


def test_shared_ages():
    data = load(f"npz:{shared('utkface/utkface_gray48.npz')}?x=x&y=age&levels=8", seed=0)
    assert (data.kind, data.outputs, data.train.inputs.shape) == ("levels", 8, (8000 - 1200, 48, 48, 1))


def test_shared_poses():
    path = shared("lspet/lspet_gray64.npz")
    data = load(f"npz:{path}?x=x&points=kp&visible=visible&scale=torso&names=joint_names", seed=0, limit=500)
    assert (data.kind, data.outputs, data.names[-1]) == ("keypoints", 14, "head_top")
    assert len(data.test.inputs) == 1000
    assert data.test.targets.scale.min() >= 6
    assert data.test.targets.visible.sum(axis=1).min() >= 11


@pytest.mark.parametrize(("name", "rows", "levels"), [("kinematics", 8192, 8), ("era", 1000, 9), ("car", 1728, 4)])
def test_shared_tables(name, rows, levels):
    data = load(f"csv:{shared(f'ordinal_tabular/{name}.csv')}?target=response", seed=0)
    assert (data.kind, data.outputs) == ("levels", levels)
    assert data.names == tuple(str(level) for level in range(1, levels + 1))
    assert sum(len(split.inputs) for split in splits(data)) == rows


def test_scores_are_two_classes(tmp_path):
    data = load("sklearn:breast_cancer", seed=0)
    assert (data.kind, data.outputs, data.names) == ("scores", 2, ("malignant", "benign"))
    assert "scores of 2 classes, inputs 30" in data.description
    assert set(np.unique(data.train.targets)) == {0, 1}
    rows = [f"{x},{x % 3},{3 * (x % 2) - 1}" for x in range(40)]
    (tmp_path / "two.csv").write_text("\n".join(["x,three,two", *rows]))
    data = load(f"csv:{tmp_path}/two.csv?target=two&kind=scores", seed=0, label_noise=0.5)
    assert (data.kind, data.outputs, data.names) == ("scores", 2, ("-1", "2"))
    assert "labels are redrawn at random over all 2 classes" in data.notes[-1]
    assert load(f"csv:{tmp_path}/two.csv?target=three&at_least=1&kind=scores", seed=0).outputs == 2
    with pytest.raises(
        ValueError, match=r"scores need targets of two values, and .* has 3 \(0, 1, 2\); name the value that is 1"
    ):
        load(f"csv:{tmp_path}/two.csv?target=three&kind=scores", seed=0)
