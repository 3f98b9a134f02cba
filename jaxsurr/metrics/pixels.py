"""Metrics of the classes of pixels."""

import jax
import jax.numpy as jnp

from jaxsurr.core.reading import checked
from jaxsurr.core.reductions import masked
from jaxsurr.core.types import Array
from jaxsurr.metrics.confusion import Counts
from jaxsurr.metrics.sums import Value, of_sums, ratio, set_metric
from jaxsurr.spaces import pixel_logits

__all__ = ["mean_iou"]


@set_metric(higher_is_better=True, space=pixel_logits)
def mean_iou(predictions: Array, targets: Array) -> Value:
    """Mean over classes of intersection over union of the pixels of all images of a set; higher is better.

    `TP_k / (TP_k + FN_k + FP_k)` with pixels counted over the whole set, mean over the classes that are true or
    predicted somewhere.

    Args:
      predictions: `[B, H, W, K]` float logits; the first largest is predicted.
      targets: `[B, H, W]` integers from 0 to K - 1, negative where a pixel is ignored.
      where: `[B]` bool; masked images do not count.
      weights: `[B]` of at least 0, of the images.
      replacements: as `predictions`: the value with each image alone replaced is returned, `[B]`.

    Returns:
      `[]` in [0, 1]; 0 for the empty set, NaN where an image that is not masked holds a NaN.

    Raises:
      ValueError, TypeError: shapes or dtypes do not fit, or labels are out of range (outside `jit`).

    >>> import jax.numpy as jnp
    >>> logits = jnp.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]]])
    >>> float(mean_iou(logits, jnp.array([[[0, 1, 0]]])))  # 1/2 of each class
    0.5
    """
    predictions, targets, wrong = checked(pixel_logits.check, predictions, targets)
    classes, counts = predictions.shape[-1], targets >= 0

    def statistics(z):
        predicted, true = (
            masked(jax.nn.one_hot(labels, classes, dtype=jnp.float32), counts)
            for labels in (jnp.argmax(z, axis=-1), targets)
        )
        return Counts(*(jnp.sum(pixels, axis=(1, 2)) for pixels in (predicted * true, predicted, true)))

    def value(counts):
        union = counts.true + counts.predicted - counts.both
        return ratio(jnp.sum(ratio(counts.both, union)), jnp.sum(union > 0, dtype=jnp.float32))

    return of_sums(statistics, value, predictions, wrong=wrong, clear=lambda z: masked(z, counts))
