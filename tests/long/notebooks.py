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
# Those that the suite runs, and what is written otherwise there: fewer seeds, steps and rows. Each occurs in the
# notebook. Checks of their cells are as they are.
IN_THE_SUITE = {
    "quickstart": {},
    "your_loop": {},
    "results": {},
    "own_metric": {
        "training, 200)": "training, 20)",
        "batch, 300": "batch, 30",
        "seed in range(3)": "seed in range(2)",
        "*rows, 60": "*rows, 6",
        "10_000), patients(100 + seed, 50_000)": "1_000), patients(100 + seed, 1_000)",
    },
}


def execute(
    path: Path, folder: Path, otherwise: Mapping[str, str], environment: Mapping[str, str] = ENVIRONMENT
) -> nbformat.NotebookNode:
    """Runs a notebook from a clean kernel in a folder.

    Args:
      path: of the notebook.
      folder: where it runs.
      otherwise: what is written in place of what.
      environment: of the kernel, which finds this clone first.
    """
    import nbclient

    notebook, found = nbformat.read(path, as_version=4), set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            for old, new in otherwise.items():
                if old in cell.source:
                    found.add(old)
                    cell.source = cell.source.replace(old, new)
    if missing := otherwise.keys() - found:
        raise ValueError(f"{path.name} no longer has {sorted(missing)}: say in IN_THE_SUITE of {__file__} what it has.")
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
            execute(path, Path(folder), {})
        spent = os.times()
        seconds = spent.children_user + spent.children_system - before.children_user - before.children_system
        print(json.dumps({"notebook": path.stem, "CPU minutes": round(seconds / 60, 2)}), flush=True)


if __name__ == "__main__":
    main()
