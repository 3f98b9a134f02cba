"""Importing the library is light: it loads what JAX, Flax and optax load, and touches no device."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    "absl.app",
    "absl.flags",
    "filelock",
    "grain",
    "matplotlib",
    "ml_collections",
    "orbax",
    "pandas",
    "PIL",
    "safetensors",
    "scipy",
    "sklearn",
    "tensorboardX",
    "tensorflow",
    "tensorflow_datasets",
)


def modules_after(imports):
    """All modules that are loaded after some imports in a fresh interpreter, and whether it initialised a device."""
    program = (
        f"import {imports}\nimport json, sys\nfrom jax._src import xla_bridge\n"
        "print(json.dumps([sorted(sys.modules), bool(xla_bridge.backends_are_initialized())]))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def needed():
    return modules_after("jax, flax.linen, optax")[0]


@pytest.fixture(scope="module")
def loaded():
    return modules_after("jaxsurr")


@pytest.mark.parametrize("module", HEAVY)
def test_import_loads_nothing_that_jax_flax_and_optax_do_not(module, loaded, needed):
    assert module not in loaded[0] or module in needed


def test_import_touches_no_device(loaded):
    assert loaded[1] is False


def test_a_device_would_have_been_noticed():
    assert modules_after("jax; jax.devices()")[1] is True


def test_public_names_exist():
    import jaxsurr

    for module in (jaxsurr, jaxsurr.losses, jaxsurr.metrics, jaxsurr.surrogates):
        assert all(hasattr(module, name) for name in module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)
