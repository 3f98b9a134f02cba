"""Registries of what the modules of a package hold, so that a plug-in is one new file."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

__all__ = ["members", "modules", "namesakes"]


def modules(package: str, path: Iterable[str]) -> Iterator[tuple[str, ModuleType]]:
    """The modules of a package, imported, with their own names.

    Args:
      package: its name.
      path: its `__path__`.
    """
    for module in pkgutil.iter_modules(path):
        yield module.name, importlib.import_module(f"{package}.{module.name}")


def members(package: str, path: Iterable[str]) -> dict[str, Any]:
    """The exports of a package's modules (their `__all__`), in the order of the modules; arguments as for `modules`."""
    found: dict[str, Any] = {}
    for _, module in modules(package, path):
        found |= {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    return found


def namesakes(package: str, path: Iterable[str]) -> dict[str, Any]:
    """What has the name of its module, of each module of a package that has it; arguments as for `modules`."""
    return {name: getattr(module, name) for name, module in modules(package, path) if hasattr(module, name)}
