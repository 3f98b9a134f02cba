"""Surrogates learned in advance, on data of one's own or on predictions drawn at random."""

from jaxsurr.pretraining.fitting import Fitted, fit, learn
from jaxsurr.pretraining.ready import PRETRAINED, pretrained, shipped

__all__ = ["PRETRAINED", "Fitted", "fit", "learn", "pretrained", "shipped"]
