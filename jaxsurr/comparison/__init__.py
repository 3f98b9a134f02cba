"""Many runs: losses compared by paired seeds, with tuning, statistics, tables and figures.

Runs are made here, by processes of this machine (`local`) or by a Dask cluster (`cluster`): `executors`.
"""

from jaxsurr.comparison.from_config import study
from jaxsurr.comparison.results import table
from jaxsurr.comparison.runs import compare

__all__ = ["compare", "study", "table"]
