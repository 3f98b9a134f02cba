"""The notebooks, whole, as they are committed; the suite runs those of `SMALLER` with fewer seeds, steps and rows.

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
# What is written otherwise in a run of the suite; each occurs in the notebook. Checks of their cells are as they are.
SMALLER = {
    "costs_and_tokens": {
        "epochs=40, warm_epochs=13": "epochs=2, warm_epochs=1",
        "names, 3,": "names, 2,",
        '"surrogate.burn_in": 100': '"surrogate.burn_in": 2',
        '        "expected_cost",\n        "cost_weighted_cross_entropy",\n': "",
        '        "expected_example_cost",\n        "one_sided_regression",\n': "",
    },
    "own_metric": {
        "training, 200)": "training, 20)",
        "batch, 300": "batch, 30",
        "seed in range(3)": "seed in range(2)",
        "*rows, 60": "*rows, 6",
        "10_000), patients(100 + seed, 50_000)": "1_000), patients(100 + seed, 1_000)",
    },
    "numbers": {"None, 1500": "None, 15", "key(8), 60": "key(8), 6"},
    "three_tasks": {
        "epochs=30": "epochs=3",
        "epochs=12": "epochs=3",
        "warm_epochs=10": "warm_epochs=1",
        "warm_epochs=15": "warm_epochs=1",
        "warm_epochs=4": "warm_epochs=1",
        '"surrogate.burn_in": 100': '"surrogate.burn_in": 5',
        '"surrogate.burn_in": 50': '"surrogate.burn_in": 5',
        "losses, 3,": "losses, 2,",
        "n=1200": "n=200",
    },
    "one_logit_and_labels": {
        "key(1), 150": "key(1), 10",
        "epochs=20": "epochs=2",
        '"data.limit": 1000, "surrogate.burn_in": 100': '"data.limit": 100, "surrogate.burn_in": 5',
        'gradients"), 3,': 'gradients"), 2,',
    },
    "when_does_it_help": {"= 16, 600, 25, 64": "= 2, 20, 5, 64", "STEPS // 4, 50": "STEPS // 4, 5"},
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
        raise ValueError(f"{path.name} no longer has {sorted(missing)}: say in SMALLER of {__file__} what it has.")
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
