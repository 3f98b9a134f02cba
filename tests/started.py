"""The environment of processes that tests start."""

import os
from pathlib import Path

import jaxsurr

ROOT = Path(jaxsurr.__file__).parents[1]
PATHS = [ROOT / "tests" / "quick", ROOT, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
QUICK = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
"""With what conftest.py makes cheaper."""


def simulated(number):
    """The environment of a process whose CPU stands for `number` devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={number}"
    return QUICK | {"XLA_FLAGS": flags}
