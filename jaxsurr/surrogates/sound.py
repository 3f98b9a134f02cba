"""What every surrogate does with a batch before it reads it, and with a state after it has learned."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.compiling import once
from jaxsurr.core.meshes import automatic
from jaxsurr.core.products import matmul
from jaxsurr.core.reductions import mean_one, psum
from jaxsurr.core.types import Array, Info, PyTree, Surrogate
from jaxsurr.core.whole import all_finite
from jaxsurr.surrogates.compiled import compiled

__all__ = ["Prepare", "kept", "learned_from", "of_sound_batches"]

Prepare = Callable[[Array, PyTree, Array | None], tuple[Array, PyTree]]
"""`(predictions, targets, where) -> (predictions, targets)`, sound wherever they count for nothing."""


def _spoilt(before: PyTree, after: PyTree, predictions: Array) -> Array:
    """Whether predictions, or a number of a state that was finite before the update, are NaN or infinite; `[]` bool."""
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    bad = [~jnp.isfinite(new) & jnp.isfinite(old) for old, new in pairs if jnp.issubdtype(new.dtype, jnp.inexact)]
    found = jnp.stack([jnp.any(part) for part in (*bad, ~jnp.isfinite(predictions))]).astype(jnp.float32)
    # A matrix product is computed once; `any` XLA would compute again in each of the operations that read it.
    return matmul(found, found) > 0


def kept(skipped: Array, before: PyTree, after: PyTree) -> PyTree:
    """Each leaf of `before` where an update is skipped, else of `after`; `[]` bool and two pytrees of one form."""
    return jax.tree.map(lambda old, new: jnp.where(skipped, old, new), before, after)


def of_sound_batches(prepare: Prepare, init: Callable, loss: Callable, update: Callable) -> Surrogate:
    """The surrogate of three functions that are called with prepared batches, and whose state stays finite.

    What counts for nothing is filled in before any of the functions reads it. An update in which a NaN or an infinity
    turns up, in the batch, or in what is learned from it and from the metric, leaves the state as it was, on all
    devices alike, and says so in `Info.skipped`. (An update may set it itself, where it sees what the state would not
    show.) So one bad batch costs one update, as it costs a model one step under `optax.apply_if_finite`.

    Outside of compiled code the three look at the values of a batch first, and then compile themselves
    (`jaxsurr.surrogates.compiled`).

    Args:
      prepare: as `jaxsurr.smoothing.smoothed_metric.prepared` with its space.
      init, loss, update: of a `Surrogate`.
    """

    @functools.wraps(init)
    def start(key: Array, predictions: Array, targets: PyTree, where: Array | None = None) -> PyTree:
        checks.typed_key(key)
        return init(key, *jax.lax.stop_gradient(prepare(predictions, targets, where)), mean_one(where))

    @functools.wraps(loss)
    def value(state: PyTree, predictions: Array, targets: PyTree, where: Array | None = None, **more: Any) -> Array:
        unit = mean_one(where, more.get("axis_name"))
        return loss(state, *prepare(predictions, targets, where), unit, **more)

    @functools.wraps(update)
    def learn(
        state: PyTree,
        key: Array,
        predictions: Array,
        targets: PyTree,
        where: Array | None = None,
        *,
        axis_name: str | None = None,
        **more: Any,
    ) -> tuple[PyTree, Info]:
        checks.typed_key(key)
        batch = jax.lax.stop_gradient(prepare(predictions, targets, where))
        after, info = update(state, key, *batch, mean_one(where, axis_name), axis_name=axis_name, **more)
        # Targets are not looked at: a metric of the user's own may know what a NaN in them means.
        bad = _spoilt(state, after, batch[0]).astype(jnp.float32)
        skipped = psum(bad + jnp.max(jnp.asarray(info.skipped, jnp.float32)), axis_name) > 0
        flags = jnp.broadcast_to(skipped.astype(jnp.float32), jnp.shape(info.metric))
        info = jax.tree.map(lambda leaf: jnp.where(skipped, jnp.nan, leaf), info)
        return kept(skipped, state, after), info._replace(skipped=flags)

    def look(first: PyTree, *batch: Any) -> None:
        prepare(*_whole(batch))

    def look_with_key(key: Array, *batch: Any) -> None:
        checks.typed_key(key)
        prepare(*_whole(batch))

    return Surrogate(
        compiled(automatic(start), look_with_key, lambda state: True, once),
        compiled(automatic(value, of_rows=True), look, all_finite),
        compiled(automatic(learn), lambda state, *rest: look_with_key(*rest), learned_from),
    )


def _whole(batch: tuple) -> tuple:
    """`(predictions, targets, where)`, with None for a mask that was left out."""
    return batch if len(batch) == 3 else (*batch, None)


def learned_from(result: tuple[PyTree, Info]) -> bool:
    """Whether the update that returned this was not skipped."""
    return not np.any(jax.device_get(result[1].skipped))
