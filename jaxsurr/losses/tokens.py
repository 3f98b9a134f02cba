"""Fixed losses on logits of steps that have a label each, one value for each example.

Steps beyond the end of a sequence, and those whose label is negative, do not count and may hold anything; an example
without a label has the loss 0.
"""

from typing import Any

import jax.numpy as jnp

from jaxsurr.core.protocols import Loss
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.reductions import masked, mean_weights
from jaxsurr.core.targets import check_tokens, labels_of_steps
from jaxsurr.core.types import Array, Sequences
from jaxsurr.core.whole import whole
from jaxsurr.losses import classes

__all__ = [
    "sequence_cross_entropy",
    "sequence_expected_error",
    "token_cross_entropy",
    "token_expected_error",
    "token_focal",
    "token_label_smoothing",
]


def _of_steps(
    loss: Loss, predictions: Array, targets: Sequences, where: Array | None, **options: Any
) -> tuple[Array, Array, Array | None]:
    """A loss of classes of each step `[B, T]`, 0 where it has no label; a mask of the others; rows out of range."""
    z, targets, wrong = read(check_tokens, predictions, targets, where)
    labels = labels_of_steps(targets)
    z = masked(z, labels >= 0)
    labels = jnp.clip(labels, 0, z.shape[-1] - 1)  # what is out of range is in `wrong`
    each = loss(z.reshape(-1, z.shape[-1]), labels.reshape(-1), **options).reshape(labels.shape)
    counts = labels_of_steps(targets) >= 0
    return masked(each, counts), counts, wrong


def _mean(loss: Loss, predictions: Array, targets: Sequences, where: Array | None, **options: Any) -> Array:
    each, counts, wrong = _of_steps(loss, predictions, targets, where, **options)
    return of_examples(jnp.sum(mean_weights(counts.astype(each.dtype)) * each, axis=1), where, wrong)


@whole
def token_cross_entropy(predictions: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Mean over the steps of an example of the cross-entropy `-log softmax(z_t)_(y_t)`.

    Args:
      predictions: `[B, T, K]` float logits.
      targets: `Sequences` of `[B, T]` labels, negative where a step is to be ignored, and `[B]` lengths.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0; 0 for an example without a label.

    >>> import jax.numpy as jnp
    >>> targets = Sequences(jnp.array([[0, 1, 1]]), jnp.array([2]))
    >>> round(float(token_cross_entropy(jnp.zeros((1, 3, 2)), targets)[0]), 4)  # log 2
    0.6931
    """
    return _mean(classes.cross_entropy, predictions, targets, where)


@whole
def token_label_smoothing(
    predictions: Array, targets: Sequences, *, where: Array | None = None, smoothing: float = 0.1
) -> Array:
    """Mean over the steps of an example of `label_smoothing`; `[B, T, K]` and `Sequences` to `[B]`, at least 0.

    Source: Szegedy et al., CVPR 2016; for sequences Vaswani et al., Attention Is All You Need, NeurIPS 2017.
    """
    return _mean(classes.label_smoothing, predictions, targets, where, smoothing=smoothing)


@whole
def token_focal(predictions: Array, targets: Sequences, *, where: Array | None = None, gamma: float = 2.0) -> Array:
    """Mean over the steps of an example of `focal`; `[B, T, K]` and `Sequences` to `[B]`, at least 0.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, with softmax for sigmoid.
    """
    return _mean(classes.focal, predictions, targets, where, gamma=gamma)


@whole
def token_expected_error(predictions: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Mean over the steps of an example of `1 - softmax(z_t)_(y_t)`; `[B, T, K]` and `Sequences` to `[B]` in [0, 1]."""
    return _mean(classes.expected_error, predictions, targets, where)


@whole
def sequence_cross_entropy(predictions: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Negative log-likelihood of all labels of an example, `-sum_t log softmax(z_t)_(y_t)`.

    `[B, T, K]` and `Sequences` to `[B]`, at least 0. Long examples count for more than in `token_cross_entropy`.

    >>> import jax.numpy as jnp
    >>> targets = Sequences(jnp.array([[0, 1, 1]]), jnp.array([2]))
    >>> round(float(sequence_cross_entropy(jnp.zeros((1, 3, 2)), targets)[0]), 4)  # 2 log 2
    1.3863
    """
    each, _, wrong = _of_steps(classes.cross_entropy, predictions, targets, where)
    return of_examples(jnp.sum(each, axis=1), where, wrong)


@whole
def sequence_expected_error(predictions: Array, targets: Sequences, *, where: Array | None = None) -> Array:
    """Probability that not all labels of an example are right, `1 - prod_t softmax(z_t)_(y_t)`.

    `[B, T, K]` and `Sequences` to `[B]` in [0, 1]; the steps are independent given the logits.

    >>> import jax.numpy as jnp
    >>> targets = Sequences(jnp.array([[0, 1, 1]]), jnp.array([2]))
    >>> round(float(sequence_expected_error(jnp.zeros((1, 3, 2)), targets)[0]), 4)  # 1 - 1/4
    0.75
    """
    each, _, wrong = _of_steps(classes.cross_entropy, predictions, targets, where)
    return of_examples(-jnp.expm1(-jnp.sum(each, axis=1)), where, wrong)
