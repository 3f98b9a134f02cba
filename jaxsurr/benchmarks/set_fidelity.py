"""Fidelity and cost of gradients of set metrics, by the size of the set and the number of classes.

  python -m jaxsurr.benchmarks.set_fidelity --out=set_fidelity.jsonl
  python -m jaxsurr.benchmarks.set_fidelity --sizes=8,32,128,512,2048,4096 --classes=2,10,100,1000 --out=FILE
  python -m jaxsurr.benchmarks.set_fidelity --carried --sizes=64,256,1024,4096 --metrics=f1_score,matthews_corrcoef
  python -m jaxsurr.benchmarks.set_fidelity --carried --sizes=512 --classes=10,100 --metrics=f_beta
  python -m jaxsurr.benchmarks.set_fidelity --carried --sizes=512 --classes=7,30 --metrics=quadratic_weighted_kappa
  python -m jaxsurr.benchmarks.set_fidelity --carried --draws=3 --longest=10 --sizes=64,256,1024 --metrics=f_beta
  python -m jaxsurr.benchmarks.set_fidelity --updates=100 --sizes=512 --classes=10 --seeds=3 --estimator=functions

Predictions are sampled for every set: normal logits, the true class one ahead, classes of unequal frequency (of two, a
tenth is positive). Each estimator, and each surrogate after its updates, is compared on held-out sets with a reference
gradient of many pairs. Time is the median over updates after the first; memory is the temporary memory that XLA plans
for one update. There is one line for each measurement.

With --estimator only surrogates are measured, which learn from that one.

With --carried estimates are made again and again at the predictions of each set, and the solution along functions of an
example carries over. `f1_score` and `matthews_corrcoef` are scikit-learn's, untouched; `own:NAME` is a metric of this
library as a function of one's own, of which nothing is known but one value for the set; `NAME@SPACE` is read in another
space. The reference is that of the same metric of this library. Spaces other than those of classes, scores and levels
have their own samples (`jaxsurr.sample`), and a scale relative to their spread. With --draws every set is estimated as
often, with other noise, and the line has the deviation of all cosines.
"""

import argparse
import functools
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import metrics, surrogates
from jaxsurr.core.moments import cosine, moments
from jaxsurr.core.types import Array, PyTree, Space, View
from jaxsurr.metrics import Metric, black_box, get
from jaxsurr.report import summary_table
from jaxsurr.smoothing.function_directions import MOST_ATOMS, number_of_atoms
from jaxsurr.smoothing.goal import NOISE, Goal, estimated_goal
from jaxsurr.smoothing.smoothed_metric import smoothed_metric
from jaxsurr.spaces import SPACES
from jaxsurr.spaces.sampling import sample as draw

__all__ = [
    "BLACK_BOXES", "CARRIED", "ESTIMATORS", "FAMILIES", "SCALE", "asked_as", "costs", "main", "measure",
    "measure_carried", "metrics_of", "numbers", "of_sets", "references", "sample_levels", "sample_scores", "sample_set",
    "sampler",
]  # fmt: skip

SCALE = 0.15
ESTIMATORS = ("replace", "groups", "whole")
FAMILIES = ("network", "counts")
_ROWS = 2**14  # of all sets of a chunk: XLA gives wrong sets of the Matthews correlation beyond twice as many on a CPU
BLACK_BOXES = {"f1_score": "f_beta", "matthews_corrcoef": "matthews_correlation"}
"""Functions of scikit-learn, of two classes, and the same metrics of this library."""
CARRIED = (1, 10, 50)
"""Estimates along functions after which they are compared, where a solution carries over."""


def sample_set(key: Array, size: int, classes: int) -> tuple[Array, Array]:
    """Logits and labels of one set."""
    of_labels, of_noise = jax.random.split(key)
    frequency = jnp.array([0.9, 0.1]) if classes == 2 else jnp.arange(1.0, classes + 1)
    labels = jax.random.categorical(of_labels, jnp.log(frequency), shape=(size,))
    return jax.random.normal(of_noise, (size, classes)) + jax.nn.one_hot(labels, classes), labels


def sample_levels(key: Array, size: int, levels: int) -> tuple[Array, Array]:
    """Logits and labels of one set of ordered levels: a parabola about the true one, and normal noise."""
    of_labels, of_noise = jax.random.split(key)
    every = jnp.arange(float(levels))
    frequency = jnp.exp(-0.5 * ((every - (levels - 1) / 2) / (levels / 5)) ** 2)
    labels = jax.random.categorical(of_labels, jnp.log(frequency), shape=(size,))
    return jax.random.normal(of_noise, (size, levels)) - (every[None] - labels[:, None]) ** 2 / 4, labels


def sample_scores(key: Array, size: int, classes: int) -> tuple[Array, Array]:
    """Scores and labels of one set of two classes: the difference of the logits of `sample_set`."""
    logits, labels = sample_set(key, size, classes)
    return logits[:, 1] - logits[:, 0], labels


def references(metric: Metric, sets: list[tuple[Array, PyTree]], pairs: int, scale: float = SCALE) -> list[Array]:
    """The gradient of the smoothed metric at each set, from many pairs of the estimator with the least noise."""

    @jax.jit
    def reference(key, predictions, targets):
        options: dict[str, Any] = dict(scale=scale, num_pairs=pairs, chunk_size=max(1, _ROWS // len(predictions)))
        if not metric.per_example:
            options["estimator"] = "replace"
        return smoothed_metric(metric, predictions, targets, key=key, **options).gradient

    return [reference(jax.random.key(20 + number), *one) for number, one in enumerate(sets)]


def of_sets(gradient: Callable[..., Array], sets: list[tuple[Array, Array]], goals: list[Array]) -> float:
    """Mean cosine of `gradient(key, logits, labels)` with the goals, over sets with a gradient of the metric."""
    found = []
    for number, ((logits, labels), goal) in enumerate(zip(sets, goals, strict=True)):
        if float(jnp.sum(goal**2)) > 0:
            found.append(float(cosine(moments(gradient(jax.random.key(number), logits, labels), goal))))
    return float(np.mean(found)) if found else float("nan")


def asked_as(what: str, size: int) -> dict[str, Any]:
    """The options of an estimator; "whole" is one group of all examples."""
    return {"estimator": "groups", "group_size": size} if what == "whole" else {"estimator": what}


def costs(function: Callable, *args: Any, repeats: int = 5) -> tuple[Callable, dict[str, float]]:
    """The function compiled for these arguments, its median seconds, and its temporary memory in MiB."""
    compiled = jax.jit(function).lower(*args).compile()
    jax.block_until_ready(compiled(*args))
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        jax.block_until_ready(compiled(*args))
        seconds.append(time.perf_counter() - begun)
    memory = compiled.memory_analysis()
    megabytes = float("nan") if memory is None else memory.temp_size_in_bytes / 2**20
    return compiled, {"seconds": float(np.median(seconds)), "MiB": megabytes}


def measure(
    spec: str,
    size: int,
    classes: int,
    *,
    pairs: int,
    reference_pairs: int,
    updates: int,
    held_out: int,
    seed: int,
    estimator: str | None = None,
) -> list[dict[str, Any]]:
    """Cosines and costs of all estimators and families for sets of one size.

    Args:
      spec: of the metric.
      size, classes: of the sets.
      pairs: of each estimate, and of each update of a surrogate.
      reference_pairs: of the reference.
      updates: of each surrogate, each on a new set.
      held_out: sets on which gradients are compared.
      seed: of data, noise and surrogates.
      estimator: that families learn from, which are compared after fewer updates too; estimators are left out then.
        None: the default one.
    """
    metric, key = get(spec), jax.random.key(seed)
    shape = {"metric": metric.name, "size": size, "classes": classes, "seed": seed, "pairs": pairs}
    sets = [sample_set(jax.random.fold_in(key, 1000 + number), size, classes) for number in range(held_out)]
    goals, rows = references(metric, sets, reference_pairs), []
    shape |= {} if estimator is None else {"estimator": estimator}
    for what in ESTIMATORS if estimator is None else ():

        def estimate(key, logits, labels, what=what):
            options: dict[str, Any] = dict(scale=SCALE, num_pairs=pairs, **asked_as(what, size))
            return smoothed_metric(metric, logits, labels, key=key, **options).gradient

        compiled, cost = costs(estimate, key, *sets[0])
        rows.append({**shape, "what": what, "updates": 0, "cosine": of_sets(compiled, sets, goals), **cost})
    few = number_of_atoms(metric.space, *sets[0]) <= MOST_ATOMS
    for family in (FAMILIES if few else FAMILIES[:1]) if updates else ():
        options: dict[str, Any] = dict(family=family, num_pairs=pairs, relative_scale=SCALE)
        options |= dict(estimation=surrogates.Estimation(estimator=estimator or "auto"))
        surrogate = surrogates.correlated_gradients(metric, **options)
        state = surrogate.init(key, *sets[0])

        def update(state, key, surrogate=surrogate):
            return surrogate.update(state, key, *sample_set(jax.random.fold_in(key, 0), size, classes))[0]

        step, cost = costs(update, state, key)
        slope = jax.jit(jax.grad(lambda z, y, state, s=surrogate: s.loss(state, z, y)))
        for number in range(1, updates + 1):
            state = step(state, jax.random.fold_in(key, number - 1))
            if number == updates or (estimator is not None and number in CARRIED):
                now = functools.partial(slope, state=state)
                found = of_sets(lambda key, z, y, now=now: metric.sign * now(z, y), sets, goals)
                rows.append({**shape, "what": family, "updates": number, "cosine": found, **cost})
    return rows


def measure_carried(
    spec: str,
    size: int,
    classes: int,
    *,
    pairs: int,
    reference_pairs: int,
    held_out: int,
    seed: int,
    draws: int | None = None,
    longest: int = max(CARRIED),
) -> list[dict[str, Any]]:
    """Cosines and costs of estimates along functions, as their solution carries over, and of the other estimators.

    Arguments as for `measure`, and

    Args:
      spec: of a metric, see `metrics_of`.
      draws: estimates of each set. None: one, of the estimators that are asked for one by one.
      longest: most updates for which a solution carries over.
    """
    metric, exact = metrics_of(spec)
    key = jax.random.key(seed)
    shape: dict[str, Any] = {"metric": spec, "size": size, "classes": classes, "seed": seed, "pairs": pairs}
    shape["carried"] = True
    sample = sampler(metric.space)
    sets = [sample(jax.random.fold_in(key, 1000 + number), size, classes) for number in range(held_out)]
    atoms = number_of_atoms(metric.space, *sets[0])
    if draws is not None:
        shape |= {"draws": draws * held_out, "atoms": atoms}
    scale = SCALE
    if sample not in (sample_set, sample_levels, sample_scores):
        scale *= float(jnp.sqrt(jnp.mean(metric.space.squared_size(*sets[0]))))
    goals, rows = references(exact, sets, reference_pairs, scale), []

    def estimate(key, predictions, targets, *, estimator) -> Array:
        options: dict[str, Any] = dict(key=key, scale=scale, num_pairs=pairs, directions=NOISE)
        return smoothed_metric(metric, predictions, targets, **options, **asked_as(estimator, size)).gradient

    def along(key, predictions, targets, sums=None) -> Goal:
        options: dict[str, Any] = dict(key=key, scale=scale, num_pairs=pairs, estimator="functions", sums=sums)
        return estimated_goal(metric, View(predictions, targets), **options)

    def row(what: str, updates: int, found: list[float], cost: dict[str, float]) -> dict[str, Any]:
        deviation = {} if draws is None else {"deviation": float(np.std(found))}
        return {**shape, "what": what, "updates": updates, "cosine": float(np.mean(found)), **deviation, **cost}

    repeated = [
        one for _ in range(draws or 1) for one in zip(sets, goals, strict=True) if float(jnp.sum(one[1] ** 2)) > 0
    ]
    keys = [jax.random.key(number) for number in range(len(repeated))]

    def similar(found: Array, goal: Array) -> float:
        return float(cosine(moments(found, goal)))

    others = ("replace", "groups") if metric.replaces else ("groups",)
    for estimator in others if draws is None else (*others, "whole"):
        compiled, cost = costs(functools.partial(estimate, estimator=estimator), key, *sets[0], repeats=15)
        found = [similar(compiled(key, *one), goal) for key, (one, goal) in zip(keys, repeated, strict=True)]
        rows.append(row(estimator, 0, found, cost))
    if atoms > MOST_ATOMS:
        return rows
    sums = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(along, key, *sets[0]).sums)
    compiled, cost = costs(along, key, *sets[0], sums, repeats=15)
    cosines: dict[int, list[float]] = {}
    for key, (one, goal) in zip(keys, repeated, strict=True):
        carried = sums
        for update in range(1, (1 if classes == 2 and draws is None else longest) + 1):
            found = compiled(jax.random.fold_in(key, update), *one, carried)
            carried = found.sums
            if update in CARRIED:
                cosines.setdefault(update, []).append(similar(exact.sign * found.gradient[0], goal))
    return rows + [row("functions", update, found, cost) for update, found in cosines.items()]


def metrics_of(spec: str) -> tuple[Metric, Metric]:
    """The metric that is estimated, and that of this library which has the same gradient.

    Args:
      spec: a name of `BLACK_BOXES`, or `NAME`, `NAME@SPACE`, `own:NAME` or `own:NAME@SPACE` of a metric of this
        library.
    """
    if spec in BLACK_BOXES:
        import sklearn.metrics

        box = black_box(getattr(sklearn.metrics, spec), higher_is_better=True, decode="argmax")
        return box, get(BLACK_BOXES[spec])
    name, _, place = spec.removeprefix("own:").partition("@")
    exact = get(name).bind(space=SPACES[place]) if place else get(name)
    if not spec.startswith("own:"):
        return exact, exact

    def own(predictions: Array, targets: PyTree, *, where: Array | None = None) -> Array:
        return exact.mean(predictions, targets, where=where)

    options: dict[str, Any] = dict(name=spec, space=exact.space, per_example=False)
    return metrics.metric(own, higher_is_better=exact.higher_is_better, **options), exact


def sampler(space: Space) -> Callable[[Array, int, int], tuple[Array, PyTree]]:
    """`(key, size, classes) -> predictions, targets` of a set."""
    if space.name in ("class_logits", "generic"):
        return sample_set
    own = {"level_logits": sample_levels, "binary_scores": sample_scores}
    return own.get(space.name, functools.partial(draw, space))


def numbers(text: str) -> list[int]:
    """Integers separated by commas."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measures every combination, and prints a table of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--metrics", default="f_beta", help="Set metrics; those of two classes are left out for more.")
    parser.add_argument("--sizes", type=numbers, default=[8, 64, 512], help="Examples in a set.")
    parser.add_argument("--classes", type=numbers, default=[2], help="Numbers of classes.")
    parser.add_argument("--pairs", type=int, default=16, help="Antithetic pairs of an estimate.")
    parser.add_argument("--reference_pairs", type=int, default=512, help="Antithetic pairs of the reference.")
    parser.add_argument("--updates", type=int, default=200, help="Updates of each surrogate; 0 leaves surrogates out.")
    parser.add_argument("--held_out", type=int, default=4, help="Sets on which gradients are compared.")
    parser.add_argument("--seeds", type=int, default=1, help="Repetitions.")
    parser.add_argument("--estimator", help="That surrogates learn from, in place of the default one.")
    parser.add_argument("--draws", type=int, help="Estimates of each set, with --carried.")
    parser.add_argument("--longest", type=int, default=max(CARRIED), help="Updates over which a solution carries.")
    parser.add_argument("--carried", action="store_true", help="Estimates along functions, as they carry over.")
    parser.add_argument("--out", help="A JSON-lines file to add each measurement to.")
    options = parser.parse_args()
    device = jax.devices()[0].device_kind
    of_kind = ("draws", "longest") if options.carried else ("updates", "estimator")
    names = ("pairs", "reference_pairs", "held_out", *of_kind)
    shared = {name: getattr(options, name) for name in names}
    of_one = measure_carried if options.carried else measure
    for spec, classes, size, seed in itertools.product(
        options.metrics.split(","), options.classes, options.sizes, range(options.seeds)
    ):
        if classes > 2 and spec in ("roc_auc", "average_precision"):
            continue
        rows = of_one(spec, size, classes, seed=seed, **shared)
        if options.out:
            with open(options.out, "a") as file:
                file.writelines(json.dumps({**row, "device": device}) + "\n" for row in rows)
        print(summary_table(rows), flush=True)


if __name__ == "__main__":
    main()
