"""Training runs from a config."""

from jaxsurr.training.checking import validate
from jaxsurr.training.config import default_config, update
from jaxsurr.training.loop import prepare, run

__all__ = ["default_config", "prepare", "run", "update", "validate"]
