"""Products of arrays in the precision of their dtype, which accelerators round to fewer bits unless asked.

A GPU multiplies matrices of single precision in 10 bits of mantissa by default, a TPU in 7. That is enough for the
layers of a model, and moves a metric by half a level of a hundred: metrics, losses and surrogates ask for all bits.
"""

import functools

import flax.linen as nn
import jax.numpy as jnp

__all__ = ["Dense", "einsum", "matmul"]

einsum = functools.partial(jnp.einsum, precision="highest")
matmul = functools.partial(jnp.matmul, precision="highest")
Dense = functools.partial(nn.Dense, precision="highest")
