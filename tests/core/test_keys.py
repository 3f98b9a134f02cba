"""Typed keys become plain integers and come back, in one place."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr.core import keys


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg", "unsafe_rbg"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_keys_of_all_kinds_come_back(implementation, shape):
    key = jnp.broadcast_to(jax.random.key(7, impl=implementation), shape)
    data = np.asarray(keys.to_data(key))
    back = keys.from_data(data, key)
    assert data.dtype == np.uint32 and keys.is_key(key) and not keys.is_key(data)
    assert (back.dtype, back.shape) == (key.dtype, shape) and jnp.all(back == key)


def test_a_key_is_known_by_its_shape_and_dtype_alone():
    like = jax.eval_shape(lambda: jax.random.key(0))
    assert keys.is_key(like) and jax.eval_shape(keys.to_data, like).dtype == jnp.uint32
    assert keys.from_data(np.uint32([0, 7]), like) == jax.random.key(7)


@pytest.mark.parametrize("leaf", [1, "x", None, np.float32(1), np.array(["x"], object), jnp.ones(2, jnp.bfloat16)])
def test_what_is_no_key_stays_as_it_is(leaf):
    assert not keys.is_key(leaf) and keys.to_data(leaf) is leaf and keys.from_data(leaf, leaf) is leaf


def test_only_one_module_takes_keys_apart():
    package = Path(jaxsurr.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text()
        if path.relative_to(package).parts[:2] != ("core", "keys.py"):
            assert "prng_key" not in text and "random.key_impl(" not in text, path
            assert not text.replace("jax.random.wrap_key_data(key)", "").count("wrap_key_data("), path
