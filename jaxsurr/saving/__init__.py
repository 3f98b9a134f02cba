"""Files of surrogates: plain data and arrays, no code."""

from jaxsurr.saving.file import load, read_card, save

__all__ = ["load", "read_card", "save"]
