"""Kinds of targets: raw targets are coded as each kind needs them, or refused in a sentence."""

import numpy as np
import pytest

from jaxsurr.data import load
from jaxsurr.data.codings import CODINGS, Request, kinds_of
from jaxsurr.data.raw import Raw

COLUMN = np.array([3.0, 5.0, 5.0, 3.0, 5.0, 3.0])


def coded(kind, targets, *, names=(), unordered=False, **asked):
    raw = Raw(np.zeros(len(targets)), targets, names=names, unordered=unordered)
    splits = [targets[:4], targets[4:5], targets[5:]]
    return CODINGS[kind].code(splits, raw, Request("here", **asked))


def test_two_values_are_scores_of_0_and_1():
    found = coded("scores", COLUMN)
    assert np.concatenate(found.splits).tolist() == [0, 1, 1, 0, 1, 0]
    assert found.splits[0].dtype == np.int32 and found.splits[0].shape == (4,)
    assert (found.outputs, found.names, found.notes) == (2, ("3", "5"), [])
    assert np.concatenate(coded("scores", COLUMN, positive="3").splits).tolist() == [1, 0, 0, 1, 0, 1]


def test_the_second_word_or_the_one_asked_for_is_1():
    words = dict(names=("no", "yes"), unordered=True)
    codes = np.array([1, 0, 0, 1, 1, 0])
    assert np.concatenate(coded("scores", codes, **words).splits).tolist() == codes.tolist()
    found = coded("scores", codes, positive="no", **words)
    assert np.concatenate(found.splits).tolist() == (1 - codes).tolist() and found.names == ("yes", "no")


def test_one_value_against_all_others_is_said():
    found = coded("scores", np.array([1, 2, 3, 2, 2, 1]), positive="2")
    assert np.concatenate(found.splits).tolist() == [0, 1, 0, 1, 1, 0]
    assert found.notes == ["targets of 2 are 1 (3 of 6 rows), those of 2 other values are 0"]


def test_labels_and_numbers():
    several = np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1], [1, 1]], bool)
    found = coded("labels", several, names=("a", "b"))
    np.testing.assert_array_equal(np.concatenate(found.splits), several)
    assert (found.outputs, found.names, found.splits[0].dtype) == (2, ("a", "b"), np.int32)
    found = coded("numbers", COLUMN + 0.25)
    np.testing.assert_array_equal(np.concatenate(found.splits), COLUMN + 0.25)
    assert (found.outputs, found.splits[0].dtype) == (1, np.float32)
    assert coded("numbers", np.stack([COLUMN, COLUMN[::-1]], axis=1)).outputs == 2


@pytest.mark.parametrize(
    ("kind", "targets", "options", "message"),
    [
        ("scores", np.arange(6), {}, r"two values, and 'here' has 6 \(0, 1, 2, 3, 4, \.\.\.\); name .*positive=VALUE"),
        ("scores", np.ones(6), {}, r"two values, and 'here' has 1 \(1\)$"),
        ("scores", COLUMN, {"positive": "4"}, "positive='4': 'here' has no such target; it has 3, 5"),
        ("scores", np.array([3, 3, 3, 3, 5, 5]), {}, "training rows of 'here' all are '5' or none is"),
        ("labels", np.array([[0, 1], [2, 1]] * 3), {"names": ("a", "b")}, "here has 2 for label 'a', expected 0 or 1"),
        ("numbers", np.ones(6), {}, "are all .*, so there is nothing to learn"),
        ("numbers", np.array([[1, 2], [1, 3]] * 3), {}, "are all .*, so there is nothing to learn"),
        ("numbers", COLUMN * 1e39, {}, "up to 5e\\+39 and vary by"),
        ("numbers", COLUMN, {"names": ("a", "b"), "unordered": True}, r"are words \(a, b\), expected numbers"),
        ("levels", COLUMN, {"names": ("a", "b"), "unordered": True}, r"words \(a, b\), which have no order.*&order="),
    ],
)
def test_refuses(kind, targets, options, message):
    with pytest.raises(ValueError, match=message):
        coded(kind, targets, **options)


def test_kinds_by_form():
    assert kinds_of(COLUMN) == ["classes", "levels", "scores", "numbers"]
    assert {"numbers", "labels"} <= {*kinds_of(np.zeros((3, 2)))}


def test_a_source_is_asked_for_a_kind(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(60) % 2 + 7)
    source = f"npz:{tmp_path / 'a.npz'}"
    data = load(f"{source}?kind=scores&positive=7", seed=0)
    assert (data.kind, data.outputs, data.names) == ("scores", 2, ("8", "7"))
    assert load(f"{source}?kind=numbers", seed=0).train.targets.dtype == np.float32
    with pytest.raises(ValueError, match="positive='7' is for kind 'scores', the kind here is 'classes'"):
        load(f"{source}?positive=7", seed=0)
