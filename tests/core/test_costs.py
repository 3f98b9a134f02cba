"""Cost matrices: what is read from a file, and what is refused in a sentence."""

import numpy as np
import pytest

from jaxsurr.core.costs import checked, costs_of, read_costs

MATRIX = ((0.0, 1.0, 2.5), (3.0, 0.0, 1.0), (1e3, 1.0, 0.25))


def test_a_matrix_is_read_from_either_kind_of_file(tmp_path):
    (tmp_path / "costs.csv").write_text("\ufeff0,1,2.5\n3, 0,1\n\n1e3,1,.25\n")
    np.save(tmp_path / "costs.npy", np.array(MATRIX))
    np.save(tmp_path / "turned.npy", np.asfortranarray(MATRIX))
    for name in ("costs.csv", "costs.npy", "turned.npy"):
        assert read_costs(str(tmp_path / name)) == MATRIX


TEXTS = {
    "header": ("a,b\n0,1\n1,0\n", r"line 1, column 1: 'a' is no number. Write numbers only"),
    "gap": ("0,1\n,0\n", "line 2, column 1: '' is no number"),
    "decimal commas": ("0;1\n1;0\n", "'0;1' is no number"),
    "digits of Python": ("0,1_0\n1,0\n", "'1_0' is no number"),
    "one row more": ("0,1\n1,0\n2,2\n", "has 3 rows, but row 1 has 2 numbers: a cost matrix is square"),
    "a long cell": ("0," + "x" * 500, "'" + "x" * 80 + "' is no number"),
    "negative": ("0,1\n-2,0\n", "has the cost -2 of deciding 0 where 1 is true; costs must be finite and at least 0"),
    "NaN": ("0,nan\n1,0\n", "the cost nan of deciding 1 where 0 is true"),
    "infinite": ("0,1\n1e39,0\n", r"the cost 1e\+39 of deciding 0"),
    "one class": ("0\n", r"must be a square matrix \[K, K\] of costs, got shape \[1, 1\]"),
    "nothing": ("", "must be a square matrix"),
    "bytes": (b"\xff\xfe0,1", "is not a comma-separated text file in UTF-8"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_no_matrix_is_refused_with_the_place(case, tmp_path):
    text, sentence = TEXTS[case]
    path = tmp_path / "costs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=sentence) as refused:
        read_costs(str(path))
    assert "costs.csv" in str(refused.value)


def test_files_that_are_no_matrix_are_refused(tmp_path):
    path = tmp_path / "costs.npy"
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*costs\.npy'; name a csv or npy file"):
        read_costs(str(path))
    with pytest.raises(ValueError, match="is no regular file"):
        read_costs(str(tmp_path))
    for odd in (3, ("a", "b.csv")):
        with pytest.raises(ValueError, match="the path of a csv or npy file, without commas"):
            read_costs(odd)
    np.save(path, np.array(MATRIX))
    whole = path.read_bytes()
    for damaged in (whole[:-8], whole[:30], b"", b"PK\x03\x04", whole.replace(b"(3, 3)", b"(9, 9)")):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"no whole npy file of numbers|square matrix"):
            read_costs(str(path))
    np.save(path, np.array([[0, {}], [1, 0]], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="no whole npy file of numbers"):
        read_costs(str(path))
    np.save(path, np.array([["0", "1"], ["1", "0"]]))
    with pytest.raises(ValueError, match="square matrix"):
        read_costs(str(path))


@pytest.mark.parametrize("odd", ["costs.csv", 3, ((0, 1), (2,)), np.zeros((2, 3)), np.zeros((2, 2, 2)), [["0", 1]]])
def test_other_things_are_no_matrix(odd):
    with pytest.raises(ValueError, match=r"matrix must be a square matrix \[K, K\] of costs, got"):
        checked(odd)


def test_without_a_matrix_every_wrong_decision_costs_one():
    assert costs_of(None, 3).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    with pytest.raises(ValueError, match="matrix is 3 by 3, but predictions are of 2 classes"):
        costs_of(MATRIX, 2)
