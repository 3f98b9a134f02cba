"""Pytrees as one vector."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr.core.ravelled import Ravelled, ravelled, ravelled_as, unravelled

TREE = {"a": jnp.arange(6.0).reshape(2, 3), "b": {"c": jnp.float32(7), "d": jnp.array([8.0, 9.0])}}


def test_a_tree_is_its_vector_and_comes_back():
    kept = ravelled(TREE)
    np.testing.assert_array_equal(kept.vector, [0, 1, 2, 3, 4, 5, 7, 8, 9])
    chex.assert_trees_all_equal(unravelled({"of": kept}), {"of": TREE})
    np.testing.assert_array_equal(kept["b"]["d"], [8, 9])


def test_trees_of_several_dtypes_stay():
    mixed = {"a": jnp.ones(2), "b": jnp.ones(2, jnp.int32)}
    assert ravelled(mixed) is mixed


def test_axes_in_front_are_in_front_of_each_leaf():
    devices = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), ravelled(TREE))
    tree = unravelled(devices)
    chex.assert_trees_all_equal(tree, jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), TREE))
    chex.assert_trees_all_equal(ravelled_as(devices, tree), devices)


def test_arrays_of_numpy_stay_so():
    kept = jax.tree.map(np.asarray, ravelled(TREE))
    again = ravelled_as(kept, unravelled(kept))
    assert isinstance(again, Ravelled) and isinstance(again.vector, np.ndarray)


def test_adam_on_the_vector_is_adam_on_the_leaves():
    optimizer, gradient = optax.adam(0.1), jax.tree.map(jnp.cos, TREE)
    updates, state = optimizer.update(gradient, optimizer.init(TREE), TREE)
    kept = ravelled(TREE)
    of_vector, state_of_vector = optimizer.update(ravelled_as(kept, gradient), optimizer.init(kept), kept)
    chex.assert_trees_all_close(unravelled((of_vector, state_of_vector)), (updates, state), rtol=1e-6)
