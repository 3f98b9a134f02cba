"""A module imports from lower layers only."""

import ast
from pathlib import Path

import pytest

import jaxsurr

PACKAGE = Path(jaxsurr.__file__).parent

LAYERS = [  # lowest first; each part as low as its imports allow
    {"compilation_cache", "core", "processes"},
    {"data", "losses", "sharded"},
    {"parallel", "spaces"},  # the atoms of a space are fixed losses
    {"metrics"},
    {"models", "smoothing"},  # a head decodes as a metric does
    {"surrogates"},
    {"bilevel", "diagnosis", "saving"},
    {"report", "training"},  # one run draws nothing
    {"comparison", "launcher", "pretraining"},  # a ready loss is learned without a run
    {"__main__", "benchmarks", "compare"},
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
            assert part in LAYERS[-1], f"{path}: import the module, not the whole of jaxsurr"
        else:
            assert HEIGHT[imported] < HEIGHT[part], f"{path}: {part} imports {imported}, which lies no lower"
            assert imported in ONLY.get(part, {imported}), f"{path}: {part} may import {ONLY[part]} only"


def test_no_part_lies_higher_than_its_imports_ask():
    for height, layer in enumerate(LAYERS):
        for part in layer:
            files = [path for path in FILES if part_of(path) == part]
            below = {HEIGHT[name] for path in files for name in imported_parts(path.read_text(), path) - {part, ""}}
            assert height == 1 + max(below, default=-1), f"{part} lies in layer {height}, its imports in {below}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pmap_lives_in_one_module(path):
    if path != PACKAGE / "parallel.py":
        assert "pmap(" not in path.read_text()
