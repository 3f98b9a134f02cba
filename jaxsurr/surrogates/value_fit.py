"""Value fit: the metric's value approximated by a network, its gradient left to follow."""

from collections.abc import Callable
from typing import Any

from jaxsurr.core.types import Array, Surrogate
from jaxsurr.surrogates.correlated_gradients import correlated_gradients
from jaxsurr.surrogates.description import Settings

__all__ = ["value_fit"]


def value_fit(metric: Callable[..., Array], **options: Any) -> Surrogate:
    """A surrogate that fits the metric's value and nothing else: `correlated_gradients` with `correlation_weight=0`.

    Args:
      metric: what to learn.
      **options: as for `correlated_gradients`, of the network family.

    Raises:
      ValueError: another family, or an option out of its range.
    """
    if options.get("family", "decisions") not in ("decisions", "network"):
        raise ValueError(
            f"value_fit needs family='decisions' or 'network', got {options['family']!r}: the closed form fits "
            "gradients, not values."
        )
    options = dict(family="decisions", value_weight=1.0) | options | dict(correlation_weight=0.0)
    surrogate = correlated_gradients(metric, **options)
    return surrogate._replace(settings=Settings({**(surrogate.settings or {}), "method": "value_fit"}))
