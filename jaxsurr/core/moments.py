"""Correlation of two arrays from sums over examples, chunks and devices.

Every objective of jaxsurr is a function of such sums. The result on eight devices is therefore the result on one: sums
are added over devices first, and combined afterwards.
"""

from typing import NamedTuple

import jax.numpy as jnp

from jaxsurr.core import checks
from jaxsurr.core.reductions import masked, num_valid, weighted
from jaxsurr.core.types import Array

__all__ = ["CORRELATIONS", "Moments", "affine", "correlate", "cosine", "moments", "pearson", "variation"]


class Moments(NamedTuple):
    """Sums over the entries of two arrays x and y: their number, x, y, x^2, y^2 and x y."""

    n: Array
    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array


def moments(x: Array, y: Array, where: Array | None = None) -> Moments:
    """Moments of two arrays of one shape, without the rows where `where` is False.

    Args:
      x: `[B, ...]` float.
      y: as `x`.
      where: `[B]` bool, or weights of the rows, or None for all.

    Raises:
      ValueError: the shapes differ.
    """
    if x.shape != y.shape:
        raise ValueError(f"the two arrays must have one shape, got {list(x.shape)} and {list(y.shape)}.")
    entries = x.size // x.shape[0] if x.ndim else 1
    n = jnp.float32(x.size) if where is None else entries * num_valid(where, x.shape[0])
    x, y = masked(x, where), masked(y, where)
    return Moments(n, *(jnp.sum(weighted(terms, where)) for terms in (x, y, x * x, y * y, x * y)))


def affine(sums: Moments, factor: Array, offset: Array) -> Moments:
    """The moments of `factor * x + offset` and y, from those of x and y."""
    x = factor * sums.x + offset * sums.n
    xx = factor**2 * sums.xx + 2 * factor * offset * sums.x + offset**2 * sums.n
    return sums._replace(x=x, xx=xx, xy=factor * sums.xy + offset * sums.y)


def _ratio(xy: Array, xx: Array, yy: Array) -> Array:
    """`xy / sqrt(xx yy)`, 0 (with gradient 0) where either is zero."""
    usable = (xx > 0) & (yy > 0)
    norm = jnp.sqrt(jnp.where(usable, xx, 1)) * jnp.sqrt(jnp.where(usable, yy, 1))
    return jnp.where(usable, xy, 0) / norm


def cosine(sums: Moments) -> Array:
    """`sum x y / sqrt(sum x^2 sum y^2)` in [-1, 1]; 0 where either array is all zeros."""
    return _ratio(sums.xy, sums.xx, sums.yy)


def pearson(sums: Moments) -> Array:
    """Pearson correlation in [-1, 1]; 0 where either array is constant."""
    n = jnp.maximum(sums.n, 1)
    xx, yy = variation(sums.n, sums.x, sums.xx), variation(sums.n, sums.y, sums.yy)
    return _ratio(sums.xy - sums.x * sums.y / n, xx, yy)


def variation(n: Array, first: Array, second: Array) -> Array:
    """Sum of squares about the mean; 0 where it is within the rounding error."""
    about = second - first * first / jnp.maximum(n, 1)
    return jnp.where(about > 1e-6 * second, about, 0)


CORRELATIONS = {"cosine": cosine, "pearson": pearson}


def correlate(sums: Moments, kind: str = "cosine") -> Array:
    """Cosine or Pearson correlation from sums.

    Raises:
      ValueError: `kind` is neither "cosine" nor "pearson".

    >>> import jax.numpy as jnp
    >>> x = jnp.array([1.0, 2.0, 3.0])
    >>> round(float(correlate(moments(x, 2 * x + 1), "pearson")), 4)
    1.0
    """
    checks.one_of(kind, "kind of correlation", CORRELATIONS)
    return CORRELATIONS[kind](sums)
