"""Sequences with a label for each step: what is read from a file, what is refused, and strings of digits."""

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
        with pytest.raises(ValueError, match="expected at least 3 strings of 1 to 100 digits"):
            digit_strings(n, size, 0)
    with pytest.raises(ValueError, match=r"unknown data set 'synthetic:digits'.*digit_strings"):
        data.load("synthetic:digits", seed=0)
