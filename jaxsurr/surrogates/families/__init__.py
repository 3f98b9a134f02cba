"""Function families of a learned surrogate, one a file, and the family of a name."""

from typing import Any

from jaxsurr.core import checks, registry
from jaxsurr.core.types import Space
from jaxsurr.metrics.base import Metric
from jaxsurr.surrogates.families.base import Family, Named
from jaxsurr.surrogates.families.basis import basis_family
from jaxsurr.surrogates.families.counts import count_family, counts_or
from jaxsurr.surrogates.families.decisions import decision_family
from jaxsurr.surrogates.families.deep_set import set_network_family
from jaxsurr.surrogates.families.mlp import Network
from jaxsurr.surrogates.families.network import network_family

__all__ = [
    "FAMILIES",
    "MEANT",
    "Family",
    "Named",
    "Network",
    "basis_family",
    "count_family",
    "counts_or",
    "decides",
    "decision_family",
    "family_of",
    "network_family",
    "set_network_family",
]


def _auto(metric: Metric, space: Space, **options: Any) -> Family:
    """Decisions, and for a metric of sets counts, where these are few enough to solve for."""
    family = FAMILIES["decisions"].make(metric, space, **options)
    return family if metric.per_example else counts_or(space, family)


FAMILIES: dict[str, Named] = {"auto": Named(_auto, lambda space: FAMILIES["decisions"].knows_power(space))}
"""By name: "auto", and those that the files of this package name in their `NAMED`."""

for _, module in registry.modules(__name__, __path__):
    FAMILIES |= getattr(module, "NAMED", {})

MEANT = {
    "additive": "it went in version 0.2; metrics of sets are learned by 'counts' or by a deep set, 'network', and in "
    "Python family=network_family(space, ...) is what it was"
}
"""Other names of families, for error messages."""


def decides(family: str | Family, metric: Metric, space: Space) -> bool:
    """Whether a surrogate of a metric knows decisions, so that its loss leads from their likelihood to the metric.

    It does not where the metric belongs to a set of examples, where the cost of a wrong prediction has no bound (a
    distance), or where the space has no decisions (`Space.decisions`): then the family "decisions" is "network". The
    family "auto" is "decisions" for metrics of examples.
    """
    named = FAMILIES.get(family) if isinstance(family, str) and metric.per_example and metric.bounded else None
    return named is not None and named.knows_power(space)


def family_of(name: str, metric: Metric, space: Space, **options: Any) -> Family:
    """The function family of a name; arguments as for `Named.make`.

    Raises:
      ValueError: there is no such family, it is not for such a metric, or an option is out of its range.
    """
    checks.one_of(name, "family", FAMILIES, MEANT)
    return FAMILIES[name].make(metric, space, **options)
