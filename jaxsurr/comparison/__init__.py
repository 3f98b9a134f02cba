"""Many runs: losses compared by paired seeds, with tuning, statistics, tables and figures."""

from jaxsurr.comparison.from_config import study
from jaxsurr.comparison.results import table
from jaxsurr.comparison.runs import compare

__all__ = ["compare", "study", "table"]
