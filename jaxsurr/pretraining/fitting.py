"""Learning a surrogate without a model, from stored predictions or from random ones."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks, keys
from jaxsurr.core.compiling import few_times, quick
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.types import Array, Info, PyTree, Surrogate
from jaxsurr.diagnosis.fidelity import fidelity
from jaxsurr.metrics.base import as_metric
from jaxsurr.smoothing.smoothed_metric import prepared
from jaxsurr.spaces.sampling import sample
from jaxsurr.surrogates import METHODS
from jaxsurr.surrogates.frozen import follow_scale, follows, scale_of

__all__ = ["Fitted", "fit", "learn"]


class Fitted(NamedTuple):
    """A learned surrogate.

    Attributes:
      surrogate: of a method of `jaxsurr.surrogates`.
      state: of the surrogate.
      card: plain data: settings of learning, and fidelity on held-out predictions.
    """

    surrogate: Surrogate
    state: PyTree
    card: dict[str, Any]


def learn(
    surrogate: Surrogate, state: PyTree, batches: Iterable[tuple[Array, PyTree]], *, key: Array
) -> tuple[PyTree, Info]:
    """Updates a surrogate with each batch; returns the state, and the `Info` of the last update.

    Args:
      surrogate, state: at the start.
      batches: of predictions and targets, at least one.
      key: typed; update i has `jax.random.fold_in(key, i)`.

    Raises:
      ValueError: there is no batch.
    """
    step, info = quick(surrogate.update), None
    for number, (predictions, targets) in enumerate(batches):
        state, info = step(state, jax.random.fold_in(key, number), predictions, targets)
    if info is None:
        raise ValueError("batches is empty, so there is nothing to learn from. An iterator can be read only once.")
    return state, info


def _rows(tree: PyTree, index: np.ndarray) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[index], tree)


def fit(
    metric: MetricFunction,
    predictions: Array | None = None,
    targets: PyTree | None = None,
    *,
    key: Array,
    steps: int = 1000,
    batch_size: int = 128,
    method: str | Callable[..., Surrogate] = "correlated_gradients",
    sizes: int | Sequence[int] = 10,
    measured_sizes: Sequence[int] = (),
    heldout: float = 0.2,
    pairs: int = 4096,
    **options: Any,
) -> Fitted:
    """Learns a surrogate for a metric from stored predictions, or from samples of the prediction space.

    Fidelity is measured on held-out rows, or on further samples. In spaces of logits the smoothing scale follows each
    batch (`jaxsurr.follow_scale`), as it does when the surrogate is used frozen.

    Args:
      metric: the metric.
      predictions: `[N, ...]`, of a model, preferably on rows that it was not trained on; None samples them
        (`jaxsurr.sample`), in spaces of classes, levels, points, scores and lists.
      targets: of the metric, with N rows.
      key: typed.
      steps: updates.
      batch_size: rows of an update.
      method: its name in `jaxsurr.surrogates`, or a function `(metric, **options) -> Surrogate`.
      sizes: of sampled predictions, the number of classes, levels, points or items, or several that are cycled through.
      measured_sizes: sizes for which fidelity is measured, by default `sizes`.
      heldout: fraction of the stored rows that is held out, in (0, 1), at most 1,000 rows.
      pairs: antithetic pairs of the reference for fidelity.
      **options: of the method. A metric of sets has the family "network" by default: what is learned once and kept must
        know how its slope changes.

    Returns:
      `Fitted(surrogate, state, card)`; the card goes to `jaxsurr.save(path, surrogate, state, card=card)`.

    Raises:
      ValueError, TypeError: only one of predictions and targets, NaN, too few rows, a space that cannot be sampled, a
        number out of range, a method or option that is unknown.

    >>> import jax, jaxsurr
    >>> surrogate, state, card = jaxsurr.fit(jaxsurr.metrics.error_rate, key=jax.random.key(0), steps=100, pairs=256)
    >>> card["fidelity"][0]["size"], card["fidelity"][0]["gradient"] > 0.8
    (10, True)
    """
    metric = as_metric(metric)
    checks.typed_key(key)
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    for name, number in dict(steps=steps, batch_size=batch_size, pairs=pairs).items():
        checks.positive_integer(number, name)
    if not sizes:
        raise ValueError("sizes must name at least one number of classes, levels or points.")
    if isinstance(method, str):
        checks.one_of(method, "method", METHODS)
        if method == "correlated_gradients" and not metric.per_example:
            options = {"family": "network"} | options
        method = METHODS[method]
    surrogate = method(metric, **options)
    init_key, batch_key, update_key, test_key, reference_key = jax.random.split(key, 5)
    if predictions is None and targets is None:
        draw = functools.partial(sample, metric.space, rows=batch_size)
        batches = (draw(jax.random.fold_in(batch_key, i), size=sizes[i % len(sizes)]) for i in range(steps))
        first = draw(init_key, size=sizes[0])
        rows = {size: min(512, max(64, 2**16 // size)) for size in measured_sizes or sizes}
        tests = [(size, *sample(metric.space, test_key, rows[size], size)) for size in rows]
        source = {"source": f"samples of {metric.space.name}", "sizes": list(sizes), "rows": steps * batch_size}
    else:
        batches, first, test, source = _stored(
            metric, predictions, targets, heldout, steps, batch_size, test_key, batch_key
        )
        tests = [(int(np.prod(first[0].shape[1:])), *test)]
    # A metric of logits is learned at the scale of each batch, as `frozen` uses it.
    following = follows(surrogate)
    used = follow_scale(surrogate) if following else surrogate
    state, info = learn(used, few_times(surrogate.init)(init_key, *first), batches, key=update_key)
    measured = []
    for size, z, y in tests:
        at = None if following else state
        scale = scale_of(metric, at, z, y)
        found = fidelity(used, state, metric, z, y, key=reference_key, scale=scale, pairs=pairs)
        measured.append({"size": size, "rows": len(z), "pairs": pairs, "scale": float(scale), **found})
    card = source | {
        "updates": steps,
        "batch_size": batch_size,
        "key": np.asarray(keys.to_data(key)).tolist(),
        "follows_scale": following,
        "last_update": {name: np.asarray(value).tolist() for name, value in info._asdict().items()},
        "fidelity": measured,
    }
    return Fitted(surrogate, state, jax.tree.map(_without_nan, card))


def _without_nan(value: Any) -> Any:
    """Data with None in place of NaN, which JSON does not have."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _stored(metric, predictions, targets, heldout, steps, batch_size, split_key, batch_key):
    """Batches of stored rows, the rows for learning, the held-out rows, and a description."""
    if predictions is None or targets is None:
        raise ValueError("predictions and targets go together: pass both, or neither to sample the prediction space.")
    predictions, targets = prepared(metric.space, predictions, targets, None)
    number = len(predictions)
    checks.number(heldout, "heldout", above=0, below=1, meaning="a fraction of the rows")
    kept = min(max(round(heldout * number), 1), 1000)
    if kept < 2 or number - kept < 2:
        raise ValueError(f"{number} rows are too few to learn from some and hold out others; pass at least 10.")
    order = np.asarray(jax.random.permutation(split_key, number))
    train, test = (_rows((predictions, targets), index) for index in (order[kept:], order[:kept]))
    size = min(batch_size, number - kept)
    draw = jax.jit(
        lambda key, rows: jax.tree.map(lambda leaf: leaf[jax.random.choice(key, number - kept, (size,), False)], rows)
    )
    batches = (draw(jax.random.fold_in(batch_key, i), train) for i in range(steps))
    return batches, train, test, {"source": "stored predictions", "rows": number - kept, "heldout_rows": kept}
