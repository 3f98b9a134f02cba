"""The environment of a process with several simulated devices."""

import os
from pathlib import Path

import jaxsurr


def simulated(number):
    """The environment of a process whose CPU stands for `number` devices.

    XLA ends a process in which one device waits for another for 40 seconds. A machine that has fewer cores than
    processes can take longer, and says so in a test that fails with signal 6.
    """
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={number}"
        + " --xla_cpu_collective_call_terminate_timeout_seconds=200",
        "PYTHONPATH": str(Path(jaxsurr.__file__).parents[1]),
    }
