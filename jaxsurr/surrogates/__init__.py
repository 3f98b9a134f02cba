"""Surrogate losses, one method a file, each a `Surrogate(init, loss, update)` of pure functions."""

from jaxsurr.surrogates.baselines import conventional, smoothed, value_fit
from jaxsurr.surrogates.correlated_gradients import SurrogateState, correlated_gradients
from jaxsurr.surrogates.embedding import embedding
from jaxsurr.surrogates.interpolation import interpolation
from jaxsurr.surrogates.relational import relational
from jaxsurr.surrogates.residual_likelihood import residual_likelihood
from jaxsurr.surrogates.set_value_fit import set_value_fit

__all__ = [
    "SurrogateState",
    "conventional",
    "correlated_gradients",
    "embedding",
    "interpolation",
    "relational",
    "residual_likelihood",
    "set_value_fit",
    "smoothed",
    "value_fit",
]
