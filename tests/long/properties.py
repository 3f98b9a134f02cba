"""Every metric, loss and surrogate on generated inputs: finite values and gradients, or an error with advice.

  python -m tests.long.properties --examples=10000 --output=properties.jsonl

Inputs are those of `tests.long.inputs`, many at a time by `jax.vmap`. A metric or a loss is evaluated and
differentiated on them. A surrogate is initialised, learned by two updates, evaluated and differentiated, on a metric of
each prediction space, which share its examples. Where masked entries hold garbage, all results are compared with those
for zeros. A line of JSON is printed for each case: the number of inputs that failed, the first of them, and the metrics
that the surrogate refuses, with the errors. The exit status is 1 where an input failed.
"""

import argparse
import dataclasses
import functools
import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import losses, metrics, surrogates
from jaxsurr.core.reductions import masked
from jaxsurr.core.types import Array, PyTree, Surrogate, View
from jaxsurr.metrics import METRICS, Metric
from jaxsurr.spaces import binary_scores, cumulative_logits
from jaxsurr.surrogates.families import FAMILIES
from jaxsurr.surrogates.peers import PEERS
from jaxsurr.training.kinds import LOSS_HEADS, LOSS_KINDS
from tests.long.inputs import DTYPES, PREDICTIONS, TWO_CLASSES, Recipe, make, random_recipe, shapes

# Predictions of metrics may be anything that is finite. Losses and surrogates square what they read, and squares of
# squares are summed; beyond this size a model has diverged.
LARGEST = 1e6
CHUNK = 200

Exercise = Callable[..., tuple[dict[str, Array], PyTree]]


class Case(NamedTuple):
    """A metric, a loss, or a surrogate of a metric, and its properties.

    Attributes:
      name: of the metric, the loss or the surrogate.
      metric: name of the metric, also the one that the surrogate is of; "" for a loss.
      space: name of the prediction space, a key of `SHAPES`.
      exercise: `(predictions, targets, where) -> ({property: whether it holds}, results)`; the results must not depend
        on masked entries.
      largest: the size of predictions.
      predictions: kinds of predictions, of `PREDICTIONS`.
    """

    name: str
    metric: str
    space: str
    exercise: Exercise
    largest: float
    predictions: tuple[str, ...] = PREDICTIONS


_own = functools.partial(metrics.metric, higher_is_better=False)
# Metrics of the spaces that no metric in METRICS has by default, smooth metrics, and stacked ones.
OTHERS = (
    METRICS["mean_absolute_error"].bind(decode="thresholds", space=cumulative_logits),
    _own(lambda z, y: jnp.mean(jnp.round(jnp.abs(z - y)).reshape(z.shape[0], -1), axis=-1), name="rounded_error"),
    METRICS["mean_absolute_error"].bind(decode="expected"),
    METRICS["pck"].bind(threshold=(0.2, 0.5)),
    dataclasses.replace(METRICS["error_rate"].bind(space=binary_scores), name="error_rate of one logit"),
    dataclasses.replace(METRICS["roc_auc"].bind(space=binary_scores), name="roc_auc of one logit"),
)

_few = dict(num_pairs=3)
SURROGATES: dict[str, Callable[[Metric], Surrogate]] = {
    "value_fit": functools.partial(surrogates.value_fit, **_few),
    "smoothed": functools.partial(surrogates.smoothed, **_few),
    **PEERS,
    "embedding": functools.partial(surrogates.embedding, hidden=(16,)),
    "relational": functools.partial(surrogates.relational, groups=4, group_size=4),
    "set_value_fit": functools.partial(surrogates.set_value_fit, sets=3),
    **{
        f"correlated_gradients({family}, {objective})": functools.partial(
            surrogates.correlated_gradients, family=family, objective=objective, **_few
        )
        for family in FAMILIES
        if family != "auto"  # which is one of the others
        for objective in ("predictions", "parameters")
    },
}


def finite(tree: PyTree) -> Array:
    """Whether all numbers of a tree are finite, a scalar."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return jnp.all(jnp.stack([jnp.bool_(True), *(jnp.all(jnp.isfinite(leaf)) for leaf in leaves)]))


def value_exercise(function: Callable[..., Array], per_example: bool) -> Exercise:
    """The `exercise` of a metric or a loss `(predictions, targets, *, where) -> values`."""

    def exercise(predictions: Array, targets: PyTree, where: Array) -> tuple[dict[str, Array], PyTree]:
        def summed(z):
            values = function(z, targets, where=where)
            return jnp.sum(values.astype(jnp.float32)), values

        gradient, values = jax.grad(summed, has_aux=True)(predictions)
        holds = {"finite values": finite(values), "finite gradient": finite(gradient)}
        if per_example:
            holds["0 where masked"] = jnp.all(masked(values, where == 0) == 0)
        return holds, (values, gradient)

    return exercise


def surrogate_exercise(make_surrogate: Callable[[Metric], Surrogate], metric: Metric) -> Exercise:
    """The `exercise` of a surrogate after two updates, see `value_exercise`."""

    def exercise(predictions: Array, targets: PyTree, where: Array) -> tuple[dict[str, Array], PyTree]:
        surrogate = make_surrogate(metric)

        def pullback(cotangent):
            return jnp.sum(cotangent, axis=0)  # the parameters of a model that is one offset

        key = jax.random.key(0)
        state = surrogate.init(key, predictions, targets, where)
        heldout = View(predictions, targets, where, pullback)

        def learn(number, state):  # in a loop, which is compiled once for both updates
            extra: dict[str, Any] = dict(pullback=pullback, heldout=heldout)  # read in parameter space only
            step_key = jax.random.fold_in(key, number)
            return surrogate.update(state, step_key, predictions, targets, where, **extra)[0]

        state = jax.lax.fori_loop(0, 2, learn, state)

        def summed(z):
            values = surrogate.loss(state, z, targets, where)
            return jnp.sum(values.astype(jnp.float32)), values

        gradient, values = jax.grad(summed, has_aux=True)(predictions)
        holds = {"finite state": finite(state), "finite losses": finite(values), "finite gradient": finite(gradient)}
        return holds, (values, gradient)

    return exercise


_OF_HEADS = {
    "coral": "cumulative_logits",
    "conditional": "cumulative_logits",
    "cumulative": "cumulative_logits",
    "heatmaps": "heatmaps",
    "score": "level_scores",
    "steps": "token_logits",
}
"""Of heads whose outputs are not what the first space of their kind reads."""
_SMOOTH_TARGETS = ("cost_proportionate_cross_entropy", "label_smoothing", "sord", "token_label_smoothing")
"""Losses with positive targets for all classes: with a class ruled out they are infinite by definition."""


def space_of(loss: str) -> str:
    """The prediction space that a loss of `jaxsurr.losses` reads: the first of its kind, or that of its head."""
    head = LOSS_HEADS[loss][0]
    if head == "logits":
        return "class_logits" if "classes" in LOSS_KINDS[loss] else "level_logits"
    return _OF_HEADS.get(head) or importlib.import_module(f"jaxsurr.spaces.{losses.KIND[loss]}").__all__[0]


def cases() -> Iterator[Case]:
    """All metrics, all losses, and every surrogate of one metric of each prediction space."""
    known = {metric.name: metric for metric in (*METRICS.values(), *OTHERS)}
    for name, metric in known.items():
        exercise = value_exercise(metric, metric.per_example)
        yield Case(name, name, metric.space.name, exercise, float("inf"))
    for name, loss in losses.LOSSES.items():
        usual = tuple(kind for kind in PREDICTIONS if kind != "ruled_out" or name not in _SMOOTH_TARGETS)
        yield Case(f"losses.{name}", "", space_of(name), value_exercise(loss, True), LARGEST, usual)
    first = {(metric.space.name, metric.per_example): metric for metric in reversed(known.values())}
    several = METRICS["pck"].bind(threshold=(0.2, 0.5))
    for name, make_surrogate in SURROGATES.items():
        for metric in (*first.values(), several):
            yield Case(name, metric.name, metric.space.name, surrogate_exercise(make_surrogate, metric), LARGEST)


_ORDERING = (
    *("auc_margin", "average_precision", "pairwise_auc", "partial_roc_auc", "precision_at_recall"),
    *("recall_at_precision", "roc_auc", "smooth_average_precision"),
)


def shapes_of(case: Case) -> tuple[tuple[int, ...], ...]:
    """Shapes of predictions for a case.

    Raises:
      ValueError: there are no inputs for the prediction space.
    """
    try:
        known = shapes(case.space)
    except KeyError:
        raise ValueError(
            f"{case.name} reads the prediction space {case.space!r}, for which tests.long.inputs makes no "
            "inputs: give it a sample, or add it to SHAPES and to MAKERS there."
        ) from None
    return TWO_CLASSES if {case.name.removeprefix("losses."), case.metric} & set(_ORDERING) else known


def refusal(case: Case) -> str | None:
    """The error with which a surrogate refuses its metric, or None."""
    example = make(case.space, Recipe(shapes_of(case)[-1], "float32", "tied", "mixed", "all", 0), 1.0)
    try:
        jax.eval_shape(case.exercise, *example)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def failures(case: Case, recipes: list[Recipe], exercise: Exercise) -> Iterator[tuple[Recipe, list[str]]]:
    """Recipes of one shape and dtype for which a property does not hold, and the properties.

    Args:
      case: to examine.
      recipes: N of them.
      exercise: `jax.jit(jax.vmap(case.exercise))`, compiled once for all.
    """

    def tried(clean: bool) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        made = [make(case.space, recipe, case.largest, clean=clean) for recipe in recipes]
        holds, results = jax.device_get(exercise(*jax.tree.map(lambda *leaves: np.stack(leaves), *made)))
        return holds, jax.tree.leaves(results)

    holds, results = tried(clean=False)
    if any(recipe.mask == "garbage" for recipe in recipes):
        same = [
            np.all((one == other).reshape(len(recipes), -1), axis=1)
            for one, other in zip(results, tried(clean=True)[1], strict=True)
        ]
        holds |= {"the same as with zeros where nothing counts": np.all(same, axis=0)}
    for number, recipe in enumerate(recipes):
        broken = [what for what, each in holds.items() if not each[number]]
        if broken:
            yield recipe, broken


def examine(case: Case, examples: int, seed: int = 0) -> dict[str, Any]:
    """Examines a case on inputs of every shape and dtype, and returns a line of the report."""
    line = {"name": case.name, "metric": case.metric, "inputs": 0, "failures": 0}
    generator = np.random.default_rng(seed)
    known = shapes_of(case)
    kinds = [(shape, dtype) for shape in known for dtype in DTYPES]
    if case.name in SURROGATES:  # they read single precision whatever they get, and compile for long
        kinds = [(known[0], "float32"), (known[2], "bfloat16"), (known[3], "float16")]
    each = -(-examples // len(kinds))
    for shape, dtype in kinds:
        exercise, size = jax.jit(jax.vmap(case.exercise)), min(CHUNK, each)  # one program: all chunks have one size
        for _ in range(0, each, CHUNK):
            recipes = [random_recipe(generator, shape, dtype, case.predictions) for _ in range(size)]
            found = list(failures(case, recipes, exercise))
            line["inputs"] += len(recipes)
            line["failures"] += len(found)
            if found and "first" not in line:
                line["first"] = {"recipe": found[0][0]._asdict(), "broken": found[0][1]}
    return line


def main() -> None:
    """Prints a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000, help="Inputs of each metric, loss and surrogate.")
    parser.add_argument("--only", default="", help="Names of cases, with semicolons between; or all.")
    parser.add_argument("--output", help="A JSON-lines file to write as well.")
    options = parser.parse_args()
    only = [name.strip() for name in options.only.split(";") if name]
    chosen = [case for case in cases() if not only or case.name in only]
    refused = [refusal(case) for case in chosen]
    share = Counter(case.name for case, sentence in zip(chosen, refused, strict=True) if sentence is None)
    failed, lines = False, []
    for case, sentence in zip(chosen, refused, strict=True):
        if sentence is None:
            line = examine(case, -(-options.examples // share[case.name]))
        else:
            line = {"name": case.name, "metric": case.metric, "inputs": 0, "failures": 0, "refused": sentence}
        failed |= line["failures"] > 0
        lines.append(json.dumps(line) + "\n")
        print(lines[-1], end="", flush=True)
        if options.output:
            with open(options.output, "w") as file:
                file.writelines(lines)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
