"""Surrogates learned in advance, from stored predictions or from random ones."""

from jaxsurr.pretraining.fitting import Fitted, fit, learn
from jaxsurr.pretraining.ready import PRETRAINED, pretrained, shipped

__all__ = ["PRETRAINED", "Fitted", "fit", "learn", "pretrained", "shipped"]
