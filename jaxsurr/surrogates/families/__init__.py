"""Function families of a learned surrogate, one a file, and the family of a name."""

from collections.abc import Callable
from typing import Any

from jaxsurr.core import checks
from jaxsurr.core.types import Space
from jaxsurr.surrogates.families.base import Family
from jaxsurr.surrogates.families.basis import basis_family
from jaxsurr.surrogates.families.decisions import decision_family
from jaxsurr.surrogates.families.deep_set import set_network_family
from jaxsurr.surrogates.families.mlp import Network
from jaxsurr.surrogates.families.network import network_family

FAMILIES = ("decisions", "network", "basis", "kernel")

__all__ = ["FAMILIES", "Family", "Network", "basis_family", "decision_family", "family_of", "network_family", "set_network_family"]


def family_of(name: str, space: Space, *, of_sets: bool, network: Callable[[int], Network], **learned: Any) -> Family:
    """The function family of a name.

    Args:
      name: "network" (for a metric of sets a deep set), "basis" or "kernel".
      space: what it reads.
      of_sets: whether the metric is one of sets.
      network: `number of metrics -> Network`, of the network family of examples.
      **learned: of a family that is learned by gradient steps, as for `trained_family`.

    Raises:
      ValueError: there is no such family, or an option is out of its range.
    """
    checks.one_of(name, "family", FAMILIES)
    if name in ("basis", "kernel"):
        return basis_family(space, remembered=name == "kernel")
    if of_sets:
        return set_network_family(space, **learned)
    decides = name == "decisions" and space.decisions is not None
    return (decision_family if decides else network_family)(space, network=network, **learned)
