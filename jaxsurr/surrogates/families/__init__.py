"""Function families of a learned surrogate, one a file, and the family of a name."""

from collections.abc import Callable
from typing import Any

from jaxsurr.core import checks
from jaxsurr.core.types import Space
from jaxsurr.metrics.base import Metric
from jaxsurr.surrogates.families.base import Family
from jaxsurr.surrogates.families.basis import basis_family
from jaxsurr.surrogates.families.counts import count_family, counts_or
from jaxsurr.surrogates.families.decisions import decision_family
from jaxsurr.surrogates.families.deep_set import set_network_family
from jaxsurr.surrogates.families.mlp import Network
from jaxsurr.surrogates.families.network import network_family

FAMILIES = ("auto", "decisions", "network", "basis", "kernel", "counts")

__all__ = [
    "FAMILIES",
    "MEANT",
    "Family",
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
    if not (metric.per_example and metric.bounded):
        return False
    return family in ("basis", "kernel") or (family in ("auto", "decisions") and space.decisions is not None)


def family_of(name: str, metric: Metric, space: Space, *, network: Callable[[int], Network], **learned: Any) -> Family:
    """The function family of a name.

    Args:
      name: "auto" (for a metric of sets "counts" where they are few enough to solve for, and otherwise "decisions"),
        "decisions", "network" (for a metric of sets a deep set), "basis", "kernel", or "counts" (of sets only).
      metric: what is learned; where it has no decisions, "decisions" is "network" (`decides`).
      space: supplies what the family reads.
      network: `number of metrics -> Network`, of the network family of examples.
      **learned: of a family that is learned by gradient steps, as for `trained_family`.

    Raises:
      ValueError: there is no such family, it is not for such a metric, or an option is out of its range.
    """
    checks.one_of(name, "family", FAMILIES, MEANT)
    if name == "counts":
        if metric.per_example:
            raise ValueError(
                f"family='counts' is for metrics of sets, and {metric.name} has a value for each example: use 'basis', "
                "which is solved in closed form too, or the default."
            )
        return count_family(space)
    if name in ("basis", "kernel"):
        return basis_family(space, remembered=name == "kernel")
    if not metric.per_example:
        deep_set = set_network_family(space, **learned)
        return counts_or(space, deep_set) if name == "auto" else deep_set
    of_kind = decision_family if decides(name, metric, space) else network_family
    return of_kind(space, network=network, **learned)
