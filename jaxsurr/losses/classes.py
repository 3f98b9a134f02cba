"""Fixed losses on class logits. A class may be ruled out by a logit of minus infinity."""

import jax
import jax.numpy as jnp
import optax

from jaxsurr.core import checks
from jaxsurr.core.costs import Matrix, costs_of
from jaxsurr.core.reading import of_examples, read
from jaxsurr.core.targets import check_classes
from jaxsurr.core.types import Array
from jaxsurr.core.whole import whole

__all__ = [
    "cost_weighted_cross_entropy",
    "cross_entropy",
    "expected_cost",
    "expected_error",
    "focal",
    "generalised_cross_entropy",
    "label_smoothing",
]

_CLASSES = check_classes


@whole
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
    z, labels, wrong = read(_CLASSES, predictions, targets, where)
    return of_examples(optax.softmax_cross_entropy_with_integer_labels(z, labels), where, wrong)


@whole
def cost_weighted_cross_entropy(
    predictions: Array, targets: Array, *, where: Array | None = None, matrix: Matrix | None = None
) -> Array:
    """Cross-entropy times the mean cost of the wrong decisions for an example, `-w_y log softmax(z)_y`.

    `w_y = sum_(d != y) C[y, d] / (K - 1)`: a weight knows the true class, and not which wrong class costs what.

    Source: Ting, An Instance-Weighting Method to Induce Cost-Sensitive Trees, IEEE TKDE 2002. C is `matrix`, `[K, K]`
    with a row for each true class, as for the metric `cost`; None: 1 for each wrong decision, which is cross-entropy.
    `[B, K]` and `[B]` to `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> loss = cost_weighted_cross_entropy(jnp.zeros((2, 2)), jnp.array([0, 1]), matrix=[[0, 1], [5, 0]])
    >>> (loss / jnp.log(2)).tolist()
    [1.0, 5.0]
    """
    z, labels, wrong = read(_CLASSES, predictions, targets, where)
    classes = z.shape[-1]
    weights = jnp.sum((1 - jnp.eye(classes)) * costs_of(matrix, classes), axis=1) / (classes - 1)
    weights = weights.astype(z.dtype)[labels]
    return of_examples(weights * optax.softmax_cross_entropy_with_integer_labels(z, labels), where, wrong)


@whole
def expected_cost(
    predictions: Array, targets: Array, *, where: Array | None = None, matrix: Matrix | None = None
) -> Array:
    """Expected cost of a decision drawn from the softmax, `sum_d softmax(z)_d C[y, d]`.

    C is `matrix`, `[K, K]` with a row for each true class and a column for each decision, as for the metric `cost`;
    None: 1 for each wrong decision, which is the expected error. `[B, K]` and `[B]` to `[B]`, at least 0.

    >>> import jax.numpy as jnp
    >>> expected_cost(jnp.zeros((2, 2)), jnp.array([0, 1]), matrix=[[0, 1], [5, 0]]).tolist()
    [0.5, 2.5]
    """
    z, labels, wrong = read(_CLASSES, predictions, targets, where)
    costs = costs_of(matrix, z.shape[-1]).astype(z.dtype)[labels]
    return of_examples(jnp.sum(jax.nn.softmax(z) * costs, axis=-1), where, wrong)


@whole
def expected_error(predictions: Array, targets: Array, *, where: Array | None = None) -> Array:
    """Probability of a wrong class, `1 - softmax(z)_y`; `[B, K]` and `[B]` to `[B]` in [0, 1]."""
    z, labels, wrong = read(_CLASSES, predictions, targets, where)
    probability = jnp.take_along_axis(jax.nn.softmax(z), labels[:, None], axis=-1)[:, 0]
    return of_examples(1 - probability, where, wrong)


@whole
def generalised_cross_entropy(
    predictions: Array, targets: Array, *, where: Array | None = None, q: float = 0.7
) -> Array:
    """Generalised cross-entropy `(1 - softmax(z)_y^q) / q`, between cross-entropy (q to 0) and expected error (q = 1).

    Source: Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels,
    NeurIPS 2018. q is in (0, 1]. `[B, K]` and `[B]` to `[B]` in [0, 1 / q].
    """
    checks.number(q, "q", above=0, most=1, meaning="0 would be cross-entropy, 1 is the expected error")
    return -jnp.expm1(-q * cross_entropy(predictions, targets, where=where)) / q


@whole
def label_smoothing(predictions: Array, targets: Array, *, where: Array | None = None, smoothing: float = 0.1) -> Array:
    """Cross-entropy with the target `(1 - a) onehot(y) + a / K` (optax); `[B, K]` and `[B]` to `[B]`, at least 0.

    Source: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016; a is `smoothing`, in
    [0, 1]. It is infinite where a class is ruled out by a logit of minus infinity, and refused outside `jit`.

    >>> import jax.numpy as jnp
    >>> round(float(label_smoothing(jnp.zeros((1, 2)), jnp.array([0]))[0]), 4)  # log 2, whatever the target
    0.6931
    """
    checks.number(smoothing, "smoothing", least=0, most=1)
    z, labels, wrong = read(_CLASSES, predictions, targets, where)
    soft = optax.smooth_labels(jax.nn.one_hot(labels, z.shape[-1], dtype=z.dtype), smoothing)
    return of_examples(soft_cross_entropy(z, soft), where, wrong)


def soft_cross_entropy(logits: Array, soft_targets: Array) -> Array:
    """Cross-entropy with soft targets, `[B, K]` and `[B, K]` to `[B]`; classes with target 0 do not count.

    Raises:
      ValueError: a class with a positive target is ruled out by a logit of minus infinity (outside `jit`).
    """
    counts = soft_targets > 0
    checks.refuse(
        checks.in_numpy(counts) & (checks.in_numpy(logits) == -jnp.inf),
        lambda index: (
            f"predictions rule a class out, -inf at index {index}, to which this loss gives a weight: it would be "
            "infinite. Use a finite logit such as -1e4, or a loss that reads the true class only, as cross_entropy."
        ),
    )
    log_probability = jax.nn.log_softmax(logits)
    return -jnp.sum(soft_targets * jnp.where(counts, log_probability, 0), axis=-1)


@whole
def focal(predictions: Array, targets: Array, *, where: Array | None = None, gamma: float = 2.0) -> Array:
    """Softmax focal loss `-(1 - p_y)^gamma log p_y`; gamma 0 is cross-entropy; `[B, K]` and `[B]` to `[B]`, at least 0.

    Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, with softmax for sigmoid; gamma is at least 0.

    >>> import jax.numpy as jnp
    >>> round(float(focal(jnp.zeros((1, 2)), jnp.array([0]))[0]), 4)  # log 2 / 4
    0.1733
    """
    checks.number(gamma, "gamma", least=0)
    return focused(cross_entropy(predictions, targets, where=where), gamma)


def focused(loss: Array, gamma: float) -> Array:
    """The focal loss `(1 - p)^gamma (-log p)` of a probability p, from its loss `-log p`; of any shape."""
    return raised(-jnp.expm1(-loss), gamma) * loss


def raised(base: Array, power: float) -> Array:
    """`base^power` of numbers of at least 0; its gradient is 0 at 0, where a power below 1 has no finite derivative."""
    positive = base > 0
    return jnp.where(positive, jnp.where(positive, base, 1) ** power, jnp.where(jnp.equal(power, 0), 1, 0))
