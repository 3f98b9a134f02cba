"""Every documented command runs on tiny data; a command line of any kind ends in a table or in a sentence."""

import ast
import importlib.util
import itertools
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from jaxsurr.comparison.everything import FROM_BEST
from jaxsurr.training import default_config, update
from jaxsurr.training.checking import AUTO, validate
from jaxsurr.training.config import flatten
from jaxsurr.training.loop import prepare

ROOT = Path(__file__).resolve().parents[1]

# --- documented commands ----------------------------------------------------------------------------------------------


def texts():
    """README, and the docstrings of modules, configs and long tests, by the path of their file."""
    yield "README.md", (ROOT / "README.md").read_text()
    folders = ("jaxsurr", "configs", "tests/long")
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.get_docstring(ast.parse(path.read_text())) or ""


def commands():
    """`(file, module, arguments)` of every command in them, without those that show a part of one."""
    for file, text in texts():
        for found in re.finditer(r"python -m ((?:jaxsurr|tests\.long)\b[\w.]*)((?:[^`\n\\]|\\\n)*)", text):
            arguments = shlex.split(found[2].replace("\\\n", " ").split(" # ")[0], comments=False)
            flags_only = list(itertools.takewhile(lambda word: word.startswith("--"), arguments))
            yield file, found[1], tuple(flags_only)


FOUND = list(dict.fromkeys(commands()))
LAUNCHED = [case for case in FOUND if case[1] in ("jaxsurr", "jaxsurr.compare") and case[2] != ("--help",)]
STUDIES = [case for case in FOUND if case[1].startswith(("jaxsurr.benchmarks.", "tests.long."))]


def test_all_commands_are_found():
    assert {"README.md", "jaxsurr/__main__.py", "jaxsurr/compare.py", "configs/lsp_pose.py"} <= {c[0] for c in LAUNCHED}
    assert len(LAUNCHED) > 20 and len(STUDIES) > 12


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Data of the kinds that commands name: tables, `images.npz` (classes, ages, points), and the four files of idx."""
    folder, rng = tmp_path_factory.mktemp("tiny"), np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{k % 7}" for k, (a, b) in enumerate(rng.normal(size=(160, 2)))]
    for target in ("grade", "response"):
        (folder / f"{target}.csv").write_text(f"a,b,{target}\n" + "\n".join(rows) + "\n")
    arrays = {"joint_names": np.array(["r_knee", "l_knee"])}
    for part, number in (("train", 120), ("test", 40)):
        arrays |= {
            f"x_{part}": rng.integers(0, 256, (number, 32, 32), np.uint8),
            f"y_{part}": np.arange(number) % 3,
            f"age_{part}": np.arange(number) % 3,
            f"kp_{part}": rng.uniform(4, 28, (number, 2, 2)),
            f"visible_{part}": np.ones((number, 2), np.uint8),
            f"torso_{part}": np.full(number, 9.0),
        }
    np.savez(folder / "images.npz", **arrays)
    for part, number in (("train", 120), ("t10k", 40)):
        for name, array in (
            ("images-idx3", rng.integers(0, 256, (number, 28, 28))),
            ("labels-idx1", np.arange(number) % 3),
        ):
            head = np.array([0x800 + array.ndim, *array.shape], ">u4").tobytes()
            (folder / f"{part}-{name}-ubyte").write_bytes(head + array.astype(np.uint8).tobytes())
    return folder


def on_tiny_data(arguments, tiny):
    """A documented command with files that are there, and what it leaves open chosen."""
    arguments = [word.replace(":SETTING", ":ndcg").replace("NAME...", "response&list_size=8") for word in arguments]
    points = "npz:FILE?points=kp&visible=visible&scale=torso&names=joint_names"
    arguments = [word.replace("=SOURCE", f"={points}").replace("configs/", f"{ROOT}/configs/") for word in arguments]
    if not any("data.source" in word for word in arguments) and any("fashion_mnist" in word for word in arguments):
        arguments.append("--config.data.source=idx:FILES")  # as its docstring says of each
    files = {
        r"idx:(DIR|FILES)$": f"idx:{tiny}",
        r"npz:FILE": f"npz:{tiny}/images.npz",
        r"csv:(FILE|table.csv|mine.csv)(\?target=(\w+))": rf"csv:{tiny}/\3.csv\2",
    }
    for pattern, file in files.items():
        arguments = [re.sub(pattern, file, word) for word in arguments]
    return arguments


IDS = [f"{file}-{number}" for number, (file, *_) in enumerate(LAUNCHED)]


@pytest.mark.parametrize("case", LAUNCHED, ids=IDS)
def test_a_documented_command_begins(case, launch, tiny, monkeypatch):
    """Flags, config, data and model fit; what is trained is stopped before it starts."""
    from jaxsurr.comparison import from_config
    from jaxsurr.comparison import runs as comparison

    begun = []

    def compared(config, losses, seeds, *, trials, **rest):
        given = {"losses": losses and tuple(losses), "seeds": seeds, "trials": trials}
        begun.append(update(config, **{name: value for name, value in given.items() if value is not None}))

    monkeypatch.setattr(from_config, "make", lambda config, *args, **options: begun.append(config) or "begun")
    monkeypatch.setattr(comparison, "compare", compared)
    _, module, arguments = case
    _, out, err = launch(*on_tiny_data(arguments, tiny), "--workdir=run", module=module)
    assert begun, out + err
    config = begun[0]
    validate(config)
    if config.model.name != "resnet20":  # which takes long to trace, and is that of another setting
        loss = config.losses[0] if config.losses else config.loss
        loss = FROM_BEST if loss == AUTO else loss
        prepare(update(config, loss=loss, losses=(), seeds=1, batch_size=8, devices=1, **{"data.limit": 100}))


RUN = [("jaxsurr", "README.md"), ("jaxsurr.compare", "jaxsurr/compare.py")]
SHORT = (
    "--nofigures", "--config.epochs=2", "--config.batch_size=16", "--config.surrogate.burn_in=2",
    "--config.surrogate.num_pairs=2", "--config.devices=1",
)  # fmt: skip


@pytest.mark.parametrize(("module", "file"), RUN)
def test_a_documented_command_runs(module, file, launch, tiny):
    arguments = next(case[2] for case in LAUNCHED if case[:2] == (file, module))
    fewer = ["--seeds=2", "--trials=1"] if module == "jaxsurr.compare" else ["--config.seeds=2"]
    code, out, err = launch(*on_tiny_data(arguments, tiny), *SHORT, *fewer, "--workdir=run", module=module)
    assert code == 0, err
    assert "| correlated_gradients" in out
    said = out.splitlines()[0]
    lines = [json.loads(line) for line in Path("run/results.jsonl").read_text().splitlines()]
    if module == "jaxsurr":  # digits, some of whose labels the default job redraws
        assert re.match(
            r"Data: 539 of 1348 training and validation labels are redrawn at random .*0\.4\); \d of 64", said
        )
        assert all(line["data"][0] in said for line in lines)
        assert "Data: 539 of 1348 training and" in Path("run/table.md").read_text()
        for result in Path("run").glob("*/result.json"):
            assert json.loads(result.read_text())["data"][0] in said
    else:
        assert "Data:" not in out + Path("run/table.md").read_text()
        assert [line["data"] for line in lines] == [[]] * len(lines)


@pytest.mark.parametrize("module", ["jaxsurr", "jaxsurr.compare"])
def test_what_was_left_out_is_the_first_line_of_every_command(module, launch, tiny):
    source = f"--config.data.source=csv:{tiny}/grade.csv?target=grade"
    own = ["--config.losses=cross_entropy,squared_emd", "--config.seeds=2", "--config.metric=mean_absolute_error"]
    code, out, err = launch(source, *own, *SHORT, "--config.data.limit=90", "--workdir=run", module=module)
    assert code == 0, err
    note = "30 of 120 rows to train and validate on are left out (limit=90)"
    assert out.splitlines()[0] == f"Data: {note}."
    assert f"Data: {note}.\n" in Path("run/table.md").read_text()
    lines = [json.loads(line) for line in Path("run/results.jsonl").read_text().splitlines()]
    assert [line["data"] for line in lines] == [[note]] * len(lines)
    again = launch(source, *own, *SHORT, "--config.data.limit=90", "--workdir=run", module=module)
    assert again[0] == 0 and again[1] == out


@pytest.mark.parametrize("case", STUDIES, ids=[f"{file}-{number}" for number, (file, *_) in enumerate(STUDIES)])
def test_flags_of_a_documented_study_are_known(case, monkeypatch):
    _, module, arguments = case
    source = importlib.util.find_spec(module).origin
    known = set(re.findall(r"""(?:DEFINE_\w+\(|add_argument\()\s*"(?:--)?([\w-]+)""", Path(source).read_text()))
    assert {word.removeprefix("--").partition("=")[0] for word in arguments} <= known


def test_fields_that_are_mentioned_are_there():
    fields = {field for _, text in texts() for field in re.findall(r"--config\.([\w.]*\w)=", text)}
    assert len(fields) > 10
    assert fields - {"NAME", "X"} <= set(flatten(default_config()))


# --- what is wrong ----------------------------------------------------------------------------------------------------

SENTENCES = {
    "--config.seed=4294967296": "seed must be at most 4294967295, got 4294967296",
    "--config.seed=99999999999999999999": "seed must be at most 4294967295",
    "--config.seed=4294967294": "seeds 4294967294 to 4294967298: a seed must be at most 4294967295",
    "--config.data.split_seed=4294967296": "data.split_seed must be at most 4294967295",
    "--config.epochs=10000000": "epochs must be at most 9999999",
    "--config.batch_size=1000000000000000000": "batch_size must be at most 2147483647",
    "--config.batch_size=10**18": "invalid literal for int() with base 10: '10**18'",
    "--config.learning_rate=inf": "learning_rate must be a finite number, got inf",
    "--config.learning_rate=1e300": "learning_rate must be a finite number",
    "--config.data.test_fraction=nan": "data.test_fraction must be a finite number, got nan",
    "--config.metric_weights=nan": "metric_weights must hold finite numbers",
    "--config.model.hidden=1000000000000000000": "model.hidden must hold integers",
    "--config.surrogate.correlation=abc": "surrogate.correlation is 'abc', which is unknown; ",
    "--config.metric=mean_absolute_error?decode=mediam": "did you mean 'median'",
    "--config.metric=top_k_error?k=1&k=2": "names the option 'k' twice",
    "--config.metric=": "metric is '', which is unknown",
    "--config.losses=?": "loss is '', which is unknown",
    "--config.losses=focal??gamma": "must read key=value",
    "--config.losses=focal?gamma=": "focal: the option gamma must be like 2.0, its default, got ''",
    "--config.losses=focal?gamma=1_0": "the option gamma must be like 2.0, its default, got '1_0'",
    "--config.losses=focal?gamma=nan": "the option gamma must be like 2.0, its default, got nan",
    "--config.losses=embedding?size=2.5": "the option size must be like 16, its default, got 2.5",
    "--config.losses=cross_entropy?learning_rate=abc": "learning_rate must be a number such as 0.003, got 'abc'",
    "--config.losses=cross_entropy?learning_rate=-1": "learning_rate must be above 0, got -1",
    "--config.losses=smoothed?warm_epochs=61": "warm_epochs must lie between 0 and epochs = 60, got 61",
    "--config.losses=smoothed?conventional=l3": "conventional is 'l3', which is unknown",
    "--config.losses=cross_entropy?decode=mediam": "did you mean 'median'",
    "--config.losses=correlated_gradients?family=bases": "did you mean 'basis'",
    "--config.losses=cross_entropy,focal?gama=1": "focal has no option 'gama'; did you mean 'gamma'",
    "--config.data.source=": "unknown source ''",
    "--config.data.source=sklearn:digits?levels=1_0": "levels='1_0': expected an integer",
    "--config.data.source=sklearn:digits?kind=levels&kind=classes": "names a key twice",
    "--config.data.source=csv:/dev/zero?target=a": "is a pipe or a device",
    "--config.data.source=npz:/": "'/' is a directory; name a npz file",
    "--workdir=": "--workdir is empty",
}


@pytest.fixture
def begin(launch, monkeypatch):
    """`begin(*arguments)`: a command line that ends where training would begin, with `begun` on standard output."""
    from jaxsurr.comparison import from_config

    def begun(config, *args, **options):
        losses = config.losses or (config.loss,)
        for loss in losses[:1]:
            prepare(update(config, loss=loss, losses=(), seeds=1))
        return "begun"

    monkeypatch.setattr(from_config, "make", begun)
    return launch


@pytest.mark.parametrize("argument", SENTENCES)
def test_what_is_wrong_is_said_before_anything_runs(argument, begin):
    code, out, err = begin("--workdir=run", argument)
    assert code == 1
    assert SENTENCES[argument] in out + err
    assert "Traceback" not in out + err and "not foreseen" not in err


VALUES = (
    *(
        "",
        "nan",
        "inf",
        "-1",
        "0",
        "0.5",
        "1e400",
        "9" * 20,
        "1" * 5000,
        "10**18",
        "abc",
        "None",
        "()",
        "(,",
        "{}",
        "ü",
    ),
    *("a??b", "?", "a?=", "true", "\0", "'", "--", "../x", "(" * 300, "focal?gamma=1e999", "crop=1e99", "x:y?z"),
)


def test_no_command_line_ends_in_a_traceback(begin):
    rng = np.random.default_rng(0)
    ends = []
    for field in flatten(default_config()):
        for value in rng.choice(VALUES, 8, replace=False):
            code, out, err = begin(f"--config.{field}={value}", "--config.data.limit=160", "--config.batch_size=16")
            said = (out + err).strip()
            assert code in (0, 1) and said, (field, value)
            assert "Traceback" not in said and "not foreseen" not in said, (field, value, said)
            ends.append(code)
    assert 20 < ends.count(0) < len(ends) - 200  # both are met


def test_memory_that_cannot_be_had_is_said(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    for error in (
        MemoryError("Unable to allocate 7 EiB"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9"),
    ):

        def out_of_memory(*args, error=error, **options):
            raise error

        monkeypatch.setattr(from_config, "make", out_of_memory)
        code, out, err = launch("--workdir=run")
        assert code == 1 and err.startswith("There is not enough memory for this: ")
        assert str(error) in err and "Traceback" not in out + err


def test_what_nobody_foresaw_is_said_with_the_way_to_its_origin(launch, monkeypatch):
    from jaxsurr.comparison import from_config

    def broken(*args, **options):
        raise LookupError("lost")

    monkeypatch.setattr(from_config, "make", broken)
    code, out, err = launch("--workdir=run")
    assert code == 1 and err.startswith("LookupError: lost\n") and "JAXSURR_TRACEBACK=1" in err
    assert "Traceback" not in out + err


COMPARED = {
    "--losses=?": "loss is '', which is unknown",
    "--losses=,": "a comparison needs losses",
    "--losses=focal?gamma": "must read key=value",
    "--losses=cross_entropy,focal?gamma=x": "focal: the option gamma must be like 2.0, its default, got 'x'",
    "--losses=embedding?hidden=8,0.5": "the option hidden must be like (64, 64), its default, got (8, 0.5)",
    "--seeds=1": "a comparison needs at least 2 seeds",
    "--seeds=99999999999999999999": "seeds must be at most 2147483647",
    "--seeds=two": "invalid literal for int() with base 10: 'two'",
    "--trials=10001": "trials must be at most 10000",
    "--config.seed=4294967295": "a seed must be at most 4294967295",
    "--config.reference=abc": "reference is 'abc', which is unknown",
    "--workdir= ": "--workdir is empty",
}


@pytest.mark.parametrize("argument", COMPARED)
def test_a_comparison_says_what_is_wrong_before_anything_runs(argument, launch):
    code, out, err = launch("--workdir=run", "--config.data.limit=160", argument, module="jaxsurr.compare")
    assert code == 1
    assert COMPARED[argument] in out + err
    assert "Traceback" not in out + err and "not foreseen" not in err
    assert not Path("run").exists()
