"""JAX's cache of compiled programs in a folder of the user's, so that a command compiles only what is new to it.

Most of the time of a short job is compilation. JAX keeps compiled programs on disk where it is told a folder; the
launchers tell it one. What a program computes does not depend on where it came from. There is a folder for each kind
of processor in it, since machines that share a home folder may not run each other's programs.
"""

import hashlib
import os
import pathlib
import platform
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import jax

__all__ = ["LEAST_SECONDS", "MOST_BYTES", "OFF", "chosen", "ignore_faults", "processor", "use", "usual_folder"]

OFF = "off"
MOST_BYTES = 256 * 2**20
LEAST_SECONDS = 0.1
"""Programs that compile faster are not kept: they are many, and take about as long to read."""

_SETTINGS = (
    "jax_enable_compilation_cache",
    "jax_compilation_cache_dir",
    "jax_compilation_cache_max_size",
    "jax_persistent_cache_min_compile_time_secs",
)
_LOCK, _ENTRY, _USED = ".lockfile", "-cache", "-atime"  # files of jax._src.lru_cache, in the versions 0.10 to 0.12


def use(choice: str | None, environment: Mapping[str, str]) -> str:
    """Has JAX keep compiled programs from now on; called before anything is compiled.

    Where JAX was told a folder already (`JAX_COMPILATION_CACHE_DIR`) or told to keep nothing, and nothing is chosen, it
    stays as it is. A folder that cannot be used is no error.

    Args:
      choice: a folder, "off", or None for the usual folder of the user.
      environment: of the process.

    Returns:
      A sentence for the user; "" where there is nothing to say.
    """
    if choice == OFF:
        jax.config.update("jax_enable_compilation_cache", False)
        return ""
    enabled, named, *_ = _now().values()
    if not choice and (named or not enabled):
        return ""
    folder = choice
    try:
        folder = pathlib.Path(choice).expanduser().absolute() if choice else usual_folder(environment)
        place = folder / processor()
        _open(place)
    except (OSError, RuntimeError, ValueError, NotImplementedError, ImportError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        where = f"{folder} cannot be used" if folder else "there is no folder for them"
        return (
            f"Compiled programs are not kept, {where}: {reason}. Commands start more slowly, that is all; "
            "--compilation_cache=FOLDER names another place."
        )
    values = dict(zip(_SETTINGS[1:], (str(place), MOST_BYTES, LEAST_SECONDS), strict=True))
    for name, value in values.items():
        if name == "jax_compilation_cache_dir" or name.upper() not in environment:
            jax.config.update(name, value)
    ignore_faults()
    return (
        f"Compiled programs are kept in {folder} (at most {MOST_BYTES // 2**20} MiB), so that the next command starts "
        "sooner; --compilation_cache=off keeps none."
    )


def ignore_faults() -> None:
    """Keeps JAX from warning of each entry that it cannot read or write, and compiles."""
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")


def chosen() -> dict[str, str]:
    """What is set now, as variables of the environment of a process that is to do the same."""
    return {name.upper(): str(value) for name, value in _now().items() if value is not None}


def _now() -> dict[str, Any]:
    return {name: getattr(jax.config, name) for name in _SETTINGS}


def usual_folder(environment: Mapping[str, str], system: str = sys.platform) -> pathlib.Path:
    """The folder for caches of the user, as the system has it, and in it that of compiled programs.

    >>> usual_folder({"XDG_CACHE_HOME": "/scratch/me"}, "linux").as_posix()
    '/scratch/me/jaxsurr/compiled'

    Raises:
      RuntimeError: the user has no home folder.
    """
    given = environment.get("LOCALAPPDATA" if system == "win32" else "XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        caches = pathlib.Path(given)
    elif system == "win32":
        caches = pathlib.Path.home() / "AppData" / "Local"
    else:
        caches = pathlib.Path.home() / ("Library/Caches" if system == "darwin" else ".cache")
    return caches / "jaxsurr" / "compiled"


def processor() -> str:
    """A short name for the kind of processor, with what it can do."""
    facts = [platform.machine(), platform.processor()]
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for field in ("model name", "flags", "Features"):
        facts += [line for line in lines if line.startswith(field)][:1]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _open(place: pathlib.Path) -> None:
    """Makes the folder, or sees that it can be used, and removes what a process that was killed left unfinished.

    An entry whose time of use was not written yet may be cut off, and would keep JAX from writing any others.

    Raises:
      OSError: it cannot be written, is locked, or others may write to it, who could have this process run anything.
    """
    from filelock import FileLock

    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):
        found = place.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o002:
            raise PermissionError("it belongs to another user, or others may write to it")
    with FileLock(place / _LOCK, timeout=5):
        for path in place.iterdir():
            for own, other in ((_ENTRY, _USED), (_USED, _ENTRY)):
                if path.name.endswith(own) and not path.with_name(path.name.removesuffix(own) + other).exists():
                    path.unlink()
