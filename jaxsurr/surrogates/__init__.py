"""Surrogate losses, one method a file, each a `Surrogate(init, loss, update)` of pure functions."""

from jaxsurr.surrogates.baselines import conventional, smoothed, value_fit
from jaxsurr.surrogates.correlated_gradients import correlated_gradients
from jaxsurr.surrogates.embedding import embedding
from jaxsurr.surrogates.interpolation import interpolation
from jaxsurr.surrogates.relational import relational
from jaxsurr.surrogates.residual_likelihood import residual_likelihood
from jaxsurr.surrogates.set_value_fit import set_value_fit
from jaxsurr.surrogates.state import SurrogateState

METHODS = {
    method.__name__: method
    for method in (
        conventional,
        correlated_gradients,
        embedding,
        interpolation,
        relational,
        set_value_fit,
        smoothed,
        value_fit,
    )
}
"""Methods whose surrogates say what they are, and so can be kept in a file."""

__all__ = [
    "METHODS",
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
