"""Training runs from a config."""

import importlib
import warnings
from typing import Any

from jaxsurr.training.checking import validate
from jaxsurr.training.config import default_config, update
from jaxsurr.training.loop import prepare, run

__all__ = ["default_config", "prepare", "run", "update", "validate"]


def __getattr__(name: str) -> Any:
    """Old names of what many runs need, which keep working for one version."""
    if name not in ("study", "table"):
        raise AttributeError(f"module 'jaxsurr.training' has no attribute {name!r}")
    text = f"jaxsurr.training.{name} is now jaxsurr.comparison.{name}; the old name goes in version 0.3."
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module("jaxsurr.comparison"), name)
