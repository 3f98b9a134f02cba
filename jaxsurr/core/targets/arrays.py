"""Checks of targets that are one array: classes, levels, scores, labels, costs, numbers, intervals, pixels.

Each refuses predictions and targets that do not fit, in shapes and dtypes while tracing, in values where they are
concrete. For traced targets it returns a mask `[B]` of the examples with a value out of range, or None where everything
is known to be valid.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxsurr.core import checks

__all__ = [
    "check_any", "check_classes", "check_decisions", "check_example_costs", "check_intervals", "check_labels",
    "check_level_scores", "check_number", "check_numbers", "check_one_number", "check_pixels", "check_score",
    "check_two_classes", "labels_in_range", "one_logit", "outside",
]  # fmt: skip


def _array(targets: Any, form: str, advice: str = "") -> None:
    if not hasattr(targets, "dtype"):
        raise TypeError(f"targets must be {form}, got {type(targets).__name__}.{advice}")


def _of_shape(targets: Any, shape: tuple[int, ...], held: str, advice: str = "") -> None:
    if targets.shape != shape:
        raise ValueError(f"targets must hold {held}, shape {list(shape)}, got {list(targets.shape)}.{advice}")


def _finite_numbers(targets: Any, what: str, advice: str) -> Array | None:
    if not jnp.issubdtype(targets.dtype, jnp.floating) and not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be numbers, floats or integers, got dtype {targets.dtype}.")
    wrong = checks.not_finite(targets)
    return checks.refuse(
        wrong,
        lambda index: (
            f"targets hold {int(wrong.sum())} {what} that are NaN or infinite, the first at index "
            f"{index if index[1:] else index[0]}. {advice}"
        ),
    )


def check_any(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not floats, and targets of which an array has not one row for each of them."""
    checks.floating(predictions)
    for leaf in jax.tree.leaves(targets):
        if jnp.ndim(leaf) == 0 or jnp.shape(leaf)[0] != predictions.shape[0]:
            raise ValueError(
                f"every array of targets must have one row for each of the {predictions.shape[0]} predictions, "
                f"got shape {list(jnp.shape(leaf))}."
            )


# --- classes and levels -----------------------------------------------------------------------------------------------


def _whole(targets: Any) -> bool:
    """Whether targets are known to be whole numbers."""
    return checks.is_concrete(targets) and not np.any(np.asarray(targets, np.float64) % 1)


def _integer_labels(predictions: Any, targets: Any, what: str) -> None:
    """Refuses targets that are not one integer for each row of `predictions`."""
    _array(targets, f"an integer array of {what}")
    one_hot = targets.ndim == 2 and targets.shape == predictions.shape and targets.shape[1] > 1
    advice = " They look like one-hot labels: pass targets.argmax(axis=-1)." if one_hot else ""
    if one_hot and checks.is_concrete(targets) and np.any(np.sum(np.asarray(targets), axis=1) != 1):
        advice = " Several labels of an example are read by label_cross_entropy, hamming_error and label_f_beta."
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        if targets.dtype == jnp.bool_ and not one_hot:
            advice = " Pass targets.astype(int), by which False is 0 and True is 1."
        elif what == "levels" and jnp.issubdtype(targets.dtype, jnp.floating) and not _whole(targets):
            advice = " Targets that are numbers have metrics of their own: absolute_error, root_mean_squared_error, ..."
        elif not one_hot and _whole(targets):
            advice = " They are whole numbers: pass targets.astype(int)."
        raise TypeError(f"targets must be integers ({what}), got dtype {targets.dtype}.{advice}")
    _of_shape(targets, predictions.shape[:1], f"one of the {what} for each row of predictions", advice)


def outside(labels: Any, count: int) -> Any:
    """Mask of integers, of any dtype, outside 0 .. count - 1."""
    return (labels < 0) | (labels > min(count - 1, int(jnp.iinfo(labels.dtype).max)))


def labels_in_range(targets: Any, count: int, what: str) -> Array | None:
    """Refuses labels outside 0 .. count - 1; for traced labels returns a mask of those that are, `[B]`."""
    labels = checks.in_numpy(targets)
    return checks.refuse(
        outside(labels, count),
        lambda _: (
            f"targets must be {what} from 0 to {count - 1}, as predictions have room for {count}, got values from "
            f"{labels.min()} to {labels.max()}. Shift the labels, give the model more outputs, or leave examples "
            "without a label out by where=."
        ),
    )


_ONE_LOGIT = (
    " Is it one logit of the class 1? Its loss is binary_cross_entropy. Metrics such as error_rate, f_beta and roc_auc "
    "read it, and surrogates of them do in the space of scores: error_rate.bind(space=jaxsurr.spaces.binary_scores)."
)


def check_classes(predictions: Any, targets: Any, what: str = "classes", *, cumulative: bool = False) -> Array | None:
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
    checks.floating(predictions, 2, axes, advice)
    count = predictions.shape[1] + cumulative
    if count < 2:
        advice = _ONE_LOGIT if predictions.shape[1] == 1 and what == "classes" else ""
        raise ValueError(
            f"predictions must have room for at least 2 {what}, got shape {list(predictions.shape)}.{advice}"
        )
    _integer_labels(predictions, targets, what)
    return labels_in_range(targets, count, what)


def check_level_scores(predictions: Any, targets: Any) -> None:
    """Refuses predictions that are not `[B, 1]` floats, one score each, and targets that are not `[B]` integers."""
    checks.floating(predictions, 2, "[B, 1], one score in levels", last=1)
    _integer_labels(predictions, targets, "levels")


# --- two classes ------------------------------------------------------------------------------------------------------


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


def check_score(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not one float for each example, `[B]` or `[B, 1]`, and labels other than 0 and 1."""
    if getattr(predictions, "ndim", 1) == 2 and predictions.shape[1] != 1:
        raise ValueError(
            "predictions must have shape [B] or [B, 1], one logit of the class 1, got "
            f"{list(predictions.shape)}. Logits of each class are read in the space class_logits."
        )
    predictions, targets = one_logit(predictions, targets)
    checks.floating(predictions, 1, "[B] or [B, 1], one logit of the class 1")
    _integer_labels(predictions, targets, "classes")
    return labels_in_range(targets, 2, "classes")


def check_decisions(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions other than `[B, K]` logits of classes or one logit of class 1, and labels out of range."""
    shape = getattr(predictions, "shape", ())
    if len(shape) == 1 or shape[1:] == (1,):
        return check_score(predictions, targets)
    return check_classes(predictions, targets)


def check_two_classes(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions other than one logit of class 1 or `[B, 2]` logits, and labels other than 0 and 1."""
    wrong = check_decisions(predictions, targets)
    if predictions.ndim == 2 and predictions.shape[1] > 2:
        raise ValueError(
            "predictions must be of two classes, scores [B] or [B, 1], or logits [B, 2], got "
            f"{list(predictions.shape)}."
        )
    return wrong


# --- several labels, costs, pixels ------------------------------------------------------------------------------------


def check_labels(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, K]` floats, and targets that are not `[B, K]` of 0 and 1.

    Targets may be integers, bool, or floats that are 0 or 1.

    >>> check_labels(jnp.zeros((2, 3)), jnp.array([[0, 1, 1], [0, 0, 0]]))
    """
    checks.floating(predictions, 2, "[B, K], a logit of each of K labels")
    if 0 in predictions.shape:
        raise ValueError(f"predictions must have a logit for at least one label, got shape {list(predictions.shape)}.")
    _array(targets, "an array of 0 and 1 for each label")
    advice = ""
    if targets.shape == predictions.shape[:1]:
        advice = " With one class for each example use metrics and losses of classes, as error_rate and cross_entropy."
    _of_shape(targets, predictions.shape, "0 or 1 for each label", advice)
    labels = checks.in_numpy(targets)
    wrong = (labels != 0) & (labels != 1)

    def says(index: Any) -> str:
        found = labels[wrong].astype(float)
        if ((found > 0) & (found < 1)).all():
            advice = "Soft labels are not read: cut them, as by (targets >= 0.5).astype(int)."
        elif (found == -1).all():
            advice = "If -1 stands for absent, pass (targets > 0).astype(int)."
        else:
            advice = "Leave examples whose labels are not known out by where=."
        return f"targets must be 0 or 1 for each label, got {found[0]:g} at index {index}. {advice}"

    return None if targets.dtype == jnp.bool_ else checks.refuse(wrong, says)


def check_example_costs(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, K]` floats, and targets that are not a finite cost for each decision.

    Targets are `[B, K]` floats or integers of any sign; a gain is a negative cost.

    >>> check_example_costs(jnp.zeros((2, 3)), jnp.array([[0.0, 1.5, 2.0], [-3.0, 0.0, 0.0]]))
    """
    checks.floating(predictions, 2, "[B, K], a logit of each of K decisions")
    if predictions.shape[1] < 2:
        raise ValueError(
            f"predictions must have a logit for each of at least 2 decisions, got shape {list(predictions.shape)}. For "
            "one logit z of the second of two decisions pass jnp.stack([jnp.zeros_like(z), z], axis=1)."
        )
    _array(targets, "an array with the cost of each decision")
    advice = ""
    if targets.shape == predictions.shape[:1]:
        advice = " Costs of pairs of a true class and a decision are a matrix of the metric cost."
    _of_shape(targets, predictions.shape, "the cost of each decision", advice)
    return _finite_numbers(
        targets,
        "costs",
        "Leave examples whose costs are not known out by where=; rule a decision out by its logit, not by its cost.",
    )


def check_pixels(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, H, W, K]` floats, and targets that are not `[B, H, W]` integers below K."""
    checks.floating(predictions, 4, "[B, H, W, K], logits of K classes for each pixel")
    if not hasattr(targets, "dtype") or not jnp.issubdtype(targets.dtype, jnp.integer):
        raise TypeError(f"targets must be integers (classes), got {getattr(targets, 'dtype', type(targets).__name__)}.")
    if 0 in predictions.shape:
        raise ValueError(f"predictions must have a pixel and a class, got shape {list(predictions.shape)}.")
    _of_shape(targets, predictions.shape[:3], "a class for each pixel")
    count, labels = predictions.shape[3], checks.in_numpy(targets)
    return checks.refuse(
        (labels >= 0) & outside(labels, count),
        lambda _: (
            f"targets must be classes from 0 to {count - 1}, or negative where a pixel is ignored, got {labels.max()}. "
            "Give the model more outputs, or mark what to ignore by -1."
        ),
    )


# --- numbers ----------------------------------------------------------------------------------------------------------


def check_one_number(predictions: Any) -> None:
    """Refuses predictions that are not one number for each example, `[B]` or `[B, 1]` floats."""
    checks.floating(predictions)
    if predictions.ndim > 2 or predictions.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"predictions must have shape [B] or [B, 1], one number for each example, got {list(predictions.shape)}."
        )


def check_number(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B]` or `[B, 1]` floats, and targets that are not one finite number each."""
    check_one_number(predictions)
    return _number_targets(targets, predictions.shape[:1])


def check_numbers(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions other than `[B]`, `[B, 1]` or `[B, D]` floats, and targets other than as many finite numbers.

    Targets are `[B]`, or `[B, D]` where predictions are.
    """
    if getattr(targets, "ndim", 1) != 2 or getattr(predictions, "ndim", 2) != 2:
        return check_number(predictions, targets)
    checks.floating(predictions)
    if predictions.shape[1] != targets.shape[1] or targets.shape[1] == 0:
        raise ValueError(
            "predictions and targets must hold the same number D of numbers for each example, [B, D], got predictions "
            f"{list(predictions.shape)} and targets {list(targets.shape)}. Give the model an output for each target."
        )
    return _number_targets(targets, predictions.shape)


def check_intervals(predictions: Any, targets: Any) -> Array | None:
    """Refuses predictions that are not `[B, 2]` floats, the ends of intervals, and targets as `check_numbers` does."""
    checks.floating(predictions, 2, "[B, 2], the lower and the upper end of an interval", last=2)
    return _number_targets(targets, predictions.shape[:1])


def _number_targets(targets: Any, shape: tuple[int, ...]) -> Array | None:
    advice = " Times with censoring are for concordance_index, cox and pairwise_concordance."
    _array(targets, "an array of numbers", advice * (type(targets).__name__ == "Durations"))
    advice = ""
    if targets.ndim == 2 and targets.shape[1] == 1:
        advice = " Pass targets[:, 0]."
    elif targets.ndim == 2:
        advice = " Several numbers are for predictions [B, D], and losses and metrics as absolute_error and r2."
    _of_shape(targets, shape, "one number for each row of predictions", advice)
    return _finite_numbers(targets, "values", "Leave examples without a target out by where=.")
