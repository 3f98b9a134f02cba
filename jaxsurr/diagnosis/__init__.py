"""Fidelity of a learned surrogate, and advice where it is low."""

from jaxsurr.diagnosis.diagnose import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
