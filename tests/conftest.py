"""What holds for every test."""

import os

# Tests compile many small programs and run each once or twice: optimising less halves their time.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()

import jax
import pytest

# A worker once waited for ever for a place in the queue of computations; run at once, they need no queue.
jax.config.update("jax_cpu_enable_async_dispatch", False)


@pytest.fixture(scope="module", autouse=True)
def rank_promotion_is_an_error():
    """An axis that broadcasts must be written out: silent rank promotion hides transposed batches."""
    with jax.numpy_rank_promotion("raise"):
        yield
