"""Surrogates that are small networks on the features of the prediction space."""

from collections.abc import Callable
from typing import Any

from jaxsurr.core.products import einsum
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.metrics.base import Metric
from jaxsurr.surrogates.families.base import Family, Named
from jaxsurr.surrogates.families.deep_set import set_network_family
from jaxsurr.surrogates.families.mlp import Network, mlp
from jaxsurr.surrogates.families.trained import trained_family

__all__ = ["NAMED", "network_family"]


def network_family(
    space: Space,
    *,
    network: Callable[[int], Network] = mlp,
    **learned: Any,
) -> Family:
    """The family of networks `S(z, y) = sum_i w_i N(features_i(z, y))` over the items i of an example.

    Args:
      space: supplies features.
      network: `metrics M -> Network`.
      **learned: as for `trained_family`.
    """

    def init(key: Array, view: View, scale: Array, metrics: int) -> PyTree:
        features, _ = space.features(view.predictions, view.targets, scale)
        return network(metrics).init(key, features)

    def apply(params, predictions, targets, scale, metrics, where, power=None):
        features, weights = space.features(predictions, targets, scale)
        return einsum("bi,bim->bm", weights, network(metrics).apply(params, features))

    return trained_family(init, apply, **learned)


def _named(metric: Metric, space: Space, *, network: Callable[[int], Network], **learned: Any) -> Family:
    """For a metric of sets a deep set."""
    if metric.per_example:
        return network_family(space, network=network, **learned)
    return set_network_family(space, **learned)


NAMED = {"network": Named(_named)}
