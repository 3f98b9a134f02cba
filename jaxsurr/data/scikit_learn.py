"""Data sets that come with scikit-learn."""

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from jaxsurr.data import labels as several
from jaxsurr.data.raw import Raw, closest

__all__ = ["digits", "read_sklearn"]

_SETS: dict[str, dict[str, Any]] = {
    "digits": {},
    "breast_cancer": {"kind": "scores", "names": ("malignant", "benign")},
    "diabetes": {"kind": "levels", "levels": 8},
    "linnerud": {"kind": "numbers", "names": ("weight", "waist", "pulse")},
    "multilabel": {"kind": "labels", "notes": ("sklearn:multilabel is synthetic, as make_multilabel_classification",)},
}
_MULTILABEL: dict[str, Any] = {"n_samples": 2000, "n_features": 20, "n_classes": 5, "n_labels": 2, "random_state": 0}


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images `[1797, 64]`, from 0 to 16, and labels `[1797]` of scikit-learn's digits, as its `load_digits` gives them.

    They are read from its file where that is in its place: to import `sklearn.datasets` takes a second, which is more
    than a small run takes to learn from the digits.

    Raises:
      ImportError: scikit-learn is missing.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None:
        raise ImportError("scikit-learn is missing")
    file = Path(*(found.submodule_search_locations or [""])[:1], "datasets", "data", "digits.csv.gz")
    if file.is_file():
        with gzip.open(file, "rt") as lines:
            table = np.loadtxt(lines, delimiter=",")
        return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_digits

    read: Any = load_digits(return_X_y=True)
    return read


def read_sklearn(name: str) -> Raw:
    """A data set of scikit-learn.

    Raises:
      ValueError: there is none of this name here.
      ImportError: scikit-learn is missing.
    """
    if name not in _SETS:
        raise ValueError(f"unknown data set 'sklearn:{name}'. {closest(name, _SETS)}")
    try:
        if name == "digits":
            return Raw(*digits(), **_SETS[name])
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f"'sklearn:{name}' needs scikit-learn: pip install jaxsurr[train]") from error
    if name == "multilabel":
        made: Any = datasets.make_multilabel_classification(**_MULTILABEL)
        inputs, targets = made
        return Raw(inputs, several.as_labels(name, targets), **_SETS[name])
    return Raw(*getattr(datasets, f"load_{name}")(return_X_y=True), **_SETS[name])
