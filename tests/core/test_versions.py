"""Versions name what the results depend on."""

import jax
import numpy

from jaxsurr.core.versions import versions


def test_versions_name_what_decides_a_result():
    found = versions()
    assert (found["jax"], found["numpy"]) == (jax.__version__, numpy.__version__)
    assert set(found) == {"python", "jaxsurr", "jax", "jaxlib", "flax", "optax", "numpy"}
