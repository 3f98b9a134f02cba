"""Sources whose targets stay numbers, and times with events: what is loaded, and which content is refused."""

import numpy as np
import pytest
from sklearn import datasets

from jaxsurr.core.types import Durations
from jaxsurr.data import DataWarning, batches, from_arrays, load, num_batches

X = np.arange(40)


def write(tmp_path, *columns, names="a,y,e"):
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join([names, *rows]))
    return f"csv:{tmp_path / 't.csv'}"


def test_diabetes_keeps_its_unit_and_is_levels_by_default():
    exact = datasets.load_diabetes().target
    data = load("sklearn:diabetes?kind=numbers", seed=0)
    assert (data.kind, data.outputs, data.names) == ("numbers", 1, ())
    assert {split.targets.dtype.name for split in data[:3]} == {"float32"}
    assert sorted(np.concatenate([split.targets for split in data[:3]])) == sorted(exact.astype(np.float32))
    assert data.description.startswith("sklearn:diabetes?kind=numbers: numbers, inputs 10, ")
    assert load("sklearn:diabetes", seed=0).kind == "levels"
    same = load("sklearn:diabetes", seed=0, kind="numbers")
    np.testing.assert_array_equal(same.train.targets, data.train.targets)


def test_tables_and_arrays_of_numbers(tmp_path):
    x = np.arange(40)
    data = load(write(tmp_path, x, x / 8, x) + "?target=y&kind=numbers", seed=0)
    np.testing.assert_allclose(np.diff(np.sort(data.train.targets)) * 8 % 1, 0)
    np.testing.assert_allclose(data.train.inputs.mean(axis=0), 0, atol=1e-6)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=x / 8, x_test=x[:5], y_test=x[:5] / 8)
    data = load(f"npz:{tmp_path / 'a.npz'}?kind=numbers", seed=0)
    assert data.official_test and data.test.targets.tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    whole = load(write(tmp_path, x, x % 3, x) + "?target=y&kind=numbers", seed=0)
    assert set(whole.train.targets.tolist()) == {0.0, 1.0, 2.0}


def test_several_numbers_of_a_row(tmp_path):
    exact = datasets.load_linnerud()
    data = load("sklearn:linnerud", seed=0)
    assert (data.kind, data.outputs, data.train.targets.shape) == ("numbers", 3, (14, 3))
    assert data.names == tuple(name.lower() for name in exact.target_names)
    assert data.description.startswith("sklearn:linnerud: 3 numbers, inputs 3, 14 / 3 / 3 rows")
    rows = np.concatenate([split.targets for split in data[:3]])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, exact.target.astype(np.float32)))
    x = np.arange(40)
    source = write(tmp_path, x, x / 8, 40 - x)
    table = load(source + "?target=e,y", seed=0)
    assert (table.kind, table.outputs, table.names) == ("numbers", 2, ("e", "y"))
    np.testing.assert_array_equal(table.train.targets[:, 0], 40 - 8 * table.train.targets[:, 1])
    np.savez(tmp_path / "a.npz", x=x, y=np.stack([40 - x, x / 8], axis=1))
    arrays = load(f"npz:{tmp_path / 'a.npz'}?kind=numbers", seed=0)
    np.testing.assert_array_equal(arrays.train.targets, table.train.targets)


def test_a_row_without_one_of_its_numbers_is_left_out_and_counted(tmp_path):
    source = write(tmp_path, X, np.where(X == 7, "", X.astype(str)), np.where(X == 9, "nan", X.astype(str)))
    with pytest.warns(DataWarning, match="2 of 40 rows have no target in 'y' and 'e'"):
        data = load(source + "?target=y,e", seed=0)
    assert sum(len(split.inputs) for split in data[:3]) == 38
    assert any(note.startswith("2 of 40 rows have no target") for note in data.notes)


def test_arrays_of_several_numbers_that_do_not_fit_each_other_are_refused():
    x, y = np.ones((40, 2)) * X[:, None], np.stack([X, X / 2, 40.0 - X], axis=1)
    with pytest.raises(ValueError, match=r"names 2 numbers but has 3; correct or leave out"):
        load(from_arrays(x, y, names=["a", "b"]), seed=0)
    with pytest.raises(ValueError, match=r"a test target has shape \(2,\), a training target \(3,\)"):
        load(from_arrays(x, y, test=(x[:5], y[:5, :2])), seed=0)
    y[:, 1] = 5
    with pytest.raises(ValueError, match="the targets in column 1 of the training rows are all 5"):
        load(from_arrays(x, y), seed=0)


def test_times_and_events(tmp_path):
    x = np.arange(40)
    source = write(tmp_path, x, x / 4, x % 2) + "?target=y&event=e"
    data = load(source, seed=0)
    assert (data.kind, data.outputs, data.train.inputs.shape[1]) == ("durations", 1, 1)
    for split in data[:3]:
        assert isinstance(split.targets, Durations) and split.targets.event.dtype == np.float32
        np.testing.assert_array_equal(split.targets.event, split.targets.time * 4 % 2)
    batch = next(batches(data.train, 8))
    assert isinstance(batch.targets, Durations) and batch.targets.time.shape == (8,)
    assert num_batches(data.train, 8) == len(data.train.inputs) // 8
    np.savez(tmp_path / "a.npz", x=x, weeks=x / 4, seen=x % 2 == 1)
    arrays = load(f"npz:{tmp_path / 'a.npz'}?y=weeks&event=seen", seed=0)
    np.testing.assert_array_equal(arrays.train.targets.time, data.train.targets.time)
    np.testing.assert_array_equal(arrays.train.targets.event, data.train.targets.event)


REFUSED = {
    "constant": (X, 0 * X + 3.5, X, "target=y&kind=numbers", "all 3.5, so there is nothing to learn"),
    "constant, of several": (X, X, 0 * X + 3.5, "target=y,e", "targets 'e' of the training rows are all 3.5"),
    "named twice": (X, X, X, "target=y,y", "'y' is named twice as a target"),
    "also dropped": (X, X, X, "target=y,e&drop=e", "'e' has two roles among"),
    "words among numbers": (
        X,
        X,
        np.where(X > 3, "a", "b"),
        "target=y,e",
        "each must be of numbers, and 'e' is of wor",
    ),
    "no input": (X, X, X, "target=y,e,a", "expected at least one more, as input"),
    "far from zero": (X, 1e9 + X, X, "target=y&kind=numbers", "single precision cannot tell apart; subtract a typical"),
    "infinite": (
        X,
        np.where(X == 7, np.inf, X),
        X,
        "target=y&kind=numbers",
        "line 9, column 'y': 'inf' is not a finite",
    ),
    "levels of numbers": (X, X, X, "target=y&kind=numbers&levels=4", "leave it out for numbers"),
    "negative time": (X, X - 5, X % 2, "target=y&event=e", "5 times are negative, the first in row 1, -5; count times"),
    "event of 2": (X, X, X % 3, "target=y&event=e", r"an event is 1 \(seen\) or 0 \(censored\), found 2 in row 3"),
    "all censored": (X, X, 0 * X, "target=y&event=e", "no row has an event: all are censored, so no order is known"),
    "censored training": (X, X, (X == 3) * 1, "target=y&event=e", "rows has an event: all are censored"),
    "event is target": (X, X, X, "target=y&event=y", "'y' cannot be both the target and the column of events"),
    "no such event": (X, X, X, "target=y&event=ee", "no column 'ee'. Did you mean 'e'"),
    "events of lists": (X, X, X, "target=y&event=e&list=a", "names a column of events and lists"),
    "numbers of times": (X, X, X % 2, "target=y&event=e&kind=numbers", "kind='numbers' does not fit .* 'durations'"),
    "classes of times": (X, X, X % 2, "target=y&event=e&at_least=3", "and .* has durations"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_content_that_makes_no_sense_is_refused(case, tmp_path):
    *columns, query, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        load(f"{write(tmp_path, *columns)}?{query}", seed=0)


def test_arrays_that_make_no_sense_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=X, e=X[:3], p=np.zeros((40, 2, 2)))
    with pytest.raises(ValueError, match="'e' has 3 rows, expected 40"):
        load(f"npz:{tmp_path / 'a.npz'}?event=e", seed=0)
    with pytest.raises(ValueError, match="an event belongs to a time"):
        load(f"npz:{tmp_path / 'a.npz'}?points=p&scale=y&event=e", seed=0)
    with pytest.raises(ValueError, match="label_noise is for kinds 'classes' and 'scores', the kind here is 'numbers'"):
        load("sklearn:diabetes?kind=numbers", seed=0, label_noise=0.1)
