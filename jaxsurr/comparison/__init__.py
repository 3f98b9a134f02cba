"""Many runs: losses compared by paired seeds, with tuning, statistics, tables and figures."""

from jaxsurr.comparison.runs import compare
from jaxsurr.comparison.study import study, table

__all__ = ["compare", "study", "table"]
