"""Registry of the names that the modules of a package export, so that a plug-in is one new file."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

__all__ = ["members"]


def members(package: str, path: Iterable[str]) -> dict[str, Any]:
    """The exports of a package's modules (their `__all__`), in the order of the modules.

    Args:
      package: its name.
      path: its `__path__`.
    """
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(path):
        loaded = importlib.import_module(f"{package}.{module.name}")
        found |= {name: getattr(loaded, name) for name in getattr(loaded, "__all__", ())}
    return found
