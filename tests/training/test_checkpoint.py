"""Checkpoints: what is saved comes back to the bit, or is named and passed over."""

import contextlib
import random
import shutil
import warnings

import jax
import numpy as np
import pytest

import jaxsurr
from jaxsurr.core import files
from jaxsurr.core.renamed import FIELDS
from jaxsurr.training import manifest
from jaxsurr.training.checkpoint import Checkpoints


def arrays(number):
    return {"state": (np.full(3, number, np.float32), jax.random.key(number)), "best": {"w": np.int32(number)}}


@pytest.fixture
def checkpoints(tmp_path):
    made = Checkpoints(tmp_path / "checkpoints", keep=2)
    yield made
    made.close()


def test_nothing_is_made_before_something_is_saved(checkpoints):
    assert checkpoints.epoch() is None
    assert not checkpoints.directory.exists()
    with pytest.raises(ValueError, match=r"there is no checkpoint in .*checkpoints; the run has to be made first"):
        checkpoints.restore(arrays(0))


def test_what_is_saved_comes_back(checkpoints):
    progress = {"history": [{"loss": 0.1 + 0.2, "ceiling": None}], "best": {"validation": [0.25, 1e-300]}}
    checkpoints.save(3, arrays(7), progress)
    found, found_progress = checkpoints.restore(arrays(0))
    assert found_progress == progress
    vector, key = found["state"]
    assert vector.dtype == np.float32
    assert vector.tolist() == [7, 7, 7]
    assert jax.random.key_data(key).tolist() == jax.random.key_data(jax.random.key(7)).tolist()
    assert found["best"]["w"] == 7


def test_the_newest_are_kept_and_found_by_another(checkpoints):
    for epoch in (1, 2, 10):
        checkpoints.save(epoch, arrays(epoch), {"epoch": epoch})
    assert sorted(int(path.name) for path in checkpoints.directory.iterdir()) == [2, 10]
    other = Checkpoints(checkpoints.directory)
    assert other.epoch() == 10
    assert other.restore(arrays(0))[1] == {"epoch": 10}
    other.close()


def test_states_whose_fields_had_other_names_come_back(checkpoints):
    logits, labels = jax.random.normal(jax.random.key(0), (6, 3)), np.arange(6) % 3
    surrogate = jaxsurr.correlated_gradients(jaxsurr.metrics.error_rate)
    state = surrogate.init(jax.random.key(1), logits, labels)._replace(dot_sg=np.ones(1), dot_ss=np.full(1, 2.0))
    old = {new: old for old, new in FIELDS["SurrogateState"].items()}
    checkpoints.save(4, (arrays(7), {old.get(name, name): leaf for name, leaf in state._asdict().items()}), {})
    others, found = checkpoints.restore((arrays(0), surrogate.init(jax.random.key(2), logits, labels)))[0]
    assert others["best"]["w"] == 7 and type(found) is type(state)
    jax.tree.map(np.testing.assert_array_equal, found, state)


@pytest.mark.parametrize(
    "template",
    [{"state": arrays(0)["state"]}, arrays(0) | {"more": np.zeros(2)}, arrays(0) | {"best": {"w": np.zeros(4)}}],
    ids=["fewer", "more", "another shape"],
)
def test_a_checkpoint_of_something_else_is_refused(template, checkpoints):
    checkpoints.save(1, arrays(1), {})
    with pytest.raises(ValueError, match=r"no checkpoint in .*checkpoints can be read \(1: .*\). Put back a whole"):
        checkpoints.restore(template)


def test_what_was_left_of_an_interrupted_save_is_passed_over(checkpoints):
    checkpoints.save(1, arrays(1), {"epoch": 1})
    (checkpoints.directory / "2.orbax-checkpoint-tmp").mkdir()
    other = Checkpoints(checkpoints.directory)
    assert other.epoch() == 1
    other.save(2, arrays(2), {"epoch": 2})
    assert other.restore(arrays(0))[1] == {"epoch": 2}
    other.close()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("RESOURCE_EXHAUSTED: disk")])
def test_a_failed_save_leaves_the_older_ones(error, checkpoints, monkeypatch):
    import orbax.checkpoint as ocp

    checkpoints.save(1, arrays(1), {"epoch": 1})

    def full(*args, **options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ocp.CheckpointManager, "save", full)
        with pytest.raises(OSError, match=r"checkpoint of epoch 2 could not be written .* Older ones are untouched"):
            checkpoints.save(2, arrays(2), {"epoch": 2})
    assert checkpoints.restore(arrays(0))[1] == {"epoch": 1}
    checkpoints.save(2, arrays(2), {"epoch": 2})
    assert checkpoints.epoch() == 2


def test_a_disk_that_is_too_full_is_said_before_anything_is_begun(checkpoints, monkeypatch):
    checkpoints.save(1, arrays(1), {"epoch": 1})
    before = sorted(checkpoints.directory.rglob("*"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 2**15))
    with pytest.raises(OSError, match=r"checkpoint of epoch 2 could not be written in .*: No space left on device"):
        checkpoints.save(2, arrays(2), {"epoch": 2})
    assert sorted(checkpoints.directory.rglob("*")) == before


# --- checksums --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A directory with the checkpoints of epochs 1 and 2."""
    made = Checkpoints(tmp_path_factory.mktemp("two") / "checkpoints")
    for epoch in (1, 2):
        made.save(epoch, arrays(epoch), {"epoch": epoch, "history": [{"validation": 0.1 * epoch}]})
    made.close()
    return made.directory


def copied(directory, tmp_path):
    place = tmp_path / "copy"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(directory, place)
    return place


@contextlib.contextmanager
def opened(place):
    made = Checkpoints(place)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield made, said
    made.close()


def check_epoch(found, epoch):
    (vector, key), progress = found[0]["state"], found[1]
    assert vector.tolist() == [epoch] * 3
    assert jax.random.key_data(key).tolist() == jax.random.key_data(jax.random.key(epoch)).tolist()
    assert progress == {"epoch": epoch, "history": [{"validation": 0.1 * epoch}]}


def flip(path, draw):
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(data)


def names(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def test_every_file_has_a_checksum(two):
    kept = manifest.records.read_json(two / "2" / manifest.NAME)
    assert sorted(kept) == sorted(str(name) for name in names(two / "2") if name.name != manifest.NAME)
    assert len(kept) >= 5


def test_a_flipped_bit_of_any_file_is_named_and_the_older_one_serves(two, tmp_path):
    draw = random.Random(0)
    for name in names(two / "2"):
        place = copied(two, tmp_path)
        if not (place / "2" / name).stat().st_size:
            continue
        flip(place / "2" / name, draw)
        with opened(place) as (made, said):
            check_epoch(made.restore(arrays(0)), 1)
        (warning,) = said
        assert f"{place / '2'}: " in str(warning.message) and "epoch 1 is used" in str(warning.message)
        assert name.name in str(warning.message) or name.name == manifest.NAME


@pytest.mark.parametrize("damage", ["missing", "cut", "longer", "no text", "a list", "nested"])
def test_other_damage_is_passed_over_too(damage, two, tmp_path):
    place = copied(two, tmp_path)
    written = [place / "2" / name for name in names(place / "2") if name.name != manifest.NAME]
    file = max(written, key=lambda path: path.stat().st_size)
    if damage == "missing":
        file.unlink()
    elif damage in ("cut", "longer"):
        file.write_bytes(file.read_bytes()[:-1] if damage == "cut" else file.read_bytes() + b"\0")
    else:
        (place / "2" / manifest.NAME).write_bytes({"no text": b"\xff", "a list": b"[]", "nested": b"[" * 10**5}[damage])
    with opened(place) as (made, said):
        check_epoch(made.restore(arrays(0)), 1)
    assert len(said) == 1


def test_where_none_is_sound_a_sentence_names_all(two, tmp_path):
    place, draw = copied(two, tmp_path), random.Random(1)
    for epoch in ("1", "2"):
        flip(place / epoch / "_CHECKPOINT_METADATA", draw)
    with (
        opened(place) as (made, _),
        pytest.raises(ValueError, match=r"no checkpoint in .* can be read \(2: .*; 1: .*\)"),
    ):
        made.restore(arrays(0))


def test_checkpoints_of_earlier_versions_are_used_as_they_are(two, tmp_path):
    place = copied(two, tmp_path)
    for epoch in ("1", "2"):
        (place / epoch / manifest.NAME).unlink()
    with opened(place) as (made, said):
        check_epoch(made.restore(arrays(0)), 2)
    assert "copy/2 has no checksums" in str(said[0].message)


def test_one_without_checksums_serves_only_where_no_other_does(two, tmp_path):
    place = copied(two, tmp_path)
    (place / "2" / manifest.NAME).unlink()
    with opened(place) as (made, said):
        check_epoch(made.restore(arrays(0)), 1)
    assert "copy/2: it has no checksums" in str(said[0].message)


def test_what_was_passed_over_is_replaced(two, tmp_path):
    place = copied(two, tmp_path)
    flip(place / "2" / "_CHECKPOINT_METADATA", random.Random(2))
    with opened(place) as (made, said):
        made.restore(arrays(0))
        made.save(2, arrays(2), {"epoch": 2, "history": [{"validation": 0.2}]})
        said.clear()
        check_epoch(made.restore(arrays(0)), 2)
        assert said == [] and sorted(path.name for path in place.iterdir()) == ["1", "2"]


def test_the_template_may_depend_on_the_epoch(two, tmp_path):
    asked = []
    with opened(copied(two, tmp_path)) as (made, _):
        check_epoch(made.restore(lambda epoch: asked.append(epoch) or arrays(0)), 2)
    assert asked == [2]


def test_older_ones_stay_until_the_newest_has_its_checksums(checkpoints, monkeypatch):
    for epoch in (1, 2):
        checkpoints.save(epoch, arrays(epoch), {"epoch": epoch})

    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            checkpoints.save(3, arrays(3), {"epoch": 3})
    assert {"1", "2"} <= {path.name for path in checkpoints.directory.iterdir()}
    with pytest.warns(UserWarning, match="checkpoints/3: it has no checksums"):
        assert checkpoints.restore(arrays(0))[1] == {"epoch": 2}
