"""The ready losses of the library."""

import functools
import importlib.resources
import re
from typing import Any

from jaxsurr import saving
from jaxsurr.core import checks
from jaxsurr.core.protocols import Loss
from jaxsurr.core.types import PyTree, Surrogate
from jaxsurr.surrogates.frozen import frozen

__all__ = ["PRETRAINED", "file_name", "pretrained", "shipped"]

PRETRAINED = (
    "error_rate",
    "top_k_error?k=5",
    "mean_absolute_error?decode=median",
    "mean_absolute_error?decode=argmax",
    "pck?threshold=0.5",
    "pck?threshold=0.2",
)
"""Ready losses, by the names of their metrics for `jaxsurr.metrics.get`.

`within_one_level` is not among them: the network's value is a sum over the thresholds between levels and that metric is
not, so that its gradient was learned with a correlation of only 0.2 to 0.8.
"""


def file_name(name: str) -> str:
    """The file name of a ready loss, without characters that a file system may refuse."""
    return re.sub(r"[?&=,]", "-", name) + ".jaxsurr"


@functools.cache
def shipped(name: str) -> tuple[Surrogate, PyTree, dict[str, Any]]:
    """A ready surrogate, its state and the header of its file.

    Raises:
      ValueError: there is none of this name.
    """
    several = [known for known in PRETRAINED if known.split("?")[0] == name]
    if several and name not in several:
        raise ValueError(
            f"{name!r} is not the name of one ready loss: write {' or '.join(map(repr, several))}, with its options."
        )
    checks.one_of(name, "pretrained loss", PRETRAINED)
    file = importlib.resources.files("jaxsurr.pretraining") / file_name(name)
    with importlib.resources.as_file(file) as path:
        return (*saving.load(path), saving.read_card(path))


def pretrained(name: str) -> Loss:
    """A ready loss that was learned for a common metric, for any number of classes, levels or points.

    It was learned on random predictions (`jaxsurr.spaces.sampling`), not on those of a model, by `python -m
    jaxsurr.pretraining`; its fidelity is in the card, see `shipped`. It is a start: a surrogate that is learned with
    the model adapts to the model's predictions. Losses of logits follow the scale of each batch; those of points have
    the scale at which they were learned.

    Args:
      name: one of `PRETRAINED`, a metric with its options.

    Returns:
      `loss(predictions, targets, *, where=None, axis_name=None) -> [B]`, of `frozen`; lower is better.

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
