"""Sequences with a label for each step: what is read from a file, what is refused, and strings of digits."""

import jax
import numpy as np
import pytest

from jaxsurr import data
from jaxsurr.data.steps import digit_strings

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5, 3)), RNG.integers(2, 5, (40, 5))
LENGTHS = np.arange(40) % 6


def load(tmp_path, query="kind=tokens", **arrays):
    np.savez(tmp_path / "steps.npz", **{"x": X, "y": Y} | arrays)
    return data.load(f"npz:{tmp_path / 'steps.npz'}?{query}", seed=0)


def test_features_are_standardised_over_the_steps_that_there_are(tmp_path):
    odd = np.where((np.arange(5) < LENGTHS[:, None])[..., None], X, np.nan)
    found = load(tmp_path, "lengths=n", x=odd, n=LENGTHS)
    assert (found.kind, found.outputs, found.names) == ("tokens", 3, ("2", "3", "4"))
    within = np.arange(5) < found.train.targets.lengths[:, None]
    np.testing.assert_allclose(found.train.inputs[within].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.train.inputs[within].std(axis=0), 1, rtol=1e-5)
    assert not np.any(found.train.inputs[~within])
    for split in found[:3]:
        assert split.targets.tokens.dtype == split.targets.lengths.dtype == np.int32
        assert split.inputs.dtype == np.float32
    assert found.notes == ("steps.npz: 7 sequences have length 0",)


def test_labels_count_from_zero_and_negative_ones_are_told_of(tmp_path):
    labels = 10 * Y
    labels[0, :2] = -100
    found = load(tmp_path, y=labels.astype(float))
    assert found.names == ("20", "30", "40")
    assert found.notes == ("steps.npz: 2 of 200 steps have a negative label and do not count",)
    whole = np.concatenate([split.targets.tokens for split in found[:3]])
    assert sorted(whole.ravel().tolist()) == sorted(np.where(labels < 0, -1, Y - 2).ravel().tolist())
    assert load(tmp_path, "kind=tokens&names=words", words=np.array(["a", "b", "c"])).names == ("a", "b", "c")


def test_symbols_become_one_hot(tmp_path):
    symbols = RNG.choice([3, 7, 30], (40, 5))
    found = load(tmp_path, "lengths=n", x=symbols, n=LENGTHS)
    assert found.train.inputs.shape[1:] == (5, 3)
    assert found.notes[0] == "steps.npz: the 3 distinct symbols of 'x' are one-hot inputs"
    within = np.arange(5) < found.train.targets.lengths[:, None]
    assert all(len(np.unique(column)) == 2 for column in found.train.inputs[within].T)
    assert load(tmp_path, x=X[..., 0]).train.inputs.shape[1:] == (5, 1)


def test_an_official_test_set(tmp_path):
    parts = {"x_train": X, "y_train": Y, "x_test": X[:7], "y_test": Y[:7]}
    np.savez(tmp_path / "steps.npz", **parts)
    found = data.load(f"npz:{tmp_path / 'steps.npz'}?kind=tokens", seed=0)
    assert found.official_test and len(found.test.inputs) == 7


REFUSED = {
    "mask for lengths": ({"n": np.ones((40, 5))}, "lengths=n", r"as a mask has, expected \(40,\).*mask\.sum\(axis=1\)"),
    "lengths beyond": ({"n": LENGTHS + 1}, "lengths=n", "holds the length 6, expected 0 to 5 steps"),
    "negative lengths": ({"n": LENGTHS - 1}, "lengths=n", "holds the length -1, expected 0 to 5 steps"),
    "broken lengths": ({"n": LENGTHS + 0.5}, "lengths=n", "holds 0.5, expected integer lengths"),
    "lengths NaN": ({"n": LENGTHS * np.nan}, "lengths=n", "lengths that are NaN or infinite"),
    "too few lengths": ({"n": LENGTHS[:3]}, "lengths=n", r"has shape \(3,\), expected \(40,\)"),
    "no lengths": ({}, "lengths=n", "has no array 'n'"),
    "one label a row": ({"y": Y[:, 0]}, "kind=tokens", r"has shape \(40,\), expected \(N, T\), a label for each step"),
    "broken labels": ({"y": Y + 0.5}, "kind=tokens", r"holds [\d.]+, expected integer labels"),
    "labels NaN": ({"y": Y * np.nan}, "kind=tokens", "labels that are NaN or infinite"),
    "one label": ({"y": 0 * Y}, "kind=tokens", "the steps have 1 distinct labels, expected at least 2"),
    "words": ({"y": Y.astype(str)}, "kind=tokens", "has dtype <U.*, expected numbers"),
    "another number of steps": ({"x": X[:, :4]}, "kind=tokens", r"has shape \(40, 4, 3\), expected \(40, 5\) and"),
    "NaN": ({"x": X * np.nan}, "kind=tokens", "has 600 values that are NaN or infinite"),
    "names": ({"w": np.array(["a"])}, "kind=tokens&names=w", "names 1 labels but has 3"),
    "points": ({}, "kind=tokens&points=p", "has 'points', which tokens do not have"),
    "other kind": ({}, "kind=levels&lengths=n", "has no array 'n'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_set_of_sequences_is_refused_in_words(case, tmp_path):
    arrays, query, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path, query, **arrays)


def test_too_many_symbols_and_other_kinds_are_refused(tmp_path):
    many = {"x": np.arange(1200).reshape(240, 5), "y": RNG.integers(0, 2, (240, 5))}
    with pytest.raises(ValueError, match="1200 distinct symbols, and at most 1000 become one-hot"):
        load(tmp_path, **many)
    with pytest.raises(ValueError, match="kind='levels' does not fit the targets"):
        load(tmp_path, "kind=levels&lengths=n", n=LENGTHS)
    with pytest.raises(ValueError, match="label_noise is for kinds 'classes' and 'scores'"):
        data.load(f"npz:{tmp_path / 'steps.npz'}?lengths=n", seed=0, label_noise=0.1)


def test_strings_of_digits_have_each_image_once():
    made = digit_strings(2000, 5, seed=3)
    within = np.arange(5) < made.targets.lengths[:, None]
    assert np.bincount(made.targets.lengths, minlength=6)[1:].tolist() == [120, 120, 120, 120, 119]
    assert len(np.unique(made.inputs[within], axis=0)) == within.sum() > 1780
    assert not np.any(made.inputs[~within])
    assert len(digit_strings(10, 2, seed=0).inputs) == 10
    for n, size in ((2, 5), (10, 0), (10, 101)):
        with pytest.raises(ValueError, match="must be an integer of at least"):
            digit_strings(n, size, 0)
    with pytest.raises(ValueError, match=r"unknown data set 'synthetic:digits'.*digit_strings"):
        data.load("synthetic:digits", seed=0)


# --- rows of a table --------------------------------------------------------------------------------------------------

WORDS, TAGS = ("the", "dog", "saw", "a", "cat"), ("D", "N", "V", "D", "N")
ROWS = [(place // 4, WORDS[place * 7 % 5], place % 4, TAGS[place * 7 % 5]) for place in range(78)]


def table(path, rows=ROWS):
    path.write_text("\n".join(["sentence,word,place,tag", *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_rows_of_a_table_are_steps_in_their_order(tmp_path):
    file = table(tmp_path / "tags.csv", sorted(ROWS, key=lambda row: row[2]))  # sequences need not be together
    found = data.load(f"csv:{file}?target=tag&sequence=sentence", seed=0)
    assert (found.kind, found.outputs, found.names) == ("tokens", 3, ("D", "N", "V"))
    assert found.notes[0] == "78 rows are the steps of 20 sequences of up to 4"
    raw = data.read_csv(file, "tag", sequence="sentence")
    assert raw.targets.lengths.tolist() == [4] * 19 + [2]
    said = [[raw.names[label] for label in row[:end]] for row, end in zip(*raw.targets, strict=True)]
    assert said == [[row[3] for row in ROWS if row[0] == number] for number in range(20)]
    assert found.train.inputs.shape[1:] == (4, 6)  # five words and the place
    within = np.arange(4) < found.train.targets.lengths[:, None]
    assert not np.any(found.train.inputs[~within])


def test_frames_hold_the_same_and_weights_are_those_of_sequences(tmp_path):
    columns = zip(*ROWS, strict=True)
    frame = dict(zip(("sentence", "word", "place", "tag"), map(list, columns), strict=True))
    frame["weight"] = [1.0 + sentence % 3 for sentence in frame["sentence"]]
    source = data.from_frame(frame, "tag", sequence="sentence", weight="weight")
    plain = data.read_csv(table(tmp_path / "tags.csv"), "tag", sequence="sentence")
    np.testing.assert_array_equal(source.raw.targets.tokens, plain.targets.tokens)
    assert source.raw.weights.tolist() == [1.0 + number % 3 for number in range(20)]
    assert data.load(source, seed=0).train.weights is not None


def test_a_parquet_file_holds_the_same(tmp_path):
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    columns = dict(zip(("sentence", "word", "place", "tag"), map(list, zip(*ROWS, strict=True)), strict=True))
    parquet.write_table(arrow.table(columns), tmp_path / "tags.parquet")
    held, plain = (
        data.load(f"{source}?target=tag&sequence=sentence", seed=0)
        for source in (f"parquet:{tmp_path / 'tags.parquet'}", f"csv:{table(tmp_path / 'tags.csv')}")
    )
    assert held.notes == plain.notes and held.names == plain.names
    jax.tree.map(np.testing.assert_array_equal, held.train, plain.train)


def test_steps_without_a_label_do_not_count_and_are_told_of(tmp_path):
    rows = [(*row[:3], "" if place in (0, 5) else row[3]) for place, row in enumerate(ROWS)]
    found = data.read_csv(table(tmp_path / "tags.csv", rows), "tag", sequence="sentence")
    assert found.targets.tokens[0, 0] == found.targets.tokens[1, 1] == -1
    assert found.notes[-1] == "2 of 78 steps have no label, or a negative one, and do not count"
    rows = [(*row[:3], -100 if place == 0 else 10 * (place % 3)) for place, row in enumerate(ROWS)]
    found = data.read_csv(table(tmp_path / "numbers.csv", rows), "tag", sequence="sentence")
    assert found.names == ("0", "10", "20") and found.targets.tokens[0].tolist() == [-1, 1, 2, 0]


@pytest.mark.parametrize(
    ("rows", "query", "sentence"),
    [
        (ROWS, "target=tag&sequence=sentense", "has no column 'sentense'"),
        (ROWS, "target=tag&sequence=tag", "'tag' has two roles among target, list, sequence"),
        (ROWS, "target=place,tag&sequence=sentence", "steps of sequences have one label each"),
        (ROWS, "target=tag&sequence=sentence&list=place", "steps of sequences have one label each"),
        (ROWS, "target=tag&sequence=sentence&kind=classes", "kind='classes' does not fit the targets"),
        ([(row[0], *row[1:3], "D") for row in ROWS], "target=tag&sequence=sentence", "have 1 distinct labels"),
        ([(row[0], *row[1:3], row[2] + 0.5) for row in ROWS], "target=tag&sequence=sentence", "0.5 is no label of"),
        ([(n, *row[1:]) for n, row in enumerate(ROWS)], "target=tag&sequence=sentence", "every sequence has one step"),
        ([("", *row[1:]) for row in ROWS], "target=tag&sequence=sentence", "line 2, column 'sentence'.*its sequence"),
    ],
)
def test_rows_that_are_no_steps_are_refused(rows, query, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        data.load(f"csv:{table(tmp_path / 'tags.csv', rows)}?{query}", seed=0)
