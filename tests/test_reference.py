"""The reference documentation is built from the docstrings, of every public module and without a warning."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for path in (ROOT / "jaxsurr").rglob("*.py")
    if path.name == "__init__.py" or not path.name.startswith("_")
)


def selection():
    """What is documented, in the order that pdoc needs: it adds some submodules by itself, which are dropped again."""
    packages = [path for path in MODULES if path.name == "__init__.py" and len(path.parts) > 2]
    deep = [f"./{path}" for path in packages if len(path.parts) > 3]
    modules = [f"./{path}" for path in MODULES if path.name != "__init__.py"]
    flat = [f"./{path}" for path in packages if len(path.parts) == 3]
    return ["jaxsurr", r"!jaxsurr\.", *flat, r"!jaxsurr\.\w+\.", *deep, r"!jaxsurr\.\w+\.\w+\.", *modules]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that pdoc writes, and what it says."""
    out = tmp_path_factory.mktemp("reference")
    quick = ["--no-show-source", "--no-search"]  # a third of the time, and no other warnings
    command = [
        sys.executable,
        "-m",
        "pdoc",
        "--docformat",
        "google",
        *quick,
        "--output-directory",
        str(out),
        *selection(),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out, done.stdout + done.stderr


def test_the_command_for_contributors_covers_the_public_packages_without_a_warning():
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
    command = shlex.split(re.search(r"^python -m pdoc .*$", text, re.MULTILINE)[0])
    assert command[:7] == ["python", "-m", "pdoc", "-d", "google", "-o", "runs/reference"]
    assert not [spec for spec in command[7:] if not re.fullmatch(r"[\w.]+", spec)], "a module is named by its name"
    program = f"from pdoc.extract import walk_specs\nprint(*walk_specs({command[7:]!r}))"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    python = [sys.executable, "-W", "error::UserWarning", "-c", program]
    done = subprocess.run(python, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True)
    packages = {".".join(path.parts[:-1]) for path in MODULES if path.name == "__init__.py"}
    assert set(done.stdout.split()) >= packages - {"jaxsurr.benchmarks"}


def test_no_warning(built):
    assert built[1] == ""


def test_every_public_module_has_its_page(built):
    pages = {path.relative_to(built[0]).as_posix() for path in built[0].rglob("*.html")} - {"index.html"}
    expected = {re.sub(r"(/__init__)?\.py$", ".html", path.as_posix()) for path in MODULES}
    assert pages == expected


def test_sections_and_types_are_resolved(built):
    page = (built[0] / "jaxsurr" / "metrics" / "levels.html").read_text()
    assert page.count("<h6 ") >= 3  # Arguments, Returns, Raises of mean_absolute_error
    page = (built[0] / "jaxsurr" / "bilevel.html").read_text()
    assert re.search(r'href="[^"]*jaxsurr\.html#Surrogate"', page), "the type of an argument links to its page"
    raw = re.compile(r"<p>\s*(Args|Returns|Raises|Attributes|Fields):")
    left = [path.name for path in built[0].rglob("*.html") if raw.search(path.read_text())]
    assert left == [], "sections that pdoc did not read"
