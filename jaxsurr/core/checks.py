"""Checks of user input. Each raises an error that says what was expected.

Checks of shapes and dtypes work while tracing. Values of traced arrays are not known: where a check reads the values of
targets, it refuses concrete ones that are out of range; for traced ones it returns a mask `[B]` of the examples with a
value out of range, so that results computed from them can be NaN (`jaxsurr.core.reading`). It returns None where
everything is known to be valid.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import keys

__all__ = [
    "all_here", "decided", "finite", "floating", "integer_labels", "intervals", "is_concrete", "labelled",
    "labels_in_range", "mask", "nearest", "not_ruled_out", "numbers", "of_two_classes", "one_logit", "one_number",
    "one_of", "one_target", "outside", "pixels", "positive_integer", "score", "scored", "similar", "typed_key",
    "weights",
]  # fmt: skip


def is_concrete(tree: Any) -> bool:
    """Whether no leaf of `tree` is traced, so that values can be read."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def all_here(tree: Any) -> bool:
    """Whether this process holds all rows of all arrays."""
    return all(leaf.is_fully_addressable for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array))


def similar(name: str, known: Iterable[str], *, least: float = 0.6) -> str | None:
    """The known word closest in spelling to `name`, or None where none has a similarity of at least `least` in [0, 1].

    >>> similar("respons", ["age", "response"]), similar("ID", ["age", "id"])
    ('response', 'id')
    """
    lowered = {word.lower(): word for word in known}  # upper case is no other spelling
    return next((lowered[word] for word in difflib.get_close_matches(name[:80].lower(), lowered, 1, least)), None)


def nearest(name: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> str:
    """A hint for an error message: the known word closest to `name`, by `meant` or by spelling, and all known words."""
    known = sorted(known)
    close = similar(name, known, least=0.5)
    hint = f"did you mean {close!r}? " if close else ""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    if meant and plain in meant:
        hint = f"{meant[plain]}. "
    return f"{hint}Known: {', '.join(known)}."


def floating(predictions: Any, ndim: int | None = None, axes: str = "", advice: str = "") -> None:
    """Refuses predictions that are not a floating-point array with at least one example and, if given, `ndim` axes."""
    if not hasattr(predictions, "dtype"):
        raise TypeError(f"predictions must be an array, got {type(predictions).__name__}.")
    if not jnp.issubdtype(predictions.dtype, jnp.floating):
        raise TypeError(
            f"predictions must have a floating dtype (they are perturbed and differentiated), got {predictions.dtype}."
        )
    if predictions.ndim == 0 or (ndim is not None and predictions.ndim != ndim):
        raise ValueError(f"predictions must have shape {axes or '[B, ...]'}, got {list(predictions.shape)}.{advice}")
    if predictions.shape[0] == 0:
        raise ValueError("predictions hold no example: the batch is empty. Pass at least one.")


def _whole(targets: Any) -> bool:
    """Whether targets are known to be whole numbers."""
    return is_concrete(targets) and not np.any(np.asarray(targets, np.float64) % 1)


def integer_labels(predictions: Any, targets: Any, what: str) -> None:
    """Refuses targets that are not one integer for each row of `predictions`."""
    if not hasattr(targets, "dtype"):
        raise TypeError(f"targets must be an integer array of {what}, got {type(targets).__name__}.")
    one_hot = targets.ndim == 2 and targets.shape == predictions.shape and targets.shape[1] > 1
    advice = " They look like one-hot labels: pass targets.argmax(axis=-1)." if one_hot else ""
    if one_hot and is_concrete(targets) and np.any(np.sum(np.asarray(targets), axis=1) != 1):
        advice = " Several labels of an example are read by label_cross_entropy, hamming_error and label_f_beta."
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        if targets.dtype == jnp.bool_ and not one_hot:
            advice = " Pass targets.astype(int), by which False is 0 and True is 1."
        elif what == "levels" and jnp.issubdtype(targets.dtype, jnp.floating) and not _whole(targets):
            advice = " Targets that are numbers have metrics of their own: absolute_error, root_mean_squared_error, ..."
        elif not one_hot and _whole(targets):
            advice = " They are whole numbers: pass targets.astype(int)."
        raise TypeError(f"targets must be integers ({what}), got dtype {targets.dtype}.{advice}")
    if targets.shape != predictions.shape[:1]:
        raise ValueError(
            f"targets must hold one of the {what} for each row of predictions, shape [{predictions.shape[0]}], "
            f"got {list(targets.shape)}.{advice}"
        )


def labels_in_range(targets: Any, count: int, what: str) -> Array | None:
    """Refuses labels outside 0 .. count - 1; for traced labels returns a mask of those that are, `[B]`."""
    if not is_concrete(targets):
        return outside(targets, count)
    values = np.asarray(targets)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= count:
        raise ValueError(
            f"targets must be {what} from 0 to {count - 1}, as predictions have room for {count}, "
            f"got values from {low} to {high}. Shift the labels, give the model more outputs, or leave examples "
            "without a label out by where=."
        )
    return None


def outside(labels: Array, count: int) -> Array:
    """Mask of integers, of any dtype, outside 0 .. count - 1."""
    return (labels < 0) | (labels > min(count - 1, int(jnp.iinfo(labels.dtype).max)))


_ONE_LOGIT = (
    " Is it one logit of the class 1? Its loss is binary_cross_entropy. Metrics such as error_rate, f_beta and roc_auc "
    "read it, and surrogates of them do in the space of scores: error_rate.bind(space=jaxsurr.spaces.binary_scores)."
)


def labelled(predictions: Any, targets: Any, what: str, *, cumulative: bool = False) -> Array | None:
    """Refuses predictions that are not `[B, K]` floats, and targets that are not `[B]` integers from 0 to K - 1.

    With `cumulative` predictions are `[B, K - 1]`, a logit of P(level > k) for each threshold.
    """
    axes = f"[B, K - 1], logits of P({what} > k)" if cumulative else f"[B, K], logits of K {what}"
    ndim, advice = getattr(predictions, "ndim", 0), ""
    if ndim > 2:
        advice = (
            " Each token or pixel of [B, T, K] is an example: pass predictions.reshape(-1, K) and targets.reshape(-1), "
            "with where= to leave out padding."
        )
    elif ndim == 1 and what == "classes":
        advice = _ONE_LOGIT
    floating(predictions, 2, axes, advice)
    count = predictions.shape[1] + cumulative
    if count < 2:
        advice = _ONE_LOGIT if predictions.shape[1] == 1 and what == "classes" else ""
        raise ValueError(
            f"predictions must have room for at least 2 {what}, got shape {list(predictions.shape)}.{advice}"
        )
    integer_labels(predictions, targets, what)
    return labels_in_range(targets, count, what)


def one_logit(predictions: Any, targets: Any) -> tuple[Any, Any]:
    """One logit for two classes, `[B, 1]`, as a score `[B]`; its targets, `[B, 1]` or bool, as integers `[B]`.

    Other predictions, with their targets, are returned unchanged.

    >>> z, y = one_logit(jnp.zeros((2, 1)), jnp.array([[True], [False]]))
    >>> z.shape, y.tolist()
    ((2,), [1, 0])
    """
    shape = getattr(predictions, "shape", ())
    if len(shape) == 2 and shape[1] == 1:
        predictions = predictions.reshape(shape[:1])
    elif len(shape) != 1:
        return predictions, targets
    if getattr(targets, "shape", None) == (shape[0], 1):
        targets = targets.reshape(shape[:1])
    if getattr(targets, "dtype", None) == jnp.bool_:
        targets = targets.astype(jnp.int32)
    return predictions, targets


def score(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not one float for each example, `[B]` or `[B, 1]`, and labels other than 0 and 1."""
    if getattr(predictions, "ndim", 1) == 2 and predictions.shape[1] != 1:
        raise ValueError(
            "predictions must have shape [B] or [B, 1], one logit of the class 1, got "
            f"{list(predictions.shape)}. Logits of each class are read in the space class_logits."
        )
    predictions, targets = one_logit(predictions, targets)
    floating(predictions, 1, "[B] or [B, 1], one logit of the class 1")
    integer_labels(predictions, targets, "classes")
    return labels_in_range(targets, 2, "classes")


def decided(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions other than `[B, K]` logits of classes or one logit of class 1, and labels out of range."""
    shape = getattr(predictions, "shape", ())
    if len(shape) == 1 or shape[1:] == (1,):
        return score(predictions, targets)
    return labelled(predictions, targets, "classes")


def of_two_classes(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions other than one logit of class 1 or `[B, 2]` logits, and labels other than 0 and 1."""
    wrong = decided(predictions, targets)
    if predictions.ndim == 2 and predictions.shape[1] > 2:
        raise ValueError(
            "predictions must be of two classes, scores [B] or [B, 1], or logits [B, 2], got "
            f"{list(predictions.shape)}."
        )
    return wrong


def scored(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, 1]` floats, one score each, and targets that are not `[B]` integers."""
    floating(predictions, 2, "[B, 1], one score in levels")
    if predictions.shape[1] != 1:
        raise ValueError(f"predictions must have shape [B, 1], one score in levels, got {list(predictions.shape)}.")
    integer_labels(predictions, targets, "levels")


def one_number(predictions: Any) -> None:
    """Refuses predictions that are not one number for each example, `[B]` or `[B, 1]` floats."""
    floating(predictions)
    if predictions.ndim > 2 or predictions.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"predictions must have shape [B] or [B, 1], one number for each example, got {list(predictions.shape)}."
        )


def one_target(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B]` or `[B, 1]` floats, and targets that are not one finite number each."""
    one_number(predictions)
    return _number_targets(predictions, targets, predictions.shape[:1])


def numbers(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions other than `[B]`, `[B, 1]` or `[B, D]` floats, and targets other than as many finite numbers.

    Targets are `[B]`, or `[B, D]` where predictions are.
    """
    if getattr(targets, "ndim", 1) != 2 or getattr(predictions, "ndim", 2) != 2:
        return one_target(predictions, targets)
    floating(predictions)
    if predictions.shape[1] != targets.shape[1] or targets.shape[1] == 0:
        raise ValueError(
            "predictions and targets must hold the same number D of numbers for each example, [B, D], got predictions "
            f"{list(predictions.shape)} and targets {list(targets.shape)}. Give the model an output for each target."
        )
    return _number_targets(predictions, targets, predictions.shape)


def intervals(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, 2]` floats, the ends of intervals, and targets as `numbers` does."""
    floating(predictions, 2, "[B, 2], the lower and the upper end of an interval")
    if predictions.shape[1] != 2:
        raise ValueError(
            "predictions must have shape [B, 2], the lower and the upper end of an interval, got "
            f"{list(predictions.shape)}."
        )
    return _number_targets(predictions, targets, predictions.shape[:1])


def _number_targets(predictions: Any, targets: Any, shape: tuple[int, ...]) -> Array | None:
    if not hasattr(targets, "dtype"):
        censored = type(targets).__name__ == "Durations"
        advice = " Times with censoring are for concordance_index, cox and pairwise_concordance." if censored else ""
        raise TypeError(f"targets must be an array of numbers, got {type(targets).__name__}.{advice}")
    if not jnp.issubdtype(targets.dtype, jnp.floating) and not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be numbers, floats or integers, got dtype {targets.dtype}.")
    if targets.shape != shape:
        column = targets.ndim == 2 and targets.shape[1] == 1
        advice = " Pass targets[:, 0]." * column
        if targets.ndim == 2 and not column:
            advice = " Several numbers are for predictions [B, D], and losses and metrics as absolute_error and r2."
        raise ValueError(
            f"targets must hold one number for each row of predictions, shape {list(shape)}, got "
            f"{list(targets.shape)}.{advice}"
        )
    if not is_concrete(targets):
        wrong = ~jnp.isfinite(targets.astype(jnp.float32))
        return wrong if wrong.ndim == 1 else jnp.any(wrong, axis=1)
    with np.errstate(over="ignore"):
        wrong = ~np.isfinite(np.asarray(targets, np.float32))
    if wrong.any():
        raise ValueError(
            f"targets hold {int(wrong.sum())} values that are NaN or infinite, the first at index "
            f"{', '.join(map(str, np.argwhere(wrong)[0]))}. Leave examples without a target out by where=."
        )
    return None


def pixels(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, H, W, K]` floats, and targets that are not `[B, H, W]` integers below K."""
    floating(predictions, 4, "[B, H, W, K], logits of K classes for each pixel")
    if not hasattr(targets, "dtype") or not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be integers (classes), got {getattr(targets, 'dtype', type(targets).__name__)}.")
    if targets.shape != predictions.shape[:3] or 0 in predictions.shape:
        raise ValueError(
            f"targets must hold a class for each pixel, shape {list(predictions.shape[:3])}, got {list(targets.shape)}."
        )
    count = predictions.shape[3]
    if not is_concrete(targets):
        return jnp.any((targets >= 0) & outside(targets, count), axis=(1, 2))
    if int(np.max(np.asarray(targets))) >= count:
        raise ValueError(
            f"targets must be classes from 0 to {count - 1}, or negative where a pixel is ignored, got "
            f"{int(np.max(np.asarray(targets)))}. Give the model more outputs, or mark what to ignore by -1."
        )
    return None


def weights(values: Any, batch: int, name: str = "weights") -> Array | None:
    """Refuses weights of examples that are not `[B]` finite numbers of at least 0; for traced ones returns a mask."""
    if values is None:
        return None
    if jnp.shape(values) != (batch,):
        raise ValueError(f"{name} must have shape [{batch}], one for each example, got {list(jnp.shape(values))}.")
    library: Any = np if is_concrete(values) else jnp
    wrong = ~((library.asarray(values) >= 0) & library.isfinite(library.asarray(values)))
    if library is jnp:
        return wrong
    if wrong.any():
        raise ValueError(f"{name} must be finite numbers of at least 0, got {np.asarray(values)[wrong][0]}.")
    return None


def mask(where: Any, batch: int) -> None:
    """Refuses what is neither a mask `[B]` of booleans nor weights `[B]` of floats of at least 0."""
    if where is None:
        return
    meant = "where must be booleans (True: the example counts) or float weights"
    if not hasattr(where, "dtype"):
        raise TypeError(f"{meant}, an array, got {type(where).__name__}.")
    if jnp.shape(where) != (batch,):
        raise ValueError(f"{meant}, of shape [{batch}], one for each example, got {list(jnp.shape(where))}.")
    dtype = jnp.asarray(where).dtype
    if jnp.issubdtype(dtype, jnp.floating):
        weights(where, batch, "weights in where")
    elif dtype != jnp.bool_:
        raise TypeError(f"{meant}, got dtype {dtype}: cast 0 and 1 with .astype(bool), weights with .astype(float).")


def finite(predictions: Any, name: str = "predictions") -> None:
    """Refuses NaN and infinities; traced arrays, whose values are not known, pass."""
    if not is_concrete(predictions):
        return
    bad = ~np.isfinite(np.asarray(predictions, np.float32))
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"{name} hold {int(bad.sum())} values that are NaN or infinite, the first at index {index}. "
            "The model has probably diverged: lower its learning rate, or clip its gradients."
        )


def not_ruled_out(logits: Any, has_weight: Any) -> None:
    """Refuses logits of minus infinity where the target has a weight; traced ones pass."""
    if not is_concrete((logits, has_weight)):
        return
    bad = np.asarray(has_weight) & (np.asarray(logits) == -np.inf)
    if bad.any():
        raise ValueError(
            f"predictions rule a class out, -inf at index {tuple(int(i) for i in np.argwhere(bad)[0])}, to which this "
            "loss gives a weight: it would be infinite. Use a finite logit such as -1e4, or a loss that reads the true "
            "class only, such as cross_entropy."
        )


def positive_integer(value: Any, name: str) -> None:
    """Refuses anything but an integer of at least one."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")


def typed_key(key: Any, name: str = "key") -> None:
    """Refuses anything but one typed key, such as `jax.random.key(0)`."""
    if not keys.is_key(key):
        dtype = getattr(key, "dtype", None)
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


def one_of(value: Any, name: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> None:
    """Refuses a word that is not known; the error suggests a known one, by `meant` or by spelling."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{name} is {value!r}, which is unknown; {nearest(str(value), known, meant)}")
