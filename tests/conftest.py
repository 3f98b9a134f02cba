"""What holds for every test."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def rank_promotion_is_an_error():
    """An axis that broadcasts must be written out: silent rank promotion hides transposed batches."""
    with jax.numpy_rank_promotion("raise"):
        yield
