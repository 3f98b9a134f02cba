"""Arrays and frames from Python become the data that the same file would be, and are not changed."""

import datetime
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import Keypoints, RankedLists
from jaxsurr.data import frames, from_arrays, from_frame, load, read_parquet
from jaxsurr.data.tables import Table

ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3))
Y = np.arange(ROWS) % 3
WORDS = np.array(["low", "mid", "high"])[Y]


def splits(data):
    return data.train, data.validation, data.test


def same(first, second):
    for one, other in zip(splits(first), splits(second), strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.targets, other.targets)
        assert (one.weights is None) == (other.weights is None)
        if one.weights is not None:
            np.testing.assert_array_equal(one.weights, other.weights)


# --- arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_are_what_a_file_of_them_is(tmp_path):
    weights = RNG.uniform(size=ROWS)
    np.savez(tmp_path / "a.npz", x=X, y=Y, w=weights)
    file = f"npz:{tmp_path / 'a.npz'}"
    same(load(from_arrays(X, Y), seed=1), load(file, seed=1))
    same(load(from_arrays(X.tolist(), Y.tolist()), seed=1), load(file, seed=1))
    same(
        load(from_arrays(jnp.asarray(X, jnp.float32), jnp.asarray(Y)), seed=1),
        load(from_arrays(np.float32(X), Y), seed=1),
    )
    same(load(from_arrays(X, Y, weights=weights), seed=1), load(f"{file}?weight=w", seed=1))
    same(load(from_arrays(X, Y, kind="levels"), seed=1), load(file, seed=1, kind="levels"))
    same(load(from_arrays(X, X[:, 0]), seed=1, levels=4), load(from_arrays(X, X[:, 0]), seed=1, levels=4))
    np.savez(tmp_path / "b.npz", x_train=X, y_train=Y, x_test=X[:9], y_test=Y[:9])
    tested = load(from_arrays(X, Y, test=(X[:9], Y[:9])), seed=1)
    same(tested, load(f"npz:{tmp_path / 'b.npz'}", seed=1))
    assert tested.official_test
    with pytest.warns(UserWarning, match="rows have scale 0"):
        people = from_arrays(
            X, Keypoints(np.ones((ROWS, 2, 2)), np.ones((ROWS, 2)), np.arange(ROWS) * 1.0), weights=weights
        )
    assert people.raw.weights.tolist() == weights[1:].tolist()
    assert load(people, seed=0).kind == "keypoints"


def test_kinds_of_arrays():
    assert load(from_arrays(X, WORDS), seed=0).names == ("high", "low", "mid")
    assert load(from_arrays(X, Y == 1), seed=0).names == ("0", "1")
    assert load(from_arrays(X, X[:, 0], kind="numbers"), seed=0).kind == "numbers"
    assert load(from_arrays(X, Y == 1, kind="scores", positive=0), seed=0).names == ("1", "0")
    assert load(from_arrays(X, WORDS, test=(X[:9], WORDS[:9])), seed=0).test.targets.tolist() == [1, 2, 0] * 3
    several = from_arrays(X, np.stack([Y > 0, Y > 1, Y > 5], axis=1), names=("a", "b", "c"), kind="labels")
    assert load(several, seed=0).names == ("a", "b", "c")
    assert from_arrays(X, X).raw.kind == "numbers"
    lists = from_arrays(RNG.normal(size=(ROWS, 4, 2)), RankedLists(np.ones((ROWS, 4)), np.ones((ROWS, 4))))
    assert load(lists, seed=0).kind == "lists"
    assert from_arrays(np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1]).raw.inputs.shape == (4, 8, 8, 1)


def test_gaps_of_a_table_are_filled():
    spoilt = X.copy()
    spoilt[::5, 1] = np.nan
    data = load(from_arrays(spoilt, Y, columns=("a", "b", "c")), seed=0)
    assert data.train.inputs.shape[1] == 4
    assert (
        data.notes[0].startswith("12 missing numbers in 1 column filled with the median") and "(b 12)" in data.notes[0]
    )
    assert np.isnan(spoilt[::5, 1]).all()
    tested = from_arrays(X, Y, test=(spoilt[:9], Y[:9]))
    assert load(tested, seed=0).test.inputs.shape == (9, 4)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((X, Y[:7]), {}, ValueError, r"y must have one row for each of 60 rows of x, got shape \(7,\)"),
        ((X, 3), {}, ValueError, r"y must have one row for each .* got shape \(\)"),
        (
            (WORDS, Y),
            {},
            TypeError,
            "x must be an array of numbers, got ndarray of dtype <U4; frames with words are for",
        ),
        ((3.0, Y), {}, ValueError, r"x must have rows, \[N, \.\.\.\], got shape \(\)"),
        ((X[:0], Y[:0]), {}, ValueError, r"x must have rows"),
        (
            (np.where(X > 2, np.inf, X), Y),
            {},
            ValueError,
            r"x has \d+ values that are infinite, the first at \(\d+, \d\)",
        ),
        ((np.full((ROWS, 2, 2), np.nan), Y), {}, ValueError, "240 values that are NaN or infinite, the first at"),
        ((X, np.where(Y == 1, np.nan, 1.0)), {}, ValueError, "y has 20 values that are NaN or infinite"),
        ((X, Y + 0j), {}, TypeError, "y must be numbers or text, got dtype complex128"),
        ((X, [None, "a", "b"] * 20), {}, TypeError, "one word for each row, none of them missing"),
        ((X, np.eye(3)[Y]), {}, ValueError, r"seems to be one-hot: pass y\.argmax\(axis=1\)"),
        ((X, Y[:, None]), {}, ValueError, r"y has shape \(60, 1\), one target a row: pass y\[:, 0\]"),
        ((X, X[:, :, None]), {}, ValueError, "y has 3 axes"),
        (
            (X, Y),
            {"kind": "labels"},
            ValueError,
            r"kind='labels' does not fit y\. .*There are: classes, levels, scores",
        ),
        ((X, Y), {"weights": np.zeros(ROWS)}, ValueError, "weights of x: all weights are 0"),
        ((X, Y), {"weights": -X[:, 0]}, ValueError, "weights of x: .* negative"),
        ((X, Y), {"weights": [1.0]}, ValueError, r"one number for each of 60 rows, got shape \(1,\)"),
        ((X, Y), {"columns": ("a", "b")}, ValueError, r"columns are 2 names, expected one .* of x \(60, 3\)"),
        ((X, WORDS), {"names": ("a", "b", "c")}, ValueError, "y holds the names themselves"),
        ((X, Y), {"names": 3}, TypeError, r"names must be a sequence, such as \['low', 'high'\], .* got 3"),
        ((X, Y), {"columns": 3}, TypeError, "names must be a sequence"),
        ((X, Y), {"test": X}, ValueError, r"test must be \(x, y\), of the rows to test on, got ndarray"),
        ((X, Y), {"test": (X[:, :2], Y)}, ValueError, r"a test input has shape \(2,\), a training input \(3,\)"),
        ((X, Y), {"test": (X, Y[:3])}, ValueError, "test y must have one row for each of 60 rows of test x"),
        ((np.full((ROWS, 2), np.nan), Y), {}, ValueError, r"x has 2 columns without any value \(0, 1\)"),
    ],
)
def test_arrays_are_refused(arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        from_arrays(*arguments, **options)


# --- frames -----------------------------------------------------------------------------------------------------------

COLUMNS = {
    "age": [None if k % 7 == 0 else k / 2 for k in range(ROWS)],
    "number": list(range(ROWS)),
    "color": [None if k % 9 == 0 else ("red", "green")[k % 2] for k in range(ROWS)],
    "member": [k % 3 == 0 for k in range(ROWS)],
    "grade": Y.tolist(),
}


def csv_of(columns, path):
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    path.write_text("\n".join(lines))
    return f"csv:{path}?target=grade"


def pandas_frame(columns):
    return pytest.importorskip("pandas", reason="frames of pandas need pandas").DataFrame(columns)


def nullable_frame(columns):
    return pandas_frame(columns).convert_dtypes().astype({"color": "category"} if "color" in columns else {})


def polars_frame(columns):
    return pytest.importorskip("polars", reason="frames of polars need polars").DataFrame(columns)


def polars_categories(columns):
    frame = polars_frame(columns)
    return frame.with_columns(frame["color"].cast(sys.modules["polars"].Categorical)) if "color" in columns else frame


def arrow_table(columns):
    return pytest.importorskip("pyarrow", reason="tables of pyarrow need pyarrow").table(columns)


def arrow_categories(columns):
    table = arrow_table(columns)
    if "color" not in columns:
        return table
    return table.set_column(table.column_names.index("color"), "color", table["color"].dictionary_encode())


FRAMES = [dict, pandas_frame, nullable_frame, polars_frame, polars_categories, arrow_table, arrow_categories]


@pytest.mark.parametrize("make", FRAMES)
def test_a_frame_is_what_a_file_of_it_is(make, tmp_path):
    found, expected = (
        load(from_frame(make(COLUMNS), "grade"), seed=0),
        load(csv_of(COLUMNS, tmp_path / "t.csv"), seed=0),
    )
    same(found, expected)
    assert (found.kind, found.names) == (expected.kind, expected.names)
    assert [note for note in found.notes if "true" not in note] == [
        note for note in expected.notes if "true" not in note
    ]
    words = load(from_frame(make(COLUMNS | {"grade": WORDS.tolist()}), "grade", order=("low", "mid", "high")), seed=0)
    assert (words.kind, words.names) == ("levels", ("low", "mid", "high"))


@pytest.mark.parametrize("make", FRAMES)
def test_several_targets_of_a_frame_are_what_those_of_a_file_are(make, tmp_path):
    columns = COLUMNS | {"y_1": [k / 4 for k in range(ROWS)], "y_2": [(k * k % 7) / 2 for k in range(ROWS)]}
    expected = load(f"{csv_of(columns, tmp_path / 't.csv').partition('?')[0]}?target=y_*&kind=numbers", seed=0)
    assert expected.train.targets.shape[1:] == (2,)
    for target in ("y_*", "y_1,y_2", ["y_1", "y_2"]):
        same(load(from_frame(make(columns), target, kind="numbers"), seed=0), expected)
    with pytest.raises(ValueError, match=r"the frame has no column 'z_\*'"):
        from_frame(make(columns), "z_*")


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # of pandas, which looks for integers
@pytest.mark.parametrize("make", FRAMES)
def test_a_frame_is_refused_with_row_and_column(make):
    days = [datetime.date(2020, 1, 1 + k % 28) for k in range(ROWS)]
    for day in (days, [datetime.datetime(2020, 1, 1 + k % 28, 12) for k in range(ROWS)]):
        with pytest.raises(
            ValueError, match=r"the frame, row 1, column 'day': '2020-01-01.* is a date .*drop=\['day'\]"
        ):
            from_frame(make(COLUMNS | {"day": day}), "grade")
    with pytest.raises(ValueError, match=r"row 5, column 'age': 'x' is not a finite number; .*missing=\['x'\]"):
        from_frame(make(COLUMNS | {"age": [*"1234x", *"5" * (ROWS - 5)]}), "grade")
    with pytest.warns(UserWarning, match=r"1 of 60 rows have no target in 'grade' \(the first on row 2\)"):
        from_frame(make(COLUMNS | {"grade": [0, None, *Y.tolist()[2:]]}), "grade")
    with pytest.raises(ValueError, match=r"Refused too: b; .* all of them: drop=\['number', 'age', 'b'\]"):
        from_frame(make(COLUMNS | {"age": [str(k) + "x" for k in range(ROWS)], "b": days}), "grade", drop=["number"])
    with pytest.raises(ValueError, match=r"the frame has no column 'grad'\. Did you mean 'grade'"):
        from_frame(make(COLUMNS), "grad")
    with pytest.raises(ValueError, match=r"the frame, row 3, column 'a': '?inf'? is not a finite number"):
        from_frame(make({"a": [1.0, 2.0, np.inf] * 20, "grade": Y.tolist()}), "grade")
    with pytest.raises(ValueError, match="row 1, column 'grade': 9007199254740993 lies beyond"):
        from_frame(make({"a": [1.0, 2.0, 3.0] * 20, "grade": [2**53 + 1, 1] * 30}), "grade")


@pytest.mark.parametrize("make", FRAMES)
def test_frames_and_arrays_are_not_changed(make):
    frame, before = make(COLUMNS), make(COLUMNS)
    data = load(from_frame(frame, "grade", weight="number", drop=["member"]), seed=0, label_noise=0.0)
    for split in splits(data):
        split.inputs[:] = 7
    for name in COLUMNS:
        one, other = (
            list(held[name].to_pylist() if hasattr(held[name], "to_pylist") else held[name]) for held in (frame, before)
        )
        assert list(map(str, one)) == list(map(str, other))


def test_a_source_knows_its_arrays():
    x, y = X.copy(), Y.copy()
    x.flags.writeable = False
    source = from_arrays(x, y)
    assert source.text.startswith("arrays:sha256=") and source.text.endswith("&shape=60x3")
    assert from_arrays(X.copy(), Y.copy()).text == source.text
    others = [
        from_arrays(X + 1e-9, Y),
        from_arrays(X.astype(np.float32), Y),
        from_arrays(X, Y[::-1]),
        from_arrays(X, Y, kind="levels"),
        from_arrays(X, Y, weights=np.ones(ROWS)),
        from_arrays(X, Y, columns=("a", "b", "c")),
        from_arrays(X, Y, test=(X, Y)),
        from_frame(COLUMNS, "grade"),
        from_frame(COLUMNS | {"member": COLUMNS["color"]}, "grade"),
        from_frame(COLUMNS, "member"),
    ]
    assert len({source.text, *(other.text for other in others)}) == 1 + len(others)
    load(source, seed=0)
    y[0] += 1
    with pytest.raises(ValueError, match="the arrays have changed since they were handed over"):
        load(source, seed=0)
    with pytest.raises(ValueError, match="stands for arrays or a frame that were handed over from Python"):
        load(source.text, seed=0)


def test_a_test_frame():
    first, last = ({name: values[part] for name, values in COLUMNS.items()} for part in (slice(0, 50), slice(50, None)))
    data = load(from_frame(first, "grade", test=last), seed=0)
    assert data.official_test and len(data.test.inputs) == 10
    np.testing.assert_array_equal(data.test.targets, Y[50:])
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="the frames have rows without a target"):
        from_frame(first, "grade", test=last | {"grade": [None] * 10})
    with pytest.raises(
        ValueError, match="the test frame must have the columns of the other, in their order; see 'age'"
    ):
        from_frame(first, "grade", test={name: last[name] for name in list(last)[1:]})


@pytest.mark.parametrize(
    ("frame", "kind", "message"),
    [
        (X, TypeError, r"got ndarray; arrays are for from_arrays\(x, y\)"),
        (3, TypeError, "a frame of pandas or polars, .* was expected, got int"),
        ({0: [1], "grade": [1]}, TypeError, "names of columns must be text, got 0"),
        ({"a": [1, 2], "grade": [1]}, ValueError, r"the columns of the frame have lengths \[1, 2\]"),
        ({"a": [], "grade": []}, ValueError, "the frame has no rows"),
        ({"a": [[1], [2]], "grade": [1, 2]}, TypeError, "column 'a' holds list objects, expected numbers or text"),
        ({"a": np.zeros(2, complex), "grade": [1, 2]}, TypeError, r"dtype complex128, expected numbers .*drop=\['a'\]"),
        ({"a": np.zeros((2, 2)), "grade": [1, 2]}, ValueError, "expected one value for each row"),
    ],
)
def test_frames_are_refused(frame, kind, message):
    with pytest.raises(kind, match=message):
        from_frame(frame, "grade")


def test_names_in_one_text_are_several():
    """And no letters: "low,high" was l, o, w, and so on."""
    assert from_arrays(X, Y, names="low,mid,high").raw.names == ("low", "mid", "high")
    frame = {"a": X[:, 0], "grade": WORDS}
    assert from_frame(frame, "grade", kind="levels", order="low,mid,high").raw.names == ("low", "mid", "high")


def test_two_columns_of_one_name():
    frame = pandas_frame(COLUMNS)
    frame.columns = ["age", "age", "color", "member", "grade"]
    with pytest.raises(ValueError, match="the frame has two columns named 'age'"):
        from_frame(frame, "grade")


# --- parquet ----------------------------------------------------------------------------------------------------------


def test_a_parquet_file_is_what_a_csv_file_is(tmp_path):
    table = arrow_table(COLUMNS | {"id": [f"K{k}" for k in range(ROWS)]})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "t.parquet")
    source = f"parquet:{tmp_path / 't.parquet'}?target=grade&drop=id"
    same(load(source, seed=0), load(csv_of(COLUMNS, tmp_path / "t.csv"), seed=0))
    several = "?target=age,number&kind=numbers&drop=id"
    with pytest.warns(UserWarning, match="have no target"):
        same(
            load(f"parquet:{tmp_path / 't.parquet'}{several}", seed=0),
            load(from_frame(COLUMNS, "age,number", kind="numbers"), seed=0),
        )
    assert isinstance(read_parquet(tmp_path / "t.parquet", "grade", drop="id").inputs, Table)
    with pytest.raises(ValueError, match=r"t\.parquet, row 1, column 'id': 'K0' and all other 60 words .*'&drop=id'"):
        load(source.removesuffix("&drop=id"), seed=0)
    with pytest.raises(ValueError, match=r"t\.parquet has no column 'grad'"):
        load(f"parquet:{tmp_path / 't.parquet'}?target=grad", seed=0)
    with pytest.raises(ValueError, match=r"add '\?target=NAME'"):
        load(f"parquet:{tmp_path / 't.parquet'}", seed=0)
    content = (tmp_path / "t.parquet").read_bytes()
    for wrong in (b"", b"PAR1", content[: len(content) // 2], content[:-40]):
        (tmp_path / "t.parquet").write_bytes(wrong)
        with pytest.raises(ValueError, match=r"t\.parquet is not a parquet file, or it is damaged"):
            load(source, seed=0)
    with pytest.raises(FileNotFoundError, match="no parquet file"):
        load(f"parquet:{tmp_path / 'none.parquet'}?target=y", seed=0)


def test_a_parquet_file_of_a_few_bytes_holds_no_gigabytes(tmp_path, monkeypatch):
    table = arrow_table({"a": np.zeros(10**6, np.int8), "y": np.zeros(10**6, np.int8)})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "t.parquet")
    monkeypatch.setattr(frames, "_UNPACKED", 2**20)
    with pytest.raises(
        ValueError, match=r"t\.parquet states 1000000 rows of 2 columns, 0\.0 GiB, more than its \d+ bytes"
    ):
        read_parquet(tmp_path / "t.parquet", "y")


def test_parquet_says_what_it_needs(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"needs pyarrow: pip install 'jaxsurr\[parquet\]'"):
        load(f"parquet:{tmp_path / 't.parquet'}?target=y", seed=0)
