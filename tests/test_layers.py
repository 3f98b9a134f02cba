"""A module imports from lower layers only."""

import ast
from pathlib import Path

import pytest

import jaxsurr

PACKAGE = Path(jaxsurr.__file__).parent

LAYERS = [  # lowest first
    {"core"},
    {"losses"},
    {"spaces"},
    {"metrics"},
    {"smoothing"},
    {"surrogates"},
    {"bilevel", "compilation_cache", "data", "models", "processes", "saving", "sharded"},
    {"diagnosis", "parallel"},
    {"report"},
    {"pretraining"},
    {"training"},
    {"comparison"},
    {"benchmarks", "launcher"},
    {"__main__", "compare"},
]
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}
ONLY = {"data": {"core"}}

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part_of(path):
    """The part of the package, a module or a sub-package, that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(source, path):
    """Parts of jaxsurr that a file imports anywhere, functions included; "" is the package itself."""
    parts = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            if package == "jaxsurr":
                parts.add(rest[0] if rest and rest[0] in HEIGHT else "")
    return parts


def test_reading_of_imports():
    source = "import jaxsurr.bilevel\nfrom jaxsurr import losses\ndef f():\n  from jaxsurr.data.files import load\n"
    assert imported_parts(source, "here") == {"bilevel", "losses", "data"}
    assert imported_parts("import jaxsurr", "here") == {""}
    assert imported_parts("from jaxsurr import Keypoints", "here") == {""}
    assert imported_parts("import jax, jaxsurrogate", "here") == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_from_lower_layers_only(path):
    part = part_of(path)
    assert part in HEIGHT, f"{part} has no layer: give it one in LAYERS"
    for imported in imported_parts(path.read_text(), path) - {part}:
        if imported == "":
            assert part in LAYERS[-2] or part == "training", f"{path}: import the module, not the whole of jaxsurr"
        else:
            assert HEIGHT[imported] < HEIGHT[part], f"{path}: {part} imports {imported}, which lies no lower"
            assert imported in ONLY.get(part, {imported}), f"{path}: {part} may import {ONLY[part]} only"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pmap_lives_in_one_module(path):
    if path != PACKAGE / "parallel.py":
        assert "pmap(" not in path.read_text()
