"""One run or study at a time in a work directory; a lock ends with its process."""

import json
import os
import signal
import subprocess
import sys

import pytest

from jaxsurr.comparison import study
from jaxsurr.training import default_config, locks, prepare, records, run, update
from tests.started import QUICK

TINY = {
    "data.limit": 120, "epochs": 2, "warm_epochs": 1, "batch_size": 32, "devices": 1, "surrogate.burn_in": 1,
    "surrogate.num_pairs": 2, "loss": "cross_entropy",
}  # fmt: skip


def tiny(**fields):
    return update(default_config(), **TINY, **fields)


@pytest.fixture(scope="module")
def single():
    config = tiny()
    return config, *prepare(config)


def test_a_lock_excludes_others_and_ends(tmp_path):
    path = tmp_path / "it.lock"
    with locks.lock(path, wait=False) as first, locks.lock(path, wait=False) as second:
        assert (first, second) == (True, False)
    with locks.lock(path, wait=False) as again:
        assert again


def test_the_second_run_says_who_is_at_work(single, tmp_path):
    config, data, program = single
    said = []

    def second(event):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(BlockingIOError) as caught:
            run(config, tmp_path, data=data, program=program)
        said.append(str(caught.value))
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    result = run(config, tmp_path, data=data, program=program, report=second)
    assert len(said) == 2
    assert f"{tmp_path} is in use: process {os.getpid()} on " in said[0] and "choose another --workdir" in said[0]
    assert not (tmp_path / locks.HOLDER).exists()
    assert [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert run(config, tmp_path, data=data, program=program) == result


def test_the_second_study_and_a_run_in_one_of_its_directories_say_so(tmp_path):
    config, said = tiny(losses=("cross_entropy",)), []

    def second(event):
        alone = update(config.copy_and_resolve_references(), losses=())
        for again in (lambda: study(config, tmp_path), lambda: run(alone, tmp_path / "cross_entropy-seed0")):
            with pytest.raises(BlockingIOError, match=f"is in use: process {os.getpid()}") as caught:
                again()
            said.append(str(caught.value))

    study(config, tmp_path, report=second)
    assert len(said) == 4 and "cross_entropy-seed0 is in use" in said[1]


def test_what_another_has_made_meanwhile_is_returned(single, tmp_path, monkeypatch):
    config, data, program = single
    made, opened = [], records.open_workdir

    def open_late(workdir, kept):
        if not made:
            made.append(None)
            made[0] = run(config, workdir, data=data, program=program)
        return opened(workdir, kept)

    monkeypatch.setattr(records, "open_workdir", open_late)
    events = []
    assert run(config, tmp_path, data=data, program=program, report=events.append) == made[0]
    assert events == []


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path):
    source = (
        "import pathlib, sys; from jaxsurr.training import locks\n"
        "with locks.alone(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", source, str(tmp_path)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen(command, env=QUICK, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match=f"in use: process {process.pid} on "), locks.alone(tmp_path):
            pytest.fail("it is held")
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    assert (tmp_path / locks.HOLDER).exists()  # nobody could remove it
    with locks.alone(tmp_path):
        assert json.loads((tmp_path / locks.HOLDER).read_text())["process"] == os.getpid()


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00", "[" * 100_000])
def test_a_holder_that_cannot_be_read_is_another_process(content, tmp_path):
    with locks.alone(tmp_path):
        (tmp_path / locks.HOLDER).write_text(content)
        with pytest.raises(BlockingIOError, match="in use: another process is at work"), locks.alone(tmp_path):
            pytest.fail("it is held")


@pytest.mark.parametrize("index", [0, 1])
def test_of_several_processes_the_first_holds_it_and_the_others_get_to_know(index, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(locks.jax, "process_index", lambda: index)
    monkeypatch.setattr(locks, "agreed", lambda value: asked.append(value) or answer)
    answer = True
    with locks.alone(tmp_path):
        assert (tmp_path / locks.HOLDER).exists() == (index == 0)
    answer = False
    held, refused = locks.lock(tmp_path / "run.lock"), pytest.raises(BlockingIOError, match="is in use")
    with held, refused, locks.alone(tmp_path):
        pytest.fail("it is held")
    assert asked == [True, index != 0]


def test_the_comparison_can_be_imported_without_fcntl():
    source = "import sys; sys.modules['fcntl'] = None; import jaxsurr.comparison.runs"
    blocked = "import filelock; " + source  # filelock itself knows how to do without
    subprocess.run([sys.executable, "-c", blocked], env=QUICK, check=True)
