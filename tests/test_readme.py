"""What README.md shows is run as it stands there."""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


def test_own_metric_in_twenty_lines():
    source = next(block for block in blocks("python") if "def cost" in block)
    code = [line for line in source.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(code) <= 20
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=300)
    conventional, learned = map(float, done.stdout.split())
    assert learned < conventional


def test_commands_are_one_line_each():
    commands = [block.strip() for block in blocks("bash")]
    assert len(commands) == 2
    for command in commands:
        assert "\n" not in command
        assert command.startswith("python3 -m venv ")


def test_figures_are_there():
    figures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README.read_text())
    assert figures
    for figure in figures:
        assert (README.parent / figure).read_bytes().startswith(b"\x89PNG")
