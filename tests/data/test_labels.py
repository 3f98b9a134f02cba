"""Sources of several labels: tables, arrays, packages; labels that cannot be learned or are none."""

import numpy as np
import pytest

from jaxsurr import data
from jaxsurr.data import DataWarning, load

RNG = np.random.default_rng(0)
LABELS = (RNG.random((60, 3)) < 0.4).astype(int)
INPUTS = np.round(RNG.normal(size=(60, 2)) + LABELS[:, :2], 3)


def table(path, labels=LABELS):
    rows = [f"{a},{x},{b},{y},{c}" for (x, y), (a, b, c) in zip(INPUTS, labels, strict=True)]
    (path / "t.csv").write_text("\n".join(["tag_a,x,tag_b,y,other", *rows]))
    return f"csv:{path}/t.csv"


@pytest.mark.parametrize("target", ["tag_a,tag_b,other", "tag_*,other", "other,tag_a,tag_b"])
def test_columns_of_a_table(tmp_path, target):
    found = load(f"{table(tmp_path)}?target={target}&kind=labels", seed=0)
    assert (found.kind, found.outputs) == ("labels", 3)
    assert found.names == (("other", "tag_a", "tag_b") if target[0] == "o" else ("tag_a", "tag_b", "other"))
    assert "3 labels, inputs 2" in found.description
    assert found.train.targets.dtype == np.int32 and found.train.targets.shape[1] == 3
    every = np.concatenate([split.targets for split in (found.train, found.validation, found.test)])
    order = [("tag_a", "tag_b", "other").index(name) for name in found.names]
    assert sorted(map(tuple, every)) == sorted(map(tuple, LABELS[:, order]))


def test_arrays_and_an_official_test_set(tmp_path):
    arrays = dict(x_train=INPUTS, y_train=LABELS > 0, x_test=INPUTS[:7], y_test=LABELS[:7], named=["a", "b", "c"])
    np.savez(tmp_path / "a.npz", **arrays)
    found = load(f"npz:{tmp_path}/a.npz?names=named", kind="labels", seed=0)
    assert (found.kind, found.outputs, found.names, found.official_test) == ("labels", 3, ("a", "b", "c"), True)
    np.testing.assert_array_equal(found.test.targets, LABELS[:7])
    with pytest.raises(
        ValueError, match=r"shape \(60, 3\), expected \(60\); if it holds several labels .*&kind=labels"
    ):
        load(f"npz:{tmp_path}/a.npz", seed=0)


def test_sets_of_packages():
    found = load("sklearn:multilabel", seed=0)
    assert (found.kind, found.outputs) == ("labels", 5) and "is synthetic" in found.notes[0]
    pytest.importorskip("river", reason="needs the package river, which holds the data set")
    found = load("river:yeast", seed=0)
    assert (found.kind, found.outputs, found.train.inputs.shape[1]) == ("labels", 14, 103)
    assert sum(len(split.targets) for split in found[:3]) == 2417


def test_labels_that_never_change_are_told(tmp_path):
    with pytest.warns(DataWarning, match=r"1 of 3 labels are the same in all training rows \(tag_b: always 0\)"):
        found = load(f"{table(tmp_path, LABELS * [1, 0, 1])}?target=tag_*,other&kind=labels", seed=0)
    assert "cannot learn them" in found.notes[0]
    with pytest.raises(ValueError, match="every label is the same in all training rows"):
        load(f"{table(tmp_path, LABELS * 0 + 1)}?target=tag_a,tag_b&kind=labels", seed=0)


@pytest.mark.parametrize(
    ("labels", "query", "sentence"),
    [
        (LABELS + 1, "target=tag_*&kind=labels", r"t\.csv.* has 2 for label 'tag_.', expected 0 or 1"),
        (LABELS * 0.5, "target=tag_*&kind=labels", r"has 0\.5 .*soft labels are not read: cut them"),
        (2 * LABELS - 1, "target=tag_*&kind=labels", r"has -1 .*if -1 stands for absent, write 0"),
        (LABELS, "target=tag_c,other&kind=labels", r"no column 'tag_c'\. Did you mean 'tag_"),
        (LABELS, "target=*&kind=labels", "expected at least one more, as input"),
        (LABELS, "target=tag_*&kind=labels&list=other", "target of items of lists must be one number"),
        (LABELS, "target=tag_*&kind=labels&levels=3", "only for numeric targets; leave it out for labels"),
        (LABELS, "target=tag_*&kind=labels&at_least=1", "divides numeric targets into two classes"),
    ],
)
def test_what_is_none_is_refused_in_words(tmp_path, labels, query, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(f"{table(tmp_path, labels)}?{query}", seed=0)


def test_other_refusals(tmp_path):
    np.savez(tmp_path / "a.npz", x=INPUTS, y=LABELS[:, 0])
    with pytest.raises(ValueError, match="kind='labels' does not fit the targets"):
        load(f"npz:{tmp_path}/a.npz?kind=labels", seed=0)
    with pytest.raises(ValueError, match="kind='labels' does not fit the targets of 'sklearn:digits'"):
        load("sklearn:digits", seed=0, kind="labels")
    with pytest.raises(ValueError, match=r"unknown data set 'river:beast'.* 'yeast'"):
        load("river:beast", seed=0)
    with pytest.raises(ValueError, match="label_noise is for kinds 'classes' and 'scores'"):
        load("sklearn:multilabel", seed=0, label_noise=0.1)
    batch = next(data.batches(load("sklearn:multilabel", seed=0).test, 7))
    assert batch.targets.shape == (7, 5)
