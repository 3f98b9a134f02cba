"""Targets: the kinds that are several arrays, and the checks of all kinds."""

from jaxsurr.core.targets import arrays, kinds, tuples
from jaxsurr.core.targets.arrays import *
from jaxsurr.core.targets.kinds import *
from jaxsurr.core.targets.tuples import *

__all__ = []
__all__ += arrays.__all__
__all__ += kinds.__all__
__all__ += tuples.__all__
