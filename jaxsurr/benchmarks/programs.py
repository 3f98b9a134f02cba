"""Programs that users compile most often: `init`, `update` and the gradient of the loss, for metrics of every kind."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr import losses, metrics, spaces, surrogates
from jaxsurr.core.targets import Keypoints
from jaxsurr.smoothing import Estimation

__all__ = [
    "CROSS_ENTROPY", "GRADIENT", "INIT", "KEY", "LEVELS", "PROBLEMS", "ROWS", "Program", "class_problem",
    "cross_entropy_gradient", "lines_of_hlo", "point_problem", "programs_of",
]  # fmt: skip

ROWS = 128
KEY = jax.ShapeDtypeStruct((), jax.eval_shape(lambda: jax.random.key(0)).dtype)
CROSS_ENTROPY = "cross-entropy, 10 classes"
INIT, GRADIENT = "init", "gradient of the loss"

Program = tuple[Callable, tuple]
"""A function, and the shapes of its arguments."""


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _labels(rows: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((rows,), jnp.int32)


def class_problem(metric: metrics.Metric, classes: int, rows: int = ROWS) -> tuple[metrics.Metric, Any, Any]:
    """A metric, and the shapes of logits `[rows, classes]` and of their labels."""
    return metric, _floats(rows, classes), _labels(rows)


def point_problem(points: int, rows: int = ROWS) -> tuple[metrics.Metric, Any, Any]:
    """PCK, and the shapes of predictions and targets of so many points."""
    where = _floats(rows, points, 2)
    return metrics.pck, where, Keypoints(where, _floats(rows, points), _floats(rows))


LEVELS = metrics.mean_absolute_error.bind(decode="median")
# A metric, predictions, targets and the estimator.
PROBLEMS: dict[str, tuple[metrics.Metric, Any, Any, str]] = {
    "error rate, 10 classes": (*class_problem(metrics.error_rate, 10), "auto"),
    "mean absolute error, 8 levels": (*class_problem(LEVELS, 8), "auto"),
    "PCK, 14 points": (*point_problem(14), "auto"),
    "F1, two logits": (*class_problem(metrics.f_beta, 2), "auto"),
    "F1 along functions": (*class_problem(metrics.f_beta, 2), "functions"),
    "AUC, one logit": (metrics.roc_auc.bind(space=spaces.binary_scores), _floats(ROWS), _labels(ROWS), "auto"),
}


def programs_of(metric: metrics.Metric, predictions: Any, targets: Any, estimator: str = "auto") -> dict[str, Program]:
    """The programs of a metric's learned surrogate by name, with the default options."""
    surrogate = surrogates.correlated_gradients(metric, estimation=Estimation(estimator=estimator))
    state = jax.eval_shape(surrogate.init, KEY, predictions, targets)

    def gradient(state: Any, predictions: Any, targets: Any) -> Any:
        return jax.grad(lambda predicted: surrogate.loss(state, predicted, targets).mean())(predictions)

    return {
        INIT: (surrogate.init, (KEY, predictions, targets)),
        "update": (surrogate.update, (state, KEY, predictions, targets)),
        GRADIENT: (gradient, (state, predictions, targets)),
    }


def cross_entropy_gradient(classes: int = 10) -> Program:
    """The gradient of cross-entropy at logits of so many classes, beside which others are measured."""

    def gradient(predictions: Any, targets: Any) -> Any:
        return jax.grad(lambda predicted: losses.cross_entropy(predicted, targets).mean())(predictions)

    return gradient, (_floats(ROWS, classes), _labels(ROWS))


def lines_of_hlo(program: Program) -> int:
    """Lines of StableHLO of a program, which is traced and lowered, not compiled: the same on every machine."""
    function, arguments = program
    return len(jax.jit(function).lower(*arguments).as_text().splitlines())
