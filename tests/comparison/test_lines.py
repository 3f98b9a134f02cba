"""Lines of `results.jsonl` and `result.json`: of this comparison, whole and unchanged, or refused or made again."""

import copy
import json
import random
import warnings

import numpy as np
import pytest

from jaxsurr.comparison.lines import Expected, read_results
from jaxsurr.comparison.plan import key_of
from jaxsurr.comparison.results import append
from jaxsurr.comparison.runs import RESULTS, identity
from jaxsurr.training import default_config, entries, records, run, update

CONFIG = update(default_config(), epochs=2, warm_epochs=1, trials=2)
EXPECTED = Expected(identity(CONFIG), {"cross_entropy": ("error_rate", False), "focal": ("error_rate", False)})
ODD = [None, True, False, 0, -1, 1.5, "x", "", [], [[]], {}, {"a": 1}, [1, "x"], 10**400, "9" * 5000]


def line(loss="cross_entropy", seed=0, *, purpose="run", setting=None, group=()):
    """A line as a comparison writes it."""
    setting = setting or loss
    single = update(CONFIG.copy_and_resolve_references(), loss=setting, seed=seed, losses=(), seeds=1, trials=1)
    together = {"group": list(group)} if group else {}
    return {
        "key": key_of(purpose, setting if purpose == "tune" else loss, seed), "purpose": purpose, "loss": loss,
        "setting": setting, "seed": seed, "metric": "error_rate", "higher_is_better": False, "diverged": False,
        "epochs": 1, "best_epoch": 1, "validation": 0.1 + 0.2, "test": None if purpose == "tune" else 1 / 3,
        "gradient_correlation": None, "ceiling": None,
        "history": [{"epoch": 1, "phase": "conventional", "loss": 1e-300, "validation": 0.1 + 0.2}],
        "seconds": 0.1, "platform": "cpu", "versions": {"jax": "0"}, "config": config_of(single), **together,
    }  # fmt: skip


def config_of(config):
    from jaxsurr.training.config import as_dict

    return as_dict(config)


def read(path, *texts):
    """What is read of a file of these lines, and what is said."""
    path.write_bytes(b"\n".join(text if isinstance(text, bytes) else json.dumps(text).encode() for text in texts))
    said = []
    return read_results(path, said.append, EXPECTED), said


def test_what_is_appended_comes_back(tmp_path):
    path = tmp_path / RESULTS
    lines = [line(), line("focal", setting="focal?gamma=1.0"), line("focal", 1, purpose="tune", setting="focal")]
    append(path, lines[:1])
    append(path, lines[1:])
    found = read_results(path, pytest.fail, EXPECTED)
    assert [{k: v for k, v in entry.items() if k != entries.SEAL} for entry in found.values()] == lines
    assert list(found) == [entry["key"] for entry in lines]


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000, b'{"a":' * 100_000, b"{", b"\xff", b"null", b"3", b'"x"', b"[]", b"{}", b"NaN", b"9" * 100_000,
        b'{"key": "run | cross_entropy | seed 0"}', json.dumps(line()).encode()[:-40],
    ],
    ids=lambda text: text[:20].decode(errors="replace"),
)  # fmt: skip
def test_a_line_that_is_none_is_left_out(text, tmp_path):
    for texts in ((text, line()), (line(), text), (text, line(), text)):
        found, said = read(tmp_path / RESULTS, *texts)
        assert list(found) == [line()["key"]] and len(said) == len(texts) - 1
        assert all("is not whole; its run will be made again" in sentence for sentence in said)


def ways(part, way=()):
    """The paths of all entries of nested data."""
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield (*way, name)
        yield from ways(inner, (*way, name))


def changed(entry, way, value):
    entry = copy.deepcopy(entry)
    part = entry
    for step in way[:-1]:
        part = part[step]
    part[way[-1]] = value
    return entry


def test_anything_in_place_of_anything(tmp_path):
    """Each part of a line replaced by each odd value: left out, refused by name, or as it was; never another error."""
    whole, tried = entries.sealed(line(group=["run | cross_entropy | seed 0"])), 0
    for way in list(ways(whole)):
        for odd in ODD:
            other = changed(whole, way, odd)
            if json.dumps(other) == json.dumps(whole):
                continue
            tried += 1
            try:
                found, said = read(tmp_path / RESULTS, other)
            except ValueError as error:
                assert "is of another config: " in str(error) and str(way[:2][-1]) in str(error)
                continue
            assert found == {} and len(said) == 1
    assert tried > 700


def test_a_line_without_a_checksum_is_looked_at_all_the_same(tmp_path):
    """Lines of earlier versions: what tables and figures are made of has its type, or the line is left out."""
    for way in (way for way in list(ways(line())) if way[0] != "config"):
        for odd in ODD:
            try:
                found, _ = read(tmp_path / RESULTS, changed(line(), way, odd))
            except ValueError:
                continue
            for entry in found.values():
                assert np.asarray([entry["test"], entry["validation"]], float).shape in ((2,), (2, 1))
                assert all(isinstance(epoch["epoch"], int) and "validation" in epoch for epoch in entry["history"])


@pytest.mark.parametrize(
    ("way", "value", "sentence"),
    [
        (("config", "epochs"), 999, r"epochs \(999 there, 2 here\)"),
        (
            ("config", "data", "source"),
            "csv:x?target=y",
            r"data.source \('csv:x\?target=y' there",
        ),
        (("config", "more"), 1, r"more \(1 there, None here\)"),
        (("metric",), "auc", r"metric \('auc' there, 'error_rate' here\)"),
        (("higher_is_better",), True, r"higher_is_better \(True there, False here\)"),
        (("config", "seed"), 7, r"seed \(0, and seed 7 in its config\)"),
    ],
)
def test_a_line_of_another_comparison_is_refused_by_name(way, value, sentence, tmp_path):
    for seal in (entries.sealed, dict):
        other = seal(changed(line(), way, value))
        with pytest.raises(ValueError, match=rf"line 2 \(run .* seed 0\) is of another config: .*{sentence}"):
            read(tmp_path / RESULTS, line(seed=1), other)


def test_a_field_that_an_earlier_version_did_not_know_has_its_default(tmp_path):
    earlier = line()
    del earlier["config"]["fallback"]
    assert list(read(tmp_path / RESULTS, earlier)[0]) == [earlier["key"]]


def test_every_flipped_bit_is_noticed(tmp_path):
    text, draw = json.dumps(entries.sealed(line())).encode(), random.Random(0)
    for place in range(0, len(text), 5):
        flipped = bytearray(text)
        flipped[place] ^= 1 << draw.randrange(8)
        try:
            found, _ = read(tmp_path / RESULTS, bytes(flipped))
        except ValueError as error:
            assert "is of another config" in str(error)
            continue
        for entry in found.values():  # the checksum is not where it was, all else is as it was
            assert {k: v for k, v in entry.items() if k in line()} == line()


def test_runs_side_by_side_count_together_or_not_at_all(tmp_path):
    sizes, lines = (1, 3, 2, 1, 2), []
    for number, size in enumerate(sizes):
        keys = [key_of("run", "cross_entropy", 10 * number + seed) for seed in range(size)]
        lines += [line(seed=10 * number + seed, group=keys if size > 1 else ()) for seed in range(size)]
    ends = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    keys = [entry["key"] for entry in lines]
    for cut in range(len(lines) + 1):
        end = max(end for end in ends if end <= cut)
        found, said = read(tmp_path / RESULTS, *lines[:cut])
        assert list(found) == keys[:end]
        assert all("trained side by side" in sentence for sentence in said) and len(said) == cut - end
        # What is made again is appended, and counts.
        again, _ = read(tmp_path / RESULTS, *lines[:cut], b'{"cut', *lines[end:])
        assert list(again) == keys
        missing = [*lines[:cut], *lines[cut + 1 :]]
        start = max(end for end in ends if end <= min(cut, len(lines) - 1))
        stop = min(end for end in ends if end > start)
        if cut < len(lines):
            assert list(read(tmp_path / RESULTS, *missing)[0]) == keys[:start] + keys[stop:]


# --- result.json ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    fields = {"data.limit": 120, "batch_size": 32, "devices": 1, "epochs": 1, "warm_epochs": 0}
    config, path = update(default_config(), loss="cross_entropy", **fields), tmp_path_factory.mktemp("run")
    return config, path, run(config, path)


def test_every_flipped_bit_of_a_result_is_noticed(finished):
    config, path, result = finished
    file, draw = path / "result.json", random.Random(0)
    text = file.read_bytes()
    for place in range(0, len(text), 7):
        flipped = bytearray(text)
        flipped[place] ^= 1 << draw.randrange(8)
        file.write_bytes(flipped)
        try:
            found = run(config, path)
        except ValueError as error:
            assert "result.json" in str(error) and "Delete it, and the same command makes it again" in str(error)
            continue
        assert {name: found[name] for name in result} == result
    file.write_bytes(text)


def test_every_flipped_bit_of_a_config_is_noticed(finished):
    config, path, result = finished
    file, draw = path / "config.json", random.Random(0)
    text = file.read_bytes()
    for place in range(0, len(text), 7):
        flipped = bytearray(text)
        flipped[place] ^= 1 << draw.randrange(8)
        file.write_bytes(flipped)
        try:
            assert run(config, path) == result
            assert json.loads(flipped) == json.loads(text)
        except ValueError as error:
            assert str(path) in str(error)
    file.write_bytes(text)


def test_results_that_are_none(finished):
    config, path, result = finished
    file = path / "result.json"
    text = file.read_bytes()
    for content, sentence in (
        (b"[" * 100_000, "is damaged"), (b"[]", "is not the result of a run"), (b'{"a": 1}', "its loss is missing"),
        (json.dumps(result | {"test": "x"}).encode(), "its test is missing or no number"),
        (json.dumps(changed(result, ("config", "epochs"), 9)).encode(), r"another config: epochs \(9 there, 1 here\)"),
        (json.dumps(entries.sealed(result) | {"test": 0.0}).encode(), "its checksum does not fit"),
    ):  # fmt: skip
        file.write_bytes(content)
        with pytest.raises(
            ValueError, match=f"result.json .*{sentence}.* Delete it, and the same command makes it again"
        ):
            run(config, path)
    file.write_bytes(json.dumps(result).encode())  # as an earlier version wrote it
    assert run(config, path) == result
    file.write_bytes(text)


def test_metrics_come_from_the_checkpoint_whatever_the_file_says(finished):
    config, path, result = finished
    (path / "metrics.jsonl").write_bytes(b'{"epoch": 1, "validation": 0.0}\n')
    (path / "result.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(config, path)["history"] == result["history"]
    assert [json.loads(text) for text in (path / "metrics.jsonl").read_text().splitlines()] == result["history"]


def test_json_that_is_nested_deeply_is_refused():
    for text in ("[" * 10**6, '{"a":' * 10**6, "[" * 30 + "]" * 30, '{"a":' * 30 + "1" + "}" * 30):
        with pytest.raises(ValueError):
            records.parse_json(text)
    assert records.parse_json("[" * 10 + "]" * 10) == json.loads("[" * 10 + "]" * 10)
