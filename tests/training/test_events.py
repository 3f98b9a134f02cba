"""TensorBoard events are a convenience: whatever goes wrong with them is said once, and the run goes on."""

import sys
import time
import warnings

import pytest

from jaxsurr.training.events import TensorBoard

event_file_writer = pytest.importorskip("tensorboardX.event_file_writer")
ENTRIES = [{"epoch": epoch, "phase": "conventional", "loss": 0.5, "validation": [0.25, 0.75]} for epoch in (1, 2, 3)]


def written(path):
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        while content:  # a record: length (8 bytes), its check sum (4), the event, its check sum (4)
            length = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + length])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            content = content[16 + length :]
    return found


def test_numbers_become_events(tmp_path):
    with TensorBoard(tmp_path / "t", 0) as log:
        for entry in ENTRIES:
            log.write(entry)
    values = [("loss", 0.5), ("validation", 0.25), ("validation_1", 0.75)]
    assert written(tmp_path / "t") == [(entry["epoch"], *value) for entry in ENTRIES for value in values]


def test_two_starts_within_a_second_leave_two_files(tmp_path):
    for done in (0, 1):
        with TensorBoard(tmp_path, done) as log:
            log.write(ENTRIES[done])
    assert {step for step, _, _ in written(tmp_path)} == {1, 2}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OverflowError("too large"), ImportError("x")]
)
@pytest.mark.parametrize("where", ["__init__", "write_event", "flush", "close"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_fault_is_said_once_and_ends_nothing(where, call, error, tmp_path, monkeypatch):
    calls, usual = [], getattr(event_file_writer.EventsWriter, where)

    def broken(*args, **options):
        calls.append(where)
        if len(calls) >= call:
            raise error
        return usual(*args, **options)

    monkeypatch.setattr(event_file_writer.EventsWriter, where, broken)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with TensorBoard(tmp_path, 0) as log:
            for entry in ENTRIES:
                log.write(entry)
    assert len(said) == (len(calls) >= call)
    for warning in said:
        assert "no more TensorBoard events are written" in str(warning.message) and str(error) in str(warning.message)


def test_without_the_library_a_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.warns(UserWarning, match="no more TensorBoard events"), TensorBoard(tmp_path, 0) as log:
        log.write(ENTRIES[0])


def test_an_error_of_the_run_is_not_hidden(tmp_path):
    with pytest.raises(KeyError, match="of the run"), TensorBoard(tmp_path, 0):
        raise KeyError("of the run")


@pytest.mark.parametrize("jump", [-3600.0, -1e9, 1e9])
def test_a_clock_that_is_set_changes_nothing(jump, tmp_path, monkeypatch):
    usual = time.time
    with TensorBoard(tmp_path, 0) as log:
        log.write(ENTRIES[0])
        monkeypatch.setattr(time, "time", lambda: usual() + jump)
        for _ in range(50):  # more than any queue holds
            log.write(ENTRIES[1])
    assert len(written(tmp_path)) == 3 * 51
