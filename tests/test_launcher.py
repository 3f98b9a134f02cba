"""The command line: what it accepts, what it prints, how it fails; one and several devices and processes."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.started import simulated

SHORT = ["--config.epochs=2", "--config.warm_epochs=1", "--config.data.limit=160", "--config.devices=1", "--nofigures"]
SINGLE = ["--config.losses=()", "--config.loss=cross_entropy", *SHORT]


def config_file(text):
    Path("mine.py").write_text(text)
    return "--config=mine.py"


START = "from jaxsurr.training import default_config, update\n\ndef get_config():\n    "

# --- what is refused --------------------------------------------------------------------------------------------------

WRONG = {
    "field": (["--config.epoch=3"], "the config has no field 'epoch'; did you mean 'epochs'"),
    "field of a part": (["--config.data.sorce=x"], "the config has no field 'data.sorce'; did you mean 'data.source'"),
    "part": (["--config.data={}"], "the config has no field 'data'"),
    "flag": (["--workdr=x"], "Unknown command line flag 'workdr'. Did you mean: workdir"),
    "type": (["--config.epochs=ten"], "invalid literal for int() with base 10: 'ten'"),
    "config file": (["--config=none.py"], "there is no config file 'none.py'; check the path after --config="),
    "config file and a field": (["--config=none.py", "--config.epochs=3"], "there is no config file 'none.py'"),
    "positional argument": (["digits"], "there are only flags, written --name=value; got 'digits'"),
    "metric": (["--config.metric=eror_rate"], "metric is 'eror_rate', which is unknown; did you mean 'error_rate'"),
    "option of a metric": (["--config.metric=top_k_error?n=2"], "top_k_error has no option 'n'"),
    "loss": (["--config.losses=cross_entropi"], "did you mean 'cross_entropy'"),
    "model": (["--config.model.name=liner"], "model.name is 'liner', which is unknown; did you mean 'linear'"),
    "source": (["--config.data.source=sklern:digits"], "unknown source 'sklern:digits'"),
    "data file": (["--config.data.source=csv:none.csv?target=y"], "there is no csv file 'none.csv'"),
    "batch size": (["--config.batch_size=5000"], "batch_size is 5000, but there are only"),
    "loss of a study": (["--config.loss=smoothed"], "--config.loss=smoothed would not be used"),
    "seeds of one run": (["--config.losses=()", "--config.seeds=3"], "seeds is 3, but one run has one seed"),
    "noise on levels": (
        ["--config.data.source=sklearn:diabetes", "--config.data.label_noise=0.4"],
        "label_noise is for kinds 'classes' and 'scores'",
    ),
    "number of processes": (["--num_processes=0"], "num_processes"),
    "coordinator": (["--coordinator_address=here"], "coordinator_address must be 'host:port'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_without_a_traceback(case, launch):
    arguments, message = WRONG[case]
    code, out, err = launch(*arguments, "--workdir=run")
    assert code not in (0, None)
    assert message in out + err
    assert "Traceback" not in out + err
    assert not Path("run").exists()


FILES = {
    "unknown field": (START + "return update(default_config(), epoch=3)\n", "no field 'epoch'; did you mean 'epochs'"),
    "field made by hand": (
        START + "config = default_config()\n    config.epoch = 3\n    return config\n",
        "no field 'epoch'; did you mean 'epochs'",
    ),
    "syntax": ("def get_config(:\n", "the config file cannot be used: SyntaxError"),
    "no function": ("x = 3\n", "has no attribute 'get_config'"),
    "name": ("def get_config():\n    return nothing\n", "name 'nothing' is not defined"),
    "nothing returned": (START + "pass\n", "get_config() must return the config"),
    "something else returned": (START + "return {'epochs': 3}\n", "get_config() must return the config"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_config_file_is_said_without_a_traceback(case, launch):
    text, message = FILES[case]
    code, out, err = launch(config_file(text), "--workdir=run")
    assert code == 1
    assert message in out + err
    assert "Traceback" not in out + err


def test_help_is_about_this_program(launch):
    code, out, err = launch("--help")
    assert code in (0, 1)  # absl ends with 1 after help
    text = out + err
    for word in ("python -m jaxsurr", "--config.epochs=10", "--workdir", "--coordinator_address", "--config:"):
        assert word in text
    assert len(text.splitlines()) < 60
    assert err == ""


# --- what is accepted -------------------------------------------------------------------------------------------------


def test_overrides_have_the_types_of_their_fields(launch):
    overrides = [
        "--config.learning_rate=1e-2",
        "--config.model.name=mlp",
        "--config.model.hidden=8,4",
        "--config.seed=7",
    ]
    code, out, err = launch(*SINGLE, *overrides, "--workdir=run")
    assert (code, err) == (0, "cross_entropy seed 7 epoch 2/2: " + err.split(": ")[-1])
    config = json.loads(Path("run/result.json").read_text())["config"]
    assert config["epochs"] == 2
    assert config["learning_rate"] == 0.01
    assert config["model"]["hidden"] == [8, 4]
    assert (config["seed"], config["seeds"], config["losses"]) == (7, 1, [])
    assert "| cross_entropy |" in out
    assert "Results: run" in out


LISTS = {
    "commas": ["--config.losses=cross_entropy,generalised_cross_entropy"],
    "a tuple": ["--config.losses=('cross_entropy', 'generalised_cross_entropy')"],
    "repeated": ["--config.losses=cross_entropy", "--config.losses=generalised_cross_entropy"],
}


def test_losses_with_options_on_the_command_line(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    seen = []
    monkeypatch.setattr(from_config, "make", lambda config, *_, **options: seen.append(tuple(config.losses)) or "done")
    assert launch("--config.losses=focal?gamma=1,embedding?hidden=32,16")[:2] == (0, "done\n")
    assert seen == [("focal?gamma=1", "embedding?hidden=32,16")]


@pytest.mark.parametrize("case", LISTS)
def test_losses_on_the_command_line(case, launch, monkeypatch):
    from jaxsurr.comparison import from_config

    seen = []
    monkeypatch.setattr(from_config, "make", lambda config, *_, **options: seen.append(tuple(config.losses)) or "done")
    assert launch(*LISTS[case])[:2] == (0, "done\n")
    assert seen == [("cross_entropy", "generalised_cross_entropy")]


def test_one_width_is_a_tuple(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    seen = []
    monkeypatch.setattr(from_config, "make", lambda config, *args, **options: seen.append(tuple(config.model.hidden)))
    assert launch("--config.model.hidden=64")[0] == 0
    assert seen == [(64,)]


def test_a_config_file_with_a_setting_and_an_override(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    seen = []
    monkeypatch.setattr(from_config, "make", lambda config, *args, **options: seen.append((config.seed, config.epochs)))
    text = START.replace("()", "(seed)") + "return update(default_config(), seed=int(seed))\n"
    assert launch(config_file(text) + ":5", "--config.epochs=30")[0] == 0
    assert seen == [(5, 30)]


def test_divergence_ends_with_a_sentence(launch):
    code, out, err = launch(*SINGLE, "--config.learning_rate=1e38", "--config.optimizer=sgd", "--workdir=run")
    assert code == 1
    assert re.search(r"FloatingPointError: the model diverged in epoch \d: ", err)
    assert "Traceback" not in out + err


def test_another_config_in_the_directory_ends_with_a_sentence(launch):
    assert launch(*SINGLE, "--workdir=run")[0] == 0
    code, _, err = launch(*SINGLE, "--config.seed=1", "--workdir=run")
    assert code == 1
    assert "belongs to a run with another config: seed (0 there, 1 here)" in err


def test_an_interruption_ends_with_a_sentence(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(from_config, "make", interrupted)
    code, _, err = launch("--workdir=run")
    assert (code, err) == (130, "Interrupted; the same command goes on where it stopped.\n")


def test_a_cache_that_cannot_be_written_is_said_once_and_the_command_goes_on(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    monkeypatch.setattr(from_config, "make", lambda *_, **options: "done")
    Path("file").write_text("")
    code, out, err = launch("--compilation_cache=file")
    assert (code, out) == (0, "done\n")
    assert err.startswith("Compiled programs are not kept, ") and len(err.splitlines()) == 1
    assert launch() == (0, "done\n", "")  # JAX_COMPILATION_CACHE_DIR says where, so that there is nothing to say


# --- devices and processes --------------------------------------------------------------------------------------------

LEARNED = [
    "--config.losses=()", "--config.epochs=2", "--config.warm_epochs=0", "--config.data.limit=160", "--nofigures",
    "--config.surrogate.num_pairs=2", "--config.surrogate.burn_in=0", "--config.batch_size=32",
]  # fmt: skip


def start(workdir, devices, *arguments, fields=LEARNED):
    command = [sys.executable, "-m", "jaxsurr", f"--workdir={workdir}", *fields, *arguments]
    return subprocess.Popen(command, env=simulated(devices), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def of_two():
    """Flags of two processes that train together."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return [f"--coordinator_address=localhost:{probe.getsockname()[1]}", "--num_processes=2"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The same job on one device, on two of one process under both engines, and on two processes of one device each."""
    folder = tmp_path_factory.mktemp("launched")
    together = of_two()
    processes = {
        "one": start(folder / "one", 1),
        "two devices": start(folder / "two devices", 2),
        "a mesh of two": start(folder / "a mesh of two", 2, "--config.engine=jit"),
        "first": start(folder / "two processes", 1, *together, "--process_id=0"),
        "second": start(folder / "two processes", 1, *together, "--process_id=1"),
    }
    try:
        outputs = {name: process.communicate(timeout=240) for name, process in processes.items()}
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
    for name, process in processes.items():
        assert process.returncode == 0, outputs[name][1]
    return folder, outputs


def assert_same_history(folder, expected):
    found, expected = (json.loads((path / "result.json").read_text())["history"] for path in (folder, expected))
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - {"phase"}:
            # Sums of another order, over a few steps; a validation row is 1 / 24.
            np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["two devices", "a mesh of two", "two processes"])
def test_several_devices_train_like_one(name, results):
    folder, _ = results
    assert_same_history(folder / name, folder / "one")
    assert json.loads((folder / name / "result.json").read_text())["devices"] == 2


def test_only_the_first_process_writes_and_prints(results):
    folder, outputs = results
    assert "| correlated_gradients |" in outputs["first"][0]
    assert "correlated_gradients" not in outputs["second"][0]  # Gloo prints a line
    lines = (folder / "two processes" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert len(list((folder / "two processes" / "tensorboard").iterdir())) == 1
    found = {path.name for path in (folder / "two processes").iterdir()}
    assert found == {"config.json", "metrics.jsonl", "result.json", "run.lock", "checkpoints", "tensorboard"}


def test_two_processes_make_a_comparison_and_the_first_writes_it(tmp_path):
    losses = "--config.losses=cross_entropy,cross_entropy?learning_rate=1e38"
    fields = [losses, "--config.seeds=1", "--config.epochs=3", "--config.optimizer=sgd", *LEARNED[3:5]]
    together = of_two()
    processes = [start(tmp_path / "run", 1, *together, f"--process_id={index}", fields=fields) for index in range(2)]
    (out, err), (other, _) = (process.communicate(timeout=240) for process in processes)
    assert [process.returncode for process in processes] == [0, 0], err
    assert "| diverged (1 of 1)" in out, out
    assert "cross_entropy" not in other
    lines = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    assert [(line["diverged"], line["devices"]) for line in lines] == [(False, 2), (True, 2)]
