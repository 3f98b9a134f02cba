"""Sizes of the programs that are compiled most often, in lines of StableHLO, and their record.

  python -m tests.program_sizes

counts them and writes `tests/program_sizes.json`, with the version of JAX that they were lowered by. Programs are
traced and lowered, not compiled: the number of lines is the same on every machine, and the time that XLA takes follows
it. `tests/test_program_sizes.py` compares the counts with the record.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsurr import metrics, spaces, surrogates
from jaxsurr.core.targets import Keypoints
from jaxsurr.smoothing import Estimation

RECORD = pathlib.Path(__file__).with_suffix(".json")
ROWS = 128
KEY = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


LABELS = jax.ShapeDtypeStruct((ROWS,), jnp.int32)
POINTS = _floats(ROWS, 14, 2)
# A metric, predictions, targets and the estimator.
PROBLEMS: dict[str, tuple[metrics.Metric, Any, Any, str]] = {
    "error rate, 10 classes": (metrics.error_rate, _floats(ROWS, 10), LABELS, "auto"),
    "mean absolute error, 8 levels": (
        metrics.mean_absolute_error.bind(decode="median"),
        _floats(ROWS, 8),
        LABELS,
        "auto",
    ),
    "PCK, 14 points": (metrics.pck, POINTS, Keypoints(POINTS, _floats(ROWS, 14), _floats(ROWS)), "auto"),
    "F1, two logits": (metrics.f_beta, _floats(ROWS, 2), LABELS, "auto"),
    "F1 along functions": (metrics.f_beta, _floats(ROWS, 2), LABELS, "functions"),
    "AUC, one logit": (metrics.roc_auc.bind(space=spaces.binary_scores), _floats(ROWS), LABELS, "auto"),
}
PROGRAMS = (
    ("error rate, 10 classes", "init"),
    ("error rate, 10 classes", "update"),
    ("error rate, 10 classes", "gradient of the loss"),
    ("mean absolute error, 8 levels", "update"),
    ("mean absolute error, 8 levels", "gradient of the loss"),
    ("PCK, 14 points", "update"),
    ("F1, two logits", "update"),
    ("F1 along functions", "update"),
    ("AUC, one logit", "init"),
    ("AUC, one logit", "update"),
)


def lowered(problem: str, program: str) -> int:
    """Lines of StableHLO of a program."""
    metric, predictions, targets, estimator = PROBLEMS[problem]
    surrogate = surrogates.correlated_gradients(metric, estimation=Estimation(estimator=estimator))
    state = jax.eval_shape(surrogate.init, KEY, predictions, targets)

    def gradient(state: Any, predictions: Any, targets: Any) -> Any:
        return jax.grad(lambda predicted: surrogate.loss(state, predicted, targets).mean())(predictions)

    of: dict[str, tuple[Callable, tuple]] = {
        "init": (surrogate.init, (KEY, predictions, targets)),
        "update": (surrogate.update, (state, KEY, predictions, targets)),
        "gradient of the loss": (gradient, (state, predictions, targets)),
    }
    function, arguments = of[program]
    return len(jax.jit(function).lower(*arguments).as_text().splitlines())


def record() -> dict[str, Any]:
    """What was counted when the record was written."""
    return json.loads(RECORD.read_text())


if __name__ == "__main__":
    counted = {f"{problem}: {program}": lowered(problem, program) for problem, program in PROGRAMS}
    RECORD.write_text(json.dumps({"jax": jax.__version__, "lines": counted}, indent=2) + "\n")
    print(RECORD.read_text(), end="")
