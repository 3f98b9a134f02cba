"""A data set says, with counts, what of its source was changed or left out, and nothing where it was taken as it is."""

import warnings

import numpy as np
import pytest

import jaxsurr
from jaxsurr.data import load


@pytest.fixture
def places(tmp_path):
    """Sources of 100 rows by a short name."""
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},7.5,{k % 4},{k // 5},{c:.4f}" for k, (a, b, c) in enumerate(rng.normal(size=(100, 3)))]
    (tmp_path / "t.csv").write_text("a,b,same,grade,list,price\n" + "\n".join(rows))
    (tmp_path / "rare.csv").write_text("a,y\n" + "".join(f"{k},{5 if k == 41 else k % 2}\n" for k in range(100)))
    points = rng.uniform(1, 9, (100, 3, 2))
    size = np.where(np.arange(100) % 4, 2.0, 0.0)
    x, y = rng.normal(size=(100, 2)), np.arange(100) % 3
    np.savez(tmp_path / "p.npz", x=x, kp=points, size=size)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez(tmp_path / "t.npz", x=x, y=y, x_test=x, y_test=y)
    np.savez(tmp_path / "v.npz", x_train=x, y_train=y, x_test=x, y_test=y, x_val=x, y_val=y)
    return {
        "table": f"csv:{tmp_path}/t.csv?target=grade",
        "price": f"csv:{tmp_path}/t.csv?target=price",
        "rare": f"csv:{tmp_path}/rare.csv?target=y",
        "points": f"npz:{tmp_path}/p.npz?points=kp&scale=size",
        "arrays": f"npz:{tmp_path}/a.npz",
        "tested": f"npz:{tmp_path}/t.npz",
        "validated": f"npz:{tmp_path}/v.npz",
    }


CONSTANT = "1 of 4 input columns do not vary among the training rows and are 0 (same)"
CASES = {
    "nothing": ("arrays", {}, []),
    "a limit that does nothing": ("arrays", {"limit": 85}, []),
    "a limit": ("arrays", {"limit": 60}, ["25 of 85 rows to train and validate on are left out (limit=60)"]),
    "noise": (
        "arrays",
        {"label_noise": 0.4},  # 13 rows to validate, 72 to train on
        ["34 of 85 training and validation labels are redrawn at random over all 3 classes (label_noise=0.4)"],
    ),
    "a column that does not vary": ("table", {}, [CONSTANT.replace("of 4", "of 5")]),
    "two classes of levels": (
        "table&at_least=3",
        {},
        ["targets of at least 3 are class 1 (25 of 100 rows), all others class 0", CONSTANT.replace("of 4", "of 5")],
    ),
    "levels": (
        "price&levels=5",
        {},
        [
            "the 99 distinct targets are cut into 5 levels at the quantiles of the training rows",
            CONSTANT.replace("of 4", "of 5"),
        ],
    ),
    "lists": ("table&list=list", {}, [CONSTANT]),
    "dealt lists": (
        "table&list_size=8",
        {},
        ["100 rows are dealt at random into 13 lists of up to 8", CONSTANT.replace("of 4", "of 5")],
    ),
    "points without a size": (
        "points",
        {},
        ["p.npz: 25 of 100 rows have scale 0, no size to divide errors by, and are dropped"],
    ),
    "test rows without training rows": ("tested", {}, ["t.npz: x_test is not read; there is no x_train"]),
    "rows that nobody reads": ("validated", {}, ["v.npz: x_val is not read; rows to validate on come from x_train"]),
}


IDS = {  # of 40 rows: whether a column is said to number the rows
    "from 0": (range(40), True),
    "from 1": (range(1, 41), True),
    "from 1000, some left out": ([1000 + k + k // 4 for k in range(40)], True),
    "in another order": ([7 * k % 40 for k in range(40)], True),
    "with fractions": ([k + 0.5 for k in range(40)], False),
    "one of them twice": ([max(k, 1) for k in range(40)], False),
    "far apart": ([k * k for k in range(40)], False),
    "with a gap": (["", *range(39)], False),
}


@pytest.mark.parametrize("given", ["csv", "a csv of words and gaps", "frame", "arrays"])
@pytest.mark.parametrize("case", IDS)
def test_a_column_that_numbers_the_rows_is_pointed_out(case, given, tmp_path):
    ids, said = IDS[case]
    words = given == "a csv of words and gaps"
    frame = {"key": list(ids), "a": [k * k % 7 if k or not words else "" for k in range(40)], "y": [0, 1, 1, 2] * 10}
    frame |= {"b": ["u", "v"] * 20} if words else {}
    file = tmp_path / "t.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in [tuple(frame), *zip(*frame.values(), strict=True)]))
    if given == "arrays":
        x = np.array([[np.nan if cell == "" else cell for cell in frame[name]] for name in ("key", "a")], float).T
        source = jaxsurr.data.from_arrays(x, frame["y"], columns=("key", "a"))
    elif given == "frame":
        source = jaxsurr.data.from_frame(frame, "y")
    else:
        source = f"csv:{file}?target=y"
    note = (
        "the column 'key' holds whole numbers that differ in every row; if it only names the row, leave it out "
        "(drop=key)"
    )
    assert [found for found in load(source, seed=0).notes if "every row" in found] == said * [note]


def test_a_few_rows_may_be_numbered_by_chance(tmp_path):
    (tmp_path / "t.csv").write_text("id,y\n" + "".join(f"{k},{k % 2}\n" for k in range(19)))
    assert load(f"csv:{tmp_path}/t.csv?target=y", seed=0).notes == ()


PAIRS = {  # words of a target of two, and whether it is said which of them is 1
    ("bad", "good"): True,
    ("late", "on time"): True,
    ("No", "Yes"): False,
    ("false", "true"): False,
    ("negative", "positive"): False,
    ("0", "1"): False,
    ("3", "5"): False,
}


@pytest.mark.parametrize("pair", PAIRS)
def test_which_of_two_words_is_1_is_said(pair, tmp_path):
    rows = "".join(f"{k * k % 7},{pair[k % 2]}\n" for k in range(40))
    (tmp_path / "t.csv").write_text("a,y\n" + rows)
    source = f"csv:{tmp_path}/t.csv?target=y&kind=scores"
    note = (
        f"the target {pair[1]!r} is 1 and {pair[0]!r} is 0, in the order of the alphabet; '&positive={pair[0]}' makes "
        "it the other way about"
    )
    found = load(source, seed=0)
    assert list(found.notes) == PAIRS[pair] * [note] and found.names == pair
    for positive in pair:
        asked = load(f"{source}&positive={positive}", seed=0)
        assert asked.names[1] == positive and asked.notes == ()
    frame = {"a": [k * k % 7 for k in range(40)], "y": list(pair) * 20}
    assert list(load(jaxsurr.data.from_frame(frame, "y", kind="scores"), seed=0).notes) == PAIRS[pair] * [note]


@pytest.mark.parametrize("case", CASES)
def test_what_was_changed_or_left_out_is_said(case, places):
    place, options, notes = CASES[case]
    name, _, query = place.partition("&")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load(places[name] + (f"&{query}" if query else ""), seed=0, **options)
    assert list(data.notes) == notes


def test_classes_without_a_training_row_are_said(places):
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(20):
            data = load(places["rare"], seed=seed, kind="classes")
            learned = set(data.train.targets.tolist())
            found.append(2 not in learned)
            said = [note for note in data.notes if "1 of 3 classes have rows to validate or test on" in note]
            assert bool(said) == found[-1]
    assert 0 < sum(found) < 20


def test_counts_are_those_of_the_rows(places):
    clean, noisy = (load(places["arrays"], seed=3, label_noise=share) for share in (0.0, 1.0))
    assert "85 of 85 training and validation labels" in noisy.notes[0]
    np.testing.assert_array_equal(clean.test.targets, noisy.test.targets)


def test_a_source_of_a_stranger_is_taken_as_it_is(places):
    """The default config redraws, drops and cuts nothing."""
    from jaxsurr.training import default_config, update
    from jaxsurr.training.loop import load_data

    mine = load(places["arrays"], seed=0, test_fraction=0.3)
    found = load_data(update(default_config(), **{"data.source": places["arrays"]}))
    assert found.notes == ()
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(found, part).targets, getattr(mine, part).targets)
