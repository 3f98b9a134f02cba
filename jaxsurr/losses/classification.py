"""Conventional losses on class logits."""

import jax
import jax.numpy as jnp
import optax

from jaxsurr import checks
from jaxsurr.reductions import masked
from jaxsurr.types import Array


def cross_entropy(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Cross-entropy `-log softmax(z)_y` (optax).

    Args:
      predictions: `[B, K]` float logits.
      targets: `[B]` integers from 0 to K - 1.
      where: `[B]` bool; rows where it is False are 0.

    Returns:
      `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> round(float(cross_entropy(jnp.zeros((1, 2)), jnp.array([0]))[0]), 4)  # log 2
    0.6931
    """
    checks.labelled(predictions, targets, "classes")
    return masked(optax.softmax_cross_entropy_with_integer_labels(predictions, targets), where)


def expected_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Probability of a wrong class, `1 - softmax(z)_y`; `[B, K]` and `[B]` to `[B]` in [0, 1]."""
    checks.labelled(predictions, targets, "classes")
    probability = jnp.take_along_axis(jax.nn.softmax(predictions), targets[:, None], axis=-1)[:, 0]
    return masked(1 - probability, where)


def generalised_cross_entropy(
    predictions: Array, targets: Array, *, where: Array | None = None, q: float = 0.7
) -> Array:
    """Generalised cross-entropy `(1 - softmax(z)_y^q) / q`, between cross-entropy (q to 0) and expected error (q = 1).

    Source: Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
    NeurIPS 2018. `[B, K]` and `[B]` to `[B]` in [0, 1 / q].
    """
    return masked(-jnp.expm1(-q * cross_entropy(predictions, targets)) / q, where)


def label_smoothing(predictions: Array, targets: Array, *, where: Array | None = None, smoothing: float = 0.1) -> Array:
    """Cross-entropy with the target `(1 - a) onehot(y) + a / K` (optax); `[B, K]` and `[B]` to `[B]`, at least 0.

    Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016; a is `smoothing`, in
    [0, 1].

    >>> import jax.numpy as jnp
    >>> round(float(label_smoothing(jnp.zeros((1, 2)), jnp.array([0]))[0]), 4)  # log 2, whatever the target
    0.6931
    """
    checks.labelled(predictions, targets, "classes")
    soft = optax.smooth_labels(jax.nn.one_hot(targets, predictions.shape[-1], dtype=predictions.dtype), smoothing)
    return masked(optax.softmax_cross_entropy(predictions, soft), where)


def focal(predictions: Array, targets: Array, *, where: Array | None = None, gamma: float = 2.0) -> Array:
    """Softmax focal loss `-(1 - p_y)^gamma log p_y`; gamma 0 is cross-entropy; `[B, K]` and `[B]` to `[B]`, at least 0.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, with softmax for sigmoid.

    >>> import jax.numpy as jnp
    >>> round(float(focal(jnp.zeros((1, 2)), jnp.array([0]))[0]), 4)  # log 2 / 4
    0.1733
    """
    loss = cross_entropy(predictions, targets)
    missed = -jnp.expm1(-loss)
    positive = missed > 0  # a power below 1 has no finite derivative at 0
    return masked(jnp.where(positive, jnp.where(positive, missed, 1) ** gamma, 0 if gamma else 1) * loss, where)
