"""The notebooks, whole, as they are committed; the suite runs those of `IN_THE_SUITE`, and reads the others.

  python -m tests.long.notebooks

A line of JSON is printed for each: its name, and how many minutes of CPU it took. One that fails ends the command with
the traceback of its cell.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
IN_THE_SUITE = ("quickstart", "results", "your_loop")
"""Those that the suite runs."""


def execute(path: Path, folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> nbformat.NotebookNode:
    """Runs a notebook from a clean kernel in a folder.

    Args:
      path: of the notebook.
      folder: where it runs.
      environment: of the kernel, which finds this clone first.
    """
    import nbclient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = nbclient.NotebookClient(
        notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=dict(environment))
    return notebook


def main() -> None:
    """Prints a line for each notebook."""
    for path in NOTEBOOKS:
        before = os.times()
        with tempfile.TemporaryDirectory() as folder:
            execute(path, Path(folder))
        spent = os.times()
        seconds = spent.children_user + spent.children_system - before.children_user - before.children_system
        print(json.dumps({"notebook": path.stem, "CPU minutes": round(seconds / 60, 2)}), flush=True)


if __name__ == "__main__":
    main()
