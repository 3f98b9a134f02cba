"""Runs and comparisons of arrays and frames that are handed over: as of a file, and not with other ones."""

import json

import numpy as np
import pytest

import jaxsurr
from jaxsurr.comparison.from_config import study
from jaxsurr.data import from_arrays, from_frame
from jaxsurr.training import default_config, prepare, run, update
from jaxsurr.training.stopping import Stopped

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(90, 3)), np.arange(90) % 3
SOURCE, OTHER = from_arrays(X, Y), from_arrays(X + 1, Y)


def small(**fields):
    return update(default_config(), loss="cross_entropy", epochs=2, batch_size=16, devices=1, **fields)


def test_a_run_of_arrays_is_that_of_a_file(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    of_file = run(small(**{"data.source": f"npz:{tmp_path / 'a.npz'}"}), tmp_path / "file")
    config = small()
    result = run(config, tmp_path / "run", data=SOURCE)
    assert config.data.source == "sklearn:digits"  # the caller's config stays as it is
    for name in ("validation", "test", "history"):
        assert result[name] == of_file[name]
    assert result["config"]["data"]["source"] == SOURCE.text
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["source"] == SOURCE.text
    assert run(small(), tmp_path / "run", data=from_arrays(X.copy(), Y.copy())) == result
    for other in (OTHER, from_frame({"a": X[:, 0], "b": Y}, "b")):
        with pytest.raises(
            ValueError, match=r"belongs to a run with another config: data\.source \('arrays:sha256=.* there"
        ):
            run(small(), tmp_path / "run", data=other)
    with pytest.raises(ValueError, match=r"another config: data\.source .*'sklearn:digits' here"):
        run(small(), tmp_path / "run")
    data, program = prepare(small(), data=SOURCE)
    shared = run(update(small(), **{"data.source": SOURCE.text}), tmp_path / "shared", data=data, program=program)
    assert shared["validation"] == result["validation"]


def test_a_comparison_of_a_frame(tmp_path):
    words = np.array(["low", "mid", "high"])[Y]
    frame = {"a": np.where(X[:, 0] > 1, np.nan, X[:, 0]), "word": words, "y": Y}
    source, said = from_frame(frame, "y", kind="classes"), []
    options = dict(workdir=tmp_path, figures=False)
    config = small(losses=("cross_entropy", "focal"), seeds=2)
    found = study(config, tmp_path / "study", data=source, say=said.append)
    assert [run["config"]["data"]["source"] for run in found["runs"]] == [source.text] * 4
    assert said[0].startswith("Data: 1 column of words as 3 columns of 0 and 1 (word 3); ")
    assert said[0].removesuffix(".") in (tmp_path / "study" / "table.md").read_text()
    assert f"on {source.text}, linear" in (tmp_path / "study" / "table.md").read_text()
    assert study(config, tmp_path / "study", data=source)["rows"] == found["rows"]
    with pytest.raises(ValueError, match=r"belongs to a run with another config: data\.source"):
        study(config, tmp_path / "study", data=OTHER)
    with pytest.raises(ValueError, match="stands for arrays or a frame that were handed over"):
        jaxsurr.compare(update(config, **{"data.source": source.text}), **options)
    with pytest.raises(Stopped):
        jaxsurr.compare(config, data=source, stop=lambda: True, **options)
    assert json.loads((tmp_path / "config.json").read_text())["data"]["source"] == source.text
