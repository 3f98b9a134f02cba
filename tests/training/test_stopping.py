"""Runs and comparisons that are asked to end, at any step and by a signal, end as if they had never been asked."""

import itertools
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import jaxsurr
from jaxsurr.comparison import study
from jaxsurr.comparison.runs import RESULTS, compare, read_results
from jaxsurr.training import checkpoint, default_config, epochs, loop, prepare, run, stopping, update
from jaxsurr.training.config import as_dict, flatten
from tests.started import QUICK

SMALL = {
    "data.limit": 160, "data.label_noise": 0.0, "surrogate.num_pairs": 2, "surrogate.burn_in": 2, "devices": 1,
    "checkpoint.every": 2, "epochs": 3, "warm_epochs": 1, "batch_size": 32,
}  # fmt: skip
KINDS = {
    "some steps learn": {"loss": "correlated_gradients", "surrogate.outer_every": 2, "surrogate.family": "basis"},
    "in parameters": {
        "loss": "correlated_gradients", "surrogate.family": "basis", "surrogate.objective": "parameters",
        "surrogate.heldout": 0.3,
    },
    "falls back": {"loss": "correlated_gradients?fallback=True", "surrogate.family": "basis"},
    "chooses its start": {"loss": "correlated_gradients?start=auto", "surrogate.family": "basis"},
    "learned from the start": {"loss": "smoothed", "warm_epochs": 0, "checkpoint.every": 1},
}  # fmt: skip


class At:
    """Asks to stop at its calls of these numbers, from 1."""

    def __init__(self, *numbers):
        self.calls, self.numbers = 0, numbers

    def __call__(self):
        self.calls += 1
        return self.calls in self.numbers


def files(path):
    """What a run leaves, but for the time that it took, the checksum that covers it, and the events of TensorBoard."""
    found = {}
    for file in sorted(path.rglob("*")):
        name = str(file.relative_to(path))
        if file.suffix in (".jsonl", ".json") and "checkpoints" not in name:
            lines = file.read_text().splitlines()
            found[name] = [line for line in lines if '"seconds"' not in line and '"sha256"' not in line]
        elif file.parent.name == "checkpoints":
            found[name] = "a checkpoint"
    return found


def arrays(config, data, program, path):
    saved = checkpoint.Checkpoints(path / "checkpoints")
    template = epochs.state_after(config, loop.hold_out(config, data.train)[0], program, config.epochs)
    found, _ = saved.restore({"state": template, "best": template.params})
    saved.close()
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(checkpoint._without_keys(found))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_stops_at_any_steps_ends_bit_for_bit_like_a_whole_one(kind, tmp_path):
    config = update(default_config(), **SMALL | KINDS[kind])
    data, program = prepare(config)
    run(config, tmp_path / "whole", data=data, program=program)
    said = []
    for number in itertools.cycle((4, 5, 7, 11)):  # more than the burn-in and finished starts ask
        try:
            run(config, tmp_path / "again", data=data, program=program, stop=At(number))
            break
        except stopping.Stopped as stopped:
            said.append(str(stopped))
            assert not (tmp_path / "again" / "result.json").exists()
    assert len(said) > 1 and any("of epoch" in text for text in said)
    assert files(tmp_path / "again") == files(tmp_path / "whole")
    found = [arrays(config, data, program, tmp_path / name) for name in ("again", "whole")]
    assert found[0] == found[1]


def test_a_damaged_pause_is_said_and_the_checkpoint_before_it_serves(tmp_path):
    config = update(default_config(), **SMALL | {"loss": "cross_entropy"})
    data, program = prepare(config)
    run(config, tmp_path / "whole", data=data, program=program)
    with pytest.raises(stopping.Stopped, match="is saved after step 2 of 4 of epoch 3 in "):
        run(config, tmp_path / "again", data=data, program=program, stop=At(12))
    for file in (tmp_path / "again" / "paused").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.warns(UserWarning, match="This run goes on from an older checkpoint"):
        run(config, tmp_path / "again", data=data, program=program)
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_what_the_steps_told_is_kept_exactly():
    told = [
        jaxsurr.bilevel.StepInfo(
            np.float32(0.1), jaxsurr.core.types.Info(*np.float32([np.nan, 1 / 3, 0, 1, 2, 3, 1e-45, 0]))
        )
    ]
    told.append(
        jaxsurr.bilevel.StepInfo(np.ones(2, np.float64) / 3, jaxsurr.core.types.Info(*np.ones((8, 2, 3), np.float32)))
    )
    found = stopping.from_plain(stopping.plain(told))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(told), strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    for name in ("loss", jaxsurr.core.types.Info._fields[-1]):
        (kept,) = stopping.plain(told[:1])
        kept["of_another_version"] = kept.pop(name)
        with pytest.raises(ValueError, match="what its steps reported is of another version"):
            stopping.from_plain([kept])


# --- studies and comparisons ------------------------------------------------------------------------------------------


def until_done(function, every):
    """Calls again, later and later, until nothing asks any more; how often it was asked to stop, and the outcome."""
    for asked in itertools.count():
        try:
            return asked, function(At(round(every * 1.5**asked)))
        except stopping.Stopped:
            continue


def test_a_study_that_stops_again_and_again(tmp_path):
    config = update(default_config(), **SMALL | {"losses": ("cross_entropy", "smoothed"), "seeds": 1, "epochs": 3})
    expected = study(config, tmp_path / "whole")
    asked, found = until_done(lambda stop: study(config, tmp_path / "again", stop=stop), 9)
    assert asked > 1
    assert found["rows"] == expected["rows"]
    names = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()]
    for name in names:
        if name.name in ("metrics.jsonl", "table.md", "table.csv"):
            assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


COMPARED = SMALL | {"epochs": 2, "warm_epochs": 1, "model.hidden": (16,)}


def test_a_run_without_a_directory_says_that_it_is_made_again():
    config = update(default_config(), **COMPARED | {"loss": "cross_entropy"})
    with pytest.raises(stopping.Stopped, match="cross_entropy, seed 0, was ended after step 3 of 4 of epoch 1 and is "):
        loop.train(config, *prepare(config), stop=At(3))


def test_a_comparison_that_stops_again_and_again_has_nothing_twice(tmp_path):
    config = update(default_config(), **COMPARED)
    arguments = dict(losses=("cross_entropy",), seeds=2, figures=False)
    compare(config, workdir=tmp_path / "whole", **arguments)
    asked, _ = until_done(lambda stop: compare(config, workdir=tmp_path / "again", stop=stop, **arguments), 2)
    assert asked > 1
    assert (tmp_path / "again" / "table.csv").read_bytes() == (tmp_path / "whole" / "table.csv").read_bytes()
    lines = (tmp_path / "again" / RESULTS).read_text().splitlines()
    assert len(lines) == len(read_results(tmp_path / "whole" / RESULTS))
    assert not list((tmp_path / "again").glob("*.part"))


# --- signals ----------------------------------------------------------------------------------------------------------


def start(module, config, workdir):
    """A command with the config of a file, compiled as the tests are."""
    fields = flatten(as_dict(config))
    file = workdir.parent / "config.py"
    file.write_text(
        "from jaxsurr.training import default_config, update\n"
        f"def get_config():\n    return update(default_config(), **{fields!r})\n"
    )
    command = [sys.executable, "-m", module, f"--config={file}", f"--workdir={workdir}", "--nofigures", "--grace=60"]
    return subprocess.Popen(command, env=QUICK, stderr=subprocess.PIPE, text=True)


def wait_for_lines(path, number, *processes):
    until = time.monotonic() + 120
    while not path.exists() or len(path.read_bytes().splitlines()) < number:
        assert time.monotonic() < until
        assert all(process.poll() is None for process in processes), "it ended too early"
        time.sleep(0.02)


def test_handlers_are_put_back_and_a_signal_asks():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with stopping.on_signals(60) as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGTERM)
        until = time.monotonic() + 30
        while not stop() and time.monotonic() < until:
            time.sleep(0.01)
        assert stop() and stop.code == 143
        os.kill(os.getpid(), signal.SIGTERM)  # at once again, as timeout(1) sends it: the same one
        time.sleep(0.1)
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before


@pytest.mark.parametrize(
    "again, grace, reason", [(True, 60, "it came twice"), (False, 0.5, "nothing could be saved within 0.5 s")]
)
def test_a_process_that_cannot_be_saved_ends_too(again, grace, reason):
    source = (  # a process that is started in the background ignores SIGINT, and those that it starts
        "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from jaxsurr.training import stopping\n"
        f"with stopping.on_signals({grace}): print('now', flush=True); time.sleep(100)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        one.stdout.readline()
        one.send_signal(signal.SIGINT)
        if again:
            time.sleep(1.1)
            one.send_signal(signal.SIGINT)
        assert one.wait(timeout=60) == 130
        assert one.stderr.read().splitlines()[-1].startswith(f"Ended by SIGINT: {reason}")


def test_sigterm_ends_a_run_and_the_same_command_goes_on(tmp_path):
    config = update(default_config(), **SMALL | {"epochs": 60, "checkpoint.every": 50, "loss": "smoothed", "seed": 3})
    with start("jaxsurr", config, tmp_path / "again") as process:
        wait_for_lines(tmp_path / "again" / "metrics.jsonl", 3, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
        last = process.stderr.read().splitlines()[-1]
    assert last.startswith("Ended by SIGTERM: smoothed, seed 3, is saved after ")
    assert last.endswith("The same command goes on from there.")
    for name in ("again", "whole"):
        run(config, tmp_path / name)
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_sigterm_ends_a_comparison_and_the_same_command_goes_on(tmp_path):
    config = update(default_config(), **COMPARED | {"epochs": 20, "losses": ("cross_entropy",), "seeds": 2})
    with start("jaxsurr.compare", config, tmp_path / "again") as process:
        wait_for_lines(tmp_path / "again" / RESULTS, 1, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
        assert process.stderr.read().splitlines()[-1].startswith("Ended by SIGTERM: ")
    compare(config, workdir=tmp_path / "again", figures=False)
    lines = (tmp_path / "again" / RESULTS).read_text().splitlines()
    assert len(lines) == len(read_results(tmp_path / "again" / RESULTS)) == 2 * 3  # seeds, losses with the baselines
