"""Costs of decisions from files, arrays and frames: what is read of them, what is said, what is refused."""

import numpy as np
import pytest

from jaxsurr.data import DataWarning, from_arrays, from_frame, load, read_csv
from jaxsurr.data.codings import kinds_of

RNG = np.random.default_rng(0)
ROWS = 60
AMOUNT = np.round(RNG.gamma(2, 50, ROWS), 2)
FRAUD = RNG.random(ROWS) < 0.3
COSTS = np.stack([AMOUNT * FRAUD, np.full(ROWS, 20.0), 5.0 - FRAUD * 10], axis=1)
NAMES = ("cost_pass", "cost_check", "cost_call")
KIND = dict(seed=0, kind="example_costs")


def written(path, costs=COSTS, names=NAMES):
    rows = [
        ",".join(map(str, (amount, row, *of_row)))
        for row, (amount, of_row) in enumerate(zip(AMOUNT, costs, strict=True))
    ]
    path.write_text("\n".join([",".join(("amount", "day", *names)), *rows]) + "\n")
    return path


@pytest.fixture
def file(tmp_path):
    return written(tmp_path / "payments.csv")


def test_columns_of_a_file_are_the_costs_of_decisions_and_no_inputs(file):
    for target in ("cost_*", ",".join(NAMES)):
        data = load(f"csv:{file}?target={target}&kind=example_costs&drop=day", seed=0)
        assert (data.kind, data.outputs, data.names) == ("example_costs", 3, NAMES)
        assert data.train.inputs.shape[1] == 1 and data.train.targets.dtype == np.float32
        assert "costs of 3 decisions, inputs 1, " in data.description
        every = np.concatenate([part.targets for part in data[:3]])
        assert {tuple(row) for row in every.tolist()} == {tuple(row) for row in np.float32(COSTS).tolist()}
    assert kinds_of(COSTS) == ["numbers", "labels", "example_costs"]
    assert (
        load(f"csv:{file}?target=cost_pass,cost_call", seed=0).kind == "numbers"
    )  # unless it is said that they are costs
    mine = load(f"csv:{file}?target=cost_pass,cost_call&drop=day,cost_check&kind=example_costs", seed=0)
    assert (mine.outputs, mine.names) == (2, ("cost_pass", "cost_call"))


def test_arrays_frames_and_npz_files_hold_the_same(file, tmp_path):
    np.savez(tmp_path / "payments.npz", x=AMOUNT[:, None], y=COSTS)
    frame = {"amount": AMOUNT, **dict(zip(NAMES, COSTS.T, strict=True))}
    sources = (
        f"csv:{file}?target=cost_*&drop=day",
        f"npz:{tmp_path / 'payments.npz'}?kind=example_costs",
        from_arrays(AMOUNT[:, None], COSTS, kind="example_costs"),
        from_frame(frame, NAMES, kind="example_costs"),
    )
    first, *others = (load(source, **KIND) for source in sources)
    for data in others:
        assert (data.kind, data.outputs) == ("example_costs", 3)
        for part, wanted in zip(data[:3], first[:3], strict=True):
            np.testing.assert_array_equal(part.targets, wanted.targets)
            np.testing.assert_allclose(part.inputs, wanted.inputs, rtol=1e-6)


def test_gaps_leave_rows_out_and_weights_count(file):
    file.write_text(file.read_text().replace("20.0", "", 1))
    with pytest.warns(DataWarning, match="1 of 60 rows have no target in 'cost_pass' and 'cost_check' and"):
        data = load(f"csv:{file}?target=cost_*&kind=example_costs&weight=day", seed=0)
    assert sum(len(part.inputs) for part in data[:3]) == 59 and data.train.weights is not None
    assert data.train.inputs.shape[1] == 1


@pytest.mark.parametrize(
    ("costs", "sentence"),
    [
        (np.full((ROWS, 2), 3.0), "all decisions cost the same in each of the 43 training rows"),
        (np.stack([AMOUNT, AMOUNT + 1], axis=1), "no decision is cheaper than 'a' in any of the 43 training rows"),
    ],
)
def test_rows_that_leave_nothing_to_decide_are_said(costs, sentence):
    with pytest.warns(DataWarning, match=sentence):
        data = load(from_arrays(AMOUNT[:, None], costs, kind="example_costs", names=("a", "b")), seed=0)
    assert sentence in data.notes[-1]


def spoilt(place, value):
    costs = COSTS.copy()
    costs[place] = value
    return costs


@pytest.mark.parametrize(
    ("costs", "sentence"),
    [
        (spoilt((3, 1), np.nan), "y has 1 values that are NaN or infinite"),
        (spoilt((3, 1), np.inf), "y has 1 values that are NaN or infinite"),
        (COSTS[:, 0], "does not fit y"),
        (COSTS[:, :1], r"one target a row: pass y\[:, 0\]"),
        (spoilt((3, 1), 1e39), r"go up to 1e\+39 and those of a row differ by .*, which single precision cannot"),
        (1e9 + 1e-3 * COSTS, "subtract from the costs of each row the least of them"),
    ],
)
def test_costs_that_cannot_be_read_are_refused(costs, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(from_arrays(AMOUNT[:, None], costs, kind="example_costs"), seed=0)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("target=cost_pass&kind=example_costs", "kind='example_costs' does not fit the targets of"),
        ("target=cost_*&kind=example_costs&weight=cost_pass", "'cost_pass' has two roles among target"),
        ("target=cost_*&kind=example_costs&drop=cost_pass", "'cost_pass' has two roles among target"),
        ("target=cost_pass,cost_pass&kind=example_costs", "'cost_pass' is named twice as a target"),
        ("target=cost_pass,price&kind=example_costs", "has no column 'price'"),
        ("target=cost_*&kind=example_costs&levels=3", "only for numeric targets; leave it out for example_costs"),
    ],
)
def test_columns_that_do_not_fit_are_refused(file, query, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(f"csv:{file}?{query}", seed=0)


def test_words_and_infinities_in_a_column_of_costs_are_named_with_their_line(tmp_path):
    for cell in ("free", "inf"):
        file = written(tmp_path / f"{cell}.csv", spoilt_text(cell))
        with pytest.raises(ValueError, match="line 5, column 'cost_check'"):
            read_csv(file, "cost_*")


def spoilt_text(cell):
    costs = COSTS.astype(object)
    costs[3, 1] = cell
    return costs


def test_an_array_with_two_roles_is_refused(tmp_path):
    np.savez(tmp_path / "one.npz", x=COSTS)
    with pytest.raises(ValueError, match="'x' cannot be both the inputs and the targets"):
        load(f"npz:{tmp_path / 'one.npz'}?y=x&kind=example_costs", seed=0)
