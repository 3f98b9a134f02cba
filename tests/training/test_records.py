"""Records of a run: written whole, read back, refused when they are of another config."""

import json
import os

import pytest

from jaxsurr.training import records
from jaxsurr.training.config import GONE

CONFIG = {"seed": 0, "data": {"source": "sklearn:digits", "limit": 0}}


def test_a_new_directory_gets_the_config(tmp_path):
    path = records.open_workdir(tmp_path / "a" / "b", CONFIG)
    assert path == tmp_path / "a" / "b"
    assert json.loads((path / "config.json").read_text()) == CONFIG
    assert [file.name for file in path.iterdir()] == ["config.json"]


def test_a_directory_opens_again_for_its_config(tmp_path):
    records.open_workdir(tmp_path, CONFIG)
    before = (tmp_path / "config.json").stat().st_mtime_ns
    assert records.open_workdir(tmp_path, CONFIG) == tmp_path
    assert (tmp_path / "config.json").stat().st_mtime_ns == before


def test_checking_writes_nothing(tmp_path):
    assert records.check_workdir(tmp_path / "new", CONFIG) == tmp_path / "new"
    assert not (tmp_path / "new").exists()


def test_another_config_is_refused_with_the_fields_that_differ(tmp_path):
    records.open_workdir(tmp_path, CONFIG)
    other = {"seed": 0, "data": {"source": "idx:DIR", "limit": 9}, "epochs": 3}
    message = (
        r"data.limit \(0 there, 9 here\), data.source \('sklearn:digits' there, 'idx:DIR' here\), "
        r"epochs \(60 there, 3 here\). Nothing was changed there; choose another --workdir."
    )
    with pytest.raises(ValueError, match=message):
        records.open_workdir(tmp_path, other)
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG


def test_a_config_from_before_a_field_was_known_meant_its_default(tmp_path):
    records.open_workdir(tmp_path, CONFIG)
    records.open_workdir(tmp_path, CONFIG | {"fallback": False})
    with pytest.raises(ValueError, match=r"fallback \(False there, True here\)"):
        records.check_workdir(tmp_path, CONFIG | {"fallback": True})


def test_a_config_that_was_kept_with_an_old_word_is_that_of_the_new_one(tmp_path):
    def config(kind):
        return CONFIG | {"data": CONFIG["data"] | {"kind": kind}}

    records.open_workdir(tmp_path, config("points"))
    for kind in ("keypoints", "points"):
        assert records.check_workdir(tmp_path, config(kind)) == tmp_path
    with pytest.raises(ValueError, match=r"data.kind \('keypoints' there, 'levels' here\)"):
        records.check_workdir(tmp_path, config("levels"))


@pytest.mark.parametrize("name", GONE)
def test_a_field_that_is_no_more_must_have_had_its_default(name, tmp_path):
    part, field = name.split(".")
    before = CONFIG | {part: {field: GONE[name]}}
    records.open_workdir(tmp_path, before)
    assert records.check_workdir(tmp_path, CONFIG | {part: {}}) == tmp_path
    assert records.differences(before, CONFIG) == records.differences(CONFIG, CONFIG) == ""
    wanted = f"{name} (0.5 there, no such field any more here)"
    assert records.differences(CONFIG | {part: {field: 0.5}}, CONFIG) == wanted


def test_of_many_fields_four_are_named(tmp_path):
    records.open_workdir(tmp_path, {f"f{i}": 0 for i in range(9)})
    with pytest.raises(ValueError, match=r"f3 \(0 there, 1 here\) and 5 more\."):
        records.open_workdir(tmp_path, {f"f{i}": 1 for i in range(9)})


@pytest.mark.parametrize("name", ["run", "run/below"])
def test_a_file_is_no_directory(name, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(ValueError, match="run is a file, and a work directory is needed; choose another --workdir"):
        records.open_workdir(tmp_path / name, CONFIG)
    assert (tmp_path / "run").read_text() == "mine"


def test_files_of_others_do_no_harm(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    records.open_workdir(tmp_path, CONFIG)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["[1]", "3", "null"])
def test_json_that_is_no_config_is_refused(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config.json is not the config of a run"):
        records.open_workdir(tmp_path, CONFIG)


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe"])
def test_damaged_json_is_said_with_advice(content, tmp_path):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.json is damaged, it is not whole JSON \(.*\). Ask\."):
        records.read_json(tmp_path / "x.json", "Ask.")


def test_a_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    records.write_json(path, {"a": 1})

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"x.json could not be written: No space left on device. What was there before"):
        records.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_lines(tmp_path):
    path = tmp_path / "lines.jsonl"
    records.write_lines(path, [{"a": 1}, {"a": None}])
    records.append_line(path, {"a": 0.1})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}, {"a": None}, {"a": 0.1}]
