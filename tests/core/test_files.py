"""Files are whole or not at all, whoever writes them at the same time and whatever fails."""

import errno
import os
import threading
from pathlib import Path

import jax
import matplotlib.figure
import pytest

import jaxsurr
from jaxsurr import metrics, report, surrogates
from jaxsurr.core import files
from jaxsurr.training import records

SURROGATE = surrogates.smoothed(metrics.error_rate)
STATE = SURROGATE.init(
    jax.random.key(0), *jaxsurr.sample(jaxsurr.spaces.class_logits, jax.random.key(1), 8, 4)
)  # fmt: skip


def _figure(path):
    figure = matplotlib.figure.Figure(figsize=(0.2, 0.2))
    report.save(figure, path)


WRITERS = {
    "bytes": lambda path: files.replace(path, b"x" * 100_000),
    "text": lambda path: records.write_text(path, "x" * 100_000),
    "json": lambda path: records.write_json(path, {"a": [0.1] * 10_000}),
    "lines": lambda path: records.write_lines(path, [{"a": 0.1}] * 10_000),
    "surrogate": lambda path: jaxsurr.save(path, SURROGATE, STATE, card={"a": "x" * 9_000}),
    "figure": _figure,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_threads_that_write_one_path_leave_it_whole(writer, tmp_path):
    write, path, failed = WRITERS[writer], tmp_path / "it.png", []
    write(path)
    whole = path.read_bytes()
    barrier = threading.Barrier(4)

    def work():
        try:
            barrier.wait()
            for _ in range(2 if writer == "figure" else 5):
                write(path)
                assert path.read_bytes() == whole
        except BaseException as error:  # of a thread, which pytest does not see
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert path.read_bytes() == whole and os.listdir(tmp_path) == ["it.png"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_was_there_stays_when_writing_fails(writer, fails, tmp_path, monkeypatch):
    path = tmp_path / "it.png"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left on device"):
        WRITERS[writer](path)
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["it.png"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_as_any_new_file_and_on_disk_with_its_name(writer, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").write_bytes(b"")
    path, synced, sync = tmp_path / "it.png", [], os.fsync
    path.symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(
        os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")) or sync(number)
    )
    WRITERS[writer](path)
    assert path.stat().st_mode == (tmp_path / "elsewhere").stat().st_mode
    assert not path.is_symlink() and (tmp_path / "elsewhere").read_bytes() == b""  # a link is replaced, not followed
    assert synced[-1] == str(tmp_path) and synced[0].startswith(str(path))


# --- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_added_and_a_cut_one_is_ended(tmp_path):
    path = tmp_path / "lines"
    files.append(path, b"one\n")
    files.append(path, b"two\nthree\n")
    path.write_bytes(path.read_bytes() + b"cut")
    files.append(path, b"four\n")
    assert path.read_bytes() == b"one\ntwo\nthree\ncut\nfour\n"


class Small:
    """A file whose disk has room for three bytes more."""

    def __init__(self, file):
        self.file, self.room = file, 3

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, self.room = self.file.write(data[: self.room]), 0
        return taken


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("when", ["a part is taken", "on the way to the disk"])
def test_lines_that_do_not_fit_are_taken_back(when, tmp_path, monkeypatch):
    path = tmp_path / "lines"
    files.append(path, b"one\n")
    if when == "a part is taken":
        usual = open
        monkeypatch.setattr(files, "open", lambda *args, **options: Small(usual(*args, **options)), raising=False)
    else:
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.append(path, b"two\nthree\n")
    assert path.read_bytes() == b"one\n"


def test_an_error_says_the_path_and_what_can_be_done(tmp_path):
    path = tmp_path / "nowhere" / "x"
    sentence = r"nowhere/x could not be written: No such file.* is untouched\. Ask\.$"
    with pytest.raises(FileNotFoundError, match=sentence), files.writing(path, "Ask."):
        files.replace(path, b"")


def test_only_one_module_writes_files():
    """Benchmarks, which lose nothing, may write by themselves."""
    package = Path(jaxsurr.__file__).parent
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[:2] != ("core", "files.py") and "benchmarks" not in path.parts:
            code = [line for line in path.read_text().splitlines() if ">>>" not in line and "..." not in line]
            text = "\n".join(code).replace("records.write_text(", "")
            for writes in ("os.replace(", ".write_text(", ".write_bytes(", '.open("w', '.open("a'):
                assert writes not in text, f"{path}: {writes}"
