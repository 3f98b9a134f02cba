"""Tables as people have them: each becomes data by one source, or is refused in a sentence that says what to do."""

import csv
import warnings

import numpy as np
import pytest

from jaxsurr.data import load, read_csv
from jaxsurr.data.tables import Table

ROWS = 120
RNG = np.random.default_rng(0)
NUMBERS = [f"{value:.3f}" for value in RNG.normal(50, 20, ROWS)]
GRADES = [str(k % 3) for k in range(ROWS)]
COLORS = [("red", "green", "blue")[k * 7 // 5 % 3] for k in range(ROWS)]


def write(path, columns, *, separator=",", encoding="utf-8", quoting=csv.QUOTE_MINIMAL):
    """A file of columns by name."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=separator, quoting=quoting)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def gaps(values, every, text=""):
    return [text if k % every == 0 else value for k, value in enumerate(values)]


TABLES = {
    "mixed columns": (
        dict(age=NUMBERS, color=COLORS, member=gaps(["yes"] * ROWS, 2, "No"), grade=GRADES),
        {},
        "target=grade",
        (5, ("0", "1", "2")),
        [
            "1 column of true and false, or yes and no, as 1 and 0 (member)",
            "1 column of words as 3 columns of 0 and 1 (color 3)",
        ],
    ),
    "words as targets": (
        dict(age=NUMBERS, color=COLORS),
        {},
        "target=color",
        (1, ("blue", "green", "red")),
        [],
    ),
    "words as levels": (
        dict(age=NUMBERS, grade=[("low", "mid", "high")[k % 3] for k in range(ROWS)]),
        {},
        "target=grade&order=low,mid,high",
        (1, ("low", "mid", "high")),
        [],
    ),
    "gaps": (
        dict(
            age=gaps(NUMBERS, 5, "NA"), size=gaps(NUMBERS, 8, "?"), color=gaps(COLORS, 10), none=[""] * ROWS, y=GRADES
        ),
        {},
        "target=y",
        (8, ("0", "1", "2")),
        [
            "1 column without any value left out (none)",
            "1 column of words as 3 columns of 0 and 1 (color 3)",
            "39 missing numbers in 2 columns filled with the median of the training rows, and a column more for each "
            "says where (age 24, size 15)",
            "12 missing words in 1 column as 0 for all words, and a column more for each says where (color 12)",
        ],
    ),
    "semicolons and decimal commas": (
        dict(age=[value.replace(".", ",") for value in NUMBERS], color=COLORS, grade=GRADES),
        dict(separator=";"),
        "target=grade",
        (4, ("0", "1", "2")),
        ["numbers of t.csv are read with decimal commas", "1 column of words as 3 columns of 0 and 1 (color 3)"],
    ),
    "tabs": (dict(age=NUMBERS, grade=GRADES), dict(separator="\t"), "target=grade", (1, ("0", "1", "2")), []),
    "pipes": (dict(age=NUMBERS, grade=GRADES), dict(separator="|"), "target=grade", (1, ("0", "1", "2")), []),
    "a mark of order": (
        dict(age=NUMBERS, grade=GRADES),
        dict(encoding="utf-8-sig"),
        "target=grade",
        (1, ("0", "1", "2")),
        [],
    ),
    "a spreadsheet's Unicode text": (
        dict(größe=NUMBERS, grade=GRADES),
        dict(encoding="utf-16", separator="\t"),
        "target=grade",
        (1, ("0", "1", "2")),
        [],
    ),
    "Latin-1": (
        dict(größe=NUMBERS, form=gaps(["süß"] * ROWS, 2, "groß"), grade=GRADES),
        dict(encoding="latin-1"),
        "target=grade",
        (3, ("0", "1", "2")),
        ["t.csv is not UTF-8 and is read as Latin-1", "1 column of words as 2 columns of 0 and 1 (form 2)"],
    ),
    "quotes": (
        {"name, first": [f'"{k % 4}", or\nso' for k in range(ROWS)], "age": NUMBERS, "grade": GRADES},
        dict(quoting=csv.QUOTE_ALL),
        "target=grade",
        (5, ("0", "1", "2")),
        ["1 column of words as 4 columns of 0 and 1 (name, first 4)"],
    ),
    "ids left out": (
        dict(id=[f"K-{k}" for k in range(ROWS)], date=["2020-01-01"] * ROWS, age=NUMBERS, grade=GRADES),
        {},
        "target=grade&drop=id,date",
        (1, ("0", "1", "2")),
        ["2 columns left out as asked for (id, date)"],
    ),
    "the index of a frame": (
        {"": range(ROWS), "age": NUMBERS, "grade": GRADES},
        {},
        "target=grade",
        (2, ("0", "1", "2")),
        [
            "1 of the inputs without a name named by place (column_1); if it only numbers the rows, leave it out, "
            "'&drop=column_1'"
        ],
    ),
    "codes that are categories": (
        {"zip": [f"0{k % 4}123" for k in range(ROWS)], "age": NUMBERS, "grade": GRADES},
        {},
        "target=grade&categories=zip",
        (5, ("0", "1", "2")),
        ["1 column of words as 4 columns of 0 and 1 (zip 4)"],
    ),
    "a mark of its own for what is missing": (
        dict(age=gaps(NUMBERS, 30, "unknown"), grade=GRADES),
        {},
        "target=grade&missing=unknown,none",
        (2, ("0", "1", "2")),
        [
            "4 missing numbers in 1 column filled with the median of the training rows, and a column more for each "
            "says where (age 4)"
        ],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_becomes_data(name, tmp_path):
    columns, style, query, (width, names), notes = TABLES[name]
    write(tmp_path / "t.csv", columns, **style)
    data = load(f"csv:{tmp_path / 't.csv'}?{query}", seed=0)
    assert (data.train.inputs.shape[1], data.names) == (width, names)
    assert list(data.notes) == notes
    assert sum(len(split.inputs) for split in (data.train, data.validation, data.test)) == ROWS
    for split in (data.train, data.validation, data.test):
        assert split.inputs.dtype == np.float32 and np.isfinite(split.inputs).all()


REFUSED = {
    "dates": (
        dict(day=[f"{k % 28 + 1}.{k % 12 + 1}.2021" for k in range(ROWS)], age=NUMBERS, y=GRADES),
        "line 2, column 'day': '1.1.2021' is a date or a time, .*'&drop=day', or write what matters of it",
    ),
    "times": (
        dict(at=[f"2021-01-01T10:{k % 60:02}:00Z" for k in range(ROWS)], y=GRADES),
        "line 2, column 'at': .* is a date or a time",
    ),
    "ids": (
        dict(id=[f"K-{k}" for k in range(ROWS)], age=NUMBERS, y=GRADES),
        "column 'id': 'K-0' and all other 120 words differ, as ids .*leave the column out, '&drop=id'",
    ),
    "names": (
        dict(name=[f"N{k}" for k in range(300)] * 2, y=GRADES * 5),
        "column 'name': 'N0' is one of 300 different words, and at most 256 .*'&drop=name', or code it",
    ),
    "money": (
        dict(price=[f"$1,{k + 100}.00" for k in range(ROWS)], y=GRADES),
        r"'\$1,100.00' is not a finite number \(120 of 120 values are none\); write it without unit, sign of currency",
    ),
    "decimal commas in quotes": (
        dict(a=[value.replace(".", ",") for value in NUMBERS], y=GRADES),
        "is not a finite number .*write a decimal point, or add '&decimal=,'",
    ),
    "a word among numbers": (
        dict(a=[*NUMBERS[:100], "ca. 3", *NUMBERS[101:]], y=GRADES),
        "line 102, column 'a': 'ca. 3' is not a finite number; correct it, or add '&missing=ca. 3' .*'&categories=a'",
    ),
    "several columns": (
        dict(a=NUMBERS, name=[f"N{k}" for k in range(ROWS)], b=[*NUMBERS[1:], "x"], day=["1.1.2021"] * ROWS, y=GRADES),
        "'N0' and all other .*'&drop=name'. Refused too: b, day; to leave out all of them: '&drop=name,b,day'",
    ),
    "no target": (dict(a=NUMBERS, y=[""] * ROWS), "line 2, column 'y': '' or another mark .* as in all rows"),
    "targets that all differ": (dict(a=NUMBERS, y=[f"x{k}" for k in range(ROWS)]), "all other 120 targets differ"),
    "no value at all": (dict(a=[""] * ROWS, b=["NA"] * ROWS, y=GRADES), r"no input column has a value \(a, b\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_is_refused_with_what_to_do(name, tmp_path):
    columns, message = REFUSED[name]
    write(tmp_path / "t.csv", columns)
    with pytest.raises(ValueError, match=message):
        load(f"csv:{tmp_path / 't.csv'}?target=y", seed=0)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("target=y&drop=agee", r"no column 'agee'\. Did you mean 'age'\?"),
        ("target=y&drop=AGE", r"no column 'AGE'\. Did you mean 'age'\?"),
        ("target=y&drop=age,b,word", r"has the column 'y' only; .*\('&drop=age,b,word' leaves out the others\)"),
        ("target=y&drop=y", "'y' has two roles"),
        ("target=y&weight=y", "'y' has two roles"),
        ("target=y&weight=age&drop=age", "'age' has two roles"),
        ("target=y&weight=b", "column 'b': 60 weights are negative, the first in row 2"),
        ("target=y&weight=word", "column 'word': weights must be numbers, found 'u'"),
        ("target=y&separator=dot", r"separator='dot' is unknown\. There are: comma, semicolon, tab, pipe"),
        ("target=y&decimal=x", r"decimal='x': expected '\.' or ','"),
        ("target=y&order=a,b", "'y' holds numbers, whose order is known"),
        ("target=word&order=u,w", r"the order names u, w, and 'word' holds u, v; .*\(see 'v'\)"),
        ("target=word&order=u,v,v", r"the same words, each once \(see 'v'\)"),
        ("target=word&kind=levels", "words .u, v., which have no order"),
        ("target=word&at_least=1", "divides numeric targets into two classes, and .* has words"),
        ("target=y,word", "each must be of numbers, and 'word' is of words"),
        ("target=y,y", "'y' is named twice as a target"),
        ("target=y,b&kind=labels", "has -1 for label 'b', expected 0 or 1"),
        ("target=word&list=y", "the target of items of lists must be one number, its relevance"),
        ("target=y&list_size=4&weight=age", "weights of lists must be the same in all rows of a list"),
    ],
)
def test_options_are_refused(query, message, tmp_path):
    signs = [str(1 - k % 2 * 2) for k in range(ROWS)]
    write(tmp_path / "t.csv", dict(age=NUMBERS, b=signs, word=[("u", "v")[k // 2 % 2] for k in range(ROWS)], y=GRADES))
    with pytest.raises(ValueError, match=message):
        load(f"csv:{tmp_path / 't.csv'}?{query}", seed=0)


# --- values -----------------------------------------------------------------------------------------------------------


def rows_of(tmp_path, columns, query, seed=0, **options):
    """Data with a column `row` in front, and the numbers of the rows of each split."""
    write(tmp_path / "t.csv", dict(row=range(ROWS)) | columns)
    data = load(f"csv:{tmp_path / 't.csv'}?{query}", seed=seed, **options)
    splits = (data.train, data.validation, data.test)
    scale = np.concatenate([split.inputs[:, 0] for split in splits])
    rank = np.argsort(np.argsort(scale))
    ends = np.cumsum([len(split.inputs) for split in splits])
    return splits, np.split(rank, ends[:-1]), data


def test_gaps_have_the_median_of_the_training_rows(tmp_path):
    values = np.arange(ROWS) ** 2 * 1.0
    splits, rows, _ = rows_of(tmp_path, dict(a=gaps([str(v) for v in values], 7), y=GRADES), "target=y")
    known = rows[0][rows[0] % 7 > 0]
    filled = np.where(np.arange(ROWS) % 7 == 0, np.median(values[known]), values)
    mean, deviation = filled[rows[0]].mean(), filled[rows[0]].std()
    for split, numbers in zip(splits, rows, strict=True):
        np.testing.assert_allclose(split.inputs[:, 1], (filled[numbers] - mean) / deviation, atol=1e-5)
        assert len(np.unique(split.inputs[:, 2])) == 2
        np.testing.assert_array_equal(split.inputs[:, 2] > 0, numbers % 7 == 0)


def test_a_word_that_no_training_row_has_is_0_in_all_columns(tmp_path):
    """Whichever split the only row of a word is in, there are the same columns."""
    seen = set()
    for seed in range(30):
        words = ["rare" if k == 17 else COLORS[k] for k in range(ROWS)]
        splits, rows, data = rows_of(tmp_path, dict(color=words, y=GRADES), "target=y", seed=seed)
        assert data.train.inputs.shape[1] == 1 + 4
        trained = 17 in rows[0]
        said = [note for note in data.notes if "no training row has" in note]
        assert (
            said == []
            if trained
            else said
            == [
                "1 word of rows to validate or test on that no training row has are 0 in the columns of all words "
                "(color=rare 1)"
            ]
        )
        for split, numbers in zip(splits, rows, strict=True):
            one_hot = np.stack([np.array(words)[numbers] == word for word in ("blue", "green", "rare", "red")], axis=1)
            varies = [0, 1, 3] if not trained else [0, 1, 2, 3]
            assert np.array_equal(split.inputs[:, 1:][:, varies] > 0, one_hot[:, varies])
            if not trained:
                np.testing.assert_array_equal(split.inputs[:, 3], 0)
        seen.add(trained)
    assert seen == {True, False}


def test_words_of_lists_are_encoded_item_by_item(tmp_path):
    query = [f"Q{k // 4 if k < 100 else 25 + k // 5}" for k in range(ROWS)]
    columns = dict(q=query, a=gaps(NUMBERS, 6), color=COLORS, y=GRADES)
    write(tmp_path / "t.csv", columns)
    data = load(f"csv:{tmp_path / 't.csv'}?target=y&list=q", seed=0)
    assert (data.kind, data.outputs, data.train.inputs.shape[1:]) == ("lists", 5, (5, 2 + 3))
    for split in (data.train, data.validation, data.test):
        present = split.targets.items > 0
        np.testing.assert_array_equal(split.inputs[~present], 0)
        np.testing.assert_array_equal(np.sum(split.inputs[present][:, 2:] > 0, axis=1), 1)  # one word an item
    seen = data.train.inputs[data.train.targets.items > 0]
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-5)


def test_a_weight_of_a_table_is_no_input(tmp_path):
    weights = [str(k % 5) for k in range(ROWS)]
    splits, rows, data = rows_of(tmp_path, dict(a=NUMBERS, w=weights, y=GRADES), "target=y&weight=w")
    assert data.train.inputs.shape[1] == 2
    for split, numbers in zip(splits, rows, strict=True):
        np.testing.assert_array_equal(split.weights, numbers % 5)
    write(
        tmp_path / "l.csv",
        dict(q=[k // 4 for k in range(ROWS)], a=NUMBERS, w=[k // 4 + 1 for k in range(ROWS)], y=GRADES),
    )
    lists = load(f"csv:{tmp_path / 'l.csv'}?target=y&list=q&weight=w", seed=0)
    found = np.concatenate([split.weights for split in (lists.train, lists.validation, lists.test)])
    np.testing.assert_array_equal(np.sort(found), np.arange(ROWS // 4) + 1)


def test_several_targets_are_labels_or_numbers(tmp_path):
    truths = [("true", "false")[k % 2] for k in range(ROWS)]
    write(tmp_path / "t.csv", dict(a=NUMBERS, x=truths, z=[k // 2 % 2 for k in range(ROWS)], size=NUMBERS))
    data = load(f"csv:{tmp_path / 't.csv'}?target=x,z", seed=0)
    assert (data.kind, data.outputs, data.names) == ("labels", 2, ("x", "z"))
    assert data.train.inputs.shape[1] == 2
    data = load(f"csv:{tmp_path / 't.csv'}?target=a,size", seed=0)
    assert (data.kind, data.names, data.train.targets.dtype) == ("numbers", ("a", "size"), np.float32)
    data = load(f"csv:{tmp_path / 't.csv'}?target=x&kind=scores&positive=false", seed=0)
    assert (data.kind, data.names) == ("scores", ("true", "false"))


def test_numbers_are_read_as_python_reads_them(tmp_path):
    """Whether there are few different ones or many, in blocks of any size, with gaps or not."""
    values = RNG.normal(size=5000) * 10.0 ** RNG.integers(-20, 20, 5000)
    few = RNG.integers(-3, 3, 5000) / 4
    late = [repr(value) for value in values.tolist()]
    late[4000] = " NaN "
    write(
        tmp_path / "t.csv",
        dict(many=[repr(value) for value in values.tolist()], few=few, late=late, y=np.arange(5000) % 3),
    )
    raw = read_csv(tmp_path / "t.csv", "y")
    assert isinstance(raw.inputs, Table) and raw.inputs.gaps == (False, False, True)
    np.testing.assert_array_equal(raw.inputs.columns[0], values)
    np.testing.assert_array_equal(raw.inputs.columns[1], few)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(raw.inputs.columns[2])), [4000])
    np.testing.assert_array_equal(np.delete(raw.inputs.columns[2], 4000), np.delete(values, 4000))


def test_a_word_in_row_40_000_is_found_where_it_stands(tmp_path):
    """And so are words that begin where a column already has many different numbers."""
    values = [f"{value:.6f}" for value in RNG.normal(size=50_000)]
    spoilt = values.copy()
    spoilt[40_000 - 1] = "forty"
    write(tmp_path / "t.csv", dict(a=values, b=spoilt, y=np.arange(50_000) % 2))
    with pytest.raises(ValueError, match=r"t\.csv, line 40001, column 'b': 'forty' is not a finite number; correct it"):
        read_csv(tmp_path / "t.csv", "y")
    raw = read_csv(tmp_path / "t.csv", "y", missing="forty")
    assert np.flatnonzero(np.isnan(raw.inputs.columns[1])).tolist() == [39_999]
    spoilt[100] = str(2**53 + 1)
    write(tmp_path / "t.csv", dict(a=values, b=spoilt))
    with pytest.raises(ValueError, match=r"line 102, column 'b': 9007199254740993 lies beyond 2\^53"):
        read_csv(tmp_path / "t.csv", "b", missing="forty")


def test_mutated_tables_are_read_or_refused_in_words(tmp_path):
    """Bytes changed, cut out and doubled, anywhere in a table of words, gaps and decimal commas."""
    columns = dict(
        a=[v.replace(".", ",") for v in gaps(NUMBERS, 5)], word=gaps(COLORS, 7), ja=["yes", "no"] * 60, y=GRADES
    )
    write(tmp_path / "t.csv", columns, separator=";", quoting=csv.QUOTE_ALL)
    content, rng, ended = (tmp_path / "t.csv").read_bytes(), np.random.default_rng(0), {True: 0, False: 0}
    for _ in range(150):
        wrong, place = bytearray(content), int(rng.integers(len(content)))
        match rng.integers(4):
            case 0:
                wrong[place] = int(rng.integers(256))
            case 1:
                del wrong[place : place + int(rng.integers(1, 9))]
            case 2:
                wrong[place:place] = wrong[place : place + int(rng.integers(1, 9))]
            case _:
                del wrong[place:]
        (tmp_path / "wrong.csv").write_bytes(wrong)
        try:
            raw = read_csv(tmp_path / "wrong.csv", "y")
            assert len(raw.inputs) == len(raw.targets) and np.isfinite(raw.targets).all()
            ended[True] += 1
        except ValueError as error:
            assert len(str(error).split()) > 5, error
            ended[False] += 1
    assert min(ended.values()) > 20


def test_rows_without_a_target_are_left_out_and_counted(tmp_path):
    write(tmp_path / "t.csv", dict(a=gaps(NUMBERS, 50), y=gaps(GRADES, 50, "NA"), w=range(ROWS)))
    note = "3 of 120 rows have no target in 'y' (the first on line 2) and are left out"
    with pytest.warns(UserWarning, match=r"3 of 120 rows have no target in 'y' \(the first on line 2\)") as told:
        data = load(f"csv:{tmp_path / 't.csv'}?target=y&weight=w", seed=0)
    assert [warning.filename for warning in told] == [__file__]  # the line that asked for it
    assert data.notes == (note,)  # the gaps of column a were in these rows
    found = np.concatenate([split.weights for split in (data.train, data.validation, data.test)])
    assert sorted(found) == [k for k in range(ROWS) if k % 50]
    write(tmp_path / "t.csv", dict(a=NUMBERS, y=gaps(COLORS, 50, " "), z=gaps(GRADES, 60)))
    with pytest.warns(UserWarning, match="3 of 120 rows have no target in 'y'"):
        assert load(f"csv:{tmp_path / 't.csv'}?target=y&drop=z", seed=0).names == ("blue", "green", "red")
    write(tmp_path / "t.csv", dict(a=NUMBERS, y=gaps(["0", "1"] * 60, 50), z=gaps(["1", "0"] * 60, 60)))
    with pytest.warns(UserWarning, match="4 of 120 rows have no target in 'y' and 'z'"):
        assert load(f"csv:{tmp_path / 't.csv'}?target=y,z", seed=0).kind == "labels"


def test_a_list_needs_its_number(tmp_path):
    write(tmp_path / "t.csv", dict(q=gaps([str(k // 5) for k in range(ROWS)], 50), a=NUMBERS, y=GRADES))
    with pytest.raises(
        ValueError, match="line 2, column 'q': '' or another mark of a missing value; a row needs its list"
    ):
        load(f"csv:{tmp_path / 't.csv'}?target=y&list=q", seed=0)


def test_lines_are_counted_over_cells_of_several_lines(tmp_path):
    text = 'a,word,y\n1,"two\nlines",0\n\n2,"crlf\r\nhere",1\n3,plain,0\n'
    (tmp_path / "t.csv").write_text(f"{text}x,plain,1\n", newline="")
    with pytest.raises(ValueError, match="line 8, column 'a': 'x' is not a finite number"):
        read_csv(tmp_path / "t.csv", "y")
    (tmp_path / "t.csv").write_text(f"{text}4,plain\n", newline="")
    with pytest.raises(ValueError, match="line 8: 2 cells, expected 3"):
        read_csv(tmp_path / "t.csv", "y")


def test_many_rows(tmp_path):
    """Words, gaps and numbers of a table that is read in several blocks; all rows are there, in their order."""
    rows = 60_000
    color, number = RNG.integers(0, 3, rows), RNG.normal(size=rows).round(4)
    age = gaps([str(k) for k in RNG.integers(0, 90, rows)], 1000)
    names = np.array(["blue", "green", "red"])[color]
    write(tmp_path / "t.csv", dict(number=number, color=names, age=age, row=np.arange(rows), y=color))
    raw = read_csv(tmp_path / "t.csv", "y")
    assert raw.inputs.words == ((), ("blue", "green", "red"), (), ())
    for column, expected in zip(raw.inputs.columns, (number, color, None, np.arange(rows)), strict=True):
        if expected is not None:
            np.testing.assert_array_equal(column, expected)
    assert np.isnan(raw.inputs.columns[2]).sum() == rows / 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(f"csv:{tmp_path / 't.csv'}?target=y", seed=0).train.inputs.shape[1] == 1 + 3 + 2 + 1
