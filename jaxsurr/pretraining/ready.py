"""The ready losses that come with the library."""

import functools
import importlib.resources
import re
from typing import Any

from jaxsurr import saving
from jaxsurr.core import checks
from jaxsurr.core.protocols import Loss
from jaxsurr.core.types import PyTree, Surrogate
from jaxsurr.surrogates.frozen import frozen

PRETRAINED = (
    "error_rate",
    "top_k_error?k=5",
    "mean_absolute_error?decode=median",
    "mean_absolute_error?decode=argmax",
    "pck?threshold=0.5",
    "pck?threshold=0.2",
)
"""Ready losses, named as `jaxsurr.metrics.get` names their metrics.

`within_one_level` is not among them: it is no sum over the thresholds between levels, as the network's value is, and
its gradient was learned with a correlation of 0.2 to 0.8 only.
"""


def file_name(name: str) -> str:
    """What the file of a ready loss is called, without characters that a file system may refuse."""
    return re.sub(r"[?&=,]", "-", name) + ".jaxsurr"


@functools.cache
def shipped(name: str) -> tuple[Surrogate, PyTree, dict[str, Any]]:
    """A ready surrogate, its state and what its file says of it.

    Raises:
      ValueError: there is none of this name.
    """
    several = [known for known in PRETRAINED if known.split("?")[0] == name]
    if several and name not in several:
        raise ValueError(
            f"{name!r} names no single ready loss: write {' or '.join(map(repr, several))}, a metric with its options."
        )
    checks.one_of(name, "pretrained loss", PRETRAINED)
    file = importlib.resources.files("jaxsurr.pretraining") / file_name(name)
    with importlib.resources.as_file(file) as path:
        return (*saving.load(path), saving.read_card(path))


def pretrained(name: str) -> Loss:
    """A ready loss that was learned for a common metric, for any number of classes, levels or points.

    It was learned on predictions that were drawn at random (`jaxsurr.spaces.sampling`), not on those of a model, by
    `python -m jaxsurr.pretraining`; what its gradients are worth is in the card that `shipped` gives. It is a
    start: one that is learned beside the model knows the model's predictions. Losses of logits follow the scale of each
    batch; those of points have the scale that they were learned at.

    Args:
      name: one of `PRETRAINED`, a metric with its options.

    Returns:
      `loss(predictions, targets, *, where=None, axis_name=None) -> [B]`, as `frozen` makes it; lower is better.

    Raises:
      ValueError: there is none of this name.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> loss = jaxsurr.pretrained("error_rate")
    >>> logits, labels = jnp.array([[3.0, 0.0, -1.0], [0.2, 0.0, -1.0]]), jnp.array([1, 1])
    >>> gradient = jax.grad(lambda z: jnp.mean(loss(z, labels)))(logits)
    >>> bool(gradient[1, 1] < 0)  # the true class is pushed up, where that could decide
    True
    """
    return frozen(*shipped(name)[:2])
