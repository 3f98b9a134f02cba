"""The environment of a process with several simulated devices."""

import os
from pathlib import Path

import jaxsurr


def simulated(number):
    """The environment of a process whose CPU stands for `number` devices."""
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={number}",
        "PYTHONPATH": str(Path(jaxsurr.__file__).parents[1]),
    }
