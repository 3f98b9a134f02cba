"""Surrogate losses, one method a file, each a `Surrogate(init, loss, update)` of pure functions."""

from jaxsurr.surrogates.baselines import conventional, smoothed, value_fit
from jaxsurr.surrogates.correlated_gradients import SurrogateState, correlated_gradients

__all__ = ["SurrogateState", "conventional", "correlated_gradients", "smoothed", "value_fit"]
