"""Several labels of a row, each 0 or 1: their columns, their check, and data sets that have them."""

import csv
import gzip
import importlib.util
import io
from pathlib import Path

import numpy as np

from jaxsurr.data.raw import Raw, closest, warn

__all__ = ["as_labels", "constant", "read_river"]

_YEAST = "yeast"


def as_labels(file: str, values: np.ndarray, names: tuple[str, ...] = ()) -> np.ndarray:
    """Checks that labels are 0 and 1; `[N, K]` numbers to int32.

    Raises:
      ValueError: another value; the error names its label.
    """
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        found = values[wrong]
        if ((found > 0) & (found < 1)).all():
            advice = "soft labels are not read: cut them, y = (y >= 0.5).astype(int)"
        elif (found == -1).all():
            advice = "if -1 stands for absent, write 0"
        else:
            advice = "several labels are 0 and 1 each; use kind=numbers for numbers"
        label = np.argwhere(wrong)[0, 1]
        name = repr(names[label]) if names else label
        raise ValueError(f"{file} has {found[0]:g} for label {name}, expected 0 or 1; {advice}")
    return values.astype(np.int32)


def constant(train: np.ndarray, names: tuple[str, ...]) -> list[str]:
    """A note, with a warning, on labels that are the same in all training rows, if there are any.

    Raises:
      ValueError: all labels are.
    """
    same = np.flatnonzero(np.all(train == train[:1], axis=0))
    if not len(same):
        return []
    if len(same) == train.shape[1]:
        raise ValueError(
            "every label is the same in all training rows, so that there is nothing to learn; expected at least one "
            "label that some rows have and others not"
        )
    named = ", ".join(f"{names[i][:40] if names else i}: always {train[0, i]}" for i in same[:5])
    note = (
        f"{len(same)} of {train.shape[1]} labels are the same in all training rows ({named}"
        f"{', ...' if len(same) > 5 else ''}), so a model cannot learn them; use more rows, or leave them out"
    )
    warn(note)
    return [note]


def read_river(name: str) -> Raw:
    """A data set of several labels that the package river holds: "yeast", 2,417 genes with 103 features and 14 labels.

    Source: Elisseeff and Weston, A kernel method for multi-labelled classification, NeurIPS 2001. River itself is not
    imported: the file is read.

    Raises:
      ValueError: there is no such data set.
      ImportError: river is not installed.
    """
    if name != _YEAST:
        raise ValueError(f"unknown data set 'river:{name}'. {closest(name, (_YEAST,))}")
    package = importlib.util.find_spec("river")
    if package is None or not package.submodule_search_locations:
        raise ImportError(f"'river:{name}' needs the package river: pip install river")
    path = Path(next(iter(package.submodule_search_locations))) / "datasets" / "yeast.csv.gz"
    if not path.is_file():
        raise ImportError(f"'river:{name}' needs a version of river that has {path.name}: pip install 'river>=0.26'")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(io.StringIO(file.read()))
    table = np.array(rows, np.float64)
    labelled = np.array([column.startswith("Class") for column in header])
    names = tuple(np.array(header)[labelled].tolist())
    columns = tuple(np.array(header)[~labelled].tolist())
    labels = as_labels(path.name, table[:, labelled], names)
    return Raw(table[:, ~labelled], labels, kind="labels", names=names, columns=columns)
