"""The notebooks run from a clean kernel, and are committed as they ran: with their figures, without warnings."""

import ast
import contextlib
import importlib
import inspect
import re
import types

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


@pytest.mark.parametrize("name", notebooks.IN_THE_SUITE)
def test_runs_from_a_clean_kernel(name, tmp_path):
    """Those that take seconds; `python -m tests.long.notebooks` runs all."""
    pytest.importorskip("nbclient", reason="needs nbclient, of the test extra")
    notebook = notebooks.execute(NOTEBOOKS[NAMES.index(name)], tmp_path, QUICK)  # only what is installed is read
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


def imported(tree):
    """What a program imports of jaxsurr, by the name that it has there and that nothing else has."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                alias.asname or "jaxsurr": importlib.import_module(alias.name if alias.asname else "jaxsurr")
                for alias in node.names
                if alias.name.split(".")[0] == "jaxsurr" and importlib.import_module(alias.name)
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxsurr":
            for alias in node.names:
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module(f"{node.module}.{alias.name}")
                found[alias.asname or alias.name] = getattr(importlib.import_module(node.module), alias.name)
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return {name: what for name, what in found.items() if name not in assigned}


def meant(node, known):
    """What an expression of names and dots means, or None where that is not of jaxsurr; AttributeError if missing."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    owner = meant(node.value, known) if isinstance(node, ast.Attribute) else None
    return getattr(owner, node.attr) if isinstance(owner, types.ModuleType) else None


def check_uses(source):
    """Every name of jaxsurr is there, and every call of a function of jaxsurr has arguments that it takes."""
    tree = ast.parse(source)
    known = imported(tree)
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            count += meant(node, known) is not None
        if isinstance(node, ast.Call) and inspect.isroutine(function := meant(node.func, known)):
            starred = any(isinstance(one, ast.Starred) for one in node.args)
            given = {keyword.arg: None for keyword in node.keywords if keyword.arg is not None}
            inspect.signature(function).bind_partial(*[None] * (0 if starred else len(node.args)), **given)
    return count


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_names_and_arguments_are_those_of_the_library(path):
    cells = (cell.source for cell in code_cells(nbformat.read(path, as_version=4)))
    assert check_uses(re.sub(r"^( *)%.*", r"\1pass", "\n".join(cells), flags=re.MULTILINE)) > 0


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("from jaxsurr import lossses", AttributeError),
        ("import jaxsurr.lossses", ModuleNotFoundError),
        ("import jaxsurr\njaxsurr.losses.cros_entropy", AttributeError),
        ("from jaxsurr import losses\nlosses.cross_entropy(1, 2, wher=3)", TypeError),
        ("from jaxsurr import losses\nlosses.focal(1, 2, 3, 4, 5)", TypeError),
    ],
)
def test_a_name_or_an_argument_that_is_not_there_is_found(source, error):
    with pytest.raises(error):
        check_uses(source)
