"""The notebooks run from a clean kernel, and are committed as they ran: with their figures, without warnings."""

import re

import nbformat
import pytest

import jaxsurr
from tests.long import notebooks
from tests.started import QUICK

NOTEBOOKS = notebooks.NOTEBOOKS
NAMES = [path.stem for path in NOTEBOOKS]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_they_are_all_there():
    assert set(NAMES) >= {
        "quickstart",
        "own_metric",
        "costs_and_tokens",
        "three_tasks",
        "method",
        "many_devices",
        "your_loop",
        "when_does_it_help",
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_runs_from_a_clean_kernel(path, tmp_path):
    """With fewer seeds and steps where that takes minutes; `python -m tests.long.notebooks` runs them as they are."""
    pytest.importorskip("nbclient", reason="needs nbclient, of the test extra")
    otherwise = notebooks.SMALLER.get(path.stem, {})
    notebook = notebooks.execute(path, tmp_path, otherwise, QUICK)  # only what is installed is read
    first = code_cells(notebook)[0].outputs[0].text
    assert f"jaxsurr {jaxsurr.__version__}" in first
    assert "cpu" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_is_committed_as_it_ran(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result"}
    assert all(output.name == "stdout" for output in outputs if output.output_type == "stream")
    assert all(len(cell.source.split()) > 2 for cell in notebook.cells if cell.cell_type == "markdown"), "no prose"
    assert path.stat().st_size < 500_000
    assert not re.search(r"/(home|root|tmp|work)/", path.read_text()), "the path of a machine"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_first_cell_installs_where_it_has_to_and_says_what_it_found(path):
    first = code_cells(nbformat.read(path, as_version=4))[0].source
    assert 'if importlib.util.find_spec("jaxsurr") is None:' in first
    assert "    %pip install" in first
    assert "jax.device_count()" in first
