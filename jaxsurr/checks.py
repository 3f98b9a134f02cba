"""Checks of what a user hands in. Each raises an error in words.

Checks of shapes and dtypes work while tracing; `finite` and `labels_in_range` read values, so they look at concrete
arrays and pass over traced ones.
"""

import difflib
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.types import Keypoints, RankedLists, Sequences


def is_concrete(tree: Any) -> bool:
    """Whether no leaf of `tree` is being traced, so that values can be looked at."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that names the known word nearest to `name`, and all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(known)}."


def floating(predictions: Any, ndim: int | None = None, axes: str = "") -> None:
    """Refuses predictions that are not a floating-point array with at least one example and, if given, `ndim` axes."""
    if not hasattr(predictions, "dtype"):
        raise TypeError(f"predictions must be an array, got {type(predictions).__name__}.")
    if not jnp.issubdtype(predictions.dtype, jnp.floating):
        raise TypeError(
            f"predictions must have a floating dtype (they are perturbed and differentiated), got {predictions.dtype}."
        )
    if predictions.ndim == 0 or (ndim is not None and predictions.ndim != ndim):
        raise ValueError(f"predictions must have shape {axes or '[B, ...]'}, got {list(predictions.shape)}.")
    if predictions.shape[0] == 0:
        raise ValueError("predictions hold no example: the batch is empty. Pass at least one.")


def integer_labels(predictions: Any, targets: Any, what: str) -> None:
    """Refuses targets that are not one integer for each row of `predictions`."""
    if not hasattr(targets, "dtype"):
        raise TypeError(f"targets must be an integer array of {what}, got {type(targets).__name__}.")
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be integers ({what}), got dtype {targets.dtype}.")
    if targets.shape != predictions.shape[:1]:
        raise ValueError(
            f"targets must hold one of the {what} for each row of predictions, shape [{predictions.shape[0]}], "
            f"got {list(targets.shape)}."
        )


def labels_in_range(targets: Any, count: int, what: str) -> None:
    """Refuses labels outside 0 .. count - 1; passes over traced arrays, whose values cannot be seen."""
    if not is_concrete(targets):
        return
    values = np.asarray(targets)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= count:
        raise ValueError(
            f"targets must be {what} from 0 to {count - 1}, as predictions have room for {count}, "
            f"got values from {low} to {high}. Shift the labels, or give the model more outputs."
        )


def labelled(predictions: Any, targets: Any, what: str, *, cumulative: bool = False) -> None:
    """Refuses predictions that are not `[B, K]` floats, and targets that are not `[B]` integers from 0 to K - 1.

    With `cumulative` predictions are `[B, K - 1]`, a logit of P(level > k) for each threshold.
    """
    floating(predictions, 2, f"[B, K - 1], logits of P({what} > k)" if cumulative else f"[B, K], logits of K {what}")
    count = predictions.shape[1] + cumulative
    if count < 2:
        raise ValueError(f"predictions must have room for at least 2 {what}, got {list(predictions.shape)}.")
    integer_labels(predictions, targets, what)
    labels_in_range(targets, count, what)


def scored(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, 1]` floats, one score each, and targets that are not `[B]` integers."""
    floating(predictions, 2, "[B, 1], one score in levels")
    if predictions.shape[1] != 1:
        raise ValueError(f"predictions must have shape [B, 1], one score in levels, got {list(predictions.shape)}.")
    integer_labels(predictions, targets, "levels")


def pointed(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, J, 2]` floats, and targets that are not `Keypoints` that fit them."""
    floating(predictions, 3, "[B, J, 2], (x, y) of J points")
    if predictions.shape[2] != 2:
        raise ValueError(f"predictions must have shape [B, J, 2], (x, y) of J points, got {list(predictions.shape)}.")
    keypoints(predictions, targets)


def keypoints(predictions: Any, targets: Any) -> None:
    """Refuses targets that are not `Keypoints` which fit predictions `[B, J, 2]`."""
    batch, joints = predictions.shape[:2]
    _fields(targets, Keypoints, {"points": (batch, joints, 2), "visible": (batch, joints), "scale": (batch,)})
    if is_concrete(targets.scale) and not np.all(np.asarray(targets.scale) > 0):
        raise ValueError("targets.scale must be positive everywhere: it is the length that errors are divided by.")


def _fields(targets: Any, kind: type, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuses targets that are not of a kind whose arrays have these shapes."""
    if not isinstance(targets, kind):
        raise TypeError(
            f"targets must be jaxsurr.{kind.__name__}({', '.join(kind._fields)}), got {type(targets).__name__}."
        )
    for name, shape in shapes.items():
        got = jnp.shape(getattr(targets, name))
        if got != shape:
            raise ValueError(f"targets.{name} must have shape {list(shape)} to fit predictions, got {list(got)}.")


def lists(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, L]` floats, and targets that are not `RankedLists` that fit them."""
    floating(predictions, 2, "[B, L], scores of L items")
    if predictions.shape[1] == 0:
        raise ValueError("predictions have shape [B, 0]: the lists have no room for an item.")
    _fields(targets, RankedLists, {"relevance": predictions.shape, "items": predictions.shape})
    if is_concrete(targets):
        relevance = np.asarray(targets.relevance)[np.asarray(targets.items) > 0]
        if not np.all(relevance >= 0):
            raise ValueError("targets.relevance must be at least 0 wherever there is an item, and no NaN.")


def pixels(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, H, W, K]` floats, and targets that are not `[B, H, W]` integers below K."""
    floating(predictions, 4, "[B, H, W, K], logits of K classes for each pixel")
    if not hasattr(targets, "dtype") or not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be integers (classes), got {getattr(targets, 'dtype', type(targets).__name__)}.")
    if targets.shape != predictions.shape[:3] or 0 in predictions.shape:
        raise ValueError(
            f"targets must hold a class for each pixel, shape {list(predictions.shape[:3])}, got {list(targets.shape)}."
        )
    if is_concrete(targets) and int(np.max(np.asarray(targets))) >= predictions.shape[3]:
        raise ValueError(
            f"targets must be classes from 0 to {predictions.shape[3] - 1}, or negative where a pixel is ignored, got "
            f"{int(np.max(np.asarray(targets)))}. Give the model more outputs, or mark what to ignore by -1."
        )


def sequences(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, T, K]` floats, and targets that are not `Sequences` that fit them."""
    floating(predictions, 3, "[B, T, K], logits of K tokens for each step")
    if 0 in predictions.shape:
        raise ValueError(f"predictions must have at least one step and one token, got {list(predictions.shape)}.")
    longest = np.shape(getattr(targets, "tokens", None))[-1:]
    _fields(targets, Sequences, {"tokens": (len(predictions), *longest), "lengths": (len(predictions),)})
    if not all(jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.integer) for leaf in targets) or longest == (0,):
        raise ValueError("targets.tokens and targets.lengths must be integers, with room for at least one token.")
    if is_concrete(targets):
        lengths = np.asarray(targets.lengths)
        if lengths.min() < 0 or lengths.max() > longest[0]:
            raise ValueError(f"targets.lengths must lie between 0 and {longest[0]}, the room that targets.tokens have.")


def weights(values: Any, batch: int) -> None:
    """Refuses weights of examples that are not `[B]` numbers of at least 0."""
    if values is None:
        return
    if jnp.shape(values) != (batch,):
        raise ValueError(f"weights must have shape [{batch}], one for each example, got {list(jnp.shape(values))}.")
    if is_concrete(values) and not np.all(np.asarray(values) >= 0):
        raise ValueError("weights must be numbers of at least 0.")


def mask(where: Any, batch: int) -> None:
    """Refuses a mask that is not `[B]` booleans."""
    if where is None:
        return
    if jnp.shape(where) != (batch,):
        raise ValueError(f"where must be a boolean mask of shape [{batch}], got {list(jnp.shape(where))}.")
    if jnp.asarray(where).dtype != jnp.bool_:
        raise TypeError(f"where must be boolean (True: the example counts), got dtype {jnp.asarray(where).dtype}.")


def finite(predictions: Any, name: str = "predictions") -> None:
    """Refuses NaN and infinities; passes over traced arrays, whose values cannot be seen."""
    if not is_concrete(predictions):
        return
    bad = ~np.isfinite(np.asarray(predictions, np.float32))
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} hold {int(bad.sum())} values that are NaN or infinite, the first at index {index}. "
            "The model has probably diverged: lower its learning rate, or clip its gradients."
        )


def positive_integer(value: Any, name: str) -> None:
    """Refuses anything but a whole number of at least one."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}.")


def typed_key(key: Any, name: str = "key") -> None:
    """Refuses anything but one typed key, as `jax.random.key(0)` makes it."""
    dtype = getattr(key, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        number = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
        if number:
            got = f"the number {key}: pass jax.random.key({key})"
        elif dtype is not None and np.issubdtype(dtype, np.integer):
            got = (
                f"an array of {dtype} of shape {list(np.shape(key))}: make it by jax.random.key(0) in place of "
                "jax.random.PRNGKey(0), or pass jax.random.wrap_key_data(key)"
            )
        else:
            got = f"{type(key).__name__}: pass jax.random.key(0)"
        raise TypeError(f"{name} must be a typed random key, got {got}.")
    if jnp.shape(key) != ():
        raise ValueError(f"{name} must be one key, got an array of keys of shape {list(jnp.shape(key))}: pass key[0].")


def one_of(value: Any, name: str, known: Iterable[str]) -> None:
    """Refuses a word that is not among the known ones."""
    known = tuple(known)
    if value not in known:
        raise ValueError(f"{name} is {value!r}, which is unknown; {nearest(str(value), known)}")
