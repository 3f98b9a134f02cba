"""Training runs and small studies from a config."""

from jaxsurr.training.checking import validate
from jaxsurr.training.config import default_config, update
from jaxsurr.training.loop import prepare, run
from jaxsurr.training.study import study, table

__all__ = ["default_config", "prepare", "run", "study", "table", "update", "validate"]
