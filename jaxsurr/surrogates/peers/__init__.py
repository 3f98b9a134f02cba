"""Earlier surrogate-loss methods, as the same triple. A method is a file and a function of one name."""

import inspect

from jaxsurr.core import registry

__all__ = ["LIKELIHOODS", "PEERS"]

_METHODS = registry.namesakes(__name__, __path__)

PEERS = {name: method for name, method in _METHODS.items() if "metric" in inspect.signature(method).parameters}
"""Methods that learn a loss from a metric, by name."""

LIKELIHOODS = {name: method for name, method in _METHODS.items() if name not in PEERS}
"""Methods that learn something beside the model, but no metric, by name."""
