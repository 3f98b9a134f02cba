"""Pages say what the raw lines say: each table and figure of README, configs and results is computed from them."""

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from jaxsurr.benchmarks import results_page, results_rows, results_speed, results_summaries

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "notebooks" / "results"
TYPED = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")  # a figure, not a version
CONSTANTS = {
    "quickstart": {"0.8", "0.3"},  # where the advice begins
    "numbers": {"10 %", "90 %"},  # the ends of the default interval
    "results": {"40 %"},  # random labels, of the configs
}
"""Numbers in the prose of notebooks, beside the level of intervals, that are neither results nor in the code."""


def prose(text):
    """A page without what is written by the command, what is code, and what is marked as printed elsewhere."""
    text = re.sub(r"<!-- (?:generated: \w+|printed) -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


@pytest.mark.parametrize("name", results_page.PAGES)
def test_page_is_what_the_raw_lines_give(name):
    page = (ROOT / name).read_text().replace("\r\n", "\n")
    assert results_page.written(page, RESULTS) == page, "run: python -m jaxsurr.benchmarks.results_page"


def test_every_block_is_on_a_page():
    used = [name for page in results_page.PAGES for name in re.findall(r"generated: (\w+)", (ROOT / page).read_text())]
    assert sorted(used) == sorted(results_page.BLOCKS)


@pytest.mark.parametrize("name", [*results_page.PAGES, "notebooks/README.md", ".github/CONTRIBUTING.md"])
def test_no_figure_is_typed_by_hand(name):
    assert TYPED.findall(prose((ROOT / name).read_text()).replace("Python 3.11", "").replace("Apache 2.0", "")) == []


def not_given(text, code):
    """Figures of prose, decimals and percentages, that no number of the code gives."""
    given = {float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", code)}
    figures = [(figure, float(figure)) for figure in TYPED.findall(text)]
    figures += [(f"{number} %", float(number) / 100) for number in re.findall(r"(\d+) ?%", text)]
    return [figure for figure, value in figures if value not in given]


def test_a_typed_figure_is_noticed():
    assert not_given("With 40 % random labels it ends at 0.580, not at 0.6.", "noise, last = 0.4, 0.6") == ["0.580"]
    assert not_given("It is 7 % better in version 0.2.0.", "version = '0.2.0'") == ["7 %"]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_figure_is_typed_in_the_prose_of_a_notebook(path):
    """What its cells print and what raw lines hold is said in words; settings are numbers of its code."""
    cells = nbformat.read(path, as_version=4).cells
    text, code = ("\n".join(cell.source for cell in cells if cell.cell_type == kind) for kind in ("markdown", "code"))
    assert set(not_given(prose(text), code)) - {"95 %"} == CONSTANTS.get(path.stem, set())


def test_no_result_is_typed_in_a_config():
    for path in (ROOT / "configs").glob("*.py"):
        docstring = path.read_text().split('"""')[1]
        assert "Expect" not in docstring
        assert not re.search(r"\b\d+\.\d{2,}\b|\d (?:second|minute)", prose(docstring)), path.name


def test_every_config_and_setting_has_a_row():
    names = [config.name for config in results_summaries.CONFIGS]
    assert {name.split(":")[0] for name in names} == {path.name for path in (ROOT / "configs").glob("*.py")}
    for path in (ROOT / "configs").glob("*.py"):
        settings = set(re.findall(r'setting == "(\w+)"', path.read_text())) - {"cpu", "ndcg"}
        assert settings <= {name.partition(":")[2] for name in names if name.startswith(path.name)}


def test_a_changed_raw_line_is_noticed(tmp_path):
    lines = [json.loads(line) for line in (RESULTS / "default.jsonl").read_text().splitlines()]
    lines[0]["test"] += 0.1
    (tmp_path / "default.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = "<!-- generated: default_run -->\n<!-- end -->\n"
    assert results_page.written(text, tmp_path) != results_page.written(text, RESULTS)


def test_an_unknown_block_is_refused():
    with pytest.raises(ValueError, match="'<!-- generated: nothing -->' names no block"):
        results_page.written("<!-- generated: nothing -->\n<!-- end -->", RESULTS)


def test_means_and_verdicts_are_those_of_the_runs():
    runs = results_rows.runs_of(RESULTS, "lsp_pose")
    of = {loss: {run["seed"]: run["test"] for run in runs if run["loss"] == loss} for loss in ("l1", results_rows.OURS)}
    assert results_rows.means(runs)["l1"] == pytest.approx(np.mean(list(of["l1"].values())))
    found = results_rows.against(RESULTS, "lsp_pose")["l1"]
    difference = [of[results_rows.OURS][seed] - of["l1"][seed] for seed in of["l1"]]
    assert found["difference"] == pytest.approx(np.mean(difference))
    assert found["verdict"] == "better"  # PCK, of which more is better
    assert found["low"] > 0


def test_the_cost_of_every_measured_step_is_in_the_table():
    lines = results_rows.lines_of(RESULTS / "cost.jsonl")
    written = results_speed.cost(RESULTS).splitlines()
    head, _, *table = [[cell.strip() for cell in row.split("|")[1:-1]] for row in written]
    shown = {(row[0], name): value for row in table for name, value in zip(head[1:], row[1:], strict=True) if value}
    assert len(shown) == sum(line["step"] != "fixed loss" for line in lines)
    (f1,) = (line["ratios"] for line in lines if (line["task"], line["step"]) == ("f1", "counts, frozen"))
    assert shown["counts, frozen", "MLP, F1"] == f"{np.median(f1):.2f}"


def test_exponents_of_size_are_local_too(tmp_path):
    lines = [
        {"axis": "classes", "metric": "error rate", "size": size, "time": time, "bytes": 8 * size}
        for size, time in ((10, 1), (100, 1), (1_000, 10), (10_000, 1_000))
    ]
    (tmp_path / "sizes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    written = results_speed.sizes(tmp_path)
    assert "1.00 (0.00, 1.00, 2.00) " in written and "1.00 (1.00, 1.00, 1.00) " in written
    assert written.endswith("Between the two largest sizes the exponent of time is at most 2.00 (classes: error rate).")
