"""Importing the library is light: it loads what JAX, Flax and optax load, touches no device. Modules have `__all__`."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "jaxsurr"

HEAVY = (
    "absl.app",
    "absl.flags",
    "filelock",
    "grain",
    "matplotlib",
    "ml_collections",
    "orbax",
    "pandas",
    "PIL",
    "safetensors",
    "scipy",
    "sklearn",
    "tensorboardX",
    "tensorflow",
    "tensorflow_datasets",
)


def modules_after(imports):
    """All modules that are loaded after some imports in a fresh interpreter, and whether it initialised a device."""
    program = (
        f"import {imports}\nimport json, sys\nfrom jax._src import xla_bridge\n"
        "print(json.dumps([sorted(sys.modules), bool(xla_bridge.backends_are_initialized())]))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def needed():
    return modules_after("jax, flax.linen, optax")[0]


@pytest.fixture(scope="module")
def loaded():
    return modules_after("jaxsurr")


@pytest.mark.parametrize("module", HEAVY)
def test_import_loads_nothing_that_jax_flax_and_optax_do_not(module, loaded, needed):
    assert module not in loaded[0] or module in needed


def test_import_touches_no_device(loaded):
    assert loaded[1] is False


def test_a_device_would_have_been_noticed():
    assert modules_after("jax; jax.devices()")[1] is True


# --- `__all__` --------------------------------------------------------------------------------------------------------


def top_level(source):
    """Public functions and classes that a module defines, the names that it binds, and its `__all__`, None without."""
    defined, bound, exported = set(), set(), None
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined |= {node.name} if not node.name.startswith("_") else set()
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            bound |= names
            exported = ast.unparse(node.value) if "__all__" in names else exported
    return defined, bound | defined, exported


def unfit(path):
    """What is wrong with the `__all__` of a file, or None."""
    source = path.read_text()
    defined, bound, exported = top_level(source)
    if exported is None:
        return "it has none" if bound else None  # a package that is a docstring
    if "*" in exported:  # of what is registered
        return None
    names = ast.literal_eval(exported)
    lazy = "__getattr__" in source  # what it gives is looked at below
    if len(set(names)) < len(names) or not (lazy or set(names) <= bound):
        return "a name that is there twice or not at all"
    package, line = path.parent.name, f"from jaxsurr.{path.parent.name}.{path.stem} import *"
    of_kind = package in KINDS and line in KINDS[package]
    missing = set() if of_kind else defined - set(names)  # a file of a kind exports what is registered
    return f"it lacks {missing}" if missing else None


KINDS = {name: (PACKAGE / name / "__init__.py").read_text() for name in ("losses", "metrics", "spaces")}


def test_faults_of_all_are_found(tmp_path):
    file = tmp_path / "module.py"
    for source, fault in (
        ("import os", "it has none"),
        ("def f(): pass\n__all__ = ['f', 'f']", "a name that is there twice or not at all"),
        ("__all__ = ['f']", "a name that is there twice or not at all"),
        ("__all__ = ['A']\nA = 1\nclass B: pass", "it lacks {'B'}"),
        ("__all__ = ['A', 'b']\nA: int = 1\nfrom c import b\ndef _d(): pass", None),
    ):
        file.write_text(source)
        assert unfit(file) == fault


def test_every_public_module_says_what_it_exports():
    files = [path for path in PACKAGE.rglob("*.py") if path.name == "__init__.py" or not path.name.startswith("_")]
    faults = {str(path.relative_to(PACKAGE)): unfit(path) for path in files}
    assert {file: fault for file, fault in faults.items() if fault} == {}


def test_public_names_exist():
    import jaxsurr

    for module in (jaxsurr, jaxsurr.losses, jaxsurr.metrics, jaxsurr.spaces, jaxsurr.surrogates):
        assert all(hasattr(module, name) for name in module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)


def test_only_losses_are_registered_as_losses():
    from jaxsurr import losses, metrics, spaces

    assert "MEANT" not in {*losses.LOSSES, *metrics.METRICS, *spaces.SPACES}
    assert {*losses.LOSSES} == {name for name in losses.__all__ if name not in ("KIND", "LOSSES", "get")}


def test_the_names_of_the_library_are_public_ones_and_its_modules():
    import jaxsurr

    names = {name for name in dir(jaxsurr) if not name.startswith("_")}
    assert names >= {*jaxsurr.__all__, "data", "report", "training"}
    for name in names - {*jaxsurr.__all__}:
        assert getattr(jaxsurr, name).__name__ == f"jaxsurr.{name}"
