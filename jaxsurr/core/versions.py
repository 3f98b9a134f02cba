"""Versions of Python and of the packages that decide a result."""

import importlib.metadata
import platform

__all__ = ["versions"]


def versions() -> dict[str, str]:
    """Versions by name; "not installed" for a package that is not."""
    found = {"python": platform.python_version()}
    for package in ("jaxsurr", "jax", "jaxlib", "flax", "optax", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
