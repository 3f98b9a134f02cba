import jax
import numpy as np
import pytest

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


@pytest.mark.parametrize(
    "template",
    [{"state": arrays(0)["state"]}, arrays(0) | {"more": np.zeros(2)}, arrays(0) | {"best": {"w": np.zeros(4)}}],
    ids=["fewer", "more", "another shape"],
)
def test_a_checkpoint_of_something_else_is_refused(template, checkpoints):
    checkpoints.save(1, arrays(1), {})
    with pytest.raises(ValueError, match=r"checkpoints/1 cannot be read \(.*\). Delete that folder"):
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
